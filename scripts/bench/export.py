"""Whether exported models name faces as predict does, where facefeat is not installed: every head and format, on ORL.

scripts/bench/export.py

Models of 36 people, 8 pictures each; the 112 pictures that trained none are named, 40 of them of strangers. Each runtime has a
virtual environment of its own, with nothing but itself, NumPy and Pillow, and runs the lines of docs/export.md on the aligned faces.
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
from facefeat.tune.export import Exported, export
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
import numpy as np
lines, faces, output = Path(sys.argv[1]).read_text(), Path(sys.argv[2]), sys.argv[3]
assert find_spec("facefeat") is None
before, each = lines[:lines.index("face = ")], lines[lines.index("face = "):]
said, rows = [], []
page = {"say": lambda name, score: said.append(name)}
exec(before, page)
for path in sorted(faces.iterdir()):
    exec(each.replace("face.png", str(path)).replace("print(", "say("), page)
    rows.append({name: np.array(page["found"][name])[0] for name in page["about"]["outputs"]})
np.savez(output, said=said, **{name: np.stack([row[name] for row in rows]) for name in rows[0]})
"""


def measure(_: Path | None, __: Engine) -> Iterator[dict[str, Any]]:
    """Fit and export every head, and let every runtime name all faces."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pythons = [_installed(folder / "-".join(packages), packages) for _, packages, _ in RUNTIMES]
        samples = write_orl(folder / "orl")
        file = extract(samples.people, folder / "features.h5", plan()).file
        encoder = Encoder(plan(), choose("openvino", "float32"))
        vectors = encoder.vectors(_squares(encoder, samples.held_out, folder / "faces"))
        for head, knobs in HEADS:
            bundle = fit(file, folder / "model.facefeat", head=head, params=knobs).bundle
            expected = answers(bundle, joined(vectors, bundle.layer))
            made: dict[str, Exported] = {}
            for python, (format, packages, backend) in zip(pythons, RUNTIMES, strict=True):
                output = folder / format / f"model{FORMATS[format].suffixes[0]}"
                made[format] = made.get(format) or export(folder / "model.facefeat", output)
                found = _run(python, made[format], folder / "faces", backend)
                runtime = {"head": _named(head, knobs), "format": format, "run by": ", ".join(packages)}
                yield runtime | _compared(bundle, made[format].bytes, found, expected)


def _squares(encoder: Encoder, data: Path, target: Path) -> list[Any]:
    """Align the faces of a folder of people, and write them."""
    target.mkdir()
    squares, people = [], list_people(data)
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


def _run(python: Path, made: Exported, faces: Path, backend: str) -> dict[str, Any]:
    """Name all faces by the lines of the page, in the runtime's own environment."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    lines = next(block for block in blocks if f'"{made.files[0].name}"' in block)
    folder = made.files[0].parent
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


def _named(head: str, knobs: dict[str, Any]) -> str:
    return " ".join([head, *(f"{name}={value}" for name, value in knobs.items())])


def _compared(bundle: Bundle, size: int, found: dict[str, Any], expected: Answers) -> dict[str, Any]:
    best: Any = expected["best"]
    sure = expected["similarity"][np.arange(len(best)), best] >= bundle.threshold.value
    names = [bundle.people[index] if known else "unknown" for index, known in zip(best, sure, strict=True)]
    differences = {
        f"{name} differs by": f"{np.abs(found[name].astype(np.float64) - np.asarray(expected[name])).max():.1e}"
        for name in sorted(expected.keys() - {"best"})
    }
    same = f"{np.sum(np.array(names) == found['said'])} of {len(names)}"
    return {"MB": f"{size / 1e6:.1f}", "same names": same, **differences}


if __name__ == "__main__":
    main(measure, __doc__)
