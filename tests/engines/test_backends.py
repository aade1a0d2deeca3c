"""The same numbers on the other backends of Keras; all other tests run on TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from facefeat.engines.choose import choose
from facefeat.features.encode import Encoder, plan
from tests.making import write_people

CODE = """
import sys
import numpy as np
from facefeat.engines.choose import choose
from facefeat.features.encode import Encoder, plan
from facefeat.heads import dense
squares = list(np.load(sys.argv[1]))
engine = choose("keras", "float32", threads=2)
encoder = Encoder(plan("vgg16", size=64), engine, 4)
faces = encoder.finder.faces([encoder.finder.open(open(sys.argv[2], "rb").read())])
rng = np.random.default_rng(0)
X, y = rng.normal(0, 1, (40, 8)).astype(np.float32), np.arange(40) % 2
X[:, 0] += 4 * y
right = (dense.build(hidden=(32,), learning_rate=0.01).fit(X, y).predict(X) == y).mean()
np.savez(sys.argv[3], device=engine.device, box=faces[0].box, right=right, **encoder.vectors(squares))
print([name for name in ("tensorflow", "jax", "torch") if name in sys.modules])
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_vectors_faces_and_the_dense_head_on_a_backend(backend: str, tmp_path: Path, orl: Path) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    encoder = Encoder(plan("vgg16", size=64), choose("openvino", "float32"), 4)
    file = orl / "s01" / "01.pgm"
    (face,) = encoder.finder.all_faces(encoder.finder.open(file.read_bytes()))
    np.save(tmp_path / "squares.npy", np.stack([face.pixels] * 2))
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    arguments = [str(tmp_path / "squares.npy"), str(file), str(tmp_path / "found.npz")]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert backend in done.stdout
    found = np.load(tmp_path / "found.npz")
    assert str(found["device"]).endswith(f"({backend})")
    np.testing.assert_allclose(found["box"], face.box, atol=0.5)
    assert found["right"] > 0.9
    for layer, wanted in encoder.vectors([face.pixels] * 2).items():
        mine = found[layer]
        cosines = np.sum(mine * wanted, axis=1) / np.linalg.norm(mine, axis=1) / np.linalg.norm(wanted, axis=1)
        assert cosines.min() > 0.9999


def test_the_copy_for_openvino_is_made_on_tensorflow(tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "FACEFEAT_CACHE_DIR": str(tmp_path)}
    code = "import sys; from facefeat.cli.app import main; sys.argv[0] = 'facefeat'; main()"
    people = write_people(tmp_path / "people")
    command = [
        sys.executable,
        "-c",
        code,
        "extract",
        str(people),
        "--faces",
        "none",
        "-o",
        str(tmp_path / "f.h5"),
        "-q",
    ]
    done = subprocess.run(
        [*command, "--engine", "openvino"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "OpenVINO's copy of vgg16 has to be made once, by Keras on TensorFlow, and Keras is set to jax here; "
        "set KERAS_BACKEND=tensorflow for one run, or use --engine keras.\n"
    )
