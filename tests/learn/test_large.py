"""Tables that do not fit in memory: what is read in parts gives what the whole gives, and is never held."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefeat.errors import DamagedFile
from facefeat.heads import _logistic, _rows, _rowspace, dense
from facefeat.heads._rowspace import Vectors
from facefeat.learn import archive, bundle, check, copies, head, naming, nearest, pieces, splits, unknown
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.training import TrainingSet
from facefeat.report.files import _counted

N, PEOPLE, WIDTH = 600, 20, 24


@pytest.fixture(scope="module")
def table() -> tuple[Any, Any, Any]:
    """Give rows that train, whose they are, and other rows of the same people."""
    rng = np.random.default_rng(0)
    y = np.sort(np.arange(N) % PEOPLE).astype(np.int32)
    centres = rng.normal(size=(PEOPLE, WIDTH))[y]
    rows, others = ((centres + 0.7 * rng.normal(size=(N, WIDTH))).astype(np.float32) for _ in range(2))
    return rows, y, others


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every table for a large one."""
    monkeypatch.setattr(_rows, "LARGE", 0)
    monkeypatch.setattr(_rowspace, "LARGE", 0)
    monkeypatch.setattr(_rowspace, "MOST_ROWS", 0)
    monkeypatch.setattr(_logistic, "MOST_SCORES", 0)
    monkeypatch.setattr(_logistic, "_SCORES", 7 * PEOPLE)


def fitted(name: str, params: dict[str, Any], table: tuple[Any, Any, Any]) -> Any:
    return TrainingSet(Vectors(table[0]), table[1]).fit(name, params)


@pytest.mark.parametrize("C", [0.01, 1.0])
def test_logistic_regression_in_blocks_names_as_scikit_learns(table: Any, large: None, C: float) -> None:
    streamed, plain = fitted("logreg", {"C": C}, table), head.build("logreg", {"C": C}).fit(*table[:2])
    assert (streamed.predict(table[2]) == plain.predict(table[2])).mean() > 0.995
    assert streamed.decision_function(table[2]) == pytest.approx(plain.decision_function(table[2]), abs=0.01)


def test_the_dense_head_trains_alike_batch_by_batch(table: Any, large: None) -> None:
    params = {"hidden": (8,), "epochs": 2, "batch_size": 100}
    streamed, plain = fitted("dense", params, table), head.build("dense", params).fit(*table[:2])
    assert streamed[-1].loss_curve_ == pytest.approx(plain[-1].loss_curve_, rel=1e-5)
    assert streamed.predict_proba(table[2]) == pytest.approx(plain.predict_proba(table[2]), abs=1e-4)


def test_folds_of_a_streamed_head_are_those_of_a_held_one(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, _ = table
    cut, trials = [(np.arange(0, N, 2), np.arange(1, N, 2))], [Trial("dense", {"hidden": (), "epochs": 1})]
    (held,) = cross_validate(X, y, cut, trials, 1, step=1)[0]
    monkeypatch.setattr(_rowspace, "LARGE", 0)
    monkeypatch.setattr(_rowspace, "MOST_ROWS", 0)
    (streamed,) = cross_validate(X, y, cut, trials, 1, step=1)[0]
    assert isinstance(held, Outcome) and isinstance(streamed, Outcome)
    assert streamed.scores == pytest.approx(held.scores, abs=1e-4)


@given(st.lists(st.integers(0, 5), min_size=6, max_size=60), st.integers(2, 5), st.integers(0, 3))
def test_groups_dealt_in_turn_stay_whole_and_lie_evenly(people: list[int], n_folds: int, seed: int) -> None:
    groups = np.arange(len(people)) // 2
    person = np.array(people)[groups]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "MOST_CELLS", 0)
        fold = splits.stratified(person, groups, n_folds, seed)
    firsts = np.unique(groups, return_index=True)[1]
    assert (fold == fold[firsts][groups]).all() and set(fold) <= set(range(n_folds))
    for mine in (firsts, *(firsts[person[firsts] == who] for who in set(person))):
        counts = np.bincount(fold[mine], minlength=n_folds)
        assert counts.max() - counts.min() <= 1


def test_a_threshold_is_chosen_on_a_share_of_many_pictures(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, _ = table
    names = tuple(f"p{who:02d}" for who in range(PEOPLE))
    whole = unknown.choose_threshold(X, y, np.arange(N), names, fpir=0.1)
    assert whole.how.startswith("chosen on 600 pictures of 20 people, each left out in turn, for an FPIR of 10 %")
    monkeypatch.setattr(unknown, "MOST_JUDGED", 300)
    some = unknown.choose_threshold(X, y, np.arange(N), names, fpir=0.1)
    assert some.how.startswith("chosen on 300 pictures, drawn from 600, of 20 people, each left out in turn,")
    assert some.n_pictures == 300 and some.value == pytest.approx(whole.value, abs=0.05)


def test_of_many_pairs_the_most_alike_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (np.array([[0, 1], [0, 2]]), np.array([0.6, 0.9], np.float32)),
        (np.array([[4, 5]]), np.array([0.8], np.float32)),
    ]
    assert copies._most_alike(found).tolist() == [[0, 1], [0, 2], [4, 5]]
    monkeypatch.setattr(copies, "MOST_PAIRS", 2)
    assert copies._most_alike(found).tolist() == [[0, 2], [4, 5]]
    assert copies._most_alike([]).shape == (0, 2)


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npz_in_pieces_is_that_of_numpy(order: Any) -> None:
    arrays = {
        "vectors": np.asarray(np.random.default_rng(0).normal(size=(7, 5)), np.float16, order="C"),
        "paths": np.array([b"ada/1.jpg", b"bob/22.jpg"]),
        "pixels": np.empty((0, 64, 64), np.uint8),
        "found": np.array([True, False]),
    }
    expected = io.BytesIO()
    np.savez(expected, **arrays)  # type: ignore[arg-type]
    given_ = {name: np.asarray(values, order=order) for name, values in arrays.items()}
    assert b"".join(pieces.npz(given_)) == expected.getvalue()


def test_pieces_hold_arrays_without_copying_them() -> None:
    numbers = np.zeros(1000, np.float32)
    held = pieces.npz({"numbers": numbers})
    assert any(np.shares_memory(np.frombuffer(part, np.uint8), numbers) for part in held)
    with pytest.raises(ValueError, match="only a part of the same length can be replaced"):
        held.seek(0)
        held.write(b"x")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a table of 12 MiB that is mapped from a file."""
    path = tmp_path_factory.mktemp("mapped") / "vectors"
    np.random.default_rng(0).normal(size=(2**13, 384)).astype(np.float32).tofile(path)
    return np.memmap(path, np.float32, "r", shape=(2**13, 384))


@pytest.mark.parametrize(
    ("name", "params"),
    [("prototype", {}), ("logreg", {"max_iter": 2}), ("dense", {"hidden": (), "epochs": 1, "batch_size": 256})],
)
@pytest.mark.filterwarnings("ignore:Logistic regression did not converge")
def test_fitting_takes_a_part_of_the_memory_of_the_table(
    mapped: Any, large: None, monkeypatch: pytest.MonkeyPatch, name: str, params: dict[str, Any]
) -> None:
    monkeypatch.setattr(_rows, "_NUMBERS", 2**16)
    monkeypatch.setattr(dense, "_NUMBERS", 2**16)
    monkeypatch.setattr(_logistic, "_SCORES", 2**12)
    y = (np.arange(len(mapped)) % 20).astype(np.int32)
    fitted(name, params, (mapped[:100], y[:100], None))  # imports are no part of it
    tracemalloc.start()
    fitted(name, params, (mapped, y, None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < mapped.nbytes / 2


def test_a_model_is_read_without_copies_of_its_gallery(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bundle.read(models["prototype"])
    monkeypatch.setattr(archive, "_LARGE", 0)
    read = bundle.read(models["prototype"])
    base = read.gallery.vectors
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, memoryview) and len(base.obj) == models["prototype"].stat().st_size
    assert read.gallery.to_bytes() == before.gallery.to_bytes()


def test_a_member_that_lies_about_itself_is_refused_where_it_lies(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_LARGE", 0)
    data = bytearray(models["prototype"].read_bytes())
    data[zipfile.ZipFile(models["prototype"]).getinfo("gallery.npz").header_offset + 2000] ^= 1
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(DamagedFile, match=r"^.*m is damaged: 'gallery\.npz' cannot be unpacked\.$"):
        bundle.read(tmp_path / "m")


def test_the_nearest_pictures_are_the_same_in_single_precision(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bundle.read(models["prototype"])
    X = model.gallery.vectors.astype(np.float32)
    exact = naming.namings(model, X, 1, nearest.TrainingPictures(model))
    monkeypatch.setattr(nearest, "MOST_EXACT", 0)
    monkeypatch.setattr(nearest, "_BLOCK", 3 * X.shape[1])
    rough = naming.namings(model, X, 1, nearest.TrainingPictures(model))
    for one, other in zip(exact, rough, strict=True):
        assert (one.name, one.score) == (other.name, other.score)
        alike = [pair.similarity for pair in other.nearest]
        assert alike == pytest.approx([pair.similarity for pair in one.nearest], abs=1e-5)


def test_of_a_large_model_some_pictures_are_named(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check.check(models["prototype"]).counts
    assert whole["gallery_right"] == whole["gallery"] and "gallery_named" not in whole
    monkeypatch.setattr(check, "MOST_SCORES", -(-whole["gallery"] * whole["people"] // 3))
    found = check.check(models["prototype"])
    assert found.counts["gallery_named"] == found.counts["gallery_right"] == -(-whole["gallery"] // 3)
    said = _counted(found)
    n, some = whole["gallery"], found.counts["gallery_named"]
    assert said[0].endswith(
        f"of {some}, evenly taken, of the {n} pictures it was trained on, its head names {some} right"
    )
