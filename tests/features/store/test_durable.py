from __future__ import annotations

import os
from pathlib import Path

import pytest

from facefeat.errors import StorageError
from facefeat.features.store import durable


def test_a_file_is_written_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    durable.write(tmp_path / "f", b"old")
    durable.write(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_the_order_is_write_sync_rename_sync_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("write", "fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, _real=real, _name=name: (calls.append(_name), _real(*args))[1])
    durable.write(tmp_path / "f", b"x")
    assert calls == ["write", "fsync", "replace", "fsync"]


def test_a_body_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    durable.write(tmp_path / "f", b"old")
    with pytest.raises(KeyboardInterrupt), durable.beside(tmp_path / "f") as (handle, _):
        os.write(handle, b"half of the n")
        raise KeyboardInterrupt
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_all_bytes_are_written_however_many_calls_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data[:7])))
    durable.write(tmp_path / "f", bytes(range(100)))
    assert (tmp_path / "f").read_bytes() == bytes(range(100))


def test_what_killed_writers_left_is_cleared(tmp_path: Path) -> None:
    for name in ("f[1].h5", ".f[1].h5.12.tmp", ".f[1].h5.ab.tmp", ".f1.h5.12.tmp", ".f[1].h5", "x.tmp"):
        (tmp_path / name).touch()
    durable.clear_leftovers(tmp_path / "f[1].h5")
    assert {path.name for path in tmp_path.iterdir()} == {"f[1].h5", ".f1.h5.12.tmp", ".f[1].h5", "x.tmp"}


def test_a_killed_writer_with_the_same_process_number_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "unlink", lambda *args, **kwargs: None)  # as if killed before cleaning up
    with pytest.raises(KeyboardInterrupt), durable.beside(tmp_path / "f"):
        raise KeyboardInterrupt
    durable.write(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    durable.write(tmp_path / "none" / "f", b"whole")
    assert (tmp_path / "none" / "f").read_bytes() == b"whole"


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        durable.write(tmp_path / ("f" * 255), b"x")
    assert str(caught.value).endswith(" cannot be written: File name too long.")
