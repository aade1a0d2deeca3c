"""Whole files at an address: written, listed, fetched, deleted."""

from __future__ import annotations

import errno
from pathlib import Path

import fsspec
import pytest

from facefeat.data.objects import Store
from facefeat.errors import FacefeatError, InputError, StorageError, Unreachable
from tests.stores import closed_port, use


@pytest.fixture(params=["memory", "file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give a store with nothing in it."""
    if request.param == "file":
        return Store(f"file://{tmp_path}/scratch")
    return Store(f"{request.getfixturevalue(request.param)}/scratch")


def test_what_is_written_is_there_until_it_is_deleted(store: Store) -> None:
    folder = f"{store.root}/deep"
    assert store.names(folder) == [] and store.content(f"{folder}/1") is None
    for name, data in (("2", b""), ("1", b"one"), ("1", bytes(300_000))):
        store.write(f"{folder}/{name}", data)
    store.write(f"{folder}/below/3", b"x")
    assert [name for name in store.names(folder) if name != "below"] == ["1", "2"]
    assert (store.content(f"{folder}/1"), store.content(f"{folder}/2")) == (bytes(300_000), b"")
    for name in ("1", "2", "below/3", "never"):
        store.remove(f"{folder}/{name}")
    assert not {"1", "2"} & {*store.names(folder)} and store.content(f"{folder}/1") is None


def test_a_folder_that_is_left_empty_goes_too(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}")
    for name in ("1", "2"):
        store.write(f"{store.root}/deep/{name}", b"x")
    store.remove(f"{store.root}/deep/1")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["2"]
    store.remove(f"{store.root}/deep/2")
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written_has_the_good_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(f"file://{tmp_path}/scratch")
    store.write(f"{store.root}/1", b"old")

    def half(self: object, path: str, value: bytes, **_: object) -> None:
        Path(path).write_bytes(value[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(store._files), "pipe_file", half)
    with pytest.raises(Unreachable) as caught:
        store.write(f"{store.root}/1", b"newer")
    assert str(caught.value) == (
        f"file://{tmp_path}/scratch cannot be written now: [Errno 28] No space left on device. What is done is kept; "
        "try the same again."
    )
    assert {path.name: path.read_bytes() for path in (tmp_path / "scratch").iterdir()} == {"1": b"old"}


@pytest.mark.parametrize(("method", "done"), [("pipe_file", "written"), ("rm_file", "deleted")])
def test_what_may_not_be_done(memory: str, monkeypatch: pytest.MonkeyPatch, method: str, done: str) -> None:
    store = Store(memory)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(type(store._files), method, refuse)
    with pytest.raises(StorageError) as caught:
        store.write("/photographs/1", b"x") if done == "written" else store.remove("/photographs/1")
    assert str(caught.value) == f"{memory} may not be {done} with these credentials: [Errno 13] Access Denied."


def test_a_bucket_that_is_not_there(s3: str) -> None:
    store = Store("s3://nothing-of-that-name/scratch")
    assert store.names(f"{store.root}/deep") == []
    with pytest.raises(InputError) as caught:
        store.write(f"{store.root}/deep/1", b"x")
    assert str(caught.value) == (
        "There is nothing at s3://nothing-of-that-name/scratch; check its spelling and the endpoint."
    )
    assert not fsspec.filesystem("s3", skip_instance_cache=True).exists("nothing-of-that-name")


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{closed_port()}"
    use(endpoint, monkeypatch)
    store = Store("s3://bucket/scratch")
    with pytest.raises(Unreachable) as caught:
        store.write(f"{store.root}/1", b"x")
    assert str(caught.value) == (
        f's3://bucket/scratch cannot be written now: Could not connect to the endpoint URL: "{endpoint}/bucket/scratch/1". '
        "What is done is kept; try the same again."
    )


def test_passwords_are_not_repeated() -> None:
    with pytest.raises(FacefeatError) as caught:
        Store("ftp://anna:heimlich@127.0.0.1:1/scratch").write("/scratch/1", b"x")
    assert "127.0.0.1:1/scratch" in str(caught.value)
    assert not any(part in str(caught.value) for part in ("anna", "heimlich", "@"))
