"""The page's API under load, on this machine: latency and rate, against the network's own rate.

    scripts/bench/serve.py [--size 112] [--requests 2000] [--memory 10000] [--quick]

The model is VGG16's default on ORL's 40 people, whole pictures (``--faces none``); each request is another JPEG of
112 x 112 pixels, on a connection that stays. Each load comes in five rounds, the network alone before and after each, on
pixels in memory, in the batches that the server uses or those of an extraction, whichever is faster. "share" is the
median of the five ratios, with the lowest and the highest. Whoever asks takes processor time too, on the same cores.

"past saturation" asks with more connections than pictures are taken; those sent away are counted by themselves.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from extract import show
from PIL import Image
from served import Server, server

from facefeat.data.samples import orl_folder
from facefeat.engines.network import describe
from facefeat.features.encode import Encoder, plan, plan_of
from facefeat.features.extract import extract
from facefeat.learn import bundle as bundles
from facefeat.learn.fit import fit
from facefeat.learn.predict import encoder_of
from facefeat.serve.limits import Limits

SIDE = 112
ROUNDS = 5


def pictures(n: int) -> list[bytes]:
    """Make n different JPEGs of ORL's faces."""
    rng, files = np.random.default_rng(0), sorted(orl_folder().glob("*/*.pgm"))
    faces = [Image.open(file).convert("RGB").resize((SIDE, SIDE)) for file in files]
    made = []
    for i in range(n):
        noisy = np.asarray(faces[i % len(faces)], np.int16) + rng.integers(-4, 5, (SIDE, SIDE, 3))
        buffer = BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    return made


def make_model(folder: Path, size: int) -> Path:
    """Fit a model on ORL's faces."""
    file = extract(orl_folder(), folder / "features.h5", plan(size=size, faces_mode="none")).file
    return fit(file, folder / "model.facefeat", head="lda").output


class Alone:
    """The network by itself, on pixels in memory.

    Parameters
    ----------
    model : Path
    size : int
    seconds : float
        That a measurement takes.
    """

    def __init__(self, model: Path, size: int, seconds: float) -> None:
        bundle = bundles.read(model)
        small = encoder_of(bundle)
        self._encoders = (small, Encoder(plan_of(bundle.recipe), small.engine))
        self._squares = list(np.random.default_rng(0).integers(0, 256, (16, size, size, 3), dtype=np.uint8))
        self._seconds = seconds
        self.told, self.rates = describe(small.engine), list[float]()

    def rate(self) -> float:
        """Return the faces a second, in the better of the two batches."""
        found = []
        for encoder in self._encoders:
            encoder.vectors(self._squares)
            began, n = time.perf_counter(), 0
            while time.perf_counter() - began < self._seconds / 2:
                encoder.vectors(self._squares)
                n += len(self._squares)
            found.append(n / (time.perf_counter() - began))
        self.rates.append(max(found))
        return self.rates[-1]


class Load:
    """So many who ask at once, each the next request as soon as the last is answered."""

    def __init__(self, port: int, bodies: list[bytes]) -> None:
        self._port, self._bodies = port, bodies

    def run(self, n: int, concurrency: int) -> tuple[dict[int, list[float]], float]:
        """Send n requests; return the seconds of each by its status, and those of all."""
        found: dict[int, list[float]] = {}
        numbers, lock = itertools.count(), threading.Lock()

        def go_on() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            while (number := next(numbers)) < n:
                began = time.perf_counter()
                body = self._bodies[number % len(self._bodies)]
                connection.request("POST", "/api/predict", body, {"Content-Type": "image/jpeg"})
                answer = connection.getresponse()
                answer.read()
                with lock:
                    found.setdefault(answer.status, []).append(time.perf_counter() - began)
            connection.close()

        threads = [threading.Thread(target=go_on) for _ in range(concurrency)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found, time.perf_counter() - began


@dataclass
class Found:
    """What became of the requests of one load, in several rounds."""

    times: dict[int, list[float]] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    cores: float = 0.0

    def add(self, times: dict[int, list[float]], seconds: float, alone: float, cores: float) -> None:
        """Add a round, beside the network's own rate before and after it."""
        for status, some in times.items():
            self.times.setdefault(status, []).extend(some)
        self.rates.append(len(times.get(200, [])) / seconds)
        self.shares.append(self.rates[-1] / alone)
        self.cores += cores

    def row(self, name: str) -> dict[str, Any]:
        """Describe the load."""
        good, away = (np.array(self.times.get(status, [])) * 1000 for status in (200, 503))
        others = {status: len(times) for status, times in self.times.items() if status not in (200, 503)}
        return {
            "connections": name,
            "requests": f"{sum(map(len, self.times.values())):,}",
            "answered/s": f"{np.median(self.rates):.1f}",
            "share": f"{np.median(self.shares):.2f} ({min(self.shares):.2f} to {max(self.shares):.2f})",
            **{f"p{q}, ms": f"{np.percentile(good, q):.0f}" for q in (50, 95, 99)},
            "CPU ms each": f"{1000 * self.cores / len(good):.1f}",
            "503": f"{len(away):,}",
            "p50 and p99 of 503, ms": f"{np.percentile(away, 50):.0f} and {np.percentile(away, 99):.0f}"
            if len(away)
            else "",
            "others": str(others or ""),
        }


def loads(served: Server, bodies: list[bytes], n: int, alone: Alone) -> Iterator[dict[str, Any]]:
    """Load the server ever more, in rounds, the network by itself between them."""
    load = Load(served.port, bodies)
    load.run(64, 8)  # warm
    past = 2 * Limits().waiting_pictures + 64
    before = alone.rate()
    for concurrency, share in ((1, 0.25), (8, 1), (64, 1), (past, 2)):
        found = Found()
        for _ in range(ROUNDS):
            spent = served.seconds()
            times, seconds = load.run(int(share * n) // ROUNDS, concurrency)
            spent, after = served.seconds() - spent, alone.rate()
            found.add(times, seconds, (before + after) / 2, spent)
            before = after
        yield found.row(f"{concurrency}, past saturation" if concurrency == past else str(concurrency))


def memory(served: Server, bodies: list[bytes], n: int) -> Iterator[dict[str, Any]]:
    """Follow the memory of the server and its decoders over n requests."""
    load = Load(served.port, bodies)
    for part in range(6):
        if part:
            load.run(n // 5, 16)
        own, decoders = served.memory()
        yield {"requests so far": f"{part * (n // 5):,}", "server, MB": f"{own:.0f}", "decoders, MB": f"{decoders:.0f}"}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--memory", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="few requests: to try the script")
    options = parser.parse_args()
    n, most, seconds = (80, 100, 1.0) if options.quick else (options.requests, options.memory, 6.0)
    bodies = pictures(400)
    with tempfile.TemporaryDirectory() as place:
        model = make_model(Path(place), options.size)
        alone = Alone(model, options.size, seconds)
        print(f"# {alone.told}, {os.cpu_count()} cores, {options.size} pixels", flush=True)
        with server(model) as served:
            show(loads(served, bodies, n, alone))
            print(
                f"The network alone, {len(alone.rates)} times: {min(alone.rates):.1f} to {max(alone.rates):.1f} faces/s"
            )
            show(memory(served, bodies, most))


if __name__ == "__main__":
    main()
