"""People at an address are listed as those of a folder are."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from facefeat.data import folder, objects
from facefeat.data.objects import Store
from facefeat.data.regular import LOOK_BYTES, Look
from facefeat.data.remote import list_data, list_people
from facefeat.errors import (
    FacefeatError,
    InputError,
    MissingExtra,
    MissingPackage,
    PictureRefused,
    Unreachable,
    UsageError,
)
from tests.stores import put

NAMES = ("Zoë", "100%", "%41", "a b", "[1]", "*", "x#y?z", "quote'\"", "tab\t", "Caf\u0065\u0301", "new\nline")


def test_odd_names_and_folders_are_listed_as_on_disk(tmp_path: Path, memory: str) -> None:
    for name in NAMES:
        (tmp_path / name / name).mkdir(parents=True)
        (tmp_path / name / f"{name}.png").write_bytes(name.encode())
        (tmp_path / name / name / "1").write_bytes(b"deep")
    for name in ("loose.JPG", "Zoë/.hidden", "Zoë/.git/1.png", ".ada/1.png", "Zoë/Thumbs.db", "text.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "nobody").mkdir()
    found, plain = list_data(put(tmp_path, memory)), folder.list_people(tmp_path)
    assert (found.people, found.entries, found.loose) == (plain.people, plain.entries, plain.loose)
    assert [found.read(entry.path) for entry in found.entries] == [plain.read(entry.path) for entry in plain.entries]
    assert found.root == memory and (found.at_once, plain.at_once) == (8, 1)
    assert list_data(f"file://{tmp_path}") == plain == list_data(str(tmp_path))


def test_keys_that_no_folder_has(s3: str) -> None:
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    keys = ["ada/1.png", "ada//2.png", "ada/../3.png", "bob/", "ada/.4.png", "cleo/deep/", "dan/[a]*?.png"]
    for number, key in enumerate(keys):
        files.call_s3("put_object", Bucket=s3.removeprefix("s3://"), Key=key, Body=b"x" * number)
    found = list_data(s3 + "/")
    assert [(entry.path, entry.refusal) for entry in found.entries] == [
        ("ada/%2E%2E/3.png", "link_outside"),
        ("ada//2.png", ""),
        ("ada/1.png", ""),
        ("dan/[a]*?.png", ""),
    ]
    assert (found.people, found.empty) == (("ada", "dan"), ("bob", "cleo"))
    assert [found.read(path) for path in ("ada//2.png", "dan/[a]*?.png")] == [b"x", b"x" * 6]
    assert found.look("ada//2.png") == found.look("ada//2.png", again=True) is not None
    with pytest.raises(PictureRefused) as caught:
        found.read("ada/1.png")
    assert caught.value.code == "empty"


def test_an_object_that_grows_is_said_to_have_changed(memory: str) -> None:
    files = fsspec.filesystem("memory")
    files.pipe_file(f"{memory}/ada/1.png", b"12345")
    found = list_data(memory)
    for data in (b"123456", b"1234"):
        files.pipe_file(f"{memory}/ada/1.png", data)
        with pytest.raises(PictureRefused) as caught:
            found.read("ada/1.png")
        assert (caught.value.code, caught.value.message) == (
            "changed",
            "It is not as long as it was when it was listed.",
        )


def test_what_a_file_looks_like() -> None:
    def look(**info: object) -> Look | None:
        return objects.look(info)

    first = look(size=5, ETag='"a"', LastModified=datetime(2026, 1, 1, tzinfo=UTC))
    assert first is not None and (len(first.mark), first.changed) == (LOOK_BYTES, 0.0)
    assert look(size=5, ETag='"a"', LastModified=datetime(2027, 1, 1, tzinfo=UTC)) == first
    others = [look(size=6, ETag='"a"'), look(size=5, ETag='"b"'), look(size=5, mtime=7.5), look(size=5, mtime=8)]
    assert None not in others and len({first, *others}) == 5
    assert others[2] is not None and others[2].changed == 7.5
    assert look(size=5, created=7.5) is look(ETag='"a"') is look(size=None, mtime=1) is look(size=5, mtime=0) is None


@pytest.mark.parametrize(
    ("address", "error", "sentence"),
    [
        (
            "foo://people",
            UsageError,
            "There are no addresses foo://; those of fsspec are read, such as s3://, gs://, hf:// and file://.",
        ),
        ("gs://people", MissingPackage, "gs:// needs the package gcsfs; install it with: pip install gcsfs"),
        ("memory://none", InputError, "There is nothing at memory://none; check its spelling and the endpoint."),
        (
            "memory://none/a.tar",
            InputError,
            "There is nothing at memory://none/a.tar; check its spelling and the endpoint.",
        ),
        (
            "memory://people/a.png",
            InputError,
            "memory://people/a.png is a file; a folder with one subfolder a person is expected, or a .tar.",
        ),
        (
            "memory://people",
            InputError,
            "memory://people holds 1 picture but no subfolders; one subfolder a person is expected, such as "
            "memory://people/Anna/1.jpg.",
        ),
    ],
)
def test_an_address_of_nobody(address: str, error: type[FacefeatError], sentence: str, memory: str) -> None:
    if error is MissingPackage and "gcsfs" in sys.modules:
        pytest.skip("gcsfs is installed")
    fsspec.filesystem("memory").pipe_file("/people/a.png", b"x")
    with pytest.raises(error) as caught:
        list_people(address)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("package", ["fsspec", "s3fs"])
def test_without_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    if package == "s3fs":
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(MissingExtra) as caught:
        list_people("s3://photographs")
    purpose = {"fsspec": "A data set at an address", "s3fs": "s3://"}[package]
    assert str(caught.value) == f"{purpose} needs the extra 'cluster'; install it with: pip install 'facefeat[cluster]'"


@pytest.mark.parametrize(
    "address",
    [
        "ftp://anna:heimlich@127.0.0.1:1/people",
        "ftp://anna:heim/lich@127.0.0.1:1/people",
        "ftp://anna:he@imlich@127.0.0.1:1/people",
        "http://anna:heimlich@127.0.0.1:1/people.tar?token=heimlich",
        "https://127.0.0.1:1/people.tar?token=heimlich",
    ],
)
def test_passwords_are_not_repeated(address: str) -> None:
    with pytest.raises(FacefeatError) as caught:
        list_people(address)
    text = str(caught.value)
    assert "127.0.0.1:1/people" in text
    assert not any(part in text for part in ("anna", "heim", "imlich", "lich", "token", "@"))
    assert caught.value.__suppress_context__


def test_a_bucket_that_cannot_be(s3: str) -> None:
    with pytest.raises(Unreachable) as caught:
        list_people("S3://No bucket!/people")
    assert str(caught.value).startswith(
        's3://No bucket!/people cannot be read now: Parameter validation failed: Invalid bucket name "No bucket!": '
    )


@pytest.mark.parametrize("address", ["s3://bucket/a@b/c:d@e", "http://host:8080/a@b", "memory://a:b"])
def test_what_is_no_password_stays(address: str) -> None:
    assert objects.shown(address) == address


def test_the_credentials_refuse(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(memory)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(type(store._files), "find", refuse)
    monkeypatch.setattr(type(store._files), "cat_file", refuse)
    with pytest.raises(InputError) as caught:
        store.found()
    assert str(caught.value) == f"{memory} may not be read with these credentials: [Errno 13] Access Denied."
    with pytest.raises(PictureRefused) as refused:
        store.fetched("/photographs/ada/1.png", 0, 1)
    assert (refused.value.code, refused.value.message) == ("unreadable", "It may not be read.")
