"""A server in a thread of the test, and somebody who asks it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facefeat.serve.limits import Limits
from facefeat.serve.server import Opened, open_server
from tests.making import encoded, person_pixels

PATIENCE = 60.0  # seconds for an answer


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.document["code"]


class Asker:
    """Ask a server; every time on a connection of its own."""

    def __init__(self, opened: Opened, said: list[str]) -> None:
        self.opened, self.said, self.port = opened, said, opened.port

    def __call__(
        self, method: str, path: str, body: Any = None, kind: str = "image/png", headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            given = {"Content-Type": kind} if body is not None else {}
            connection.request(method, path, body, {**given, **(headers or {})})
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def json(self, method: str, path: str, document: Any) -> Answer:
        return self(method, path, json.dumps(document), "application/json")

    def keep(self, *pictures: bytes) -> list[str]:
        """Have pictures kept, to be added to somebody."""
        return [self("POST", "/api/pictures", one).document["picture"] for one in pictures]

    def names(self) -> list[str]:
        return [one["name"] for one in self("GET", "/api/people").document["people"]]


def picture_of(name: str, number: int = 50) -> bytes:
    """Encode a picture of a synthetic person that is in no data set of these tests."""
    return encoded(person_pixels(name, number))


@contextmanager
def serving(model: Path, limits: Limits | None = None, **options: Any) -> Iterator[Asker]:
    """Serve a model until the end of the block."""
    said: list[str] = []
    opened = open_server(model, port=0, limits=limits, tell=said.append, **options)
    thread = threading.Thread(target=opened.run)
    thread.start()
    try:
        yield Asker(opened, said)
    finally:
        opened.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
