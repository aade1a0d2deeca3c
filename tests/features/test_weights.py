from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from facefeat.engines.keras import import_keras
from facefeat.errors import DamagedFile, FacefeatError, ForeignFile, InputError
from facefeat.features.weights import digest, from_file

SHAPES = {"block1_conv1/kernel": (3, 3, 3, 4), "block1_conv1/bias": (4,)}
RNG = np.random.default_rng(0)
TENSORS = {name: RNG.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
SHA256 = hashlib.sha256(b"".join(tensor.astype("<f4").tobytes() for tensor in TENSORS.values())).hexdigest()


def npz(path: Path, tensors: dict[str, Any], compressed: bool = False) -> Path:
    """Write a .npz file."""
    (np.savez_compressed if compressed else np.savez)(path, **tensors)
    return path


def h5(path: Path, names: dict[str, str]) -> Path:
    """Write an HDF5 file with the tensors under other names."""
    with h5py.File(path, "w") as file:
        for name, tensor in TENSORS.items():
            file[names[name]] = tensor
    return path


def check(path: Path) -> None:
    """Check that a file gives the tensors and their hash."""
    found = from_file(path, SHAPES)
    assert (found.name, found.sha256) == ("file", SHA256)
    for name, tensor in found.read().items():
        np.testing.assert_array_equal(tensor, TENSORS[name], strict=True)


def test_the_hash_is_of_the_numbers_in_order() -> None:
    assert digest(TENSORS.values()) == SHA256
    assert digest(tensor.astype(">f8") for tensor in TENSORS.values()) == SHA256
    assert digest(list(TENSORS.values())[::-1]) != SHA256


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("compressed", [True, False])
def test_npz_files(tmp_path: Path, dtype: Any, compressed: bool) -> None:
    tensors = {name: tensor.astype(dtype) for name, tensor in reversed(TENSORS.items())}
    check(npz(tmp_path / "w.npz", {**tensors, "more": np.ones(3)}, compressed))


@pytest.mark.parametrize(
    ("kernel", "bias"),
    [
        ("block1_conv1/block1_conv1_W_1:0", "block1_conv1/block1_conv1_b_1:0"),
        ("block1_conv1/block1_conv1/kernel:0", "block1_conv1/block1_conv1/bias:0"),
        ("model_weights/block1_conv1/block1_conv1/kernel", "model_weights/block1_conv1/block1_conv1/bias"),
        ("layers/block1_conv1/vars/0", "layers/block1_conv1/vars/1"),
    ],
)
def test_the_names_that_keras_has_used(tmp_path: Path, kernel: str, bias: str) -> None:
    check(h5(tmp_path / "w.h5", {"block1_conv1/kernel": kernel, "block1_conv1/bias": bias}))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in Keras' own saving
@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_files_that_keras_writes(tmp_path: Path, name: str) -> None:
    keras = import_keras()
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="block1_conv1")])
    model.layers[0].set_weights(list(TENSORS.values()))
    (model.save_weights if "weights" in name else model.save)(tmp_path / name)
    check(tmp_path / name)


def complaint(path: Path, error: type[FacefeatError]) -> str:
    """Read a file that is not what it should be; return the sentence."""
    with pytest.raises(error) as caught:
        from_file(path, SHAPES)
    return str(caught.value)


def test_a_missing_file_or_a_folder(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.npz", InputError) == f"There is no weights file {tmp_path / 'none.npz'}."
    assert complaint(tmp_path, InputError) == f"There is no weights file {tmp_path}."


@pytest.mark.parametrize("data", [b"", b"text", b"\x93NUMPY"])
def test_a_file_of_another_kind(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "w"
    path.write_bytes(data)
    assert complaint(path, ForeignFile) == (
        f"{path} is no weights file: a .npz, Keras' .h5, .safetensors or .onnx file was expected."
    )


def test_weights_of_another_network(tmp_path: Path) -> None:
    kernel, bias = SHAPES
    path = npz(tmp_path / "w.npz", {kernel: TENSORS[kernel]})
    assert complaint(path, ForeignFile) == f"{path} has no tensor block1_conv1/bias: it is of another network."
    npz(path, {kernel: TENSORS[kernel], bias: np.zeros(5)})
    assert complaint(path, ForeignFile) == f"{path}: block1_conv1/bias has shape (5,); (4,) was expected."
    npz(path, {kernel: TENSORS[kernel], bias: np.array([1, 2, np.nan, 3])})
    assert complaint(path, DamagedFile) == f"{path}: block1_conv1/bias holds numbers that are not finite."


def test_a_pickle_inside_is_not_opened(tmp_path: Path) -> None:
    path = npz(tmp_path / "w.npz", {**TENSORS, "block1_conv1/bias": np.array([{}] * 4, dtype=object)})
    assert complaint(path, ForeignFile) == f"{path}: block1_conv1/bias does not hold plain numbers."


def test_text_instead_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["block1_conv1/kernel"] = TENSORS["block1_conv1/kernel"]
        file["block1_conv1/bias"] = ["a", "b", "c", "d"]
    assert complaint(path, ForeignFile) == f"{path}: block1_conv1/bias does not hold plain numbers."


@pytest.mark.parametrize("kind", ["cut", "flipped", "squeezed and flipped"])
def test_a_damaged_npz(tmp_path: Path, kind: str) -> None:
    path = npz(tmp_path / "w.npz", TENSORS, compressed=kind.startswith("squeezed"))
    data = bytearray(path.read_bytes())
    data[150:160] = bytes(10)
    path.write_bytes(data[: len(data) // 2] if kind == "cut" else data)
    assert complaint(path, DamagedFile).startswith(f"{path} cannot be read: ")


@pytest.mark.parametrize("kind", ["cut", "overwritten"])
def test_a_damaged_h5(tmp_path: Path, kind: str) -> None:
    path = h5(tmp_path / "w.h5", {name: name for name in SHAPES})
    data = bytearray(path.read_bytes())
    data[600:1400] = b"\x55" * 800
    path.write_bytes(data[: len(data) // 2] if kind == "cut" else data)
    assert complaint(path, DamagedFile).startswith(f"{path} cannot be read: ")


def test_links_are_not_followed(tmp_path: Path) -> None:
    other = h5(tmp_path / "other.h5", {name: name for name in SHAPES})
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["block1_conv1"] = h5py.ExternalLink(other.name, "/block1_conv1")
    assert complaint(path, ForeignFile) == f"{path} has no tensor block1_conv1/kernel: it is of another network."
