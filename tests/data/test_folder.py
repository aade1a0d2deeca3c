from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.data.folder import escaped, list_people, unescaped
from facefeat.data.listing import Entry
from facefeat.errors import InputError

NAMES = st.text(st.one_of(st.characters(codec="utf-8"), st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)))


def touch(root: Path, *paths: str) -> Path:
    """Make empty files with the folders they need."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def complaint(root: Path) -> str:
    """List a folder that is no data set; return the sentence."""
    with pytest.raises(InputError) as caught:
        list_people(root)
    return str(caught.value)


def test_people_and_pictures_are_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "bob/2.png", "bob/10.png", "ada/z.jpg", "ada/more/a.jpg", "Zoë/1.jpg", "ada/no_suffix")
    found = list_people(tmp_path)
    assert found.people == ("Zoë", "ada", "bob")
    assert found.entries == (
        Entry("Zoë/1.jpg", 0),
        Entry("ada/more/a.jpg", 1),
        Entry("ada/no_suffix", 1),
        Entry("ada/z.jpg", 1),
        Entry("bob/10.png", 2),
        Entry("bob/2.png", 2),
    )
    assert (found.empty, found.loose) == ((), ())
    assert found.file("Zoë/1.jpg") == tmp_path / "Zoë" / "1.jpg"


def test_hidden_files_and_those_of_desktops_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "ada/1.png", "ada/.DS_Store", "ada/._1.png", "ada/Thumbs.db", "ada/desktop.ini")
    touch(tmp_path, ".git/1.png", ".hidden.png", "ada/.thumbnails/1.png")
    found = list_people(tmp_path)
    assert [entry.path for entry in found.entries] == ["ada/1.png"]
    assert found.loose == ()


def test_empty_folders_and_loose_pictures_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "ada/1.png", "b.JPG", "a.png", "readme.txt")
    (tmp_path / "eve").mkdir()
    (tmp_path / "dan" / "nothing").mkdir(parents=True)
    found = list_people(tmp_path)
    assert found.people == ("ada",)
    assert found.empty == ("dan", "eve")
    assert found.loose == ("a.png", "b.JPG")


def test_what_is_no_folder_of_people_says_what_it_is(tmp_path: Path) -> None:
    touch(tmp_path, "file", "flat/1.jpg", "flat/2.png", "nested/train/ada/1.png", "nested/test/ada/2.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "ada").mkdir(parents=True)
    expected = "one subfolder a person is expected, such as"
    assert complaint(tmp_path / "none") == f"There is no folder {tmp_path / 'none'}."
    assert complaint(tmp_path / "file") == (
        f"{tmp_path / 'file'} is a file; a folder with one subfolder a person is expected."
    )
    assert complaint(tmp_path / "empty") == (
        f"{tmp_path / 'empty'} has no subfolders; {expected} {tmp_path / 'empty' / 'Anna' / '1.jpg'}."
    )
    assert complaint(tmp_path / "flat") == (
        f"{tmp_path / 'flat'} holds 2 pictures but no subfolders; {expected} {tmp_path / 'flat' / 'Anna' / '1.jpg'}."
    )
    assert complaint(tmp_path / "hollow") == (
        f"{tmp_path / 'hollow'} has subfolders but no files in them: one folder a person, with pictures, is expected."
    )
    assert complaint(tmp_path / "nested") == (
        f"The subfolders of {tmp_path / 'nested'} hold only further folders: the people seem to be one level deeper. "
        f"Give one of these instead: {tmp_path / 'nested' / 'test'}, {tmp_path / 'nested' / 'train'}."
    )


def test_one_picture_alone_is_counted_in_the_singular(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")
    assert complaint(tmp_path).startswith(f"{tmp_path} holds 1 picture but no subfolders;")


def test_links_may_not_lead_out(tmp_path: Path) -> None:
    touch(tmp_path, "outside/secret.png", "data/ada/1.png")
    ada = tmp_path / "data" / "ada"
    (ada / "inside.png").symlink_to(ada / "1.png")
    (ada / "relative.png").symlink_to("../../outside/secret.png")
    (ada / "out.png").symlink_to(tmp_path / "outside" / "secret.png")
    (ada / "folder").symlink_to(tmp_path / "outside")
    (ada / "again").symlink_to(tmp_path / "data")
    (ada / "lost.png").symlink_to(ada / "nowhere.png")
    assert {entry.path: entry.refusal for entry in list_people(tmp_path / "data").entries} == {
        "ada/1.png": "",
        "ada/again": "not_a_file",
        "ada/folder": "link_outside",
        "ada/inside.png": "",
        "ada/lost.png": "",
        "ada/out.png": "link_outside",
        "ada/relative.png": "link_outside",
    }


def test_a_link_to_a_sibling_whose_name_starts_alike_leads_out(tmp_path: Path) -> None:
    touch(tmp_path, "data/ada/1.png", "data2/secret.png")
    (tmp_path / "data" / "ada" / "2.png").symlink_to(tmp_path / "data2" / "secret.png")
    assert [entry.refusal for entry in list_people(tmp_path / "data").entries] == ["", "link_outside"]


def test_a_data_set_may_itself_be_given_by_a_link(tmp_path: Path) -> None:
    touch(tmp_path, "data/ada/1.png")
    (tmp_path / "data" / "ada" / "2.png").symlink_to("1.png")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert [entry.refusal for entry in list_people(tmp_path / "link").entries] == ["", ""]


def test_folders_that_are_links_are_not_entered(tmp_path: Path) -> None:
    touch(tmp_path, "data/ada/1.png", "outside/1.png")
    (tmp_path / "data" / "bob").symlink_to(tmp_path / "outside")
    (tmp_path / "data" / "ada" / "loop").symlink_to(tmp_path / "data" / "ada")
    found = list_people(tmp_path / "data")
    assert found.people == ("ada",)
    assert [entry.path for entry in found.entries] == ["ada/1.png", "ada/loop"]


def test_a_pipe_is_listed_without_being_opened(tmp_path: Path) -> None:
    touch(tmp_path, "ada/1.png")
    os.mkfifo(tmp_path / "ada" / "pipe")
    assert [entry.path for entry in list_people(tmp_path).entries] == ["ada/1.png", "ada/pipe"]


def test_names_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/\xff%41.png", "wb") as file:
        file.write(b"x")
    found = list_people(tmp_path)
    assert found.people == ("caf%E9",)
    assert found.entries == (Entry("caf%E9/%FF%2541.png", 0),)
    assert found.file(found.entries[0].path).read_bytes() == b"x"
    assert found.read(found.entries[0].path) == b"x"


@settings(deadline=None, max_examples=200)
@given(NAMES)
def test_every_name_comes_back_from_its_text(name: str) -> None:
    text = escaped(name)
    text.encode()
    assert unescaped(text) == name


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(["%", "4", "1", "E", "9", "%41", "\udce9", "\udc25", "é"]), max_size=8).map("".join))
def test_percent_signs_are_never_mistaken(name: str) -> None:
    assert unescaped(escaped(name)) == name


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=20))
def test_every_name_on_disk_has_one_text(raw: bytes) -> None:
    assert os.fsencode(unescaped(escaped(os.fsdecode(raw)))) == raw
