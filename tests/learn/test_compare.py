"""Comparing heads on the same folds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facefeat.errors import InputError, UsageError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn.compare import compare, left_out_sentence
from facefeat.report.compared import document
from facefeat.report.verdicts import verdict
from tests.making import write_people


@pytest.fixture
def file(thumb_file: Path) -> FeatureFile:
    return read(thumb_file)


def test_every_head_on_every_layer_best_first(file: FeatureFile) -> None:
    found = compare(file, heads_wanted=["lda", "knn"], n_folds=3, workers=1)
    assert {(row.head, row.layer) for row in found.rows} == {
        (head, layer) for head in ("lda", "knn") for layer in file.layers
    }
    means = [row.accuracy.mean for row in found.rows]
    assert means == sorted(means, reverse=True) and found.best is found.rows[0]
    assert [row.head for row in found.baselines] == ["pixel PCA", "majority"]
    assert (found.n_people, found.n_images, found.n_tested, found.copies) == (4, 24, 24, 0)


def test_the_majority_is_what_it_says(file: FeatureFile) -> None:
    majority = compare(file, heads_wanted=["knn"], n_folds=3, workers=1).baselines[1]
    assert majority.accuracy.mean == pytest.approx(0.25) and majority.balanced_accuracy.mean == pytest.approx(0.25)


def test_the_figures_are_those_of_the_names(file: FeatureFile) -> None:
    found = compare(file, heads_wanted=["lda"], layers=["grey8"], n_folds=3, repeats=2, workers=1)
    row = found.rows[0]
    truth = file.person[found.folds.tested]
    assert row.named.shape == (2, 24)
    assert row.accuracy.mean == np.mean(row.named == truth)
    assert row.balanced_accuracy.mean == pytest.approx(
        np.mean([np.mean(row.named[:, truth == p] == p) for p in range(4)])
    )
    assert row.fit_seconds > 0 and row.predict_ms > 0


def test_workers_change_nothing(file: FeatureFile) -> None:
    one, two = (compare(file, heads_wanted=["svm", "logreg"], n_folds=3, workers=n) for n in (1, 2))
    assert [(row.head, row.layer) for row in one.rows] == [(row.head, row.layer) for row in two.rows]
    assert all(np.array_equal(a.named, b.named) for a, b in zip(one.rows, two.rows, strict=True))


def test_heads_that_take_too_long_are_left_out_unless_named(file: FeatureFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefeat.learn.compare.TOO_LONG", 0.0)
    found = compare(file, layers=["grey8"], n_folds=3, workers=1)
    assert sorted(row.head for row in found.rows) == ["lda", "prototype"]
    assert [(name, layer) for name, layer, _ in found.left_out] == [
        *((name, "grey8") for name in ("dense", "knn", "logreg", "svm")),
        ("pixel PCA", ""),
    ]
    assert [row.head for row in found.baselines] == ["majority"]
    assert "bare pixels" not in verdict(found)
    assert document(found, file)["left_out"][-1] == {"head": "pixel PCA", "layer": "", "seconds": 0}
    named = compare(file, heads_wanted=["svm"], layers=["grey8"], n_folds=3, workers=1, baselines=False)
    assert [row.head for row in named.rows] == ["svm"] and named.left_out == ()


def test_where_all_would_take_too_long_one_must_be_named(file: FeatureFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefeat.learn.compare.TOO_LONG", -1.0)
    with pytest.raises(InputError) as caught:
        compare(file, n_folds=3, workers=1)
    assert str(caught.value) == "Every head would take too long on so many pictures; name one with --heads."


def test_what_was_left_out_is_said() -> None:
    left_out = [("svm", "block4_pool", 340_000.0), ("knn", "block4_pool", 1500.0), ("pixel PCA", "", 5400.0)]
    assert left_out_sentence(left_out, "--heads") == (
        "Left out, as more than 20 minutes on one core: svm on block4_pool (about 94 hours), knn on block4_pool "
        "(about 25 minutes), pixel PCA (about 2 hours). Name a head with --heads to have it all the same."
    )
    assert left_out_sentence([], "--heads") == ""


def test_slow_heads_can_be_kept_out(file: FeatureFile) -> None:
    found = compare(file, layers=["grey8"], slow=False, n_folds=3, workers=1, baselines=False)
    assert sorted(row.head for row in found.rows) == ["knn", "lda", "logreg", "prototype", "svm"]


def test_progress_counts_every_fit(file: FeatureFile) -> None:
    told: list[tuple[str, int, int]] = []
    compare(
        file,
        heads_wanted=["lda", "knn"],
        n_folds=3,
        workers=1,
        baselines=False,
        progress=lambda what, done, total: told.append((what, done, total)),
    )
    assert told == [  # three folds, three times, and five times with strangers
        *(("lda, knn on grey8", done, 56) for done in range(0, 29, 2)),
        *(("lda, knn on grey16", done, 56) for done in range(28, 57, 2)),
    ]


def test_a_file_that_is_replaced_meanwhile_changes_nothing(thumb_file: Path, tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 9, "bob": 9, "zoe": 9})
    file = extract(data, tmp_path / "f.h5", plan("thumb", faces_mode="none")).file
    before = compare(file, heads_wanted=["lda"], n_folds=3, workers=2)
    shutil.copyfile(thumb_file, tmp_path / "other.h5")
    (tmp_path / "other.h5").replace(file.path)  # as another run of extract would
    after = compare(file, heads_wanted=["lda"], n_folds=3, workers=2)
    assert np.array_equal(before.best.named, after.best.named)


def test_shuffled_labels_are_chance(file: FeatureFile) -> None:
    shuffled = replace(file, person=np.random.default_rng(0).permutation(file.person))
    assert compare(shuffled, heads_wanted=["lda"], n_folds=3, workers=1).best.accuracy.mean < 0.6


def test_a_copy_is_never_tested_on_its_twin(tmp_path: Path) -> None:
    # Every picture is pure noise and there twice: only somebody who saw the twin can know the person.
    data = write_people(tmp_path / "people", {"ada": 6, "bob": 6}, noise=400.0)
    for path in sorted(data.rglob("*.png")):
        path.with_name(f"again-{path.name}").write_bytes(path.read_bytes())
    file = extract(data, tmp_path / "f.h5", plan("thumb", faces_mode="none")).file
    found = compare(file, heads_wanted=["knn"], layers=["grey16"], n_folds=4, workers=1)
    assert found.copies == 12
    for train, test in found.folds.splits:
        digests = [{file.sha256[i].tobytes() for i in rows} for rows in (train, test)]
        assert not digests[0] & digests[1]


def test_unknown_names_are_said_before_any_work(file: FeatureFile) -> None:
    with pytest.raises(UsageError, match=r"^There is no head 'ldaa'; did you mean 'lda'\?"):
        compare(file, heads_wanted=["ldaa"])
    with pytest.raises(
        UsageError, match=r"^There is no layer 'grey9'; did you mean 'grey8'\? There are: grey16, grey8\.$"
    ):
        compare(file, layers=["grey9"])


def test_a_head_that_cannot_be_fitted_does_not_stop_the_others(file: FeatureFile) -> None:
    holed = np.array(file.vectors("grey8"))
    holed[3, 5] = np.nan
    columns = {**file.columns, "features/grey8": holed}
    broken = replace(file, columns=columns)
    found = compare(broken, heads_wanted=["lda"], n_folds=3, workers=1)
    assert [row.layer for row in found.rows] == ["grey16"]
    assert [(head, layer) for head, layer, _ in found.failed] == [("lda", "grey8")]
    with pytest.raises(InputError, match=r"^No head could be fitted; the first, lda, said: Input X contains NaN"):
        compare(broken, heads_wanted=["lda"], layers=["grey8"], n_folds=3, workers=1)
