"""Weights that other programs wrote: .safetensors, .onnx, Keras' old order, and what is refused."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facefeat.engines.keras import import_keras
from facefeat.errors import DamagedFile, FacefeatError, ForeignFile
from facefeat.features.weights import from_file
from tests.crafted_weights import field, initializer, onnx, safetensors, safetensors_of
from tests.networks import random_tensors

SHAPES = {
    "a/kernel": (3, 3, 3, 4), "a/bias": (4,),
    "b/depthwise_kernel": (3, 3, 4, 1),
    "c/gamma": (4,), "c/beta": (4,), "c/moving_mean": (4,), "c/moving_variance": (4,),
    "d/kernel": (1, 1, 4, 16),
}  # fmt: skip
TENSORS = random_tensors(SHAPES)
TURNED = {"kernel": (3, 2, 0, 1), "depthwise_kernel": (2, 3, 0, 1)}
TORCH = {
    "kernel": "weight", "depthwise_kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip


def check(path: Path, layout: str, wanted: dict[str, Any] = TENSORS) -> None:
    """Check that a file gives the tensors, and that it says how they were told."""
    found = from_file(path, SHAPES)
    assert found.layout == layout
    for name, tensor in found.read().items():
        np.testing.assert_array_equal(tensor, wanted[name], strict=True)


def refused(path: Path, error: type[FacefeatError]) -> str:
    """Read a file that is not what it should be; return the sentence without the path."""
    with pytest.raises(error) as caught:
        from_file(path, SHAPES)
    assert caught.value.exit_code == 4
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path)).lstrip(": ")


def turned() -> dict[str, Any]:
    """Give the tensors with kernels as (out, in, height, width)."""
    axes = {name: TURNED.get(name.rpartition("/")[2]) for name in SHAPES}
    return {name: np.ascontiguousarray(tensor.transpose(axes[name])) for name, tensor in TENSORS.items()}


def test_safetensors_by_keras_names_and_by_torchs(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    check(safetensors(path, dict(reversed(TENSORS.items()))), ".safetensors, tensors by name")
    named = {}
    for name, tensor in turned().items():
        layer, part = name.split("/")
        named[f"model.{layer}.{TORCH[part]}"] = tensor
    check(safetensors(path, named), ".safetensors, tensors by name")


def test_safetensors_of_other_precisions(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    check(safetensors(path, {k: v.astype("<f8") for k, v in TENSORS.items()}, "F64"), ".safetensors, tensors by name")
    short = {name: tensor.astype("<f2") for name, tensor in TENSORS.items()}
    wanted = {name: tensor.astype(np.float32) for name, tensor in short.items()}
    check(safetensors(path, short, "F16"), ".safetensors, tensors by name", wanted)
    cut = {name: (tensor.view("<u4") >> 16).astype("<u2") for name, tensor in TENSORS.items()}
    wanted = {name: (tensor.astype("<u4") << 16).view("<f4") for name, tensor in cut.items()}
    check(safetensors(path, cut, "BF16"), ".safetensors, tensors by name", wanted)


def test_tensors_of_other_names_are_taken_in_order(tmp_path: Path) -> None:
    numbered = {f"t{number:02}": tensor for number, tensor in enumerate(TENSORS.values())}
    check(safetensors(tmp_path / "w.safetensors", numbered), ".safetensors, tensors in order")
    inputs = [["x", "t00", "t01"], ["y", "t02"], ["z", "t03", "t04", "t05", "t06"], ["u", "t07"]]
    other = dict(zip(numbered, turned().values(), strict=True))
    check(onnx(tmp_path / "w.onnx", dict(reversed(other.items())), inputs), ".onnx, tensors in order")


def test_an_npz_has_no_order_that_counts(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, **{f"t{number:02}": tensor for number, tensor in enumerate(TENSORS.values())})
    assert refused(path, ForeignFile) == "has no tensor a/kernel: it is of another network."


def test_onnx_as_its_own_package_writes_it(tmp_path: Path) -> None:
    package = pytest.importorskip("onnx")
    helper, arrays = package.helper, turned()
    tensors = [package.numpy_helper.from_array(tensor, name) for name, tensor in reversed(arrays.items())]
    node = helper.make_node("Conv", list(arrays), ["y"])
    floats = helper.make_tensor("d/kernel", 1, arrays["d/kernel"].shape, arrays["d/kernel"].ravel())  # not raw
    graph = helper.make_graph([node], "g", [], [], [floats, *tensors[1:]])
    package.save(helper.make_model(graph), tmp_path / "w.onnx")
    check(tmp_path / "w.onnx", ".onnx, tensors by name")


def test_keras_old_files_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [f"layer_{number}".encode() for number in range(10, 2, -1)]
        for number, (name, tensor) in zip(range(10, 2, -1), TENSORS.items(), strict=True):
            group = file.create_group(f"layer_{number}")
            group.attrs["weight_names"] = [f"layer_{number}/{name}:0".encode()]
            group[f"layer_{number}/{name}:0"] = tensor
    with h5py.File(path, "a") as file:
        for group in file.values():  # names that say nothing
            (known,) = group.attrs["weight_names"]
            group["w"] = group[known][()]
            del group[known]
            group.attrs["weight_names"] = [b"w"]
    check(path, "Keras' .h5, tensors in order")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in Keras' own saving
@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_all_kinds_of_layers_as_keras_writes_them(tmp_path: Path, name: str) -> None:
    layers = import_keras().layers
    first, second = layers.Conv2D(4, 3, name="a"), layers.DepthwiseConv2D(3, use_bias=False, name="b")
    third, last = layers.BatchNormalization(name="c"), layers.Conv2D(16, 1, use_bias=False, name="d")
    model = import_keras().Sequential([import_keras().Input((8, 8, 3)), first, second, third, last])
    model.compile("adam", "mse")
    model.fit(np.zeros((1, 8, 8, 3)), np.zeros((1, 4, 4, 16)), verbose=0)  # the optimizer's copies are saved too
    model.set_weights(
        [TENSORS[one] for one in SHAPES if "moving" not in one and "d/" not in one]
        + [TENSORS[one] for one in SHAPES if "moving" in one or "d/" in one]
    )
    (model.save_weights if "weights" in name else model.save)(tmp_path / name)
    check(tmp_path / name, "Keras' .h5, tensors by name")


def test_a_larger_network_of_the_same_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, **TENSORS, **{"d2/kernel": np.zeros((3, 3, 4, 4))})
    assert refused(path, ForeignFile) == "has 4 convolutions where the network has 3: it is of another network."


def test_pickles_are_named_and_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return pytest.fail, ("a pickle was opened",)

    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps(Trap()))
    assert refused(path, ForeignFile).startswith("is a pickle, which could run code; a .npz, ")
    for member, words in (("archive/data.pkl", "PyTorch's"), ("model.weights.h5", "a .keras file")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, pickle.dumps(Trap()))
        assert words in refused(path, ForeignFile)


BYTES = sum(tensor.nbytes for tensor in TENSORS.values())


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"a.kernel": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "a tensor of (2,) has 4 bytes"),
        ({"a.kernel": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, "does not lie where the one before"),
        ({"a.kernel": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 2**64]}}, "does not lie where"),
        ({"a.kernel": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, "its header is not one of the format"),
        ({"a.kernel": {"dtype": "F32", "shape": [1]}}, "'data_offsets'"),
        ({}, "and its tensors end at"),
    ],
)
def test_crafted_safetensors(tmp_path: Path, header: dict[str, Any], sentence: str) -> None:
    path = safetensors_of(tmp_path / "w.safetensors", header, bytes(4))
    said = refused(path, DamagedFile)
    assert said.startswith("cannot be read: ") and sentence in said


def test_a_header_longer_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}")
    assert refused(path, DamagedFile) == "cannot be read: its header would have 1,152,921,504,606,846,976 bytes."


def test_crafted_onnx(tmp_path: Path) -> None:
    path = tmp_path / "w.onnx"
    for data, sentence in (
        (field(7, initializer("a/kernel", TENSORS["a/kernel"], field(14, 1))), "it keeps its numbers in another file"),
        (field(1, 8), "it has no initializers"),
        (b"\x3a\xff\xff\xff\x7f", "does not end"),
        (b"\xff" * 20, "does not end"),
        (b"\x0b", "is no field of a protocol buffer"),
    ):
        path.write_bytes(data)
        assert sentence in refused(path, DamagedFile)
    short = field(1, 3) + field(1, 2**40) + field(2, 1) + field(8, "a/bias") + field(9, bytes(12))
    path.write_bytes(field(7, field(5, short)))
    assert "no tensor a/kernel" in refused(path, ForeignFile)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["safetensors", "onnx", "npz"]), seed=st.integers(0, 2**32 - 1), cut=st.booleans())
def test_random_changes_are_refused_in_a_sentence_or_change_numbers(
    tmp_path: Path, kind: str, seed: int, cut: bool
) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / f"w.{kind}"
    if kind == "npz":
        np.savez(path, **TENSORS)  # type: ignore[arg-type]
    elif kind == "onnx":
        onnx(path, turned(), [list(SHAPES)])
    else:
        safetensors(path, TENSORS)
    data = bytearray(path.read_bytes())
    for place in rng.integers(0, len(data), rng.integers(1, 6)):
        data[place] = rng.integers(0, 256)
    path.write_bytes(data[: rng.integers(0, len(data))] if cut else data)
    try:
        found = from_file(path, SHAPES)
    except FacefeatError as error:
        assert error.exit_code == 4 and str(error).startswith(str(path))
    else:
        assert {name: tensor.shape for name, tensor in found.read().items()} == SHAPES
