"""Pairs of faces scored by the protocol of Labeled Faces in the Wild."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import t
from sklearn.metrics import roc_auc_score, roc_curve

from facefeat.errors import DamagedFile, InputError, RecipeMismatch, UsageError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.columns import Skipped
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.fit import fit
from facefeat.learn.metrics import wilson
from facefeat.learn.pair_scores import decide, fold_scores, trade_off
from facefeat.learn.pairs import Pairs, parse_pairs
from facefeat.learn.rates import best_threshold
from facefeat.learn.unknown import directions
from facefeat.learn.verification import verify, verify_file
from tests.making import write_people

THUMB: dict[str, Any] = {"faces_mode": "none"}


def file_of(roots: dict[str, list[float]], skipped: tuple[Skipped, ...] = ()) -> FeatureFile:
    """Make a feature file in memory from the signed square roots of its vectors."""
    paths = tuple(sorted(roots))
    people = tuple(sorted({path.partition("/")[0] for path in paths}))
    person = np.array([people.index(path.partition("/")[0]) for path in paths], np.int32)
    found = np.array([roots[path] for path in paths], np.float64)
    columns: dict[str, NDArray[Any]] = {
        "images/sha256": np.array([list(hashlib.sha256(path.encode()).digest()) for path in paths], np.uint8),
        "images/copy": np.zeros(len(paths), np.int16),
        "faces/found": np.zeros(len(paths), bool),
        "features/grey8": (np.sign(found) * found**2).astype(np.float32),
        "features/grey16": found.astype(np.float32),
    }
    maker = {"engine": "none", "device": "none", "precision": "float32", "versions": {}}
    return FeatureFile(
        Path("features.h5"), plan("thumb", **THUMB).recipe, maker, people, paths, person, columns, skipped
    )


def drawn_file(n_people: int, each: int, seed: int = 0, spread: float = 1.0) -> FeatureFile:
    rng = np.random.default_rng(seed)
    roots = {}
    for who in range(n_people):
        middle = rng.normal(size=6)
        for number in range(1, each + 1):
            roots[f"p{who:02}/{number}.png"] = (middle + spread * rng.normal(size=6)).tolist()
    return file_of(roots)


def drawn_pairs(n_folds: int, n_each: int, each: int, seed: int = 0) -> Pairs:
    """Draw pairs of three people a fold, who are in no other."""
    rng, lines = np.random.default_rng(seed), [f"{n_folds} {n_each}"]
    for fold in range(n_folds):
        for mated in [True] * n_each + [False] * n_each:
            one, other = (f"p{3 * fold + who:02}" for who in rng.permutation(3)[:2])
            i, j = rng.permutation(each)[:2] + 1
            lines.append(f"{one} {i} {j}" if mated else f"{one} {i} {other} {j}")
    return parse_pairs("\n".join(lines))


def brute_force_best(scores: NDArray[np.float64], mated: NDArray[np.bool_]) -> int:
    candidates = [*scores, np.inf]
    return max(int(np.sum((scores >= threshold) == mated)) for threshold in candidates)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), st.booleans()), min_size=1, max_size=12))
def test_no_threshold_is_better(pairs: list[tuple[float, bool]]) -> None:
    scores, mated = np.array([score for score, _ in pairs]), np.array([mated for _, mated in pairs])
    threshold = best_threshold(scores, mated)
    assert np.sum((scores >= threshold) == mated) == brute_force_best(scores, mated)


@pytest.mark.parametrize(
    ("scores", "mated", "threshold"),
    [
        ([0.1, 0.3, 0.7, 0.9], [0, 0, 1, 1], 0.5),
        ([0.2, 0.4, 0.6], [1, 1, 1], 0.2),
        ([0.2, 0.4, 0.6], [0, 0, 0], np.nextafter(0.6, 1)),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0, 1, 0, 1, 0, 1], 0.35),  # right as often by .15, .35 and .55
    ],
)
def test_thresholds_worked_by_hand(scores: list[float], mated: list[int], threshold: float) -> None:
    assert best_threshold(np.array(scores), np.array(mated, bool)) == pytest.approx(threshold, abs=1e-15)


FOLD = np.repeat([0, 1], 4)
MATED = np.tile([True, True, False, False], 2)
SCORES = np.array([0.9, 0.7, 0.1, 0.35, 0.6, 0.4, 0.45, 0.2])


def test_two_folds_worked_by_hand() -> None:
    found = decide(np.tile(SCORES, (2, 1)), MATED, FOLD)
    assert found.thresholds == pytest.approx((0.3, 0.525))  # fold 1's own pairs give .3, those of fold 0 give .525
    assert found.fold_accuracies == (0.75, 0.75)  # .35 is a false match of fold 0, .4 a false non-match of fold 1
    assert (found.accuracy, found.over_folds) == (wilson(0.75, 8), False)  # equal folds have no variance


def test_a_fold_is_not_decided_by_its_own_pairs() -> None:
    scores = np.tile(SCORES, (2, 1))
    before = decide(scores, MATED, FOLD).thresholds
    scores[:, 4:] = 1 - scores[:, 4:]
    after = decide(scores, MATED, FOLD).thresholds
    assert after[1] == before[1] and after[0] != before[0]


def test_the_interval_is_students_over_the_folds() -> None:
    fold, mated = np.repeat([0, 1, 2], 4), np.tile([True, True, False, False], 3)
    scores = np.array([0.9, 0.8, 0.1, 0.2, 0.9, 0.3, 0.1, 0.2, 0.9, 0.8, 0.1, 0.2])
    found = decide(np.tile(scores, (3, 1)), mated, fold)
    assert found.fold_accuracies == (1.0, 0.75, 1.0) and found.over_folds
    half = t.ppf(0.975, 2) * np.std(found.fold_accuracies, ddof=1) / np.sqrt(3)
    assert found.accuracy.mean == pytest.approx(11 / 12)
    assert (found.accuracy.low, found.accuracy.high) == (pytest.approx(11 / 12 - half), 1.0)


def test_pairs_without_a_score_are_wrong_and_choose_nothing() -> None:
    scores = np.tile(SCORES, (2, 1))
    scores[:, [0, 4]] = np.nan
    found = decide(scores, MATED, FOLD)
    assert found.fold_accuracies == (0.5, 0.5)  # .9 and .6 were right; .35 and .4 stay wrong
    scores[:, 4:] = np.nan
    with pytest.raises(InputError) as caught:
        decide(scores, MATED, FOLD)
    assert str(caught.value) == (
        "No threshold can be chosen for fold 1: every pair of the other folds lacks a picture."
    )


def test_auroc_and_eer_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    mated = rng.random(400) < 0.4
    scores = np.round(rng.normal(mated, 1.2), 1)  # with ties
    found = trade_off(scores, mated, (0.01,))
    assert found.auroc == pytest.approx(roc_auc_score(mated, scores), abs=1e-12)
    fpr, tpr, _ = roc_curve(mated, scores, drop_intermediate=False)
    place = np.arange(len(fpr))
    crossing = brentq(lambda x: np.interp(x, place, fpr) - 1 + np.interp(x, place, tpr), 0, place[-1])
    assert found.eer == pytest.approx(np.interp(crossing, place, fpr), abs=1e-9)
    assert (found.mated, found.nonmated) == (mated.sum(), (~mated).sum())


def test_what_cannot_be_measured_is_none() -> None:
    mated = np.repeat([True, False], [10, 300])
    scores = np.concatenate([np.linspace(0.5, 1, 10), np.linspace(0, 0.6, 300)])
    rates = trade_off(scores, mated, (0.01, 0.001)).rates
    # The three highest of two people may match: scores over .5939 are left to pairs of one person.
    assert [(rate.fmr, rate.fnmr) for rate in rates] == [(0.01, pytest.approx(0.2)), (0.001, None)]
    assert trade_off(scores[1:-1], mated[1:-1], (0.01,)).rates[0].fnmr is None
    alone = trade_off(scores[:10], mated[:10], (0.01,))
    assert (alone.auroc, alone.eer, alone.curve, alone.rates[0].fnmr) == (None, None, None, None)


def test_pairs_worked_by_hand() -> None:
    file = file_of({"Ada/1.png": [1, 0], "Ada/2.png": [3, 0], "Bob/1.png": [-2, 0], "Bob/2.png": [-2, 1]})
    found = verify_file(file, parse_pairs("2\nAda 1 2\nBob 1 2\nAda 1 Bob 1\nAda 2 Bob 2\n"))
    # The mean is (0, 1/4): directions (4, -1), (12, -1), (-8, -1) and (-8, 3).
    unit = np.array([(4, -1), (12, -1), (-8, -1), (-8, 3)])
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = [unit[i] @ unit[j] for i, j in ((0, 1), (2, 3), (0, 2), (1, 3))]
    assert found.decisions.thresholds == pytest.approx(((cosines[1] + cosines[2]) / 2,))
    assert (found.decisions.accuracy, found.decisions.over_folds) == (wilson(1.0, 4), False)
    assert (found.trade_off.auroc, found.trade_off.eer) == (1.0, 0.0)
    assert found.trade_off.curve is not None
    assert found.trade_off.curve.thresholds[1:].tolist() == pytest.approx(sorted(cosines, reverse=True))
    assert (found.layer, found.model, found.n_folds, found.n_pairs, found.pictures) == ("grey8", False, 1, 4, 4)


def test_scores_are_those_of_a_plain_loop() -> None:
    file, pairs = drawn_file(9, 6), drawn_pairs(3, 8, 6)
    X = file.vectors("grey8")
    index = np.array(
        [[file.paths.index(f"{name}/{number}.png") for name, number in (one.first, one.second)] for one in pairs.pairs]
    )
    scores = fold_scores(X, index, pairs.fold, 3, None)
    roots = np.sign(X) * np.sqrt(np.abs(X.astype(np.float64)))
    for k in range(3):
        others = sorted(
            {row for pair, fold in zip(index.tolist(), pairs.fold, strict=True) if fold != k for row in pair}
        )
        moved = roots - roots[others].mean(axis=0)
        for place, (i, j) in enumerate(index):
            cosine = moved[i] @ moved[j] / np.linalg.norm(moved[i]) / np.linalg.norm(moved[j])
            assert scores[k, place] == pytest.approx(cosine, abs=1e-12)
    own = scores[pairs.fold, np.arange(len(index))]
    found = verify_file(file, pairs)
    assert found.trade_off.auroc == pytest.approx(roc_auc_score(pairs.mated, own), abs=1e-12)
    shares = [
        np.mean((own[pairs.fold == k] >= found.decisions.thresholds[k]) == pairs.mated[pairs.fold == k])
        for k in range(3)
    ]
    assert found.decisions.fold_accuracies == pytest.approx(tuple(shares))


@pytest.mark.parametrize("k", range(3))
def test_nothing_of_a_folds_pictures_reaches_its_threshold(k: int) -> None:
    file, pairs = drawn_file(9, 6), drawn_pairs(3, 8, 6)
    before = verify_file(file, pairs).decisions.thresholds
    mine = np.isin(file.person, [3 * k, 3 * k + 1, 3 * k + 2])
    file.columns["features/grey8"][mine] = np.random.default_rng(1).normal(5, 3, (int(mine.sum()), 6))
    after = verify_file(file, pairs).decisions.thresholds
    assert [fold for fold in range(3) if before[fold] == after[fold]] == [k]


def test_nor_does_a_picture_that_two_folds_share() -> None:
    roots = {f"p{who}/{n}.png": [who - 1.5, n, 1 / n] for who in range(4) for n in (1, 2, 3)}
    pairs = parse_pairs("2 1\np0 1 2\np0 1 p1 1\np2 1 2\np0 1 p3 3")
    index = np.array([[0, 1], [0, 3], [6, 7], [0, 11]])
    before = fold_scores(file_of(roots).vectors("grey8"), index, pairs.fold, 2, None)
    after = fold_scores(file_of(roots | {"p0/1.png": [9, 9, 9]}).vectors("grey8"), index, pairs.fold, 2, None)
    assert before[0, 2] == after[0, 2] and verify_file(file_of(roots), pairs).shared_people == 1


def test_pictures_that_are_missing_or_were_skipped_count_as_wrong() -> None:
    skipped = Skipped("Bob/2.png", bytes(32), "damaged", "The picture is damaged.")
    roots = {"Ada/1.png": [1.0, 0.1], "Ada/2.png": [3, 0], "Bob/1.png": [-2, 0], "Bob/3.png": [-2, 1]}
    pairs = parse_pairs("3\nAda 1 2\nBob 1 2\nBob 1 3\nAda 1 Bob 1\nAda 2 Bob 2\nAda 9 Bob 2\n")
    found = verify_file(file_of(roots, (skipped,)), pairs)
    assert [(one.name, one.picture, one.message) for one in found.failures] == [
        ("Bob", "2", "The picture is damaged."), ("Ada", "9", "There is no such picture."),
    ]  # fmt: skip
    assert (found.failed_pairs, found.trade_off.mated, found.trade_off.nonmated) == (3, 2, 1)
    assert found.decisions.accuracy == wilson(0.5, 6) and found.trade_off.auroc == 1.0


def test_nothing_to_be_scored() -> None:
    file = file_of({"Ada/1.png": [1.0, 0.0], "Bob/1.png": [0, 1]})
    with pytest.raises(InputError) as caught:
        verify_file(file, parse_pairs("1\nAda 1 2\nAda 1 Bob 3"))
    assert (
        str(caught.value) == "No pair can be scored: each lacks a picture, such as Ada's 2: There is no such picture."
    )
    with pytest.raises(InputError) as caught:
        verify_file(file, parse_pairs("1\nCleo 1 2\nCleo 1 Dan 3"))
    assert str(caught.value) == (
        "No picture of the pairs is in features.h5, whose people are Ada, Bob: line 2 is about Cleo's 1."
    )


def test_vectors_that_are_no_numbers() -> None:
    file = file_of({"Ada/1.png": [1.0, np.nan], "Ada/2.png": [1, 1], "Bob/1.png": [0, 1]})
    with pytest.raises(DamagedFile) as caught:
        verify_file(file, parse_pairs("1\nAda 1 2\nAda 1 Bob 1"))
    assert str(caught.value) == "features.h5 is damaged: its vectors of grey8 are not all finite numbers."


def test_copies_are_counted() -> None:
    file = file_of({"Ada/1.png": [1.0, 0], "Ada/2.png": [1, 0], "Bob/1.png": [0, 1], "Bob/2.png": [0, 2]})
    file.columns["images/sha256"][1] = file.columns["images/sha256"][0]
    pairs = parse_pairs("2\nAda 1 2\nBob 1 2\nAda 1 Bob 1\nAda 2 Bob 1")
    assert (verify_file(file, pairs).copies, verify_file(file, pairs, layer="grey16").layer) == (1, "grey16")


PAIRS = "2 2\nada 1 2\nada 3 4\nada 1 bob 1\nada 2 bob 2\ncleo 1 2\ndan 1 2\ncleo 1 dan 1\ncleo 2 dan 3\n"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Give a model of two of the four people, and of two others. Not to be changed."""
    folder = tmp_path_factory.mktemp("model")
    data = write_people(folder / "people", {"ada": 6, "bob": 6, "eve": 6, "fred": 6})
    file = extract(data, folder / "f.h5", plan("thumb", **THUMB)).file
    return bundles.read(fit(file, folder / "m.facefeat", head="lda", layer="grey16").output)


def test_a_model_scores_in_its_own_space(bundle: Bundle, thumb_file: Path) -> None:
    file, pairs = read(thumb_file), parse_pairs(PAIRS)
    found = verify(thumb_file, pairs, bundle)
    unit = directions(bundle.unknown, np.asarray(file.vectors("grey16")))
    rows = {path: row for row, path in enumerate(file.paths)}
    cosines = [
        unit[rows[f"{a}/{int(i):02}.png"]] @ unit[rows[f"{b}/{int(j):02}.png"]]
        for (a, i), (b, j) in ((one.first, one.second) for one in pairs.pairs)
    ]
    assert found.trade_off.curve is not None and found.model and found.layer == "grey16"
    assert found.trade_off.curve.thresholds[1:].tolist() == pytest.approx(sorted(set(cosines), reverse=True))
    assert (found.known_people, found.trained) == (2, 6)  # ada and bob


def test_a_folder_gives_what_its_feature_file_gives(bundle: Bundle, thumb_file: Path) -> None:
    data, pairs = thumb_file.parent / "people", parse_pairs(PAIRS)
    for model in (bundle, None):
        from_file = verify(thumb_file, pairs, model, workers=1)
        from_folder = verify(data, pairs, model, workers=1, chosen=plan("thumb", **THUMB))
        assert from_folder.decisions == from_file.decisions and from_folder.layer == from_file.layer


def test_what_is_asked_for_wrongly(bundle: Bundle, thumb_file: Path, tmp_path: Path) -> None:
    pairs, data = parse_pairs(PAIRS), thumb_file.parent / "people"
    with pytest.raises(UsageError) as caught:
        verify(thumb_file, pairs, bundle, layer="grey8")
    assert str(caught.value) == "A model has its own layer, grey16; leave --layer out, or --model."
    with pytest.raises(UsageError) as caught:
        verify(thumb_file, pairs, layer="grey9")
    assert str(caught.value) == "There is no layer 'grey9'; did you mean 'grey8'? There are: grey16, grey8."
    with pytest.raises(UsageError) as caught:
        verify(thumb_file, pairs, fmr=1)
    assert str(caught.value) == "--fmr is a share between 0 and 1, such as 0.01; 1 was given."
    with pytest.raises(UsageError) as caught:
        verify(data, pairs, detector=Path("yunet.onnx"))
    assert str(caught.value) == (
        "--detector belongs to a model made with it; else give a feature file: facefeat extract --faces yunet:FILE"
    )
    with pytest.raises(InputError) as caught:  # before anything is extracted
        verify(data, parse_pairs("1\nzoe 1 2\nzoe 1 yan 1"))
    assert str(caught.value) == (
        f"No picture of the pairs is in {data}, whose people are ada, bob, cleo ...: line 2 is about zoe's 1."
    )
    small = extract(write_people(tmp_path / "p"), tmp_path / "f.h5", plan("thumb", size=48, **THUMB)).file.path
    with pytest.raises(RecipeMismatch) as mismatch:
        verify(small, pairs, bundle)
    assert str(mismatch.value) == f"{small} was made by another recipe: input_size is 48 instead of 32."
