"""Requests with damaged pictures: every one is answered with names or a listed refusal, and nothing dies or grows."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from facefeat.data import picture
from facefeat.data.folder import printable
from tests.fuzz_pictures import mutated, seeds

PATIENCE = 120.0  # seconds for an answer
KINDS = ("image/png", "image/jpeg", "application/octet-stream", "image/x-unheard-of", "IMAGE/GIF;q=1", "text/plain", "")
LISTED = {*picture.OF_DECODING, "empty", "media_type"}


@dataclass
class Fuzzed:
    """What became of the requests.

    Attributes
    ----------
    requests : int
    outcomes : Counter
        By the code of the refusal; ``'named'`` for those that were answered.
    unlisted : list of str
        Anything else that happened, with the number of the request.
    slowest : float
        Seconds.
    """

    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    unlisted: list[str] = field(default_factory=list)
    slowest: float = 0.0


def fuzz_server(port: int, first: int, n: int, seed: int, workers: int = 4, kinds: tuple[str, ...] = KINDS) -> Fuzzed:
    """Send so many damaged pictures to a server on this machine; request i is a function of (seed, i) alone."""
    begin, found, lock = seeds(), Fuzzed(), threading.Lock()
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(first, first + n):
        numbers.put(number)

    def go_on() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        while True:
            try:
                number = numbers.get_nowait()
            except queue.Empty:
                connection.close()
                return
            rng = np.random.default_rng([seed, number])
            data = mutated(begin[rng.integers(len(begin))], rng, begin)
            kind = kinds[rng.integers(len(kinds)) if rng.random() < 0.1 else 0]
            started = time.perf_counter()
            outcome = _asked(connection, data, kind)
            seconds = time.perf_counter() - started
            with lock:
                found.requests += 1
                found.slowest = max(found.slowest, seconds)
                found.outcomes[outcome] += 1
                if outcome not in LISTED and outcome != "named":
                    found.unlisted.append(f"request {number}: {outcome}")

    threads = [threading.Thread(target=go_on) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _asked(connection: http.client.HTTPConnection, data: bytes, kind: str) -> str:
    try:
        connection.request("POST", "/api/predict", data, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        document = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        return printable(f"{type(error).__name__}: {error}")
    if answer.status == 200:
        return "named" if document["faces"] else "no faces"
    return str(document["code"]) if answer.status in (415, 422) else f"{answer.status} {document['code']}"
