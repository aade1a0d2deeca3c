"""A gallery that somebody joins and leaves is the gallery that it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.data.quality import SIDE
from facefeat.learn import gallery as galleries
from facefeat.learn.gallery import Gallery, read_gallery

PEOPLE = ("ada", "bob", "cleo")
FILES = st.lists(st.text("abc123", min_size=1, max_size=4), min_size=1, max_size=4, unique=True).map(sorted)


def made(people: tuple[str, ...], files: list[list[str]], faces: bool = True, seed: int = 0) -> Gallery:
    """Make a gallery of people with some files each."""
    person = np.repeat(np.arange(len(files), dtype=np.int32), [len(some) for some in files])
    rng, n = np.random.default_rng(seed), len(person)
    paths = tuple(f"{name}/{file}" for name, some in zip(people, files, strict=False) for file in some)
    pixels = rng.integers(0, 256, (n if faces else 0, SIDE, SIDE), dtype=np.uint8)
    digests = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    return Gallery(rng.normal(size=(n, 5)).astype(np.float16), person, paths, digests, pixels)


@settings(max_examples=30, deadline=None)
@given(st.tuples(FILES, FILES, FILES), FILES, st.integers(0, 3), st.booleans())
def test_joining_and_leaving_give_the_same_bytes(
    files: tuple[list[str], ...], new: list[str], place: int, faces: bool
) -> None:
    before, name = made(PEOPLE, list(files), faces), "new"
    one = made((name,), [new], seed=1)
    joined = before.with_place_for(place).with_pictures(replace(one, person=one.person + np.int32(place)))
    assert joined.person.tolist() == sorted(joined.person.tolist())
    assert [joined.paths[row] for row in np.flatnonzero(joined.person == place)] == list(one.paths)
    assert joined.to_bytes() != before.to_bytes() and joined.without(place).to_bytes() == before.to_bytes()
    people = (*PEOPLE[:place], name, *PEOPLE[place:])
    assert read_gallery(joined.to_bytes(), people, "a gallery", 3).to_bytes() == joined.to_bytes()


@settings(max_examples=30, deadline=None)
@given(st.tuples(FILES, FILES, FILES), FILES, st.integers(0, 2))
def test_more_pictures_of_somebody_stand_where_a_feature_file_has_them(
    files: tuple[list[str], ...], new: list[str], who: int
) -> None:
    before = made(PEOPLE, list(files))
    fresh = [file for file in new if file not in files[who]]
    one = made((PEOPLE[who],), [fresh], seed=1)
    if fresh:
        after = before.with_pictures(replace(one, person=one.person + np.int32(who)))
        everything = {
            **dict(zip(before.paths, before.vectors, strict=True)),
            **dict(zip(one.paths, one.vectors, strict=True)),
        }
        assert list(after.paths) == [f"{name}/{file}" for name, some in zip(PEOPLE, files, strict=True)
                                     for file in sorted([*some, *(fresh if name == PEOPLE[who] else [])])]  # fmt: skip
        assert [PEOPLE[index] for index in after.person] == [path.partition("/")[0] for path in after.paths]
        np.testing.assert_array_equal(after.vectors, [everything[path] for path in after.paths])


def test_faces_are_kept_of_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    before, one = made(PEOPLE, [["1"], ["1"], ["1"]]), made(("ada",), [["2"]], seed=1)
    assert len(before.with_pictures(one).pixels) == 4
    monkeypatch.setattr(galleries, "MOST_FACES", 3)
    assert before.with_pictures(one).pixels.shape == (0, SIDE, SIDE)
    assert made(PEOPLE, [["1"], ["1"], ["1"]], faces=False).with_pictures(one).pixels.shape == (0, SIDE, SIDE)


def test_a_new_name_changes_paths_and_nothing_else() -> None:
    before = made(PEOPLE, [["1", "x/2"], ["1"], ["1"]])
    after = before.renamed(0, "Zoë")
    assert after.paths == ("Zoë/1", "Zoë/x/2", "bob/1", "cleo/1")
    assert replace(after, paths=before.paths).to_bytes() == before.to_bytes()
