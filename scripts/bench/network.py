"""The bare network: images a second from pixels in memory to vectors, against other ways to run the same VGG16.

    scripts/bench/network.py [--sizes 64 112 224] [--seconds 4]

Every way computes the same faces in turn, several times; a ratio is of medians. "share" is the network's arithmetic
against the best chain of matrix products of the same precision that was measured on this machine in the same run; for
other programs than facefeat's, that of their own precision.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from rivals import CORES, Vectors, engine_network, gflop, recipe_of, rivals

from facefeat.data import faces, picture
from facefeat.data.samples import orl_folder
from facefeat.engines.choose import choose
from facefeat.engines.network import describe
from facefeat.errors import UsageError
from facefeat.features import backbone as backbones

ROUNDS = 3
CHAINS = ((512, 512, 16), (1024, 512, 16), (4096, 512, 8), (2048, 2048, 2), (4096, 4096, 1))  # rows, side, depth
CHECKED = 64


def orl_squares(size: int, n: int) -> Any:
    """Return n faces, squeezed to squares: other pictures of the same people than those of ``check``."""
    files = sorted(orl_folder().glob("*/*.pgm"))[:: 400 // n][:n]
    return np.stack([faces.whole(picture.load(file).pixels, size).pixels for file in files])


def ceiling(precision: str) -> float:
    """Measure the best chain of matrix products, in GFLOP/s, with all cores; rectifiers between, as in a network."""
    return max(_chain(precision, *shape, streams) for shape in CHAINS for streams in {1, CORES})


def _chain(precision: str, rows: int, side: int, depth: int, streams: int) -> float:
    import openvino as ov
    from openvino import opset13 as operations

    taken = operations.parameter([rows, side], np.float32)
    x: Any = taken
    for i in range(depth):
        numbers = np.random.default_rng(i).standard_normal((side, side)).astype(np.float32)
        weights = operations.constant(numbers / np.float32(side**0.5))
        if precision == "int8":
            x = operations.fake_quantize(x, *_ends(0, 4), 256)
            weights = operations.fake_quantize(weights, *_ends(-0.2, 0.2), 255)
        x = operations.relu(operations.matmul(x, weights, False, True))
    model = ov.Model([operations.reduce_max(x, np.array([0, 1]), False)], [taken])
    config = {
        "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16",
        "INFERENCE_NUM_THREADS": str(CORES),
        "NUM_STREAMS": str(streams),
    }
    compiled = ov.Core().compile_model(model, "CPU", config)
    requests = [compiled.create_infer_request() for _ in range(streams)]
    for request in requests:
        request.infer([np.random.default_rng(1).random((rows, side), np.float32)], share_inputs=True)

    def all_at_once() -> None:
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()

    return 2 * streams * rows * side**2 * depth / min(_timed(all_at_once) for _ in range(8)) / 1e9


def _ends(low: float, high: float) -> tuple[Any, ...]:
    return tuple(np.float32(end) for end in (low, high, low, high))


def contestants(size: int) -> dict[str, Vectors]:
    """Make everything that computes ready, facefeat's own last."""
    found = rivals(size)
    for precision in ("float32", "bfloat16", "int8"):
        try:
            engine = choose("openvino", precision)
        except UsageError:  # this machine does not have it
            continue
        ranges: Any = ()
        if precision == "int8":
            made = recipe_of(size)
            network = backbones.network_of(made.recipe, made.weights, 1)
            ranges = engine.calibrate(network, orl_squares(size, 200)[1::2][:CHECKED])
        found[f"facefeat, {precision}"] = engine_network(size, "openvino", precision, ranges)
    return found


def measure(size: int, seconds: float, ceilings: dict[str, float]) -> list[dict[str, Any]]:
    """Run all contestants in turn."""
    ways, pixels = contestants(size), orl_squares(size, 200)
    checked = pixels[0::2][:CHECKED]
    reference = ways["keras predict, float32"](checked)
    cosines = {name: _lowest_cosine(run(checked), reference) for name, run in ways.items()}
    n = {name: _enough(run, pixels, seconds) for name, run in ways.items()}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            inputs = np.resize(pixels, (n[name], *pixels.shape[1:]))
            rates[name].append(n[name] / _timed(lambda: run(inputs)))  # noqa: B023
    first = float(np.median(rates["keras predict, float32"]))
    rows = []
    for name in ways:
        rate = float(np.median(rates[name]))
        top = ceilings.get(name.rpartition(" ")[2], float("nan"))
        rows.append(
            {
                "size": size,
                "what computes": name,
                "images/s": f"{rate:.0f}",
                "against keras predict": f"{rate / first:.2f}",
                "lowest cosine": f"{cosines[name]:.5f}",
                "GFLOP/s": f"{rate * gflop(size):.0f}",
                "share": f"{100 * rate * gflop(size) / top:.0f} %",
            }
        )
    return rows


def _enough(run: Vectors, pixels: Any, seconds: float) -> int:
    """Return how many pictures take about so many seconds."""
    run(pixels[:32])
    rate = 64 / _timed(lambda: run(pixels[:64]))
    return max(32, int(rate * seconds) // 32 * 32)


def _lowest_cosine(mine: list[Any], theirs: list[Any]) -> float:
    lowest = 1.0
    for a, b in zip(mine, theirs, strict=True):
        a, b = a.astype(np.float64), b.astype(np.float64)
        cosines = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        lowest = min(lowest, float(cosines.min()))
    return lowest


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 112, 224])
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    options = parser.parse_args()
    print(f"# {describe(choose('openvino'))}, {CORES} cores")
    ceilings = {precision: ceiling(precision) for precision in ("float32", "bfloat16", "int8")}
    print(
        "# best chain of matrix products, GFLOP/s: " + ", ".join(f"{name} {top:.0f}" for name, top in ceilings.items())
    )
    for number, size in enumerate(options.sizes):
        for i, row in enumerate(measure(size, options.seconds, ceilings)):
            if not number and not i:
                print("\n| " + " | ".join(row) + " |\n|" + "---|" * len(row))
            print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
