from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefeat.data.detections import Detections
from facefeat.data.faces import ARCFACE, Face, FaceStep
from facefeat.data.mtcnn import MTCNN
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, InputError, RecipeMismatch, UsageError
from facefeat.features.backbones import vgg16
from facefeat.features.encode import Encoder, Plan, engine_for, plan, plan_of
from tests.making import encoded, person_pixels, random_pixels


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
        (
            {"faces_mode": "atuo"},
            "There is no way to handle faces 'atuo'; did you mean 'auto'? There are: auto, mtcnn, none, yunet:FILE.",
        ),
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

    def detect_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        boxes = np.array([[100, 20, 150, 70], [10, 20, 70, 80]], np.float32)
        points = boxes[:, None, :2] + ARCFACE * (boxes[:, None, 2:] - boxes[:, None, :2])
        return [Detections(boxes, points.astype(np.float32), np.array([0.99, 0.95], np.float32))] * len(pictures)


def test_every_face_is_given_from_left_to_right(engine: Engine, detector: MTCNN) -> None:
    encoder = Encoder(plan("thumb"), engine)
    encoder.finder._detector = _Two()  # type: ignore[assignment]
    opened = encoder.finder.open(encoded(random_pixels(200, 200)))
    assert [face.box[0] for face in encoder.finder.all_faces(opened)] == [10, 100]
    (chosen,) = encoder.finder.faces([opened])
    assert isinstance(chosen, Face)
    np.testing.assert_array_equal(chosen.box, [10, 20, 70, 80])


def test_a_picture_without_a_face_gives_the_whole_of_it(engine: Engine, detector: MTCNN) -> None:
    for mode in ("auto", "none"):
        encoder = Encoder(plan("thumb", faces_mode=mode), engine)
        (face,) = encoder.finder.all_faces(encoder.finder.open(encoded(np.zeros((60, 40, 3), np.uint8))))
        assert not face.found
        np.testing.assert_array_equal(face.box, [0, 0, 40, 60])


def _photograph(orl_pixels: NDArray[np.uint8], side: int = 1600) -> bytes:
    """Give a large JPEG with one face on grey, a third of its side high."""
    from PIL import Image

    scene = Image.new("RGB", (side, side * 3 // 4), (120, 130, 125))
    face = Image.fromarray(orl_pixels).resize((side * 5 // 18, side // 3), Image.Resampling.BICUBIC)
    scene.paste(face, (side // 3, side // 5))
    buffer = BytesIO()
    scene.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def test_a_large_jpeg_is_decoded_as_far_as_it_is_needed(engine: Engine, orl_pixels: NDArray[np.uint8]) -> None:
    data = _photograph(orl_pixels[0])
    for made, shape in (
        (plan("thumb"), (600, 800)),
        (plan("thumb", faces_mode="none", size=64), (150, 200)),
        (plan("thumb", faces_mode="none", size=200), (300, 400)),
        (_of_all_pixels(plan("thumb")), (1200, 1600)),
    ):
        opened = Encoder(made, engine).finder.open(data)
        assert opened.decoded.pixels.shape == (*shape, 3)
        assert (opened.decoded.height, opened.decoded.width) == (1200, 1600)
        assert opened.full.shape == (1200, 1600, 3)


def _of_all_pixels(made: Plan) -> Plan:
    return replace(made, recipe=replace(made.recipe, resize="area"))


def test_a_face_is_where_it_is_however_far_the_picture_was_decoded(
    engine: Engine, orl_pixels: NDArray[np.uint8]
) -> None:
    data, made = _photograph(orl_pixels[0]), plan("vgg16", size=64, layers=["block4_pool"])
    few, all_ = (Encoder(one, engine) for one in (made, _of_all_pixels(made)))
    (mine,), (whole,) = few.finder.all_faces(few.finder.open(data)), all_.finder.all_faces(all_.finder.open(data))
    side = float(whole.box[2] - whole.box[0])
    assert mine.found and whole.found and side > 300
    np.testing.assert_allclose(mine.box, whole.box, atol=0.02 * side)
    np.testing.assert_allclose(mine.landmarks, whole.landmarks, atol=0.02 * side)
    a, b = few.vectors([mine.pixels])["block4_pool"][0], all_.vectors([whole.pixels])["block4_pool"][0]
    assert float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) > 0.99


def test_a_face_with_too_few_decoded_pixels_is_cut_from_all(engine: Engine, orl_pixels: NDArray[np.uint8]) -> None:
    data, made = _photograph(orl_pixels[0]), plan("thumb", size=400)
    few, all_ = (Encoder(one, engine) for one in (made, _of_all_pixels(made)))
    opened = few.finder.open(data)
    (mine,), (whole,) = few.finder.faces([opened]), all_.finder.faces([all_.finder.open(data)])
    assert "full" in vars(opened)
    assert isinstance(mine, Face) and isinstance(whole, Face)
    difference = np.abs(mine.pixels.astype(int) - whole.pixels.astype(int)).mean()
    assert difference < 6  # the face was found a little elsewhere, and is as sharp


def test_the_whole_of_a_reduced_picture_keeps_its_size_in_full(engine: Engine) -> None:
    encoder = Encoder(plan("thumb"), engine)
    data = encoded(np.full((1300, 1700, 3), 99, np.uint8), "JPEG")
    (face,) = encoder.finder.all_faces(encoder.finder.open(data))
    assert not face.found
    np.testing.assert_array_equal(face.box, [0, 0, 1700, 1300])


def test_pictures_are_found_the_same_in_any_company(engine: Engine) -> None:
    encoder = Encoder(plan("thumb", faces_mode="none"), engine)
    opened = [encoder.finder.open(encoded(person_pixels("ada", i))) for i in range(5)]
    together, alone = encoder.finder.faces(opened), [encoder.finder.faces([one])[0] for one in opened]
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, Face) and isinstance(other, Face)
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("numerics", "precision", "sentence"),
    [
        ("full", "int8", "The vectors are not of int8, but int8 was asked for; leave --precision out."),
        ("int8", "float32", "The vectors are of int8, but float32 was asked for; leave --precision out."),
    ],
)
def test_a_precision_of_other_numerics_is_refused(numerics: str, precision: str, sentence: str) -> None:
    with pytest.raises(RecipeMismatch) as caught:
        engine_for(replace(plan().recipe, numerics=numerics), precision=precision)
    assert str(caught.value) == sentence
