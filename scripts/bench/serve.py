"""The page's API under load, on this machine: latency and rate, against the network's own rate.

    scripts/bench/serve.py [--size 112] [--requests 2000] [--memory 10000] [--quick]

The model is VGG16's default on ORL's 40 people, whole pictures (``--faces none``); each request is another JPEG of
112 x 112 pixels, on a connection that stays. "share" is the rate against that of the network alone, on the same pixels
in memory, in the batches that the server uses ("batch 2": a face and its mirror image) and in those of an extraction;
both are measured before and after the requests, and the better of the four counts. Whoever asks takes processor time
too, on the same cores.

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
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from extract import show
from PIL import Image
from served import Server, server

from facefeat.data.samples import orl_folder
from facefeat.engines.network import describe
from facefeat.features.encode import Encoder, engine_for, plan, plan_of
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


def network_rates(model: Path, size: int, seconds: float) -> dict[str, float]:
    """Return the faces a second of the network alone, by the batches it takes."""
    bundle = bundles.read(model)
    squares = list(np.random.default_rng(0).integers(0, 256, (64, size, size, 3), dtype=np.uint8))
    small, rates = encoder_of(bundle), {}
    for encoder in (small, Encoder(plan_of(bundle.recipe), small.engine)):
        encoder.vectors(squares)
        best = 0.0
        for _ in range(ROUNDS):
            began, n = time.perf_counter(), 0
            while time.perf_counter() - began < seconds / ROUNDS:
                encoder.vectors(squares)
                n += len(squares)
            best = max(best, n / (time.perf_counter() - began))
        rates[f"batch {encoder.batch_size}"] = best
    return rates


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


def row(name: str, found: dict[int, list[float]], seconds: float, rate: float, cores: float) -> dict[str, Any]:
    """Describe one load."""
    good = np.array(found.get(200, [np.nan])) * 1000
    away = np.array(found.get(503, [])) * 1000
    served = len(found.get(200, [])) / seconds
    return {
        "connections": name,
        "requests": f"{sum(map(len, found.values())):,}",
        "answered/s": f"{served:.1f}",
        "share": f"{served / rate:.2f}",
        **{f"p{q}, ms": f"{np.percentile(good, q):.0f}" for q in (50, 95, 99)},
        "CPU ms each": f"{1000 * cores / max(len(good), 1):.1f}",
        "503": f"{len(away):,}",
        "p99 of 503, ms": f"{np.percentile(away, 99):.0f}" if len(away) else "",
        "others": str({status: len(times) for status, times in found.items() if status not in (200, 503)} or ""),
    }


def loads(served: Server, bodies: list[bytes], n: int, rate: float) -> Iterator[dict[str, Any]]:
    """Load the server ever more."""
    load = Load(served.port, bodies)
    load.run(64, 8)  # warm
    past = 2 * Limits().waiting_pictures + 64
    for concurrency, share in ((1, 0.25), (8, 1), (64, 1), (past, 2)):
        before = served.seconds()
        found, seconds = load.run(int(share * n), concurrency)
        name = f"{concurrency}, past saturation" if concurrency == past else str(concurrency)
        yield row(name, found, seconds, rate, served.seconds() - before)


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
    n, most, seconds = (80, 100, 1.0) if options.quick else (options.requests, options.memory, 10.0)
    bodies = pictures(400)
    with tempfile.TemporaryDirectory() as place:
        model = make_model(Path(place), options.size)
        print(f"# {describe(engine_for(bundles.read(model).recipe))}, {os.cpu_count()} cores, {options.size} pixels")
        before = network_rates(model, options.size, seconds)
        with server(model) as served:
            rows = []
            for one in loads(served, bodies, n, 1.0):
                print(f"{one['connections']}: {one['answered/s']} a second", flush=True)
                rows.append(one)
            show(memory(served, bodies, most))
        after = network_rates(model, options.size, seconds)
        rate = max(*before.values(), *after.values())
        both = [f"{name}: {before[name]:.1f} and {after[name]:.1f}" for name in before]
        print(f"\nThe network alone, before and after, faces/s: {'; '.join(both)}")
        show({**one, "share": f"{float(one['answered/s']) / rate:.2f}"} for one in rows)


if __name__ == "__main__":
    main()
