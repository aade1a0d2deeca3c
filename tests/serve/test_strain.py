"""Bodies that are too large, too slow or never end; too many at once; and the end of the server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from facefeat.data.finder import FaceFinder
from facefeat.serve.limits import Limits
from tests.serve.serving import PATIENCE, Answer, Asker, picture_of, serving

SMALL = Limits(picture_bytes=100_000, body_seconds=0.5, head_seconds=0.5, waiting_pictures=3)
HEAD = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def small(fitted: Path) -> Iterator[Asker]:
    with serving(fitted, SMALL) as asker:
        yield asker


def raw(ask: Asker, *parts: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", ask.port), PATIENCE)
    for part in parts:
        connection.sendall(part)
    return connection


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    found = b""
    with connection:
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                return found
            if not part:
                return found
            found += part


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused_and_the_reason_arrives(small: Asker, announced: bool) -> None:
    body = bytes(300_000)
    found = small("POST", "/api/predict", body if announced else iter([body[:150_000], body[150_000:]]))
    assert found.refusal == (413, "too_many_bytes")
    assert found.document["message"] == "The body is larger than 98 kB, and no more is read."


def test_a_body_that_never_ends_is_cut_off(small: Asker) -> None:
    connection = raw(small, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    piece, sent, deadline = b"8000\r\n" + bytes(0x8000) + b"\r\n", 0, time.monotonic() + PATIENCE
    with pytest.raises(OSError):
        while time.monotonic() < deadline:
            connection.sendall(piece)
            sent += 1
    connection.close()
    assert small("GET", "/healthz").status == 200


@pytest.mark.parametrize("start", [b"", b"GET /healthz HT", HEAD])
def test_a_head_that_does_not_come_ends_the_connection(small: Asker, start: bytes) -> None:
    began = time.monotonic()
    assert rest(raw(small, start)) == b""
    assert time.monotonic() - began < PATIENCE / 2


def test_a_second_head_that_does_not_come_ends_the_connection_too(small: Asker) -> None:
    found = rest(raw(small, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /"))
    assert found.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("length", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"])
def test_a_body_that_does_not_come_is_refused(small: Asker, length: bytes) -> None:
    found = rest(raw(small, HEAD + length))
    assert found.startswith(b"HTTP/1.1 408 ") and b'"The body did not arrive within 0.5 s."' in found


def test_a_body_that_is_cut_off_costs_nothing(small: Asker) -> None:
    for _ in range(2 * SMALL.waiting_pictures):
        raw(small, HEAD + b"Content-Length: 1000\r\n\r\nabc").close()
    deadline = time.monotonic() + PATIENCE
    while small("POST", "/api/predict", picture_of("ada")).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Held:
    """Pictures that are opened only when they are let through."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.through, self.opened, before = threading.Event(), threading.Semaphore(0), FaceFinder.open

        def held(finder: FaceFinder, data: bytes) -> object:
            self.opened.release()
            assert self.through.wait(PATIENCE)
            return before(finder, data)

        patch.setattr(FaceFinder, "open", held)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    found = Held(monkeypatch)
    yield found
    found.through.set()


def asked(ask: Asker, n: int) -> tuple[list[Answer], list[threading.Thread]]:
    found: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: found.append(ask("POST", "/api/predict", picture_of("ada")))) for _ in range(n)
    ]
    for thread in threads:
        thread.start()
    return found, threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_whoever_comes_when_too_many_wait_is_sent_away_at_once(small: Asker, held: Held) -> None:
    found, threads = asked(small, SMALL.waiting_pictures + 4)
    deadline = time.monotonic() + PATIENCE
    while len(found) < 4:  # nobody else is answered before the pictures are let through
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert {one.refusal for one in found} == {(503, "busy")} and {one.headers["retry-after"] for one in found} == {"1"}
    assert small("GET", "/healthz").status == 200
    held.through.set()
    join(threads)
    assert sorted(one.status for one in found) == [200] * SMALL.waiting_pictures + [503] * 4


def test_a_picture_that_takes_too_long_is_answered_for(fitted: Path, held: Held) -> None:
    with serving(fitted, Limits(picture_seconds=0.2)) as ask:
        found = ask("POST", "/api/predict", picture_of("ada"))
        assert found.refusal == (503, "late") and "retry-after" in found.headers
        held.through.set()
        deadline = time.monotonic() + PATIENCE
        while ask("POST", "/api/predict", picture_of("ada")).status != 200:
            assert time.monotonic() < deadline


def test_what_was_accepted_is_finished_and_what_is_new_refused(fitted: Path, held: Held) -> None:
    with serving(fitted, workers=1) as ask:
        found, threads = asked(ask, 3)
        assert held.opened.acquire(timeout=PATIENCE)
        time.sleep(0.3)  # for the others to be accepted
        ask.opened.stop()
        deadline = time.monotonic() + PATIENCE
        while (health := ask("GET", "/healthz")).status == 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert (health.status, health.document) == (503, {"status": "stopping"})
        new = ask("POST", "/api/predict", picture_of("ada"))
        assert new.refusal == (503, "stopping") and new.headers["connection"] == "close"
        held.through.set()
        join(threads)
    assert [one.status for one in found] == [200, 200, 200]
    assert all(one.document["faces"][0]["name"] == "ada" for one in found)
    with pytest.raises(ConnectionRefusedError):
        ask("GET", "/healthz")
