"""What a comparison claims: ties, probabilities, ranks, mistakes; and what it says of data that is odd."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import top_k_accuracy_score

from facefeat import plugins
from facefeat.errors import InputError
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn import compare as comparing
from facefeat.learn import head as heads
from facefeat.learn.calibration import calibrate, logits
from facefeat.learn.compare import compare
from facefeat.learn.comparison import Comparison
from facefeat.learn.copies import groups_of
from facefeat.learn.scoring import step_of
from facefeat.learn.statistics import corrected_t, holm, posterior
from facefeat.report import compared, verdicts
from tests.cli.test_commands import run
from tests.making import write_people


@pytest.fixture(scope="module")
def file(thumb_file: Path) -> FeatureFile:
    return blurred(read(thumb_file), 250.0)


def blurred(file: FeatureFile, noise: float, seed: int = 0) -> FeatureFile:
    """Give the same people with vectors that are harder to tell apart."""
    rng = np.random.default_rng(seed)
    columns = dict(file.columns)
    for layer in file.layers:
        X = file.vectors(layer)
        columns[f"features/{layer}"] = np.abs(X + noise * X.std() / 100 * rng.normal(size=X.shape)).astype(np.float32)
    return replace(file, columns=columns)


@pytest.fixture(scope="module")
def found(file: FeatureFile) -> Comparison:
    return compare(file, heads_wanted=["lda", "knn", "logreg"], n_folds=3, repeats=2, workers=1)


def by_fold(file: FeatureFile, found: Comparison, head: str, layer: str) -> NDArray[np.float64]:
    X, y = np.asarray(file.vectors(layer)), file.person
    return np.array([
        np.mean(heads.build(head).fit(X[train], y[train]).predict(X[test]) == y[test])
        for train, test in found.folds.splits
    ])  # fmt: skip


def test_every_row_is_tested_against_the_best(file: FeatureFile, found: Comparison) -> None:
    best, *others = (by_fold(file, found, row.head, row.layer) for row in found.rows)
    tests = [corrected_t(best - one, 1 / 3) for one in others]
    adjusted = holm([one.p_value for one in tests])
    assert found.best.versus is None and found.best.tied
    for row, one, test, p in zip(found.rows[1:], others, tests, adjusted, strict=True):
        assert row.versus is not None and row.by_fold.tolist() == one.tolist()
        assert (row.versus.difference, row.versus.p_value) == (test, p)
        assert row.versus.posterior == posterior(one - best, 1 / 3)
        assert row.tied == (p >= 0.05)
    assert found.tied == tuple(row for row in found.rows[1:] if row.tied)


def test_ranks_and_probabilities_are_those_of_the_scores(file: FeatureFile, found: Comparison) -> None:
    y = file.person
    for row in found.rows:
        X, parts, hits = np.asarray(file.vectors(row.layer)), [], []
        for number, (train, test) in enumerate(found.folds.splits):
            scores = logits(heads.build(row.head).fit(X[train], y[train]), X[test])
            hits.append([top_k_accuracy_score(y[test], scores, k=k, labels=range(4)) for k in (1, 2, 3)])
            if number < 3:
                parts.append((scores.astype(np.float32), y[test]))
        assert len(row.cmc) == 4 and row.cmc[3] == 1.0 and row.cmc[0] == row.accuracy.mean
        if row.head != "knn":  # whose votes are often even
            np.testing.assert_allclose(row.cmc[:3], np.mean(hits, axis=0), atol=1e-9)
        expected, its = calibrate(parts), row.calibration
        assert expected is not None and its is not None and its.n == 24
        assert its.brier == pytest.approx(expected.brier, abs=2e-3)
        assert its.ece == pytest.approx(expected.ece, abs=2e-2)


def test_scores_of_a_sample_are_kept() -> None:
    assert step_of(400, 40) == 1 and step_of(2**20, 1) == 1 and step_of(2**20, 2) == 2
    assert step_of(200_000, 2_000) == 382


def test_a_sample_of_the_scores_does(file: FeatureFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefeat.learn.scoring.SCORES", 40)  # every third picture of 24, of four people
    row = compare(file, heads_wanted=["lda"], layers=["grey8"], n_folds=3, workers=1, baselines=False).best
    assert row.calibration is not None and row.calibration.n == 9


def test_shuffled_labels_are_worse_and_no_tie(thumb_file: Path) -> None:
    file = read(thumb_file)
    columns = {**file.columns, "features/grey16": np.random.default_rng(0).permutation(file.vectors("grey16"))}
    found = compare(replace(file, columns=columns), heads_wanted=["lda"], n_folds=6, repeats=2, workers=1)
    assert [row.layer for row in found.rows] == ["grey8", "grey16"]
    assert not found.rows[1].tied and found.tied == ()
    assert "; every other combination is worse, and not by chance." in verdicts.verdict(found)


def test_slow_heads_are_tried_on_the_usual_layer_only(file: FeatureFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing.heads, "is_slow", lambda name: name == "knn")
    monkeypatch.setattr(comparing.plugins, "names", lambda kind: ("knn", "lda"))
    found = compare(file, n_folds=2, workers=1, baselines=False, stranger_repeats=0)
    assert {(row.head, row.layer) for row in found.rows} == {("knn", "grey8"), ("lda", "grey8"), ("lda", "grey16")}
    assert "knn" in plugins.names("head")
    named = compare(file, heads_wanted=["knn"], n_folds=2, workers=1, baselines=False, stranger_repeats=0)
    assert {row.layer for row in named.rows} == {"grey8", "grey16"}


def test_mistakes_and_the_pictures_that_may_have_misled(file: FeatureFile, found: Comparison) -> None:
    truth = file.person[found.folds.tested]
    wrong = np.flatnonzero(found.best.named[0] != truth)
    assert [one.row for one in found.mistakes] == found.folds.tested[wrong].tolist() and len(wrong) > 0
    groups = groups_of(file)
    for one in found.mistakes:
        assert one.named == found.best.named[0][np.searchsorted(found.folds.tested, one.row)]
        assert file.person[one.nearest_named] == one.named != file.person[one.row]
        assert file.person[one.nearest_own] == file.person[one.row] and groups[one.nearest_own] != groups[one.row]


def test_the_document_has_all_of_it(file: FeatureFile, found: Comparison) -> None:
    document = compared.document(found, file)
    assert [row["p_value"] for row in document["rows"]] == [
        row.versus.p_value if row.versus else None for row in found.rows
    ]
    first = document["rows"][0]
    assert first["tied_with_best"] is True and first["cmc"][0] == first["accuracy"]["mean"]
    assert first["fnir"] == {"0.01": None, "0.1": None}
    assert first["auroc_unknown"]["mean"] == found.best.open_set.auroc.mean  # type: ignore[union-attr]
    assert document["protocol"]["strangers"] == verdicts.strangers(found)
    assert sum(one["n"] for one in first["reliability"]) == 24


def test_what_is_said_of_strangers(file: FeatureFile, found: Comparison) -> None:
    assert found.best.open_set is not None
    assert verdicts.strangers(found) == (
        f"2 people known, 2 strangers, 5 times dealt anew; AUROC {found.best.open_set.auroc.mean:.4f}.\n"
        "An FPIR of 1 % or 10 % is not measurable with 24 pictures of strangers."
    )
    without = compare(file, heads_wanted=["lda"], n_folds=3, workers=1, baselines=False, stranger_repeats=0)
    assert verdicts.strangers(without) == "Not measured."
    two = compare(part(file, list(range(12))), heads_wanted=["lda"], n_folds=3, workers=1, baselines=False)
    assert verdicts.strangers(two) == "Not measured: with 2 people nobody could be held out."


def part(file: FeatureFile, rows: list[int]) -> FeatureFile:
    """Give some rows of a file, of its first people."""
    return replace(
        file,
        people=file.people[: int(file.person[rows[-1]]) + 1],
        paths=tuple(file.paths[row] for row in rows),
        person=file.person[rows],
        columns={
            name: column[rows] if name.startswith(("images/", "faces/", "features/")) else column
            for name, column in file.columns.items()
        },
    )


def test_two_people_with_a_picture_each(file: FeatureFile) -> None:
    two = part(file, [0, 6])
    with pytest.raises(InputError) as caught:
        compare(two, heads_wanted=["lda"])
    assert str(caught.value) == "Every person has a single picture; testing needs at least two of somebody."


def test_pictures_that_are_all_alike_are_chance(file: FeatureFile) -> None:
    columns = {**file.columns, "features/grey8": np.ones_like(file.vectors("grey8"))}
    alike = replace(file, columns=columns)
    found = compare(
        alike, heads_wanted=["lda", "knn", "svm", "logreg", "prototype"], layers=["grey8"], n_folds=3, workers=1
    )
    assert len(found.rows) + len(found.failed) == 5
    assert all(row.accuracy.mean <= 0.5 for row in found.rows)


def test_a_constant_feature_changes_nothing(file: FeatureFile) -> None:
    X = file.vectors("grey8")
    wide = replace(file, columns={**file.columns, "features/grey8": np.hstack([X, np.full((len(X), 1), 7, X.dtype)])})
    one, other = (compare(each, heads_wanted=["knn"], layers=["grey8"], n_folds=3, workers=1) for each in (file, wide))
    assert np.array_equal(one.best.named, other.best.named)


def test_fifty_people_fit_into_100_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_people(tmp_path / "people", {f"person number {i:02} with a long name": 3 for i in range(50)})
    assert run("extract", data, "-o", tmp_path / "f.h5", "--backbone", "thumb", "--faces", "none").exit_code == 0
    monkeypatch.setenv("NO_COLOR", "1")
    found = run("compare", tmp_path / "f.h5", "--heads", "lda,prototype,logreg", "--report", tmp_path / "report.txt")
    assert found.exit_code == 0 and "\x1b" not in found.stdout
    for text in (found.stdout, (tmp_path / "report.txt").read_text()):
        lines = text.splitlines()
        assert max(map(len, lines)) <= 100 and "…" not in text
        rows = [line for line in lines if " grey" in line and " ms" in line]
        assert len(rows) == 6  # each on one line
        assert " how " in text and " strangers " in text
