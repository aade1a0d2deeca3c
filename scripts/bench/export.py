"""Whether exported models name faces as predict does, where facefeat is not installed: every head and format, on ORL.

scripts/bench/export.py

Models of 36 people, 8 pictures each; all 400 pictures are named, those of 4 strangers among them. Each runtime has a virtual
environment of its own, with nothing but itself, NumPy and Pillow, and runs the lines of docs/export.md on the aligned faces.
The reference is the model itself, its network in float32.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faces import main
from PIL import Image

from facefeat.data import picture
from facefeat.data.folder import list_people
from facefeat.data.samples import write_orl
from facefeat.engines.choose import choose
from facefeat.engines.network import Engine
from facefeat.features.encode import Encoder, plan
from facefeat.features.extract import extract
from facefeat.features.layers import joined
from facefeat.learn.bundle import Bundle
from facefeat.learn.fit import fit
from facefeat.tune.agreement import Answers, answers
from facefeat.tune.export import export
from facefeat.tune.formats import FORMATS

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
HEADS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("dense", {}),
    ("knn", {}),
    ("knn", {"n_neighbors": 3}),
    ("lda", {}),
    ("logreg", {}),
    ("prototype", {}),
    ("prototype", {"whiten": False}),
    ("svm", {}),
    ("svm", {"kernel": "rbf"}),
)
RUNTIMES = (  # format, what is installed, and Keras' backend
    ("keras", ("keras", "tensorflow"), "tensorflow"),
    ("keras", ("keras", "jax"), "jax"),
    ("onnx", ("onnxruntime",), ""),
    ("openvino", ("openvino",), ""),
    ("tflite", ("ai-edge-litert",), ""),
)
DRIVER = """
import sys
from importlib.util import find_spec
from pathlib import Path
lines, faces, output = Path(sys.argv[1]).read_text(), Path(sys.argv[2]), sys.argv[3]
assert find_spec("facefeat") is None
before, each = lines[:lines.index("face = ")], lines[lines.index("face = "):]
exec(before)
names, rows = [], []
for path in sorted(faces.iterdir()):
    exec(each.replace("face.png", str(path)).replace("print(", "names.append(("))
    rows.append({name: np.asarray(one)[0] for name, one in found.items()})
np.savez(output, said=[name for name, _ in names], **{name: np.stack([row[name] for row in rows]) for name in rows[0]})
"""


def measure(_: Path | None, __: Engine) -> Iterator[dict[str, Any]]:
    """Fit and export every head, and let every runtime name all faces."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pythons = [_installed(folder / "-".join(packages), packages) for _, packages, _ in RUNTIMES]
        samples = write_orl(folder / "orl")
        file = extract(samples.people, folder / "features.h5", plan()).file
        squares = _squares([samples.people, samples.held_out], folder / "faces")
        encoder = Encoder(plan(), choose("openvino", "float32"))
        vectors = encoder.vectors(squares)
        for head, knobs in HEADS:
            bundle = fit(file, folder / "model.facefeat", head=head, params=knobs).bundle
            expected = answers(bundle, joined(vectors, bundle.layer))
            for name, python in zip(RUNTIMES, pythons, strict=True):
                output = folder / name[0] / f"model{FORMATS[name[0]].suffixes[0]}"
                made = export(folder / "model.facefeat", output)
                found = _run(python, name[0], made.files[0].parent, folder / "faces", name[2])
                yield _row(head, knobs, bundle, name, made.bytes, found, expected)


def _squares(data: list[Path], target: Path) -> list[Any]:
    """Align the faces as the model's recipe says, and write them."""
    encoder = Encoder(plan(), choose("openvino", "float32"))
    target.mkdir()
    squares = []
    for root in data:
        people = list_people(root)
        for entry in people.entries:
            face = encoder.finder.faces([encoder.finder.open(picture.read(people.file(entry.path)))])[0]
            if isinstance(face, Exception):
                raise face
            Image.fromarray(face.pixels).save(target / f"{len(squares):04}.png")
            squares.append(face.pixels)
    return squares


def _installed(folder: Path, packages: tuple[str, ...]) -> Path:
    """Make a virtual environment with nothing but these packages, NumPy and Pillow."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *packages, "numpy", "pillow"], check=True)
    return python


def _run(python: Path, format: str, folder: Path, faces: Path, backend: str) -> dict[str, Any]:
    """Name all faces by the lines of the page, in the runtime's own environment."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    lines = next(block for block in blocks if f"model{FORMATS[format].suffixes[0]}" in block)
    (folder / "lines.py").write_text(lines)
    (folder / "driver.py").write_text(DRIVER)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if backend:
        environment["KERAS_BACKEND"] = backend
    command = [python, "driver.py", "lines.py", faces, "found.npz"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    with np.load(folder / "found.npz") as found:
        return dict(found)


def _row(
    head: str, knobs: dict[str, Any], bundle: Bundle, runtime: Any, size: int, found: dict[str, Any], expected: Answers
) -> dict[str, Any]:
    best: Any = expected["best"]
    sure = expected["similarity"][np.arange(len(best)), best] >= bundle.threshold.value
    names = [bundle.people[index] if known else "unknown" for index, known in zip(best, sure, strict=True)]
    differences = {
        name: float(np.abs(found[name].astype(np.float64) - np.asarray(expected[name], np.float64)).max())
        for name in expected
        if name != "best"
    }
    return {
        "head": " ".join([head, *(f"{name}={value}" for name, value in knobs.items())]),
        "format": runtime[0],
        "installed": ", ".join(runtime[1]),
        "MB": f"{size / 1e6:.1f}",
        "same names": f"{np.sum(np.array(names) == found['said'])} of {len(names)}",
        **{f"{name} differs by": f"{value:.1e}" for name, value in sorted(differences.items())},
    }


if __name__ == "__main__":
    main(measure, __doc__)
