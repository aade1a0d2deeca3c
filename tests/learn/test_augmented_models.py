"""Models that were fitted with augmented copies: what they count, list and measure is pictures."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn.bundle import Bundle
from facefeat.learn.bundle import read as read_bundle
from facefeat.learn.check import check
from facefeat.learn.evaluate import evaluate_file
from facefeat.learn.fit import fit, model_card
from facefeat.learn.match import match_threshold
from facefeat.learn.naming import explained, namings
from facefeat.learn.predict import load
from facefeat.report import documents, words
from tests.making import write_people

THUMB = plan("thumb", size=32, faces_mode="none", flip=False)
N_PICTURES, EACH = 21, 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data set of five people. Not to be changed."""
    people = {"ada": 5, "bob": 5, "cleo": 4, "dan": 4, "eve": 3}
    return write_people(tmp_path_factory.mktemp("models") / "people", people, size=32, noise=400)


@pytest.fixture(scope="module")
def plain(data: Path) -> FeatureFile:
    """Give its feature file without copies."""
    return extract(data, data.with_name("plain.h5"), THUMB, engine="openvino").file


@pytest.fixture(scope="module")
def file(data: Path) -> FeatureFile:
    """Give its feature file with two copies of each picture."""
    return extract(data, data.with_name("copies.h5"), THUMB, augment=EACH, engine="openvino").file


@pytest.fixture(scope="module")
def bundle(file: FeatureFile) -> Bundle:
    """Give a support vector machine that was fitted with copies, read back. Its vectors must all be in the gallery."""
    return read_bundle(fit(file, file.path.with_name("m.facefeat"), head="svm", layer="grey8", workers=1).output)


def test_a_model_says_how_many_pictures_it_has(bundle: Bundle, file: FeatureFile) -> None:
    assert (len(bundle.gallery.paths), len(bundle.gallery.pictures.paths)) == (N_PICTURES * (1 + EACH), N_PICTURES)
    assert words.trained_on(bundle) == "21 pictures of 5 people, and 42 augmented copies of them"
    assert "* **Trained on**: 21 pictures, 3 to 5 a person, and 42 augmented copies of them\n" in model_card(bundle)
    found = check(file.path.with_name("m.facefeat"))
    assert (found.problems, found.counts["gallery"]) == ((), N_PICTURES)
    assert found.counts["gallery_right"] <= N_PICTURES


def test_the_threshold_and_the_probabilities_are_measured_on_pictures(bundle: Bundle, plain: FeatureFile) -> None:
    alone = fit(plain, plain.path.with_name("p.facefeat"), head="svm", layer="grey8", workers=1)
    other = alone.bundle
    assert (bundle.threshold.n_people, bundle.threshold.n_pictures) == (5, N_PICTURES)
    assert bundle.confidence and other.confidence and bundle.confidence.n == other.confidence.n == N_PICTURES
    assert (other.gallery.pictures is other.gallery, other.gallery.n_copies) == (True, 0)
    assert words.trained_on(other) == "21 pictures of 5 people"
    made = documents.fitted(alone)
    assert (made["rows"], made["pictures"], made["copies"]) == (N_PICTURES, N_PICTURES, 0)


def test_nearest_pictures_are_pictures_and_each_is_listed_once(bundle: Bundle, file: FeatureFile) -> None:
    named = load(file.path.with_name("m.facefeat")).name(file.vectors("grey8"))
    for row, one in enumerate(named):
        assert len({near.path for near in one.nearest}) == 3
        if file.copy[row] == 0:  # the picture itself, and no copy of it, is most alike
            assert one.nearest[0].path == file.paths[row]
            assert one.nearest[0].similarity == pytest.approx(1, abs=1e-3)
    truth = np.full(len(file), 1)
    for _, missed in explained(bundle, file.vectors("grey8"), namings(bundle, file.vectors("grey8"), 1), truth):
        assert missed is not None and missed.name == "bob"


def test_what_a_model_is_evaluated_on_has_no_copies(bundle: Bundle, file: FeatureFile, plain: FeatureFile) -> None:
    found, alone = evaluate_file(bundle, file), evaluate_file(bundle, plain)
    assert found.images == N_PICTURES
    for field in fields(found):
        np.testing.assert_equal(repr(getattr(found, field.name)), repr(getattr(alone, field.name)), field.name)


def test_pairs_of_a_gallery_are_pairs_of_pictures(bundle: Bundle) -> None:
    alone = match_threshold(bundle.gallery.pictures, 0.1)
    assert match_threshold(bundle.gallery, 0.1) == alone


def test_a_search_over_knobs_and_a_choice_of_heads_take_copies(file: FeatureFile) -> None:
    made = fit(file, file.path.with_name("s.facefeat"), head="knn", layer="grey8", search=True, workers=1)
    assert made.how.endswith("by 5-fold cross-validation.")
    assert made.bundle.confidence and made.bundle.confidence.n == N_PICTURES
