from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefeat.data.detections import Detections
from facefeat.data.faces import ARCFACE, FaceStep
from facefeat.data.mtcnn import MTCNN
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, InputError, UsageError
from facefeat.features.backbones import vgg16
from facefeat.features.encode import Encoder, plan, plan_of
from tests.making import random_pixels


def test_a_plan_is_filled_from_the_backbones_defaults() -> None:
    recipe = plan().recipe
    assert (recipe.backbone, recipe.weights, recipe.weights_sha256) == ("vgg16", "imagenet", vgg16.CARRIED_SHA256)
    assert (recipe.layers, recipe.pooling) == (vgg16.DEFAULT_LAYERS, vgg16.POOLINGS[0])
    assert (recipe.input_size, recipe.flip) == (vgg16.DEFAULT_SIZE, True)
    assert recipe.faces == FaceStep("mtcnn", "1.0.0", MTCNN.weights_sha256)


def test_layers_are_in_the_networks_order() -> None:
    assert plan("thumb", layers=["grey16", "grey4"]).recipe.layers == ("grey4", "grey16")


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"faces_mode": "atuo"}, "There is no way to handle faces 'atuo'; did you mean 'auto'? There are: auto, none."),
        ({"pooling": "grid2"}, "There is no pooling 'grid2'. There are: avg, max."),
        ({"layers": ["grey9"]}, "There is no layer 'grey9'; did you mean 'grey8'? There are: grey16, grey4, grey8."),
        ({"size": 31}, "The size must be from 32 to 512 pixels; 31 was given."),
        ({"size": 0}, "The size must be from 32 to 512 pixels; 0 was given."),
        ({"size": -80}, "The size must be from 32 to 512 pixels; -80 was given."),
        ({"weights": "imagenet"}, "The backbone thumb has no weights; 'imagenet' was given."),
    ],
)
def test_what_does_not_exist_is_refused(choices: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan("thumb", **choices)
    assert str(caught.value) == sentence


def test_weights_that_are_no_file() -> None:
    with pytest.raises(InputError) as caught:
        plan("vgg16", weights="nowhere.npz")
    assert str(caught.value) == "There is no weights file nowhere.npz."


def test_a_recipe_finds_its_weights_again(tmp_path: Path) -> None:
    made = plan("vgg16", faces_mode="none")
    assert plan_of(made.recipe).recipe == made.recipe
    tensors = {name: np.zeros(shape, np.float32) for name, shape in vgg16.shapes().items()}
    np.savez(tmp_path / "w.npz", **tensors)
    own = plan("vgg16", weights=str(tmp_path / "w.npz"), faces_mode="none").recipe
    assert own.weights == "file"
    with pytest.raises(DamagedFile) as caught:
        plan_of(own)
    short = own.weights_sha256[:12]
    assert str(caught.value) == (
        f"The vectors were made with a weights file (SHA-256 {short}); give it as --weights FILE."
    )
    assert plan_of(own, str(tmp_path / "w.npz")).recipe == own
    with pytest.raises(DamagedFile) as caught:
        plan_of(own, "imagenet")
    assert str(caught.value) == (
        f"The weights found (SHA-256 {vgg16.CARRIED_SHA256[:12]}) are not those of the recipe ({short})."
    )


def test_a_recipe_of_another_detector_is_refused(engine: Engine, detector: MTCNN) -> None:
    made = plan("thumb")
    other = replace(made, recipe=replace(made.recipe, faces=replace(made.recipe.faces, version="0.9")))
    with pytest.raises(DamagedFile) as caught:
        Encoder(other, engine)
    assert str(caught.value) == "The recipe finds faces with mtcnn 0.9; this facefeat has mtcnn 1.0.0."


class _Two:
    """Find two faces, the better one on the right."""

    def detect(self, pixels: NDArray[np.uint8]) -> Detections:
        boxes = np.array([[100, 20, 150, 70], [10, 20, 70, 80]], np.float32)
        points = boxes[:, None, :2] + ARCFACE * (boxes[:, None, 2:] - boxes[:, None, :2])
        return Detections(boxes, points.astype(np.float32), np.array([0.99, 0.95], np.float32))


def test_every_face_is_given_from_left_to_right(engine: Engine, detector: MTCNN) -> None:
    encoder = Encoder(plan("thumb"), engine)
    encoder._detector = _Two()  # type: ignore[assignment]
    pixels = random_pixels(200, 200)
    found = encoder.all_faces(pixels)
    assert [face.box[0] for face in found] == [10, 100]
    np.testing.assert_array_equal(encoder.face(pixels).box, [10, 20, 70, 80])


def test_a_picture_without_a_face_gives_the_whole_of_it(engine: Engine, detector: MTCNN) -> None:
    for mode in ("auto", "none"):
        encoder = Encoder(plan("thumb", faces_mode=mode), engine)
        (face,) = encoder.all_faces(np.zeros((60, 40, 3), np.uint8))
        assert not face.found
        np.testing.assert_array_equal(face.box, [0, 0, 40, 60])
