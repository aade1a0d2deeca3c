from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.data.faces import FaceStep
from facefeat.errors import DamagedFile, NewerFile, RecipeMismatch, UsageError
from facefeat.features.recipe import FORMAT, POOLINGS, RESIZES, Calibration, Recipe, canonical_json

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
SHARES = st.floats(-1, 1, allow_nan=False)
FACES = st.one_of(
    st.just(FaceStep()),
    st.builds(
        FaceStep,
        detector=WORDS.filter(lambda name: name != "none"),
        version=WORDS,
        weights_sha256=WORDS,
        margin=SHARES,
        max_side=st.integers(1, 4000),
        min_score=SHARES,
    ),
)
ENDS = st.tuples(st.floats(-9, 0), st.floats(0.5, 9))
CALIBRATIONS = st.builds(
    Calibration,
    ranges=st.lists(ENDS, max_size=3).map(tuple),
    faces=st.integers(1, 64),
    cosine=SHARES,
    checked=st.integers(0, 64),
)
NUMERICS = st.one_of(st.just({}), st.builds(lambda found: {"numerics": "int8", "calibration": found}, CALIBRATIONS))
FULL = st.builds(
    Recipe,
    backbone=WORDS,
    weights=WORDS,
    weights_sha256=WORDS,
    layers=st.lists(WORDS, min_size=1, max_size=4).map(tuple),
    pooling=st.sampled_from(POOLINGS),
    input_size=st.integers(32, 512),
    flip=st.booleans(),
    faces=FACES,
    resize=st.sampled_from(RESIZES),
    preprocess=st.none() | WORDS,
)
RECIPES = st.builds(lambda recipe, numerics: replace(recipe, **numerics), FULL, NUMERICS)
MTCNN = FaceStep(detector="mtcnn", version="1.0.0", weights_sha256="a" * 64)
RECIPE = Recipe("vgg16", "imagenet", "b" * 64, ("block3_pool", "block4_pool"), "avg", 80, True, MTCNN)


@settings(deadline=None, max_examples=100)
@given(RECIPES)
def test_a_recipe_comes_back_from_its_json(recipe: Recipe) -> None:
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert again.sha256 == recipe.sha256


@settings(deadline=None, max_examples=100)
@given(RECIPES, RECIPES)
def test_two_recipes_share_a_hash_only_if_they_are_equal(one: Recipe, other: Recipe) -> None:
    assert (one.sha256 == other.sha256) == (one == other) == (one.difference(other) == "")


def test_the_json_is_canonical_and_the_hash_is_of_it() -> None:
    text = RECIPE.to_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert RECIPE.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert canonical_json({"b": "é", "a": [1, None]}) == '{"a":[1,null],"b":"é"}'


def test_a_recipe_without_faces_has_one_hash_whatever_the_unused_fields_say() -> None:
    one, other = replace(RECIPE, faces=FaceStep()), replace(RECIPE, faces=FaceStep(margin=0.3))
    assert one.sha256 == other.sha256
    assert one.difference(other) == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"input_size": 31}, "The size must be from 32 to 512 pixels; 31 was given."),
        ({"input_size": 513}, "The size must be from 32 to 512 pixels; 513 was given."),
        ({"pooling": "mean"}, "The pooling must be one of avg, max, grid2, flatten; 'mean' was given."),
        ({"layers": ()}, "At least one layer is needed."),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(RECIPE, **changes)  # type: ignore[arg-type]
    assert str(caught.value) == sentence


def test_what_differs_is_named_from_this_recipes_side() -> None:
    other = replace(RECIPE, input_size=64, layers=("block4_pool",), weights_sha256="c" * 64)
    assert RECIPE.difference(other) == (
        "input_size is 64 instead of 80, layers is block4_pool instead of block3_pool+block4_pool, "
        "weights_sha256 is cccccccccccc instead of bbbbbbbbbbbb"
    )
    assert RECIPE.difference(replace(RECIPE, faces=FaceStep())) == "faces.detector is none instead of mtcnn"
    assert RECIPE.difference(replace(RECIPE, faces=replace(MTCNN, margin=0.2))) == "faces.margin is 0.2 instead of 0.05"


def test_require_names_whose_vectors_they_are() -> None:
    RECIPE.require(replace(RECIPE), "features.h5")
    with pytest.raises(RecipeMismatch) as caught:
        RECIPE.require(replace(RECIPE, flip=False), "features.h5")
    assert str(caught.value) == "features.h5 was made by another recipe: flip is False instead of True."


def test_a_newer_recipe_asks_for_a_newer_facefeat() -> None:
    with pytest.raises(NewerFile) as caught:
        Recipe.from_json(replace(RECIPE, format=FORMAT + 1).to_json())
    assert str(caught.value) == (
        f"The recipe has format {FORMAT + 1}; this facefeat reads up to {FORMAT}. Install a newer facefeat."
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '"format"',
        RECIPE.to_json().replace('"format":1', '"format":"1"'),
        RECIPE.to_json().replace('"flip":true,', ""),
        RECIPE.to_json().replace('"flip":true', '"flip":true,"flop":true'),
        RECIPE.to_json().replace('"input_size":80', '"input_size":8'),
        RECIPE.to_json().replace('"input_size":80', '"input_size":"80"'),
        RECIPE.to_json().replace('"margin"', '"margins"'),
    ],
)
def test_what_is_no_recipe_is_damaged(text: str) -> None:
    with pytest.raises(DamagedFile) as caught:
        Recipe.from_json(text)
    assert str(caught.value) == "The recipe cannot be read."


@pytest.mark.parametrize(
    "changes",
    [
        {"numerics": "int8"},
        {"calibration": {"ranges": [], "faces": 1, "cosine": 1.0, "checked": 0}},
        {"numerics": "int8", "calibration": {"ranges": [[0, 0]], "faces": 1, "cosine": 1.0, "checked": 0}},
        {"numerics": "int8", "calibration": {"ranges": [[0, 1e999]], "faces": 1, "cosine": 1.0, "checked": 0}},
        {"numerics": "int8", "calibration": {"ranges": [[0, 1, 2]], "faces": 1, "cosine": 1.0, "checked": 0}},
        {"numerics": "int8", "calibration": {"ranges": [[0, 1]], "faces": 1, "other": 1.0, "checked": 0}},
        {"resize": "nearest"},
    ],
)
def test_a_record_that_no_extraction_makes_is_damaged(changes: dict[str, object]) -> None:
    with pytest.raises(DamagedFile) as caught:
        Recipe.from_json(json.dumps({**RECIPE.as_dict(), **changes}))
    assert str(caught.value) == "The recipe cannot be read."


def test_a_recipe_in_full_precision_does_not_name_a_calibration() -> None:
    assert "calibration" not in RECIPE.as_dict()


def test_another_calibration_is_named_as_such() -> None:
    def made(high: float) -> Recipe:
        return replace(RECIPE, numerics="int8", calibration=Calibration(((0.0, high),), 64, 0.999, 64))

    assert made(2.0).difference(made(3.0)) == "its int8 was calibrated on other faces"
    assert made(2.0).difference(RECIPE) == "numerics is full instead of int8"
    asked = replace(RECIPE, numerics="int8")
    assert asked.continues(made(2.0)) and not made(3.0).continues(made(2.0)) and not asked.continues(RECIPE)
