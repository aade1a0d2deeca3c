"""VGGFace's weights: VGG16's layers under other names, trained on other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from facefeat.engines.keras import import_keras
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, RecipeMismatch, UsageError
from facefeat.features.backbone import network_of
from facefeat.features.backbones import vgg16
from facefeat.features.encode import Encoder, plan, plan_of
from facefeat.features.recipe import Recipe
from facefeat.features.weights import Tensors, digest
from tests.making import random_pixels
from tests.networks import random_tensors

SIZE, LAYERS = 32, ["block1_pool", "block2_pool"]
FACES = [random_pixels(SIZE, SIZE, seed) for seed in range(2)]
CHOICE: dict[str, Any] = {"size": SIZE, "layers": LAYERS, "pooling": "flatten", "faces_mode": "none", "flip": False}


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Give random numbers for VGG16."""
    return random_tensors(vgg16.shapes())


@pytest.fixture(scope="module")
def file(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write them as VGGFace's weights are: conv1_1/conv1_1_W_1:0 for block1_conv1/kernel, with the dense layers behind."""
    path = tmp_path_factory.mktemp("vggface") / "vggface16.h5"
    with h5py.File(path, "w") as written:
        for name, tensor in tensors.items():
            layer, part = name.split("/")
            theirs = f"conv{layer[5]}_{layer[-1]}"
            written[f"{theirs}/{theirs}_{'W' if part == 'kernel' else 'b'}_1:0"] = tensor
        written["fc8/fc8_W_1:0"] = np.zeros((8, 3), np.float32)
    return path


def test_it_is_the_network_less_the_means_of_its_own_faces(file: Path, tensors: Tensors, engine: Engine) -> None:
    made = plan("vgg16", weights=str(file), preprocess="vggface", **CHOICE)
    assert (made.recipe.weights, made.recipe.preprocess) == ("file", "vggface")
    assert made.recipe.weights_sha256 == digest(tensors.values())
    vectors = Encoder(made, engine, 2).vectors(FACES)
    ops = import_keras().ops
    x = np.stack(FACES)[..., ::-1].astype(np.float32) - np.array([93.5940, 104.7624, 129.1863], np.float32)
    for block in (1, 2):
        for i in (1, 2):
            name = f"block{block}_conv{i}"
            x = ops.relu(ops.conv(x, tensors[f"{name}/kernel"], padding="same") + tensors[f"{name}/bias"])
        x = ops.max_pool(x, 2)
        wanted = np.asarray(x).reshape(2, -1)
        np.testing.assert_allclose(vectors[f"block{block}_pool"], wanted, rtol=0, atol=1e-4 * wanted.max())


def test_without_being_asked_for_it_is_refused_with_the_line_to_type(file: Path) -> None:
    with pytest.raises(UsageError) as caught:
        plan("vgg16", weights=str(file), **CHOICE)
    assert str(caught.value) == (
        f"{file} names its layers as the weights of vggface do, which were trained on other pixels; "
        f"extract with: --weights {file} --preprocess vggface"
    )
    assert plan("vgg16", weights=str(file), preprocess="imagenet", **CHOICE).recipe.preprocess is None


def test_the_usual_preprocessing_is_not_in_the_recipe_and_another_is() -> None:
    usual, named = plan("vgg16", **CHOICE), plan("vgg16", preprocess="imagenet", **CHOICE)
    other = plan("vgg16", preprocess="vggface", **CHOICE)
    assert named.recipe == usual.recipe and "preprocess" not in usual.recipe.as_dict()
    assert other.recipe.as_dict() == {**usual.recipe.as_dict(), "preprocess": "vggface"}
    assert usual.recipe.difference(other.recipe) == "preprocess is vggface instead of None"
    assert Recipe.from_json(other.recipe.to_json()) == other.recipe
    keys = {network_of(made.recipe, made.weights, 2).key for made in (usual, named, other)}
    assert len(keys) == 2


def test_an_exported_copy_of_before_is_still_found() -> None:
    recipe = plan("vgg16", faces_mode="none").recipe
    assert network_of(recipe, vgg16.weights(), 8).key.startswith("19505b1af38eb7fc")


def test_unknown_preprocessings() -> None:
    with pytest.raises(UsageError) as caught:
        plan("vgg16", preprocess="vgface", **CHOICE)
    assert str(caught.value) == (
        "There is no preprocessing 'vgface'; did you mean 'vggface'? There are: imagenet, vggface."
    )
    with pytest.raises(UsageError) as caught:
        plan("thumb", preprocess="vggface", faces_mode="none")
    assert str(caught.value) == (
        "This backbone has one preprocessing only; 'vggface' was given. Leave --preprocess out."
    )


def test_a_recipe_read_from_a_file(file: Path) -> None:
    recipe = plan("vgg16", weights=str(file), preprocess="vggface", **CHOICE).recipe
    assert plan_of(recipe, str(file)).recipe == recipe
    with pytest.raises(DamagedFile, match=r"give it as --weights FILE\.$"):
        plan_of(recipe)
    strange = Recipe.from_json(recipe.to_json().replace("vggface", "vggfaces"))
    with pytest.raises(RecipeMismatch) as caught:
        plan_of(strange, str(file))
    assert str(caught.value) == (
        "The vectors were made with the preprocessing 'vggfaces', which vgg16 does not know; install a newer facefeat."
    )
