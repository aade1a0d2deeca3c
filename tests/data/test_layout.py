"""Test sets in three folders, and folders of strangers."""

from __future__ import annotations

from pathlib import Path

import pytest

from facefeat.data.folder import NOBODY, list_people, list_strangers
from facefeat.data.layout import read_layout
from facefeat.data.listing import Entry
from facefeat.errors import InputError
from tests.data.test_folder import touch


def complaint(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_layout(root)
    return str(caught.value)


def test_three_folders_are_listed_each_as_what_it_is(tmp_path: Path) -> None:
    touch(tmp_path, "gallery/ada/1.png", "gallery/bob/1.png", "probe/ada/2.png", "unknown/zoe/1.png", "README.md")
    found = read_layout(tmp_path)
    assert found and found.gallery and found.unknown
    assert found.gallery == list_people(tmp_path / "gallery") and found.probe == list_people(tmp_path / "probe")
    assert found.unknown == list_people(tmp_path / "unknown")


def test_gallery_and_unknown_may_be_left_out(tmp_path: Path) -> None:
    found = read_layout(touch(tmp_path, "probe/ada/2.png"))
    assert found and (found.gallery, found.unknown) == (None, None)
    assert found.probe.people == ("ada",)


@pytest.mark.parametrize(
    "paths",
    [
        ("gallery/1.png", "unknown/1.png"),
        ("probe/1.png", "unknown/1.png", "ada/1.png"),
        ("Probe/ada/1.png",),
        ("ada/probe/1.png",),
        ("probe", "ada/1.png"),
    ],
)
def test_anything_else_is_a_folder_of_people(tmp_path: Path, paths: tuple[str, ...]) -> None:
    assert read_layout(touch(tmp_path, *paths)) is None


def test_a_link_beside_the_three_is_a_folder_too(tmp_path: Path) -> None:
    touch(tmp_path, "set/probe/ada/1.png", "elsewhere/1.png")
    (tmp_path / "set" / "bob").symlink_to(tmp_path / "elsewhere")
    assert read_layout(tmp_path / "set") is None


def test_no_link_is_followed(tmp_path: Path) -> None:
    touch(tmp_path, "set/probe/ada/1.png", "elsewhere/ada/1.png", "elsewhere/bob/1.png")
    (tmp_path / "set" / "gallery").symlink_to(tmp_path / "elsewhere")
    assert complaint(tmp_path / "set") == (
        f"{tmp_path / 'set' / 'gallery'} is a link, and links are not followed; put the folder itself there."
    )


def test_folders_that_are_of_no_use_are_a_sentence_each(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none") == f"There is no folder {tmp_path / 'none'}."
    probe, unknown, gallery = (tmp_path / name for name in ("probe", "unknown", "gallery"))
    probe.mkdir()
    expected = f"one subfolder a person is expected, such as {probe / 'Anna' / '1.jpg'}."
    assert complaint(tmp_path) == f"{probe} has no subfolders; {expected}"
    touch(tmp_path, "probe/1.jpg")
    assert complaint(tmp_path) == f"{probe} holds 1 picture but no subfolders; {expected}"
    touch(tmp_path, "probe/ada/1.jpg")
    unknown.mkdir()
    assert complaint(tmp_path) == (
        f"{unknown} holds no picture; folders of strangers are expected there, or pictures of them."
    )
    touch(tmp_path, "unknown/1.jpg", "gallery/ada/1.jpg")
    assert complaint(tmp_path) == f"{gallery} holds only one person, ada; at least two are needed to tell apart."


def test_loose_strangers_are_pictures_of_nobody(tmp_path: Path) -> None:
    touch(tmp_path, "zoe/1.png", "b.jpg", "a.PNG", "notes.txt", ".hidden.jpg")
    (tmp_path / "empty").mkdir()
    found = list_strangers(tmp_path)
    assert found.people == (NOBODY, "zoe") and found.loose == () and found.empty == ("empty",)
    assert found.entries == (Entry("a.PNG", 0), Entry("b.jpg", 0), Entry("zoe/1.png", 1))
    assert found.file("b.jpg") == tmp_path / "b.jpg"


def test_strangers_in_folders_are_listed_as_people_are(tmp_path: Path) -> None:
    touch(tmp_path, "zoe/1.png", "yan/1.png")
    assert list_strangers(tmp_path) == list_people(tmp_path)


def test_loose_strangers_beside_empty_folders_count(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    (tmp_path / "zoe").mkdir()
    found = list_strangers(tmp_path)
    assert (found.people, found.entries, found.empty) == ((NOBODY,), (Entry("1.png", 0),), ("zoe",))


def test_loose_strangers_that_are_links_out_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "set/1.png", "2.png")
    (tmp_path / "set" / "2.png").symlink_to(tmp_path / "2.png")
    (tmp_path / "set" / "3.png").symlink_to("1.png")
    assert list_strangers(tmp_path / "set").entries == (
        Entry("1.png", 0),
        Entry("2.png", 0, "link_outside"),
        Entry("3.png", 0),
    )
