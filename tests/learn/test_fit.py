"""Fitting one head, chosen or given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facefeat.errors import DamagedFile, InputError, UsageError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn.bundle import read as read_bundle
from facefeat.learn.fit import fit
from facefeat.learn.head import build, is_slow
from tests.making import write_people


@pytest.fixture
def file(thumb_file: Path) -> FeatureFile:
    return read(thumb_file)


def test_the_layer_is_the_backbones_own_unless_given(file: FeatureFile, tmp_path: Path) -> None:
    assert fit(file, tmp_path / "a", head="svm").bundle.layer == "grey8"
    assert fit(file, tmp_path / "b", head="svm", layer="grey16").bundle.layer == "grey16"


def test_auto_takes_one_of_the_quick_heads_and_says_how(file: FeatureFile, tmp_path: Path) -> None:
    made = fit(file, tmp_path / "m", workers=1)
    assert not is_slow(made.bundle.head) and made.bundle.layer in file.layers
    assert made.how.startswith("The best of 10 combinations in 5-fold cross-validation, twice, on the same pictures (")


def test_auto_says_what_it_left_out(file: FeatureFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefeat.learn.compare.TOO_LONG", 0.0)
    made = fit(file, tmp_path / "m", layer="grey8", workers=1)
    assert made.bundle.head in ("lda", "prototype")
    assert made.how.endswith(
        "Left out, as more than 0 minutes on one core: knn on grey8 (about 0 minutes), logreg on grey8 (about 0 "
        "minutes), svm on grey8 (about 0 minutes). Name a head with --head to have it all the same."
    )


def test_a_wide_layer_makes_an_ordinary_model(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 3, "bob": 4, "cleo": 2})
    file = extract(data, tmp_path / "f.h5", plan("thumb", faces_mode="none")).file
    X, y = np.asarray(file.vectors("grey16")), file.person
    assert X.shape == (9, 256)
    for head in ("knn", "lda", "logreg", "prototype", "svm"):
        fitted = read_bundle(fit(file, tmp_path / head, head=head, layer="grey16").output).estimator
        assert fitted.predict(X).tolist() == build(head).fit(X, y).predict(X).tolist() == y.tolist()
        assert fitted.n_features_in_ == fitted[-1].n_features_in_ == 256


def test_fitting_twice_names_alike(file: FeatureFile, tmp_path: Path) -> None:
    first, second = (fit(file, tmp_path / name, workers=1).bundle for name in "ab")
    assert (first.head, first.layer, first.threshold) == (second.head, second.layer, second.threshold)


def test_settings_reach_the_head(file: FeatureFile, tmp_path: Path) -> None:
    made = fit(file, tmp_path / "m", head="svm", params={"C": 7.5, "kernel": "rbf"})
    assert made.bundle.params == {"C": 7.5, "kernel": "rbf"}
    assert made.bundle.estimator[-1].C == 7.5 and made.bundle.estimator[-1].kernel == "rbf"


def test_search_keeps_what_was_set_and_says_what_it_chose(file: FeatureFile, tmp_path: Path) -> None:
    made = fit(file, tmp_path / "m", head="svm", params={"kernel": "linear"}, search=True, workers=1)
    assert made.bundle.params["kernel"] == "linear" and made.bundle.params["C"] in (0.1, 1.0, 10.0)
    assert made.how == f"C={made.bundle.params['C']} chosen from 3 by 5-fold cross-validation."


def test_search_passes_by_values_that_do_not_fit(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 2, "bob": 2})
    file = extract(data, tmp_path / "f.h5", plan("thumb", faces_mode="none")).file
    made = fit(file, tmp_path / "m", head="knn", search=True, workers=1)
    assert made.bundle.params == {"n_neighbors": 1}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"head": "auto", "params": {"C": 1}}, "--set and --search belong to one head; name it with --head."),
        ({"head": "auto", "search": True}, "--set and --search belong to one head; name it with --head."),
        ({"head": "lda", "fpir": 1.0}, "--fpir is a share between 0 and 1, such as 0.01; 1.0 was given."),
        (
            {"head": "lda", "layer": "grey9"},
            "There is no layer 'grey9'; did you mean 'grey8'? There are: grey16, grey8.",
        ),
        (
            {"head": "svm", "params": {"C": -1}},
            "The head svm cannot be fitted: The 'C' parameter of SVC must be a float in the range (0.0, inf]. "
            "Got -1 instead.",
        ),
    ],
)
def test_mistakes_are_one_sentence(file: FeatureFile, tmp_path: Path, arguments: dict, expected: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError) as caught:
        fit(file, tmp_path / "m", **arguments)
    assert str(caught.value) == expected and not (tmp_path / "m").exists()


def test_one_person_is_not_enough(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 3})
    file = extract(data, tmp_path / "f.h5", plan("thumb", faces_mode="none")).file
    with pytest.raises(InputError, match=r"^There is only one person, ada; at least two are needed to tell apart\.$"):
        fit(file, tmp_path / "m")


def test_two_people_of_one_picture_each_can_be_told_apart(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 1, "bob": 1})
    file = extract(data, tmp_path / "f.h5", plan("thumb", faces_mode="none")).file
    bundle = fit(file, tmp_path / "m", head="prototype").bundle
    assert bundle.estimator.predict(np.asarray(file.vectors("grey8"))).tolist() == [0, 1]
    assert bundle.threshold.value == -1.0


@pytest.mark.parametrize(
    ("value", "error", "sentence"),
    [
        (np.nan, DamagedFile, "{path} is damaged: its vectors of grey8 are not all finite numbers."),
        (-np.inf, DamagedFile, "{path} is damaged: its vectors of grey8 are not all finite numbers."),
        (70_000, InputError, "grey8 has numbers over 65,504, more than a model keeps; use another layer or pooling."),
    ],
)
def test_numbers_that_no_model_can_keep(
    file: FeatureFile, tmp_path: Path, value: float, error: type[Exception], sentence: str
) -> None:
    vectors = np.array(file.vectors("grey8"))
    vectors[3, 5] = value
    odd = replace(file, columns={**file.columns, "features/grey8": vectors})
    with pytest.raises(error) as caught:
        fit(odd, tmp_path / "m", head="knn", layer="grey8")
    assert str(caught.value) == sentence.format(path=file.path) and not (tmp_path / "m").exists()


def test_one_fold_of_many_pictures_is_enough_for_probabilities(
    thumb_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = read(thumb_file)
    all_folds = fit(file, tmp_path / "m.facefeat", head="lda").bundle.confidence
    monkeypatch.setattr("facefeat.learn.assemble.MANY", 20)
    one_fold = fit(file, tmp_path / "m.facefeat", head="lda").bundle.confidence
    assert all_folds is not None and one_fold is not None and (all_folds.n, one_fold.n) == (24, 5)
