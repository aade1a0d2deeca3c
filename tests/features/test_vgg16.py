from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facefeat.engines.choose import choose
from facefeat.engines.keras import import_keras
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile
from facefeat.features import backbone as shared
from facefeat.features.backbones import vgg16
from facefeat.features.encode import Encoder, plan
from facefeat.features.weights import Tensors, digest
from tests.making import random_pixels, run_python

SIZE = 48


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Give the carried weights."""
    return vgg16.weights().read()


@pytest.fixture(scope="module")
def faces(orl_pixels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Give six faces as the network sees them."""
    return np.stack([np.asarray(Image.fromarray(one).resize((SIZE, SIZE))) for one in orl_pixels])


def test_the_carried_weights_are_those_that_were_hashed(tensors: Tensors) -> None:
    assert {name: tensor.shape for name, tensor in tensors.items()} == vgg16.shapes()
    assert list(tensors) == list(vgg16.shapes())
    assert all(tensor.dtype == np.float32 and np.isfinite(tensor).all() for tensor in tensors.values())
    assert digest(tensors.values()) == vgg16.CARRIED_SHA256 == vgg16.weights().sha256


def test_the_carried_weights_are_float16_exactly(tensors: Tensors) -> None:
    assert all(np.array_equal(tensor, tensor.astype(np.float16)) for tensor in tensors.values())


def test_the_shapes_are_those_of_configuration_d() -> None:
    shapes = vgg16.shapes()
    assert len(shapes) == 26
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 14_714_688
    assert shapes["block1_conv1/kernel"] == (3, 3, 3, 64)
    assert shapes["block5_conv3/bias"] == (512,)


def test_damage_in_the_package_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg16, "CARRIED_SHA256", "0" * 64)
    with pytest.raises(DamagedFile) as caught:
        vgg16.weights().read()
    assert str(caught.value) == "The package's own vgg16_imagenet.npz is damaged; install facefeat again."


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the cosine between the rows of two arrays."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_both_engines_agree_on_every_face(faces: NDArray[np.uint8], precision: str) -> None:
    made = plan("vgg16", size=SIZE, faces_mode="none", flip=False)
    here = Encoder(made, choose("openvino", precision), 4).vectors(list(faces))
    there = Encoder(made, choose("keras", "float32"), 4).vectors(list(faces))
    assert list(here) == ["block3_pool", "block4_pool", "block5_pool"]
    for layer in here:
        assert cosines(here[layer], there[layer]).min() >= 0.9999


def test_it_is_the_network_of_keras_applications(faces: NDArray[np.uint8], tensors: Tensors) -> None:
    keras = import_keras()
    theirs = keras.applications.VGG16(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    for layer in theirs.layers:
        if layer.weights:
            layer.set_weights([tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/bias"]])
    maps = keras.Model(theirs.inputs, [theirs.get_layer(name).output for name in vgg16.LAYERS])
    prepared = keras.applications.vgg16.preprocess_input(faces.astype(np.float32))
    wanted = maps.predict_on_batch(prepared)
    made = plan("vgg16", size=SIZE, layers=vgg16.LAYERS, pooling="flatten", faces_mode="none", flip=False)
    got = Encoder(made, choose("keras", "float32"), len(faces)).vectors(list(faces))
    for layer, map_ in zip(vgg16.LAYERS, wanted, strict=True):
        flat = np.asarray(map_).reshape(len(faces), -1)
        np.testing.assert_allclose(got[layer], flat, rtol=1e-4, atol=1e-4 * flat.max(), err_msg=layer)


def _pool(map_: NDArray[np.float64], pooling: str) -> NDArray[np.float64]:
    height, width = map_.shape[1:3]
    upper, lower = slice(0, (height + 1) // 2), slice(height // 2, height)
    left, right = slice(0, (width + 1) // 2), slice(width // 2, width)
    quarters = [(upper, left), (upper, right), (lower, left), (lower, right)]
    results = {
        "avg": lambda: map_.mean(axis=(1, 2)),
        "max": lambda: map_.max(axis=(1, 2)),
        "flatten": lambda: map_.reshape(len(map_), -1),
        "grid2": lambda: np.concatenate([map_[:, rows, cols].mean(axis=(1, 2)) for rows, cols in quarters], axis=1),
    }
    return results[pooling]()


@pytest.mark.parametrize("pooling", vgg16.POOLINGS)
@pytest.mark.parametrize("side", [1, 2, 5, 6])
def test_poolings_reduce_a_map_as_they_say(pooling: str, side: int) -> None:
    keras = import_keras()
    map_ = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    inputs = keras.Input((side, side, 3))
    model = keras.Model(inputs, shared.pooled(inputs, pooling))
    got = np.asarray(model.predict_on_batch(map_))
    np.testing.assert_allclose(got, _pool(map_.astype(np.float64), pooling), rtol=1e-5, atol=1e-6)


def test_what_lies_behind_the_last_layer_is_not_built(tensors: Tensors) -> None:
    recipe = plan("vgg16", size=32, layers=["block1_pool"], faces_mode="none").recipe
    names = [layer.name for layer in vgg16.build(recipe, tensors).layers]
    assert "block1_pool" in names
    assert "block2_conv1" not in names


def test_a_fresh_interpreter_needs_neither_tensorflow_nor_keras(engine: Engine, detector: Any) -> None:
    Encoder(plan("vgg16", size=SIZE), engine, 4)
    code = f"""
import json, sys
import numpy as np
from facefeat.data.pixels import Decoded
from facefeat.data.finder import Opened
from facefeat.engines.choose import choose
from facefeat.features.encode import Encoder, plan
encoder = Encoder(plan("vgg16", size={SIZE}), choose("openvino", "float32"), 4)
(face,) = encoder.finder.faces([Opened(b"", Decoded(np.zeros((64, 64, 3), np.uint8), 64, 64))])
vectors = encoder.vectors([face.pixels])
print(json.dumps([[m for m in ("tensorflow", "keras", "mtcnn") if m in sys.modules], sorted(vectors)]))
"""
    heavy, layers = json.loads(run_python(code))
    assert heavy == []
    assert layers == ["block3_pool", "block4_pool", "block5_pool"]


def test_the_exported_copy_is_named_by_what_decides_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    class Recorder:
        def load(self, network: Any) -> None:
            keys.append(network.key)

    choices: list[dict[str, Any]] = [{}, {"flip": False}, {"size": 64}, {"pooling": "max"}, {"layers": ["block5_pool"]}]
    for choice in choices:
        made = plan("vgg16", faces_mode="none", **choice)
        vgg16.load(made.recipe, made.weights, Recorder(), 4)  # type: ignore[arg-type]
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(choices) - 1


def test_preprocessing_takes_raw_rgb() -> None:
    keras = import_keras()
    rgb = random_pixels(16, 16)[None].astype(np.float32)
    ours = rgb[..., ::-1] - np.array(vgg16.PREPROCESSINGS["imagenet"], np.float32)
    np.testing.assert_allclose(ours, keras.applications.vgg16.preprocess_input(rgb.copy()), atol=1e-4)
