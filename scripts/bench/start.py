"""How long the commands take from cold: whole processes, turn about with importing TensorFlow and typer.

scripts/bench/start.py --squad DATA
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from faces import main

from facefeat import plugins
from facefeat.data.samples import write_orl
from facefeat.engines.network import Engine

ROUNDS = 7
TENSORFLOW, TYPER = "import tensorflow", "import typer, rich"

Words = list[str]


def measure(squad: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Run every command in turn, some times over; yield its median and that by the median of what is imported."""
    with tempfile.TemporaryDirectory() as folder:
        commands = prepared(Path(folder), squad)
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, words in commands.items():
                seconds[name].append(timed(words))
    for name, found in seconds.items():
        whole = median(found)
        yield {
            "command": name,
            "seconds": whole,
            f"of {TENSORFLOW}": whole / median(seconds[TENSORFLOW]),
            f"of {TYPER}": whole / median(seconds[TYPER]),
        }


def prepared(folder: Path, squad: Path | None) -> dict[str, Words]:
    """Make features and models of the ORL faces; return the commands by what the table calls them."""
    people = write_orl(folder / "orl").people
    picture = next(path for path in sorted((squad / "Test" if squad else people).rglob("*")) if path.is_file())
    features = {faces: folder / f"{faces}.h5" for faces in ("none", "auto")}
    extracts = {faces: ["extract", str(people), "-o", str(path), "--faces", faces] for faces, path in features.items()}
    for words in extracts.values():
        timed(facefeat(words))
    models = [(faces, head) for faces in features for head in plugins.names("head") if faces == "none" or head == "lda"]
    predicts = {}
    for faces, head in models:
        model = folder / f"{faces}-{head}.facefeat"
        timed(facefeat(["fit", str(features[faces]), "--head", head, "-o", str(model)]))
        step = "with" if faces == "auto" else "without"
        predicts[f"predict, {head}, {step} the face step"] = ["predict", str(model), str(picture)]
    commands = {
        "--help": ["--help"],
        **predicts,
        "extract, nothing new": extracts["auto"],
        "info, a model": ["info", str(folder / "none-lda.facefeat")],
        "check, a model": ["check", str(folder / "none-lda.facefeat")],
        "info, features": ["info", str(features["none"])],
        "check, features": ["check", str(features["none"])],
        "heads": ["heads"],
        "backbones": ["backbones"],
    }
    imports = {code: [sys.executable, "-c", code] for code in ("pass", TENSORFLOW, TYPER)}
    return imports | {name: facefeat(words) for name, words in commands.items()}


def facefeat(words: Words) -> Words:
    """Return the words that run a command."""
    return [sys.executable, "-m", "facefeat", *words]


def timed(words: Words) -> float:
    """Return how many seconds a process takes."""
    started = time.perf_counter()
    subprocess.run(words, capture_output=True, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(measure, __doc__)
