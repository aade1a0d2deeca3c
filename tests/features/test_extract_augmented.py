"""Augmented copies: which rows they are, that they are computed once, and that the same of them give the same bytes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facefeat.data.augment import AUGMENTATION, Augmentation, augmented
from facefeat.engines.choose import choose
from facefeat.errors import StorageError, UsageError
from facefeat.features import compute
from facefeat.features import extract as extraction
from facefeat.features.encode import Encoder, plan
from facefeat.features.extract import Extraction, extract
from facefeat.features.recipe import canonical_json
from facefeat.features.store.check import check
from facefeat.features.store.file import FeatureFile, read
from tests.making import random_pixels, write_people

THUMB = plan("thumb", faces_mode="none")
OTHER = Augmentation(rotation=3)


def run(data: Path, augment: int | None = None, **options: Any) -> Extraction:
    """Extract with the toy into the file beside the data set."""
    return extract(data, data.parent / "features.h5", THUMB, augment=augment, engine="openvino", **options)


def fresh(data: Path, augment: int = 0, ranges: Augmentation = AUGMENTATION) -> bytes:
    """Give the bytes of a feature file made from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "features.h5"
        return extract(data, output, THUMB, augment=augment, ranges=ranges, engine="openvino").file.path.read_bytes()


def counts(done: Extraction) -> tuple[int, int, int, int, int, int]:
    """Give images, rows, computed, reused, duplicates and copies."""
    return done.images, len(done.file), done.computed, done.reused, done.duplicates, done.copies


def keys_of(file: FeatureFile) -> list[tuple[str, int]]:
    """List the rows: path and number of the copy."""
    return list(zip(file.paths, file.copy.tolist(), strict=True))


class Stopped:
    """Interrupt a run when so many pictures are done."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, what: str, done: int, total: int) -> None:
        if what == "faces and vectors" and done == self.after:
            raise KeyboardInterrupt


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the number of every copy that is made; 0 stands for a picture itself."""
    made: list[int] = []

    def noted(square: Any, digest: bytes, copy: int, ranges: Augmentation) -> Any:
        made.append(copy)
        return augmented(square, digest, copy, ranges)

    monkeypatch.setattr(compute, "augmented", noted)
    return made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every picture that is read to be computed."""
    read_: list[str] = []
    inner = compute._Work._open

    def noted(self: Any, task: compute.Task) -> Any:
        read_.append(task.path)
        return inner(self, task)

    monkeypatch.setattr(compute._Work, "_open", noted)
    return read_


def test_every_picture_is_followed_by_its_copies(people: Path, opened: list[str]) -> None:
    file = run(people, 3).file
    names = [f"{person}/0{i}.png" for person in ("ada", "bob") for i in (1, 2, 3)]
    assert keys_of(file) == [(name, copy) for name in names for copy in range(4)]
    assert sorted(opened) == names  # each once
    assert file.recipe.sha256 == THUMB.recipe.sha256
    assert file.augmentation == canonical_json(AUGMENTATION.as_dict())
    assert file.path.read_bytes().startswith(b"facefeat-features/3\n")
    assert (file.n_pictures, file.n_each, file.copies()) == (6, 3, (0, 0))
    for name in ("images/sha256", "faces/box", "faces/count", "faces/pixels"):
        column = file.columns[name].reshape(6, 4, -1)
        assert (column == column[:, :1]).all(), name
    assert not check(file.path).problems


def test_a_copys_vector_is_that_of_the_picture_made_from_the_aligned_face(people: Path) -> None:
    file = run(people, 2).file
    encoder = Encoder(THUMB, choose("openvino", "float32"))
    size = THUMB.recipe.input_size
    for row in (0, 4, 8, 17):
        data = (people / file.paths[row]).read_bytes()
        face = encoder.finder.faces([encoder.finder.open(data)])[0]
        square = augmented(face.pixels, file.sha256[row].tobytes(), int(file.copy[row]))  # type: ignore[union-attr]
        assert square.shape == (size, size, 3)
        for layer, vectors in encoder.vectors([square]).items():
            np.testing.assert_array_equal(file.vectors(layer)[row], vectors[0])


def test_more_copies_compute_only_those_that_are_new(people: Path, copied: list[int]) -> None:
    assert counts(run(people, 3)) == (6, 24, 24, 0, 0, 18)
    copied.clear()
    done = run(people, 5)
    assert counts(done) == (6, 36, 12, 24, 0, 30)
    assert (sorted(copied), done.pictures) == ([4] * 6 + [5] * 6, 6)
    assert done.file.path.read_bytes() == fresh(people, 5)


def test_a_file_without_copies_gains_them_without_its_pictures_being_computed_again(
    people: Path, copied: list[int]
) -> None:
    plain = run(people).file
    assert (plain.augmentation, plain.path.read_bytes()[:20]) == ("", b"facefeat-features/2\n")
    copied.clear()
    assert counts(run(people, 1)) == (6, 12, 6, 6, 0, 6)
    assert copied == [1] * 6
    assert (people.parent / "features.h5").read_bytes() == fresh(people, 1)


def test_without_the_option_a_file_keeps_its_copies_and_0_takes_them_out(people: Path) -> None:
    plain, two = fresh(people), fresh(people, 2)
    output = run(people, 2).file.path
    when = output.stat().st_mtime_ns
    assert counts(run(people)) == (6, 18, 0, 18, 0, 12)
    assert (output.read_bytes(), output.stat().st_mtime_ns) == (two, when)
    assert counts(run(people, 0)) == (6, 6, 0, 6, 0, 0)
    assert output.read_bytes() == plain


CHANGES: dict[str, tuple[Callable[[Path], Any], tuple[int, int, int, int, int, int]]] = {
    "a renamed person": (lambda root: (root / "bob").rename(root / "zoe"), (6, 18, 0, 18, 0, 12)),
    "a moved picture": (lambda root: (root / "ada" / "01.png").rename(root / "bob" / "9"), (6, 18, 0, 18, 0, 12)),
    "the same twice": (lambda root: shutil.copy(root / "ada" / "01.png", root / "bob" / "9"), (7, 21, 0, 18, 3, 14)),
    "a new picture": (lambda root: write_people(root, {"ada": 4}), (7, 21, 3, 18, 0, 14)),
    "a changed picture": (lambda root: write_people(root, {"ada": 1}, seed=5), (6, 18, 3, 15, 0, 12)),
    "a removed picture": (lambda root: (root / "ada" / "01.png").unlink(), (5, 15, 0, 15, 0, 10)),
    "a bad picture": (lambda root: (root / "ada" / "a.jpg").write_bytes(b"text"), (7, 18, 0, 18, 0, 12)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_changed_is_computed(people: Path, change: str) -> None:
    act, wanted = CHANGES[change]
    run(people, 2)
    act(people)
    assert counts(run(people)) == wanted
    assert (people.parent / "features.h5").read_bytes() == fresh(people, 2)


@pytest.mark.parametrize("rows", [1, 7, 10_000])
def test_neither_threads_nor_how_pictures_are_grouped_change_a_byte(
    people: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = fresh(people, 4)
    monkeypatch.setattr(compute, "GROUP_ROWS", rows)
    monkeypatch.setattr(compute, "SHARD_ROWS", min(rows, 256))
    assert run(people, 4, workers=3).file.path.read_bytes() == wanted


def test_many_copies_do_not_lie_in_memory_together(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    inner = Encoder.vectors

    def noted(self: Encoder, squares: Any) -> Any:
        sizes.append(len(squares))
        return inner(self, squares)

    monkeypatch.setattr(Encoder, "vectors", noted)
    assert len(run(people, 40).file) == 6 * 41
    assert (max(sizes) <= 32, sum(sizes)) == (True, 6 * 41)
    tasks = [compute.Task("", bytes(32), tuple(range(n))) for n in (1, 1, 41, 30, 40, 101, 5)]
    assert [len(group) for group in compute._groups(tasks, 8)] == [3, 1, 1, 1, 1]
    assert [len(group) for group in compute._groups([compute.Task("", bytes(32))] * 19, 8)] == [8, 8, 3]


@pytest.mark.parametrize("after", [1, 3])
def test_a_run_that_was_stopped_goes_on(people: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "GROUP_ROWS", 4)
    monkeypatch.setattr(compute, "GROUP", 1)
    monkeypatch.setattr(compute, "SHARD_ROWS", 4)
    run(people, 1)
    with pytest.raises(KeyboardInterrupt):
        run(people, 4, batch_size=1, progress=Stopped(after))
    assert len(read(people.parent / "features.h5")) == 12  # untouched so far
    done = run(people, batch_size=1)  # an unfinished run says how many, as the file itself does
    assert (done.file.n_each, done.computed + done.reused) == (4, 30)
    assert done.computed <= 18 - 3 * after
    assert done.file.path.read_bytes() == fresh(people, 4)


STEPS = st.lists(
    st.tuples(st.none() | st.integers(0, 3), st.integers(0, 7), st.sampled_from([AUGMENTATION, OTHER])),
    min_size=1,
    max_size=5,
)


@given(STEPS, st.integers(0, 3), st.sampled_from([AUGMENTATION, OTHER]))
@settings(max_examples=10, deadline=None)
def test_whatever_came_before_the_last_run_ends_as_if_it_were_the_first(
    steps: list[tuple[int | None, int, Augmentation]], last: int, ranges: Augmentation
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "SHARD_ROWS", 2)
        data = write_people(Path(folder) / "people", {"ada": 2, "bob": 1}, size=16)
        for each, stop, its in steps:
            with suppress(KeyboardInterrupt):
                run(data, each, ranges=its, progress=Stopped(stop))
        output = run(data, last, ranges=ranges).file.path
        assert output.read_bytes() == fresh(data, last, ranges)
        assert not check(output).problems


def test_copies_of_other_ranges_are_made_anew_and_never_mixed(people: Path, copied: list[int]) -> None:
    run(people, 2)
    copied.clear()
    done = run(people, ranges=OTHER)
    assert counts(done) == (6, 18, 12, 6, 0, 12)
    assert sorted(copied) == [1] * 6 + [2] * 6
    assert done.file.augmentation == canonical_json(OTHER.as_dict())
    assert done.file.path.read_bytes() == fresh(people, 2, OTHER)
    assert run(people, 0, ranges=OTHER).file.path.read_bytes() == fresh(people)


def test_a_picture_that_cannot_be_read_again_keeps_its_row(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(people)
    with monkeypatch.context() as patch:
        inner = compute._Work._open
        patch.setattr(
            compute._Work, "_open", lambda self, task: None if task.path == "ada/01.png" else inner(self, task)
        )
        done = run(people, 2)
    assert (counts(done), done.lacking) == ((6, 16, 10, 6, 0, 10), 1)
    assert keys_of(done.file)[:2] == [("ada/01.png", 0), ("ada/02.png", 0)]
    assert not check(done.file.path).problems
    assert counts(run(people)) == (6, 18, 2, 16, 0, 12)
    assert done.file.path.read_bytes() == fresh(people, 2)


@pytest.mark.parametrize("number", [-1, 101])
def test_a_number_of_copies_that_cannot_be_is_refused_before_anything(people: Path, number: int) -> None:
    with pytest.raises(UsageError) as caught:
        run(people, number)
    assert str(caught.value) == f"--augment takes 0 to 100 copies of each picture; {number} was given."
    assert not (people.parent / "features.h5").exists()


def test_the_space_for_copies_is_reckoned_with(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[tuple[int, int]] = []

    def noted(output: Path, columns: Any, left: int, kept: int) -> None:
        rows.append((left, kept))
        raise StorageError("full")

    monkeypatch.setattr(extraction, "_require_space", noted)
    monkeypatch.setattr(compute, "GROUP_ROWS", 10)
    monkeypatch.setattr(compute, "GROUP", 1)
    monkeypatch.setattr(compute, "SHARD_ROWS", 10)
    with pytest.raises(StorageError):
        run(people, 9, batch_size=1)
    assert rows == [(50, 10)]


def test_pictures_a_second_are_pictures(people: Path) -> None:
    run(people)
    Image.fromarray(random_pixels(30, 30)).save(people / "bob" / "new.png")
    done = run(people, 3)
    assert (done.computed, done.pictures, done.images) == (6 * 3 + 4, 7, 7)
