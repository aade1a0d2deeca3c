"""What a second run of the same extraction does: only what is new."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefeat.data import picture
from facefeat.data.pixels import Decoded
from facefeat.errors import LockedError, PictureRefused, StorageError
from facefeat.features import compute
from facefeat.features.encode import plan
from facefeat.features.extract import Extraction, extract
from facefeat.features.store.file import read
from tests.making import encoded, person_pixels, random_pixels, write_people

THUMB = plan("thumb", faces_mode="none")


def run(data: Path, **options: Any) -> Extraction:
    """Extract with the toy into the file beside the data set."""
    return extract(data, data.parent / "features.h5", THUMB, engine="openvino", **options)


def counts(done: Extraction) -> tuple[int, int, int, int]:
    """Give images, computed, reused and duplicates."""
    return done.images, done.computed, done.reused, done.duplicates


def fresh(data: Path) -> bytes:
    """Give the bytes of a feature file made from nothing."""
    return extract(data, data.parent / "fresh" / "features.h5", THUMB, engine="openvino").file.path.read_bytes()


@pytest.fixture
def output(people: Path) -> Path:
    """Give the feature file of a first run."""
    return run(people).file.path


def test_a_second_run_computes_nothing_and_writes_nothing(people: Path, output: Path) -> None:
    before, when = output.read_bytes(), output.stat().st_mtime_ns
    done = run(people)
    assert counts(done) == (6, 0, 6, 0)
    assert (output.read_bytes(), output.stat().st_mtime_ns) == (before, when)
    assert done.ran_on.startswith("openvino on ")


CHANGES: dict[str, tuple[Callable[[Path], Any], tuple[int, int, int, int]]] = {
    "a renamed person": (lambda root: (root / "bob").rename(root / "zoe"), (6, 0, 6, 0)),
    "a renamed picture": (lambda root: (root / "ada" / "01.png").rename(root / "ada" / "99"), (6, 0, 6, 0)),
    "a picture of another person": (lambda root: (root / "ada" / "01.png").rename(root / "bob" / "9"), (6, 0, 6, 0)),
    "a copied picture": (lambda root: shutil.copy(root / "ada" / "01.png", root / "bob" / "9.png"), (7, 0, 6, 1)),
    "a new picture": (lambda root: write_people(root, {"ada": 4}), (7, 1, 6, 0)),
    "a new person": (lambda root: write_people(root, {"aaa": 2}), (8, 2, 6, 0)),
    "a changed picture": (lambda root: write_people(root, {"ada": 1}, seed=5), (6, 1, 5, 0)),
    "a removed picture": (lambda root: (root / "ada" / "01.png").unlink(), (5, 0, 5, 0)),
    "a removed person": (lambda root: shutil.rmtree(root / "ada"), (3, 0, 3, 0)),
    "a bad picture": (lambda root: (root / "ada" / "a.jpg").write_bytes(b"text"), (7, 0, 6, 0)),
    "a file that was touched": (lambda root: (root / "ada" / "01.png").touch(), (6, 0, 6, 0)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_changed_is_computed_and_the_file_is_as_if_made_anew(people: Path, output: Path, change: str) -> None:
    act, wanted = CHANGES[change]
    act(people)
    assert counts(run(people)) == wanted
    assert output.read_bytes() == fresh(people)


def test_copies_are_computed_once(tmp_path: Path) -> None:
    for name in ("ada/1.png", "ada/2.png", "bob/1.png"):
        (tmp_path / "people" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "people" / name).write_bytes(encoded(person_pixels("ada", 1)))
    done = run(tmp_path / "people")
    assert counts(done) == (3, 1, 0, 2)
    vectors = read(done.file.path).vectors("grey8")
    assert (vectors == vectors[0]).all()


def test_a_refused_picture_is_remembered(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (people / "ada" / "bad.jpg").write_bytes(b"text")
    first = run(people)
    assert [(one.path, one.code) for one in first.file.skipped] == [("ada/bad.jpg", "not_a_picture")]
    (people / "ada" / "bad.jpg").rename(people / "bob" / "worse.jpg")
    monkeypatch.setattr(picture, "decode_for", lambda data, **_: pytest.fail("a known picture was decoded again"))
    second = run(people)
    assert [(one.path, one.code) for one in second.file.skipped] == [("bob/worse.jpg", "not_a_picture")]
    assert second.file.skipped[0].message == first.file.skipped[0].message


def test_a_refused_picture_that_is_mended_is_computed(people: Path) -> None:
    (people / "ada" / "bad.jpg").write_bytes(b"text")
    run(people)
    (people / "ada" / "bad.jpg").write_bytes(encoded(random_pixels(30, 30)))
    done = run(people)
    assert counts(done) == (7, 1, 6, 0)
    assert done.file.skipped == ()


def test_a_refused_picture_is_tried_again_when_that_is_asked_for(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = (people / "ada" / "01.png").read_bytes()
    (people / "ada" / "bad.jpg").write_bytes(b"text")
    decode = picture.decode_for

    def slow(data: bytes, **needed: int) -> Decoded:
        if data == good:
            raise PictureRefused("timeout", "Decoding it takes more than 5 s.")
        return decode(data, **needed)

    with monkeypatch.context() as patch:
        patch.setattr(picture, "decode_for", slow)
        assert [one.code for one in run(people).file.skipped] == ["timeout", "not_a_picture"]
    assert [one.code for one in run(people).file.skipped] == ["timeout", "not_a_picture"]
    done = run(people, retry_skipped=True)
    assert [one.code for one in done.file.skipped] == ["not_a_picture"]
    assert counts(done) == (7, 1, 5, 0)
    assert done.file.path.read_bytes() == fresh(people)


def test_a_retry_that_is_stopped_and_not_repeated_keeps_what_it_found(
    people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (people / "ada" / "a.jpg").write_bytes(b"text")
    (people / "ada" / "b.jpg").write_bytes(b"other text")
    run(people)
    write_people(people, {"bob": 9})
    monkeypatch.setattr(compute, "SHARD_ROWS", 2)
    with pytest.raises(KeyboardInterrupt):
        run(people, retry_skipped=True, progress=_Stopped(4))
    assert [one.code for one in run(people).file.skipped] == ["not_a_picture"] * 2
    assert (people.parent / "features.h5").read_bytes() == fresh(people)


def test_a_picture_that_changes_while_it_is_read_is_skipped_and_computed_next_time(people: Path) -> None:
    victim = people / "ada" / "01.png"
    good = victim.read_bytes()

    def change(what: str, done: int, total: int) -> None:
        if (what, done) == ("reading", total):
            victim.write_bytes(encoded(random_pixels(20, 20)))

    first = run(people, progress=change)
    assert [(one.path, one.code) for one in first.file.skipped] == [("ada/01.png", "changed")]
    victim.write_bytes(good)
    second = run(people)
    assert counts(second) == (6, 1, 5, 0)
    assert second.file.skipped == ()


def test_a_picture_that_vanishes_while_it_is_read_is_skipped_and_computed_next_time(people: Path) -> None:
    victim = people / "ada" / "01.png"
    good = victim.read_bytes()

    def remove(what: str, done: int, total: int) -> None:
        if (what, done) == ("reading", total):
            victim.unlink()

    first = run(people, progress=remove)
    assert [(one.path, one.code) for one in first.file.skipped] == [("ada/01.png", "unreadable")]
    victim.write_bytes(good)
    assert counts(run(people)) == (6, 1, 5, 0)


class _Stopped:
    """Interrupt a run when so many pictures are done."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, what: str, done: int, total: int) -> None:
        if what == "faces and vectors" and done == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 3, 4, 11])
def test_a_run_that_was_stopped_goes_on(tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "SHARD_ROWS", 3)
    people = write_people(tmp_path / "people", {"ada": 5, "bob": 5})
    (people / "ada" / "bad.jpg").write_bytes(b"text")
    with pytest.raises(KeyboardInterrupt):
        run(people, progress=_Stopped(after))
    assert not (tmp_path / "features.h5").exists()
    done = run(people)
    assert done.computed + done.reused == 10
    assert done.reused >= after - (after > 5)  # the bad picture, the sixth, is no row; more were under way
    assert done.file.path.read_bytes() == fresh(people)


def test_a_run_that_was_stopped_twice_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "SHARD_ROWS", 2)
    people = write_people(tmp_path / "people", {"ada": 30})
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(people, progress=_Stopped(3))
    done = run(people)
    assert done.computed + done.reused == 30
    assert done.reused >= 6
    assert (tmp_path / "features.h5").read_bytes() == fresh(people)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:-9] + b"x" + data[-8:]]
)
def test_a_damaged_shard_is_computed_again(
    tmp_path: Path, damage: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "SHARD_ROWS", 3)
    people = write_people(tmp_path / "people", {"ada": 8})
    with pytest.raises(KeyboardInterrupt):
        run(people, progress=_Stopped(6))
    first, *_ = sorted((tmp_path / "features.h5.work").glob("shard-*.h5"))
    first.write_bytes(damage(first.read_bytes()))
    said: list[str] = []
    done = run(people, progress=lambda what, now, total: None if total else said.append(what))
    assert done.computed + done.reused == 8
    assert done.computed >= 2 and done.reused >= 3
    work = tmp_path / "features.h5.work"
    assert f"1 damaged shard is set aside in {work}; what was in it is computed again" in said
    assert (tmp_path / "features.h5").read_bytes() == fresh(people)


def test_the_lock_is_free_after_a_stop(people: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(people, progress=_Stopped(2))
    try:
        run(people)
    except LockedError:
        pytest.fail("the stopped run still holds its lock")


def test_everything_that_made_a_row_stays_named(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, device in enumerate(["first", "second", "second"], 4):
        maker = {"engine": "openvino", "device": device, "precision": "float32", "versions": {}}
        monkeypatch.setattr(compute, "made_by", lambda engine, maker=maker: maker)
        write_people(people, {"ada": number})
        done = run(people)
    made_by = done.file.made_by
    assert {made_by["device"], *(other["device"] for other in made_by["others"])} == {"first", "second"}
    assert len(made_by["others"]) == 1


def test_rows_of_an_earlier_run_keep_their_numbers(people: Path, output: Path) -> None:
    before = np.array(read(output).vectors("grey16"))
    write_people(people, {"aaa": 2})
    run(people)
    np.testing.assert_array_equal(read(output).vectors("grey16")[2:], before)


def test_a_disk_that_will_not_hold_the_rest_is_said_after_the_first_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "SHARD_ROWS", 5)
    people = write_people(tmp_path / "people", {"ada": 20})
    row = 32 + 2 + 16 + 40 + 4 + 1 + 2 + 64 * 64 + 4 * (8 * 8 + 16 * 16)  # the columns of ROW and two layers
    needed = (2 * 15 + 5) * row  # shards of fifteen more, and the file of twenty
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - 1))
        with pytest.raises(StorageError) as caught:
            run(people)
    assert str(caught.value) == (
        f"About 0 MB more are needed in {tmp_path}, and 0 MB are free; free some and run the same again: "
        "what is computed is kept."
    )
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed))
        assert counts(run(people)) == (20, 15, 5, 0)
    assert (tmp_path / "features.h5").read_bytes() == fresh(people)
