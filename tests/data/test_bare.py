"""A data set without its entries reads, on another machine, what it is told of."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.data import folder, regular
from facefeat.data.listing import Listing, Where
from facefeat.data.remote import list_data
from facefeat.errors import InputError, MissingExtra, PictureRefused
from tests.data.test_remote import NAMES
from tests.stores import contents, link, put, tarred


def sent(found: Listing) -> Listing:
    """Send a listing without its entries to another machine."""
    away: Listing = pickle.loads(pickle.dumps(found.bare()))
    assert away.entries == away.people == ()
    return away


def outcome(found: Listing, path: str, where: Where) -> bytes | tuple[str, str]:
    """Return the bytes of a picture, or its refusal."""
    try:
        return found.read_at(path, where)
    except PictureRefused as refused:
        return refused.code, refused.message


def assert_reads_alike(found: Listing) -> None:
    """Require that it reads, told of each picture in JSON, what the whole listing does."""
    away = sent(found)
    for entry in found.entries:
        where = json.loads(json.dumps(found.where(entry.path)))
        assert outcome(away, entry.path, where) == outcome(found, entry.path, found.where(entry.path))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Give people whose names are odd."""
    root = tmp_path / "people"
    for name in (*NAMES, os.fsdecode(b"caf\xe9")):
        (root / name / "deep").mkdir(parents=True)
        (root / name / f"{name}.png").write_bytes(os.fsencode(name) * 9)
        (root / name / "deep" / "empty.png").write_bytes(b"")
    return root


def test_a_folder_wherever_one_works(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(people.parent)
    found = folder.list_people("people")
    away = sent(found)
    monkeypatch.chdir("/")
    assert {found.where(entry.path) for entry in found.entries} == {None}
    assert away.root == people and away.read_at("Zoë/Zoë.png", None) == "Zoë".encode() * 9


def test_every_kind_of_listing(people: Path, memory: str, tmp_path: Path) -> None:
    members = {os.fsencode(name).decode("utf-8", "surrogateescape"): data for name, data in contents(people).items()}
    (tmp_path / "people.tar").write_bytes(tarred({**members, "a b/link.png": link("a b/link.png", "/etc/passwd")}))
    assert_reads_alike(folder.list_people(people))
    assert_reads_alike(list_data(tmp_path / "people.tar"))
    shutil.rmtree(people / os.fsdecode(b"caf\xe9"))
    assert_reads_alike(list_data(put(people, memory)))


def test_objects_and_tars_in_a_store(tmp_path: Path, s3: str) -> None:
    (tmp_path / "people" / "ada").mkdir(parents=True)
    for name in ("1.png", "2.png", "[a]*?.png"):
        (tmp_path / "people" / "ada" / name).write_bytes(name.encode())
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.pipe_file(f"{s3}/people.tar", tarred(contents(tmp_path / "people")))
    for address in (put(tmp_path / "people", f"{s3}/people"), f"{s3}/people.tar"):
        assert_reads_alike(list_data(address))


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.binary()))
def test_any_name_and_bytes_in_a_tar(tmp_path_factory: pytest.TempPathFactory, pictures: dict[str, bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tar"
    path.write_bytes(tarred({"ada/1.png": b"x"} | {f"ada/{name}": data for name, data in pictures.items()}))
    assert_reads_alike(list_data(path))


def test_an_object_that_changed_or_vanished_is_refused_there_as_here(memory: str) -> None:
    files = fsspec.filesystem("memory")
    for name in ("1.png", "2.png"):
        files.pipe_file(f"{memory}/ada/{name}", b"12345")
    found = list_data(memory)
    files.pipe_file(f"{memory}/ada/1.png", b"123456")
    files.rm(f"{memory}/ada/2.png")
    away = sent(found)
    assert [outcome(away, f"ada/{n}.png", found.where(f"ada/{n}.png")) for n in (1, 2)] == [
        ("changed", "It is not as long as it was when it was listed."),
        ("unreadable", "It was listed and is there no longer."),
    ]
    away.check()
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    with pytest.raises(InputError) as caught:
        away.check()
    assert str(caught.value) == f"There is nothing at {memory}; check its spelling and the endpoint."


def test_a_tar_on_another_machine_may_have_another_inode_and_no_other_time(tmp_path: Path) -> None:
    path, copy = tmp_path / "people.tar", tmp_path / "copy.tar"
    path.write_bytes(tarred({"ada/1.png": b"one"}))
    found = list_data(path)
    away, where = sent(found), found.where("ada/1.png")
    shutil.copy2(path, copy)
    copy.replace(path)
    assert outcome(found, "ada/1.png", where) == ("changed", "The tar changed after its headers were read.")
    assert away.read_at("ada/1.png", where) == b"one"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    assert outcome(away, "ada/1.png", where) == (
        "changed",
        "The tar changed after its headers were read.",
    )
    path.unlink()
    assert outcome(away, "ada/1.png", where)[0] == "changed"


def test_what_is_compared_across_machines(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"12345")
    os.utime(tmp_path / "one", ns=(0, 7_900_000_000))
    seen = regular.look(tmp_path / "one")
    assert seen is not None and regular.across(seen) == (5, 7)


def test_no_connection_and_no_credentials_go_along(memory: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "heimlich")
    fsspec.filesystem("s3", skip_instance_cache=True).pipe_file(f"{s3}/ada/1.png", b"12345")
    found = list_data(s3)
    assert found.read("ada/1.png") == b"12345"
    data = pickle.dumps(found.bare())
    assert b"heimlich" not in data and len(data) < 1000
    monkeypatch.setitem(sys.modules, "fsspec", None)
    away = pickle.loads(data)  # says nothing before it is asked something
    with pytest.raises(MissingExtra):
        away.read_at("ada/1.png", found.where("ada/1.png"))
