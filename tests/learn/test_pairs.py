"""Pairs in the format of Labeled Faces in the Wild, and the files they mean."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefeat.errors import InputError
from facefeat.learn.pairs import Listing, Pair, Pairs, locate, parse_pairs, read_pairs

TWO_FOLDS = """2\t2
Ada\t1\t2
Ada\t1\t3
Ada\t1\tBob\t1
Ada\t2\tBob\t1
Cleo\t1\t2
Dan\t4\t2
Cleo\t1\tDan\t1
Cleo\t2\tDan\t2
"""


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_pairs(text)
    return str(caught.value)


def without_line(number: int) -> str:
    lines = TWO_FOLDS.splitlines()
    return "\n".join(lines[: number - 1] + lines[number:])


def with_line(number: int, line: str) -> str:
    lines = TWO_FOLDS.splitlines()
    return "\n".join([*lines[: number - 1], line, *lines[number:]])


def test_two_folds() -> None:
    found = parse_pairs(TWO_FOLDS)
    assert (found.n_folds, found.n_each, len(found.pairs)) == (2, 2, 8)
    assert found.fold.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert found.mated.tolist() == [True, True, False, False] * 2 == [pair.mated for pair in found.pairs]
    assert found.pairs[5] == Pair(("Dan", "4"), ("Dan", "2"))
    assert found.pairs[6] == Pair(("Cleo", "1"), ("Dan", "1"))
    assert [pair.line for pair in found.pairs] == list(range(2, 10))


def test_one_number_is_one_fold() -> None:
    assert parse_pairs("1\nAda\t1\t2\nAda\t1\tBob\t2\n") == parse_pairs("1 1\nAda 1 2\n\nAda 1 Bob 2")


def test_blanks_and_tabs() -> None:
    found = parse_pairs("1\r\n Ada Lovelace \t a b.jpg\t2 \r\nAda  1 Bob\t\t2\r\n".replace("\t\t", " "))
    assert found.pairs == (
        Pair(("Ada Lovelace", "a b.jpg"), ("Ada Lovelace", "2")),
        Pair(("Ada", "1"), ("Bob", "2")),
    )


def written(pairs: Pairs) -> str:
    """Write pairs as LFW does."""
    lines = [(str(pairs.n_folds), str(pairs.n_each))]
    lines += [(*one.first, one.second[1]) if one.mated else (*one.first, *one.second) for one in pairs.pairs]  # type: ignore[misc]
    return "".join("\t".join(line) + "\n" for line in lines)


def composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def number_or_name(picture: str) -> int | str:
    return int(picture) if picture.isascii() and picture.isdigit() else picture


words = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8).filter(
    lambda text: text == text.strip()
)


@st.composite
def protocols(draw: st.DrawFn) -> Pairs:
    n_folds, n_each = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    names = draw(st.lists(words, min_size=2, max_size=4, unique_by=composed))
    pictures = draw(st.lists(words, min_size=2, max_size=4, unique_by=number_or_name))
    pairs = []
    for _ in range(n_folds):
        for mated in [True] * n_each + [False] * n_each:
            one, other = draw(st.permutations(names))[:2]
            first, second = draw(st.permutations(pictures))[:2]
            pairs.append(Pair((one, first), (one if mated else other, second)))
    return Pairs(n_folds, n_each, tuple(pairs))


@given(protocols())
def test_what_is_written_is_read(pairs: Pairs) -> None:
    assert parse_pairs(written(pairs)) == pairs


@given(st.text(st.sampled_from("12a \t\n"), max_size=60))
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    try:
        found = parse_pairs(text)
    except InputError as error:
        assert "\n" not in str(error) and str(error).endswith(".")
    else:
        assert len(found.pairs) == 2 * found.n_folds * found.n_each


EXAMPLE = "such as '10 300', or of pairs alone, such as '500'"


def test_a_first_line_that_is_wrong() -> None:
    assert refused(" \n") == (
        f"There is no line in the pairs; the first must hold the number of folds and of pairs, {EXAMPLE}."
    )
    for line in ("ten 300", "10 0", "0", "10 300 2", "-1", "1.5", "9999999999", "٣"):
        assert refused(f"\n{line}\n") == (
            f"Line 2 of the pairs must hold the number of folds and of pairs in each, {EXAMPLE}; it holds '{line}'."
        )


def test_fields_that_are_too_few_too_many_or_empty() -> None:
    where = "pair 2 of 2 of one person in fold 1 is expected there, with 3: name, picture, picture."
    assert refused(with_line(3, "Ada\t1")) == f"Line 3 of the pairs has 2 fields, but {where}"
    assert refused(with_line(3, "Ada\t1\tBob\t2")) == f"Line 3 of the pairs has 4 fields, but {where}"
    assert refused(with_line(3, "Ada\t\t2")) == f"Line 3 of the pairs has an empty field, but {where}"
    assert refused(with_line(3, "Ada Lovelace 1 2")) == (
        f"Line 3 of the pairs has 4 fields, but {where} Where names hold blanks, tabs must stand between the fields."
    )
    assert refused(with_line(8, "Cleo\t1\t2")) == (
        "Line 8 of the pairs has 3 fields, but pair 1 of 2 of two people in fold 2 is expected there, with 4: "
        "name, picture, name, picture."
    )


def test_a_fold_that_is_short() -> None:
    assert refused(without_line(3)) == (
        "Line 3 of the pairs has 4 fields, but pair 2 of 2 of one person in fold 1 is expected there, with 3: "
        "name, picture, picture."
    )
    assert refused(without_line(9)) == (
        "Line 8 of the pairs is the last, but fold 2 of 2 is short: it has 2 of 2 pairs of one person and "
        "1 of 2 of two people."
    )
    assert refused("3 1\n") == (
        "Line 1 of the pairs is the last, but fold 1 of 3 is short: it has 0 of 1 pairs of one person and "
        "0 of 1 of two people."
    )


def test_a_count_that_is_too_small() -> None:
    assert refused(TWO_FOLDS.replace("2\t2", "1\t2", 1)) == (
        "Line 6 of the pairs is one too many: line 1 announces 4 pairs in all."
    )


def test_a_picture_with_itself() -> None:
    assert (
        refused(with_line(6, "Cleo\t1\t01")) == "Line 6 of the pairs compares a picture with itself: Cleo's 1 and 01."
    )
    assert refused(with_line(4, "Ada\t1\tAda\t2")) == (
        "Line 4 of the pairs should be of two people, but names Ada twice."
    )


def test_reading_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"\xef\xbb\xbf" + TWO_FOLDS.replace("\n", "\r\n").encode())
    assert read_pairs(path) == parse_pairs(TWO_FOLDS)
    path.write_text("x")
    messages = [f"Line 1 of {path} must hold the number of folds and of pairs in each, {EXAMPLE}; it holds 'x'."]
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    messages += [f"There is no file of pairs {tmp_path / 'none.txt'}."]
    messages += [f"{tmp_path} is a folder; a file of pairs is expected."]
    messages += [f"{tmp_path / 'latin.txt'} is no text in UTF-8; a file of pairs is expected."]
    for place, message in zip((path, tmp_path / "none.txt", tmp_path, tmp_path / "latin.txt"), messages, strict=True):
        with pytest.raises(InputError) as caught:
            read_pairs(place)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    "path",
    ["Ada/Ada_0007.jpg", "Ada/0007.png", "Ada/7.pgm", "Ada/07", "Ada/2019/7.jpg", "Ada/Ada_0007"],
)
def test_a_number_means_a_file(path: str) -> None:
    assert Listing(["Ada/Ada_0017.jpg", "Bob/Bob_0007.jpg", path]).find(("Ada", "7")) == [2]


def test_of_several_files_the_one_that_fits_best_is_meant() -> None:
    paths = ["Ada/Ada_0001.jpg", "Ada/1.jpg", "Ada/01.jpg", "Ada/holiday.jpg", "Ada/holiday.old.jpg", "Ada/x/2.jpg"]
    listing = Listing(paths)
    meant = {"1": [0], "01": [0], "1.jpg": [1], "01.jpg": [2], "holiday": [3], "holiday.old": [4], "x/2.jpg": [5]}
    assert {word: listing.find(("Ada", word)) for word in meant} == meant
    assert listing.find(("Ada", "3")) == listing.find(("Bob", "1")) == []


def test_names_match_however_they_are_composed() -> None:
    assert Listing(["Zoe\u0308/1.jpg"]).find(("Zo\u00eb", "1")) == [0]


def test_pictures_of_pairs() -> None:
    pairs = parse_pairs("1\nAda\t1\t2\nAda\t1\tBob\tx")
    assert locate(pairs, ["Ada/2.jpg", "Ada/1.jpg", "Bob/y.jpg"], "data").tolist() == [[1, 0], [1, -1]]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ["Ada/1.jpg", "Ada/1.png", "Ada/2.jpg", "Bob/x.jpg"],
            "Line 2 of the pairs means several pictures by Ada's 1: Ada/1.jpg and Ada/1.png; give the file's name there.",
        ),
        (
            ["a/1.jpg", "b/1.jpg", "c/1.jpg", "d/1.jpg"],
            "No picture of the pairs is in data, whose people are a, b, c ...: line 2 is about Ada's 1.",
        ),
    ],
)
def test_pictures_that_cannot_be_meant(paths: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        locate(parse_pairs("1\nAda\t1\t2\nAda\t1\tBob\tx"), paths, "data")
    assert str(caught.value) == message


def test_a_picture_with_itself_under_two_names() -> None:
    with pytest.raises(InputError) as caught:
        locate(parse_pairs("1\nAda\t1\tAda_0001.jpg\nAda\t1\tBob\t1"), ["Ada/Ada_0001.jpg", "Bob/1.jpg"], "data")
    assert str(caught.value) == "Line 2 of the pairs compares a picture with itself: Ada's 1 and Ada_0001.jpg."
