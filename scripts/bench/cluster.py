"""Extraction on a Ray cluster against the same on this machine, and whether the file is the same.

    scripts/bench/cluster.py [--pictures 1200] [--size 112] [--squad FOLDER] [--rounds 3]

The cluster is Ray's own for tests, on this machine: a head that only leads and two nodes of one core each, against two
workers here. Both run in turn, ``--rounds`` times; "rate" counts from the first picture to the last, with what the nodes
take to load the network, "whole" everything, with joining the cluster and looking at its nodes. The pictures are ORL's,
made larger, under different noise, faces found by MTCNN. With ``--squad`` the files of ORL and squad are compared too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from extract import show
from PIL import Image

from facefeat.data.samples import orl_folder
from facefeat.features.encode import plan
from facefeat.features.extract import Extraction, extract

STORE = 200 * 1024**2


def write_pictures(folder: Path, n: int) -> Path:
    """Write n different photographs of ORL's people."""
    rng, files = np.random.default_rng(0), sorted(orl_folder().glob("*/*.pgm"))
    for i in range(n):
        file = files[i % len(files)]
        pixels = np.asarray(Image.open(file).convert("RGB").resize((276, 336)), np.int16)
        noisy = np.clip(pixels + rng.integers(-6, 7, pixels.shape), 0, 255).astype(np.uint8)
        (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(folder / file.parent.name / f"{i:06}.jpg", quality=92)
    return folder


def timed(data: Path, output: Path, size: int, cluster: str | None, **options: Any) -> tuple[Extraction, float, float]:
    """Extract anew; return what was done, the seconds from the first picture on, and all."""
    began, started = [], time.perf_counter()

    def tell(what: str, done: int, total: int) -> None:
        if what.startswith("Vectors are computed"):
            began.append(time.perf_counter())

    output.unlink(missing_ok=True)
    found = extract(data, output, plan(size=size), cluster=cluster, progress=tell, **options)
    ended = time.perf_counter()
    return found, ended - began[0], ended - started


def measure(data: Path, folder: Path, size: int, cluster: str, rounds: int) -> Iterator[dict[str, Any]]:
    """Run both in turn."""
    runs: dict[str, list[tuple[float, float]]] = {"here": [], "cluster, shared": [], "cluster, returned": []}
    files, pictures = {}, 0
    for _ in range(rounds):
        for name, times in runs.items():
            shards = name.rpartition(" ")[2] if "," in name else "auto"
            output = folder / f"{name}.h5"
            found, seconds, whole = timed(data, output, size, cluster if "," in name else None, shards=shards)
            pictures = found.pictures
            times.append((pictures / seconds, whole))
            files[name] = output.read_bytes()
    base = statistics.median(rate for rate, _ in runs["here"])
    for name, times in runs.items():
        rate = statistics.median(rate for rate, _ in times)
        yield {
            "where": name,
            "pictures": f"{pictures:,}",
            "pictures a second": f"{rate:.1f}",
            "share": f"{rate / base:.2f}",
            "whole, s": f"{statistics.median(whole for _, whole in times):.1f}",
            "same bytes": "yes" if files[name] == files["here"] else "NO",
        }


def same(data: dict[str, Path], folder: Path, cluster: str) -> Iterator[dict[str, Any]]:
    """Compare the files of whole data sets, faces aligned, at the default size."""
    for name, root in data.items():
        here = extract(root, folder / f"{name}-here.h5", plan()).file.path.read_bytes()
        for shards in ("shared", "returned"):
            there = extract(root, folder / f"{name}-{shards}.h5", plan(), cluster=cluster, shards=shards)
            same = there.file.path.read_bytes() == here
            yield {"data": name, "shards": shards, "rows": len(there.file), "same bytes": "yes" if same else "NO"}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1200)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--squad", type=Path, help="a folder with Train/ and Test/, each a folder of people")
    options = parser.parse_args()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE}
    made = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=STORE)
    cluster = f"ray:{made.address}"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data = write_pictures(folder / "pictures", options.pictures)
        show(measure(data, folder, options.size, cluster, options.rounds))
        squad = {"squad Train": options.squad / "Train", "squad Test": options.squad / "Test"} if options.squad else {}
        show(same({"ORL": orl_folder(), **squad}, folder, cluster))
    made.shutdown()


if __name__ == "__main__":
    main()
