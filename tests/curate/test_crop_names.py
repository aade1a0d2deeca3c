"""What faces are called: no two alike, whatever the photographs are called."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefeat.curate.crop_names import output_names


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["a/1.jpg", "b/1.jpg"], ["a/1.png", "b/1.png"]),
        (["a/1.jpg", "a/1.png", "a/2.gif"], ["a/1.jpg.png", "a/1.png.png", "a/2.png"]),
        (["a/A.jpg", "a/a.png"], ["a/A.jpg.png", "a/a.png.png"]),
        (["a/1.v2", "a/1.v3", "a/notes"], ["a/1.v2.png", "a/1.v3.png", "a/notes.png"]),
        (["a/1", "a/1.png"], ["a/1.png", "a/1.png.png"]),
        (["a/1.jpg", "a/1.png/2.jpg"], ["a/1.jpg.png", "a/1.png/2.png"]),
        (["a/1.jpg", "a/1.png/2.jpg", "a/1.jpg.png/3.jpg"], ["a/1.jpg.png.png", "a/1.png/2.png", "a/1.jpg.png/3.png"]),
        (["a/1.jpg", "a/1.png", "a/1.jpg.png", "a/1.jpg.png.gif"],
         ["a/1.jpg.png", "a/1.png.png", "a/1.jpg.png.png", "a/1.jpg.png.gif.png"]),
    ],
)  # fmt: skip
def test_names_of_outputs(sources: list[str], names: list[str]) -> None:
    assert list(output_names(sources).values()) == names


def test_a_name_that_is_too_long_becomes_its_hash() -> None:
    def hashed(stem: str) -> str:
        return f"a/{hashlib.sha256(stem.encode()).hexdigest()[:32]}.png"

    long = "a/" + "ä" * 100
    assert output_names([f"{long}.jpg"]) == {f"{long}.jpg": hashed(long)}
    assert output_names([f"{long[:-2]}.jpg"]) == {f"{long[:-2]}.jpg": f"{long[:-2]}.png"}
    both = [f"{long}.jpg", f"{long}.png"]
    assert list(output_names(both).values()) == [hashed(one) for one in both]
    taken = [*both, f"{hashed(both[0])}/1.jpg"]  # a folder has the name
    assert list(output_names(taken).values())[:2] == [hashed(f"{both[0]}.png"), hashed(both[1])]


PARTS = st.lists(st.sampled_from(["a", "A", "b", "jpg", "JPG", "png"]), min_size=1, max_size=4).map(".".join)
SOURCES = st.lists(st.lists(PARTS, min_size=1, max_size=2).map(lambda some: "p/" + "/".join(some)), unique=True)


def _possible(sources: list[str]) -> list[str]:
    """Leave out files that have the name of a folder."""
    folders = {source.rpartition("/")[0] for source in sources}
    return [source for source in sources if source not in folders]


@given(SOURCES.map(_possible))
def test_no_two_outputs_have_one_name_nor_that_of_a_folder(sources: list[str]) -> None:
    named = output_names(sources)
    assert list(named) == sources and len(set(named.values())) == len(sources)
    assert output_names(sources[::-1]) == named
    assert not {name.rpartition("/")[0] for name in named.values()} & set(named.values())
