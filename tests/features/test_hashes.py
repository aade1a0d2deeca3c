"""What a file looks like saves reading it, and never hides a change."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from facefeat.data import picture
from facefeat.data.folder import list_people
from facefeat.engines.openvino import cache_folder
from facefeat.features import hashes
from tests.making import write_people


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the notes of one test, and believe files at once."""
    monkeypatch.setenv("FACEFEAT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(hashes, "SETTLED", -3600.0)
    return cache_folder() / "hashes"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the files that are read."""
    names: list[str] = []
    plain = picture.read

    def noted(path: Path) -> bytes:
        names.append(Path(path).name)
        return plain(path)

    monkeypatch.setattr(picture, "read", noted)
    return names


def wanted(root: Path) -> list[bytes]:
    """Hash every file of a data set, plainly."""
    data = list_people(root)
    return [hashlib.sha256(data.file(entry.path).read_bytes()).digest() for entry in data.entries]


def test_a_file_that_looks_the_same_is_not_read_again(people: Path, read: list[str]) -> None:
    first = hashes.of_all(list_people(people))
    assert first == wanted(people) and len(read) == 6
    read.clear()
    assert hashes.of_all(list_people(people)) == first and read == []
    assert hashes.of_all(list_people(people), rehash=True) == first and len(read) == 6


def _same_length(root: Path) -> None:
    file = root / "ada" / "01.png"
    status = file.stat()
    file.write_bytes(bytes(status.st_size))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replaced(root: Path) -> None:
    file = root / "ada" / "01.png"
    status = file.stat()
    (root.parent / "new").write_bytes(bytes(status.st_size))
    os.utime(root.parent / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (root.parent / "new").replace(file)


CHANGES: dict[str, Callable[[Path], object]] = {
    "bytes of the same length and time": _same_length,
    "another file of the same length and time": _replaced,
    "two pictures exchanged": lambda root: [
        (root / "ada" / a).rename(root / "ada" / b) for a, b in (("01.png", "x"), ("02.png", "01.png"), ("x", "02.png"))
    ],
    "a renamed picture": lambda root: (root / "ada" / "01.png").rename(root / "ada" / "9.png"),
    "a copied picture": lambda root: shutil.copy2(root / "ada" / "01.png", root / "bob" / "9.png"),
    "a removed picture": lambda root: (root / "ada" / "01.png").unlink(),
    "a new picture": lambda root: write_people(root, {"ada": 4}),
    "an older copy of the folder": lambda root: (
        shutil.copytree(root, root.parent / "c"), shutil.rmtree(root), (root.parent / "c").rename(root),
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(people: Path, change: str) -> None:
    hashes.of_all(list_people(people))
    time.sleep(0.02)  # the kernel's clock of files ticks every few milliseconds
    CHANGES[change](people)
    assert hashes.of_all(list_people(people)) == wanted(people)
    assert hashes.of_all(list_people(people)) == wanted(people)


def test_a_file_that_changed_just_now_is_read_again(
    people: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "SETTLED", 2.0)
    hashes.of_all(list_people(people))
    hashes.of_all(list_people(people))
    assert len(read) == 12


def test_a_file_that_changes_while_it_is_read_is_read_again(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = picture.read

    def changing(path: Path) -> bytes:
        data = plain(path)
        time.sleep(0.02)
        path.write_bytes(bytes(len(data)))
        return data

    with monkeypatch.context() as patch:
        patch.setattr(picture, "read", changing)
        hashes.of_all(list_people(people))
    assert hashes.of_all(list_people(people)) == wanted(people)


@pytest.mark.parametrize("damage", [lambda text: "", lambda text: text[:-9], lambda text: text.replace("1", "2")])
def test_a_damaged_note_is_not_believed(people: Path, notes: Path, damage: Callable[[str], str]) -> None:
    hashes.of_all(list_people(people))
    (note,) = notes.iterdir()
    note.write_text(damage(note.read_text()))
    assert hashes.of_all(list_people(people)) == wanted(people)


def test_each_data_set_has_its_own_note(people: Path, tmp_path: Path, notes: Path) -> None:
    write_people(tmp_path / "others", seed=3)
    for root in (people, tmp_path / "others"):
        hashes.of_all(list_people(root))
    assert hashes.of_all(list_people(people)) == wanted(people)
    assert len(list(notes.iterdir())) == 2


def test_a_place_that_cannot_be_written_costs_nothing_but_time(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FACEFEAT_CACHE_DIR", str(tmp_path / "file"))
    assert hashes.of_all(list_people(people)) == wanted(people)


def test_what_cannot_be_read_has_no_hash(people: Path) -> None:
    os.mkfifo(people / "ada" / "pipe")
    (people / "ada" / "out").symlink_to("/etc/passwd")
    (people / "bob" / "empty").write_bytes(b"")
    data = list_people(people)
    found = dict(zip([entry.path for entry in data.entries], hashes.of_all(data), strict=True))
    assert [path for path, digest in found.items() if digest == hashes.UNREADABLE] == [
        "ada/out", "ada/pipe", "bob/empty",
    ]  # fmt: skip


def test_somebody_who_is_forgotten_is_in_no_note(people: Path, tmp_path: Path, notes: Path, read: list[str]) -> None:
    other = write_people(tmp_path / "other", {"ada": 1, "cleo": 2})
    for data in (people, other):
        hashes.of_all(list_people(data))
    (notes / "damaged.json").write_bytes(b"ada/01.png")
    assert hashes.forget("ada") == 4 and hashes.forget("ada") == 0
    assert len(kept := list(notes.iterdir())) == 2 and not any(b"ada/" in note.read_bytes() for note in kept)
    read.clear()
    assert hashes.of_all(list_people(people)) == wanted(people) and sorted(read) == ["01.png", "02.png", "03.png"]
