"""A data set is mended by a list, all of it or nothing, and comes back as it was."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from pathlib import Path

import pytest

from facefeat.curate.findings import Finding
from facefeat.curate.mend import COLUMNS, MOVES, Mended, apply_list, check_options, removed_folder, restore, write_list
from facefeat.data.folder import list_people
from facefeat.errors import DamagedFile, InputError, StorageError, UsageError
from tests.curate.mending import Asked, apply, failing, removed, tree_of, write, write_asked


@pytest.fixture
def data(tmp_path: Path) -> Path:
    tree = {
        f"{person}/{number}.jpg": f"{person} {number}".encode() for person in ("ada", "bob") for number in (1, 2, 3)
    }
    return write(tmp_path / "data", tree)


def test_pictures_go_and_come_back(data: Path) -> None:
    before = tree_of(data)
    made = apply(data, ("remove", "ada/1.jpg", ""), ("", "ada/2.jpg", ""), ("move", "ada/3.jpg", "bob"))
    folder = data.with_name("data-removed")
    assert made == Mended(removed=1, moved=1, restored=0, folder=folder)
    assert removed(data) == {"ada/1.jpg": b"ada 1"}
    assert tree_of(data)["bob/3-2.jpg"] == b"ada 3" and tree_of(data)["bob/3.jpg"] == b"bob 3"
    assert restore(data) == Mended(removed=0, moved=0, restored=2, folder=folder)
    assert tree_of(data) == before and not folder.exists()


def test_the_list_that_is_written_is_the_list_that_is_read(data: Path, tmp_path: Path) -> None:
    findings = [
        Finding("duplicate", "ada/1.jpg", "A copy.", "ada/2.jpg", 1.0, "remove"),
        Finding("near_duplicate", "ada/2.jpg", "Nearly.", "ada/3.jpg", 0.98765432),
        Finding("leak", "ada/1.jpg", "There too.", "ada/9.jpg", 1.0, "remove"),
        Finding("few", "ada", "3 different pictures.", value=3),
    ]
    path = tmp_path / "lists" / "list.csv"
    assert write_list(findings, list_people(data), path) == 1
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    one, two = (hashlib.sha256(f"ada {number}".encode()).hexdigest() for number in (1, 2))
    assert [tuple(row.values()) for row in rows] == [
        ("remove", "ada/1.jpg", "", "duplicate", "A copy.", "ada/2.jpg", "1", one),
        ("", "ada/2.jpg", "", "near_duplicate", "Nearly.", "ada/3.jpg", "0.987654", two),
        ("", "ada/1.jpg", "", "leak", "There too.", "ada/9.jpg", "1", one),
        ("", "ada", "", "few", "3 different pictures.", "", "3", ""),
    ]
    assert tuple(rows[0]) == COLUMNS
    assert apply_list(data, path).removed == 1 and removed(data) == {"ada/1.jpg": b"ada 1"}


def test_a_suspect_is_moved_once_somebody_writes_so(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    assert (
        write_list([Finding("suspect", "ada/2.jpg", "Like bob.", "bob/1.jpg", 0.3, to="bob")], list_people(data), path)
        == 0
    )
    assert apply_list(data, path) == Mended(0, 0, 0, removed_folder(data)) and not removed_folder(data).exists()
    text = path.read_text()
    path.write_text("\ufeff" + text.replace("\n,ada", "\n Move ,ada"), encoding="utf-8")  # as spreadsheets save it
    assert apply_list(data, path).moved == 1
    assert tree_of(data)["bob/2-2.jpg"] == b"ada 2"


def test_pictures_of_one_name_do_not_meet(data: Path) -> None:
    write(data, {"ada/deep/1.jpg": b"deep", "cleo/1.jpg": b"cleo", "cleo/x": b"x"})
    before = tree_of(data)
    apply(data, ("move", "ada/1.jpg", "bob"), ("move", "ada/deep/1.jpg", "bob"), ("move", "cleo/1.jpg", "bob"))
    after = tree_of(data)
    assert [after[f"bob/{name}.jpg"] for name in ("1", "1-2", "1-3", "1-4")] == [b"bob 1", b"ada 1", b"deep", b"cleo"]
    apply(data, ("remove", "bob/1-2.jpg", ""))
    write(data, {"bob/1-2.jpg": b"new"})
    apply(data, ("remove", "bob/1-2.jpg", ""), ("move", "bob/1-4.jpg", "dan"))
    assert removed(data) == {"bob/1-2.jpg": b"ada 1", "bob/1-3.jpg": b"new"}
    assert restore(data).left != ()  # two were called bob/1-2.jpg
    os.rename(data / "bob" / "1-2.jpg", data.with_name("new"))
    assert restore(data).left == () and tree_of(data) == before


def test_a_picture_that_went_twice_comes_back(data: Path) -> None:
    before = tree_of(data)
    apply(data, ("move", "ada/1.jpg", "cleo"))
    apply(data, ("move", "cleo/1.jpg", "dan"), ("remove", "bob/1.jpg", ""))
    apply(data, ("remove", "dan/1.jpg", ""))
    assert removed(data) == {"dan/1.jpg": b"ada 1", "bob/1.jpg": b"bob 1"}
    assert restore(data).restored == 4
    assert tree_of(data) == before and not removed_folder(data).exists()


def test_a_taken_place_is_left_and_told(data: Path) -> None:
    apply(data, ("remove", "ada/1.jpg", ""), ("remove", "ada/2.jpg", ""))
    write(data, {"ada/1.jpg": b"another"})
    folder = removed_folder(data)
    left = (f"{folder / 'ada' / '1.jpg'}: there is another {data / 'ada' / '1.jpg'}",)
    for restored in (1, 0):  # asked again, it says so again
        assert restore(data) == Mended(0, 0, restored, folder, left)
    assert tree_of(data)["ada/1.jpg"] == b"another" and removed(data) == {"ada/1.jpg": b"ada 1"}
    (data / "ada" / "1.jpg").unlink()
    assert restore(data) == Mended(0, 0, 1, folder) and tree_of(data)["ada/1.jpg"] == b"ada 1"
    assert not folder.exists()


def test_what_lies_where_a_moved_picture_lay_is_not_taken_for_it(data: Path) -> None:
    before = tree_of(data)
    apply(data, ("move", "ada/1.jpg", "cleo"))
    apply(data, ("remove", "cleo/1.jpg", ""))
    write(data, {"cleo/1.jpg": b"of cleo"})
    place = data / "cleo" / "1.jpg"
    made = restore(data)
    assert made.left == (
        f"{removed_folder(data) / 'cleo' / '1.jpg'}: there is another {place}",
        f"{place}: there is another {place}",
    )
    assert place.read_bytes() == b"of cleo" and not (data / "ada" / "1.jpg").exists()
    place.unlink()
    assert restore(data).restored == 2 and tree_of(data) == before


def test_what_others_put_into_the_folder_of_removed_pictures_stays(data: Path) -> None:
    apply(data, ("remove", "ada/1.jpg", ""))
    write(removed_folder(data), {"ada/mine.txt": b"mine"})
    assert restore(data).restored == 1
    assert removed(data) == {"ada/mine.txt": b"mine"}


def test_there_is_nothing_to_undo(data: Path) -> None:
    with pytest.raises(InputError) as caught:
        restore(data)
    assert str(caught.value) == f"Nothing was moved out of {data}: there is no {data}-removed/{MOVES}."


def test_a_damaged_record_moves_nothing(data: Path) -> None:
    apply(data, ("remove", "ada/1.jpg", ""))
    record = removed_folder(data) / MOVES
    good = record.read_text()
    for bad in (
        "",
        "nothing\n",
        good.replace("removed", "somewhere"),
        good.replace("removed", '"'),
        good.replace("ada", "../ada"),
        good.replace("ada/1.jpg,", "/etc/passwd,"),
        "\xff\0",
    ):
        record.write_text(bad, encoding="latin-1")
        assert restoring(data) == f"{record} is damaged: it does not say what was moved where."
        with pytest.raises(DamagedFile):
            apply(data, ("remove", "ada/2.jpg", ""))
        assert record.read_bytes() == bad.encode("latin-1") and (data / "ada" / "2.jpg").exists()
    record.write_text(good)
    assert restore(data).restored == 1


def restoring(data: Path) -> str:
    with pytest.raises(DamagedFile) as caught:
        restore(data)
    return str(caught.value)


def refused(data: Path, table: Path) -> str:
    """Apply a list that cannot be; nothing may have been moved."""
    before = tree_of(data)
    with pytest.raises(InputError) as caught:
        apply_list(data, table)
    assert tree_of(data) == before and not removed_folder(data).exists()
    return str(caught.value)


FIRST: Asked = ("remove", "ada/1.jpg", "")
REFUSALS: dict[str, tuple[Asked, str]] = {
    "an unknown action": (
        ("removed", "ada/2.jpg", ""), "There is no action 'removed'; did you mean 'remove'? There are: move, remove.",
    ),
    "twice the same": (FIRST, "'ada/1.jpg' is no picture of {data}, or stands twice in the list."),
    "a path outside": (("remove", "../x", ""), "'../x' is no picture of {data}, or stands twice in the list."),
    "an absolute path": (("remove", "/x", ""), "'/x' is no picture of {data}, or stands twice in the list."),
    "a person": (("remove", "ada", ""), "'ada' is no picture of {data}, or stands twice in the list."),
    "nobody to go to": (
        ("move", "ada/2.jpg", ""), "'move' needs the name of a person in the column to; '' was given.",
    ),
    "out of the data set": (
        ("move", "ada/2.jpg", ".."), "'move' needs the name of a person in the column to; '..' was given.",
    ),
    "out, in disguise": (
        ("move", "ada/2.jpg", "%2E%2E%2Fx"),
        "'move' needs the name of a person in the column to; '%2E%2E%2Fx' was given.",
    ),
    "below a person": (
        ("move", "ada/2.jpg", "bob/x"), "'move' needs the name of a person in the column to; 'bob/x' was given.",
    ),
    "to its own person": (("move", "ada/2.jpg", "ada"), "ada/2.jpg lies in the folder of ada already."),
    "to a file": (
        ("move", "ada/2.jpg", "file"), "file is a link or a file in {data}; a person is a folder.",
    ),
    "to a link": (("move", "ada/2.jpg", "link"), "link is a link or a file in {data}; a person is a folder."),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_list_that_asks_for_what_cannot_be_moves_nothing(data: Path, tmp_path: Path, name: str) -> None:
    (data / "file").write_bytes(b"file")
    (tmp_path / "elsewhere").mkdir()
    (data / "link").symlink_to(tmp_path / "elsewhere")
    asked, sentence = REFUSALS[name]
    table = write_asked(tmp_path / "list.csv", [FIRST, asked])
    assert refused(data, table) == f"Line 3: {sentence.format(data=data)}"


def test_a_picture_that_changed_since_is_not_moved(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    findings = [Finding("duplicate", f"ada/{number}.jpg", "A copy.", "", 1.0, "remove") for number in (1, 2)]
    write_list(findings, list_people(data), path)
    (data / "ada" / "2.jpg").write_bytes(b"changed")
    assert refused(data, path) == (
        "Line 3: ada/2.jpg is another picture than when the list was written; write it anew."
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "{} is no list of what to do: its first line has to name the columns action and path."),
        ("path,to\nada/1.jpg,bob\n", "{} is no list of what to do: its first line has to name the columns action and path."),
        ("action;path\nremove;ada/1.jpg\n", "{} is no list of what to do: its first line has to name the columns action and path."),
        ('action,path\nremove,ada/2.jpg\nremove,"ada/1.jpg\n', "{} is no CSV after line 2: unexpected end of data."),
        ('action,path\nremove,"ada/1.jpg"x\n', "{} is no CSV after line 1: ',' expected after '\"'."),
        ('action,"path\n', "{} is no CSV after line 0: unexpected end of data."),
        ("action,path\nremove\n", "Line 2: '' is no picture of {data}, or stands twice in the list."),
    ],
)  # fmt: skip
def test_what_is_no_list(data: Path, tmp_path: Path, text: str, sentence: str) -> None:
    table = tmp_path / "list.csv"
    table.write_text(text)
    assert refused(data, table) == sentence.format(table, data=data)


def test_a_list_that_cannot_be_read(data: Path, tmp_path: Path) -> None:
    assert refused(data, tmp_path / "no.csv") == (
        f"The list {tmp_path / 'no.csv'} cannot be read: No such file or directory."
    )
    assert refused(data, tmp_path) == f"The list {tmp_path} cannot be read: Is a directory."


def test_bytes_that_are_no_text_are_no_list(data: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_bytes(os.urandom(3000).replace(b'"', b""))
    assert "no list of what to do" in refused(data, table) or "no CSV" in refused(data, table)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_stopped_in_the_middle_all_can_be_put_back(data: Path, after: int) -> None:
    before = tree_of(data)
    asked = [FIRST, ("move", "ada/2.jpg", "cleo"), ("remove", "bob/1.jpg", "")]
    with failing(after), pytest.raises(StorageError) as caught:
        apply(data, *asked)
    path = data / asked[after][1]
    assert caught.value.exit_code == 6
    assert str(caught.value) == (
        f"{path} cannot be moved: No space left on device. {after} of 3 pictures were moved before it; "
        f"facefeat doctor {data} --undo puts them back."
    )
    assert Counter([*tree_of(data).values(), *removed(data).values()]) == Counter(before.values())
    assert restore(data).restored == after
    assert tree_of(data) == before and not removed_folder(data).exists()


def test_undo_that_was_stopped_goes_on(data: Path) -> None:
    before = tree_of(data)
    apply(data, FIRST, ("move", "ada/2.jpg", "cleo"), ("remove", "bob/1.jpg", ""))
    with failing(1), pytest.raises(StorageError):
        restore(data)
    assert restore(data) == Mended(0, 0, 2, removed_folder(data))
    assert tree_of(data) == before


def test_what_cannot_be_placed_is_known_before_anything_moves(data: Path) -> None:
    removed_folder(data).write_bytes(b"a file")
    before = tree_of(data)
    with pytest.raises(StorageError) as caught:
        apply(data, FIRST)
    assert str(caught.value) == f"{removed_folder(data)} cannot be written: File exists."
    assert tree_of(data) == before


def test_links_are_moved_as_they_are(data: Path) -> None:
    (data / "ada" / "link.jpg").symlink_to("1.jpg")
    apply(data, ("remove", "ada/link.jpg", ""))
    assert os.readlink(removed_folder(data) / "ada" / "link.jpg") == "1.jpg"
    restore(data)
    assert os.readlink(data / "ada" / "link.jpg") == "1.jpg"


def test_a_data_set_may_be_given_as_a_dot(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    table = write_asked(data.with_name("list.csv"), [FIRST])
    assert apply_list(".", table).folder == data.with_name("data-removed")
    assert removed(data) == {"ada/1.jpg": b"ada 1"} and restore(".").restored == 1


def test_looking_and_mending_are_told_apart() -> None:
    check_options(None, False, (None, Path("x")))
    check_options(Path("l"), False, (None, None))
    with pytest.raises(UsageError) as caught:
        check_options(Path("l"), True, ())
    assert str(caught.value) == "--apply moves pictures and --undo moves them back; give one of the two."
    for table, undo in ((Path("l"), False), (None, True)):
        with pytest.raises(UsageError) as caught:
            check_options(table, undo, (None, Path("x")))
        assert str(caught.value) == (
            "--apply and --undo only move pictures; --against, --fix and --html belong to looking at them."
        )
