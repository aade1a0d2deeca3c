"""The networks of keras.applications, on random numbers: ours are theirs, and their tensors are named without Keras."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.engines.choose import choose
from facefeat.engines.keras import import_keras
from facefeat.engines.network import Engine
from facefeat.engines.openvino import cache_folder
from facefeat.features.backbone import network_of
from facefeat.features.encode import Encoder, plan
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors
from tests.making import random_pixels, run_python
from tests.networks import random_tensors, weights_for

SIZE = 48
NETWORKS = {
    "vgg19": ("VGG19", "vgg19"),
    "mobilenet": ("MobileNetV2", "mobilenet_v2"),
    "resnet50": ("ResNet50", "resnet"),
    "efficientnet": ("EfficientNetB0", "efficientnet"),
}
FACES = np.stack([random_pixels(SIZE, SIZE, seed) for seed in range(2)]).astype(np.float32)


@pytest.fixture(params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    """Give each network's name in turn."""
    return str(request.param)


def backbone(name: str) -> ModuleType:
    """Give a network's module."""
    return plugins.load("backbone", name)


@cache
def theirs(name: str) -> Any:
    """Build the network as keras.applications does, without weights."""
    make = getattr(import_keras().applications, NETWORKS[name][0])
    return make(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))


def scales_input(layer: Any) -> bool:
    """Say whether it is the unnamed layer in front, which Keras counts over all models of the process."""
    return re.fullmatch(r"normalization(_\d+)?", layer.name) is not None


def tensor_names(layer: Any) -> list[str]:
    """Name a layer's tensors as facefeat does."""
    called = "normalization" if scales_input(layer) else layer.name
    own = "depthwise_" if "Depthwise" in type(layer).__name__ else ""
    return [f"{called}/{own}{variable.name}" for variable in layer.weights if variable.name != "count"]


@cache
def tensors_of(name: str) -> Tensors:
    found = random_tensors(backbone(name).shapes())
    if name == "efficientnet":  # as the published file has them: deviations where their squares belong
        found["normalization/mean"] = np.array([0.485, 0.456, 0.406], np.float32)
        found["normalization/variance"] = np.array([0.229, 0.224, 0.225], np.float32)
    return found


def test_its_tensors_are_those_of_keras_in_the_order_of_keras(name: str) -> None:
    wanted = [one for layer in theirs(name).layers for one in zip(tensor_names(layer), layer.weights, strict=False)]
    assert [(known, tuple(variable.shape)) for known, variable in wanted] == list(backbone(name).shapes().items())


def maps(name: str) -> list[NDArray[np.float32]]:
    """Compute every layer by keras.applications, its own preprocessing in front."""
    keras, tensors = import_keras(), tensors_of(name)
    model = theirs(name)
    for layer in model.layers:
        if layer.weights and not scales_input(layer):
            layer.set_weights([tensors[known] for known in tensor_names(layer)])
        elif layer.weights:  # a number minus the mean, by the deviation: what the published network computes
            layer.set_weights([tensors["normalization/mean"], np.array([0.229, 0.224, 0.225]) ** 2, np.array(0)])
            layer.finalize_state()
    prepared = getattr(keras.applications, NETWORKS[name][1]).preprocess_input(FACES.copy())
    outputs = [model.get_layer(layer).output for layer in backbone(name).LAYERS]
    found = keras.Model(model.inputs, outputs)([prepared])
    return [import_keras().ops.convert_to_numpy(map_).reshape(len(FACES), -1) for map_ in found]


def test_it_is_the_network_of_keras_applications_at_every_layer(name: str) -> None:
    module = backbone(name)
    recipe = Recipe(name, "file", "0" * 64, module.LAYERS, "flatten", SIZE, False)
    model = module.build(recipe, tensors_of(name))
    assert set(module.LAYERS) <= {layer.name for layer in model.layers}
    for layer, got, wanted in zip(module.LAYERS, model(FACES), maps(name), strict=True):
        assert wanted.std() > 1e-3 * np.abs(wanted).max() > 0, layer
        np.testing.assert_allclose(
            import_keras().ops.convert_to_numpy(got), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max(), err_msg=layer
        )


def test_openvino_computes_the_same_though_silu_has_a_gradient_of_its_own(engine: Engine) -> None:
    layers = backbone("efficientnet").LAYERS[:2]
    weights = weights_for("efficientnet", cache_folder())
    made = plan("efficientnet", size=SIZE, layers=layers, faces_mode="none", flip=False, weights=weights)
    here = Encoder(made, engine, len(FACES)).vectors(list(FACES.astype(np.uint8)))
    there = backbone("efficientnet").build(made.recipe, made.weights.read())(FACES)
    for layer, other in zip(layers, there, strict=True):
        np.testing.assert_allclose(here[layer], other, rtol=0, atol=1e-4 * np.abs(other).max(), err_msg=layer)


def test_int8_of_depthwise_convolutions(engine: Engine) -> None:
    layers = ["block_3_expand_relu"]
    made = plan(
        "mobilenet", size=32, layers=layers, faces_mode="none", weights=weights_for("mobilenet", cache_folder())
    )
    network = network_of(made.recipe, made.weights, 2)
    small = FACES[:, :32, :32]
    ranges = engine.calibrate(network, small)
    assert len(ranges) == 9  # of ten convolutions, the first of which sees the pixels
    rounded = choose("openvino", "int8").load(network_of(_calibrated(made.recipe, ranges), made.weights, 2))(small)[0]
    full = engine.load(network)(small)[0]
    cosines = (rounded * full).sum(1) / np.linalg.norm(rounded, axis=1) / np.linalg.norm(full, axis=1)
    assert 0.98 < cosines.min() < 0.9999999


def _calibrated(recipe: Recipe, ranges: Any) -> Recipe:
    from dataclasses import replace

    from facefeat.features.recipe import Calibration

    return replace(recipe, numerics="int8", calibration=Calibration(ranges, len(FACES), 1.0, 0))


def test_reading_a_file_of_weights_needs_no_keras(cache: Path) -> None:
    files = {name: weights_for(name, cache) for name in NETWORKS}
    code = f"""
import sys
from facefeat import plugins
for name, path in {files!r}.items():
    plugins.load("backbone", name).weights(path or "keras")
print([module for module in ("keras", "tensorflow") if module in sys.modules])
"""
    assert run_python(code).strip() == "[]"
