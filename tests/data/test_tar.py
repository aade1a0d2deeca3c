"""Tars of people: what is in them is listed as a folder is, and nothing leads out of them."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.data import folder
from facefeat.data.listing import Entry, Listing
from facefeat.data.remote import list_data
from facefeat.data.tar import LABEL_BYTES
from facefeat.errors import DamagedFile, FacefeatError, ForeignFile, InputError, PictureRefused
from tests.stores import contents, link, tarred

PEOPLE = {"ada/1.png": b"one", "ada/deep/2.png": b"two two", "Zoë/%41.png": b"three" * 300}


def listed(path: Path, members: Mapping[str, bytes | tarfile.TarInfo] | bytes) -> Listing:
    """Write a tar and list it."""
    path.mkdir(exist_ok=True)
    file = path / "people.tar"
    file.write_bytes(members if isinstance(members, bytes) else tarred(members))
    return list_data(file)


def refusals(found: Listing) -> dict[str, str]:
    return {entry.path: entry.refusal for entry in found.entries}


def test_it_lists_and_reads_as_the_unpacked_folder_does(tmp_path: Path) -> None:
    hidden = {"ada/.DS_Store": b"x", ".git/config": b"x", "Thumbs.db": b"x", "7.png": b"loose", "readme.txt": b"x"}
    found = listed(tmp_path, {**PEOPLE, **hidden})
    for name, data in {**PEOPLE, **hidden}.items():
        (tmp_path / "unpacked" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "unpacked" / name).write_bytes(data)
    plain = folder.list_people(tmp_path / "unpacked")
    assert (found.people, found.entries, found.loose) == (plain.people, plain.entries, plain.loose)
    assert {e.path: found.read(e.path) for e in found.entries} == {e.path: plain.read(e.path) for e in plain.entries}


@pytest.mark.parametrize("around", ["./", "./photographs/", "photographs/", "/"])
def test_what_stands_before_all_names_is_left_out(tmp_path: Path, around: str) -> None:
    top = tarfile.TarInfo(around)
    top.type = tarfile.DIRTYPE
    found = listed(tmp_path, {around: top, **{around + name: data for name, data in PEOPLE.items()}})
    assert {entry.path: found.read(entry.path) for entry in found.entries} == {
        folder.escaped(name): data for name, data in PEOPLE.items()
    }


def test_a_folder_of_people_in_folders_of_its_own_is_refused_as_on_disk(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        listed(tmp_path, {"a/ada/1.png": b"x", "b/bob/1.png": b"x"})
    assert str(caught.value) == (
        f"The subfolders of {tmp_path}/people.tar hold only further folders: the people seem to be one level deeper. "
        f"Give one of these instead: {tmp_path}/people.tar/a, {tmp_path}/people.tar/b."
    )


def test_nothing_leads_out_of_it(tmp_path: Path) -> None:
    pipe = tarfile.TarInfo("ada/pipe")
    pipe.type = tarfile.FIFOTYPE
    members = [
        link("ada/out.png", "../../etc/passwd"),
        link("ada/root.png", "/etc/passwd"),
        link("ada/in.png", "1.png"),
        link("ada/hard.png", "ada/1.png", tarfile.LNKTYPE),
        link("ada/hard-out.png", "../1.png", tarfile.LNKTYPE),
        pipe,
    ]
    names = {"ada/1.png": b"x", "ada/../../etc/2.png": b"x", "../bob/3.png": b"x"}
    found = listed(tmp_path, names | {one.name: one for one in members})
    assert refusals(found) == {
        "%2E%2E/bob/3.png": "link_outside",
        "ada/%2E%2E/%2E%2E/etc/2.png": "link_outside",
        "ada/1.png": "",
        "ada/hard-out.png": "link_outside",
        "ada/hard.png": "not_a_file",
        "ada/in.png": "not_a_file",
        "ada/out.png": "link_outside",
        "ada/pipe": "not_a_file",
        "ada/root.png": "link_outside",
    }


def test_the_last_of_several_of_one_name_counts(tmp_path: Path) -> None:
    twice = tarred({"ada/1.png": b"old"})[:1024] + tarred({"./ada/1.png": b"new", "bob/1.png": b"x"})
    found = listed(tmp_path, twice)
    assert found.entries == (Entry("ada/1.png", 0), Entry("bob/1.png", 1)) and found.read("ada/1.png") == b"new"


def test_samples_belong_to_whom_their_label_names(tmp_path: Path) -> None:
    found = listed(
        tmp_path,
        {
            "shard/a.jpg": b"a",
            "shard/a.txt": b"a caption",
            "shard/a.cls": b"3\n",
            "shard/b.x.y": b"b",
            "shard/b.PNG": b"b",
            "shard/b.seg.png": b"a mask",
            "shard/b.json": b'{"label": "Zo\xc3\xab 100%", "age": 7}',
            "shard/c.jpg": b"nobody's",
        },
    )
    assert found.people == ("3", "Zoë 100%")
    assert {entry.path: found.read(entry.path) for entry in found.entries} == {
        "3/shard/a.jpg": b"a",
        "Zoë 100%/shard/b.PNG": b"b",
    }
    assert found.loose == ("shard/c.jpg",)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.cls", b""),
        ("a.cls", b"../ada"),
        ("a.cls", b".hidden"),
        ("a.cls", b"\xff"),
        ("a.txt", b"ada\nbob"),
        ("a.txt", b"x" * (LABEL_BYTES + 1)),
        ("a.json", b"{"),
        ("a.json", b"[" * 50_000),
        ("a.json", b'{"name": "ada"}'),
        ("a.json", b'{"label": true}'),
        ("a.json", b'{"label": ["ada"]}'),
    ],
)
def test_a_label_that_names_nobody(tmp_path: Path, name: str, data: bytes) -> None:
    found = listed(tmp_path, {"a.jpg": b"a", name: data, "b.jpg": b"b", "b.txt": b"bob"})
    assert (found.people, found.loose) == (("bob",), ("a.jpg",))


def test_texts_in_folders_of_people_are_no_labels(tmp_path: Path) -> None:
    found = listed(tmp_path, {"ada/1.jpg": b"x", "ada/1.txt": b"a caption", "ada/1.json": b'{"label": "bob"}'})
    assert found.people == ("ada",)


@pytest.fixture(scope="module")
def whole() -> bytes:
    return tarred(PEOPLE | {"Zoë/" + "long" * 40 + ".png": b"x" * 700})


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_tar_that_is_cut_is_never_listed(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    end = len(whole.rstrip(b"\0"))  # behind it stand the zeros of the last piece, and two blocks of them or more
    n = data.draw(st.integers(0, end))
    with pytest.raises(DamagedFile if n >= 512 else ForeignFile) as caught:
        listed(tmp_path_factory.getbasetemp() / "cut", whole[:n])
    assert str(caught.value).endswith(("is no tar file.", "is cut off or damaged; get it again, or make it anew."))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_bytes_that_are_changed_make_a_refusal_or_a_listing(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    changed = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        changed[at] = data.draw(st.integers(0, 255))
    try:
        found = listed(tmp_path_factory.getbasetemp() / "changed", bytes(changed))
        assert all(len(found.read(entry.path)) for entry in found.entries if not entry.refusal)
    except (FacefeatError, PictureRefused):
        pass


def test_a_header_of_many_bytes_is_not_read(tmp_path: Path) -> None:
    large = tarfile.TarInfo("pax")
    large.type, large.size = tarfile.XHDTYPE, 4 * 1024**3
    with pytest.raises(DamagedFile):
        listed(tmp_path, large.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))


def test_a_compressed_tar_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "people.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(InputError) as caught:
        list_data(tmp_path / "people.tar.gz")
    assert str(caught.value) == (
        f"{tmp_path}/people.tar.gz is compressed, so its pictures cannot be read one by one; give a plain .tar."
    )
    with pytest.raises(InputError, match=r"There is no folder .*none\.tar"):
        list_data(tmp_path / "none.tar")


def test_who_reads_folders_only_says_who_reads_tars(tmp_path: Path) -> None:
    (tmp_path / "people.tar").write_bytes(tarred(PEOPLE))
    with pytest.raises(InputError) as caught:
        folder.list_people(tmp_path / "people.tar")
    assert str(caught.value) == (
        f"{tmp_path}/people.tar is a file; a folder with one subfolder a person is expected; "
        "a tar is read by facefeat extract only."
    )


def test_a_folder_may_be_called_like_a_tar(tmp_path: Path) -> None:
    (tmp_path / "people.tar" / "ada").mkdir(parents=True)
    (tmp_path / "people.tar" / "ada" / "1.png").write_bytes(b"x")
    assert list_data(tmp_path / "people.tar") == folder.list_people(tmp_path / "people.tar")
    assert contents(tmp_path / "people.tar") == {"ada/1.png": b"x"}


def test_a_tar_that_is_exchanged_is_not_read_any_more(tmp_path: Path) -> None:
    found = listed(tmp_path, PEOPLE)
    seen = found.look("ada/1.png")
    assert seen is not None and found.look("ada/1.png", again=True) == seen != found.look("ada/deep/2.png")
    other = tmp_path / "other.tar"
    other.write_bytes(tarred({"bob/1.png": b"other"}))
    other.replace(tmp_path / "people.tar")
    with pytest.raises(PictureRefused) as caught:
        found.read("ada/1.png")
    assert (caught.value.code, caught.value.message) == ("changed", "The tar changed after its headers were read.")
    assert found.look("ada/1.png", again=True) != seen
