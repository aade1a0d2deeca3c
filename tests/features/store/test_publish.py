from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.errors import StorageError
from facefeat.features.backbones import thumb
from facefeat.features.store.columns import FEATURES, Skipped
from facefeat.features.store.file import read
from facefeat.features.store.publish import Contents, publish
from tests.features.store.contents import MADE_BY, columns, contents, recipe_of, skipped

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NAMES = TEXT.filter(bool)
SKIPPED = st.builds(Skipped, path=TEXT, sha256=st.binary(min_size=32, max_size=32), code=TEXT, message=TEXT)
LAYERS = st.lists(st.sampled_from(thumb.LAYERS), min_size=1, unique=True)


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=3).filter(lambda lengths: lengths[0] > 0),
    layers=LAYERS,
    width=st.integers(1, 9),
    dtype=st.sampled_from(["<f4", "<f2"]),
    people=st.lists(NAMES, min_size=1, max_size=3, unique=True).map(sorted),
    refused=st.lists(SKIPPED, max_size=3),
    seed=st.integers(0, 2**32),
)
def test_what_is_published_is_read_back_and_has_the_same_bytes_twice(
    lengths: list[int], layers: list[str], width: int, dtype: str, people: list[str], refused: list[Skipped], seed: int
) -> None:
    recipe = recipe_of(*layers)
    pieces = [columns(n, recipe, seed + i, width, dtype) for i, n in enumerate(lengths)]
    given_ = contents(pieces, people, refused, seed)
    with tempfile.TemporaryDirectory() as folder:
        once, twice = Path(folder) / "once.h5", Path(folder) / "twice.h5"
        publish(once, recipe, given_)
        publish(twice, recipe, given_)
        assert once.read_bytes() == twice.read_bytes()
        _assert_holds(once, recipe, given_)


def _assert_holds(path: Path, recipe: Any, given_: Contents) -> None:
    file = read(path)
    assert (file.recipe, file.made_by, len(file)) == (recipe, MADE_BY, len(given_.paths))
    assert (file.people, file.paths) == (given_.people, tuple(given_.paths))
    assert file.skipped == tuple(given_.skipped)
    np.testing.assert_array_equal(file.person, given_.person)
    for name in given_.pieces[0]:
        wanted = np.stack(
            [given_.pieces[piece][name][row] for piece, row in zip(given_.piece, given_.row, strict=True)]
        )
        np.testing.assert_array_equal(file.columns[name], wanted, strict=True)
    for layer in recipe.layers:
        np.testing.assert_array_equal(file.vectors(layer), file.columns[FEATURES + layer])


def test_the_bytes_do_not_depend_on_which_shard_a_row_was_in(tmp_path: Path) -> None:
    recipe = recipe_of()
    whole = columns(10, recipe)
    halves = [
        {name: column[:4] for name, column in whole.items()},
        {name: column[4:] for name, column in whole.items()},
    ]
    given_ = contents([whole])
    split = Contents(
        given_.people,
        given_.paths,
        given_.person,
        halves,
        (given_.row >= 4).astype(np.int64),
        np.where(given_.row < 4, given_.row, given_.row - 4),
        given_.skipped,
        given_.made_by,
    )
    publish(tmp_path / "one.h5", recipe, given_)
    publish(tmp_path / "two.h5", recipe, split)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_more_rows_than_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of()
    given_ = contents([columns(7, recipe), columns(6, recipe, 1)], ["ada", "bob"])
    publish(tmp_path / "one.h5", recipe, given_)
    monkeypatch.setattr("facefeat.features.store.publish.BLOCK_ROWS", 4)
    publish(tmp_path / "two.h5", recipe, given_)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_any_hdf5_program_reads_it(tmp_path: Path) -> None:
    import h5py

    recipe = recipe_of("grey4", "grey8")
    given_ = contents([columns(5, recipe)], ["ada", "Zoë"], [skipped(1)])
    publish(tmp_path / "f.h5", recipe, given_)
    with h5py.File(tmp_path / "f.h5", "r") as file:
        assert file.attrs["format"] == "facefeat-features/2"
        assert file.attrs["recipe_sha256"] == recipe.sha256
        assert list(file["people"].asstr()) == ["ada", "Zoë"]
        assert list(file["images/path"].asstr()) == given_.paths
        assert list(file["skipped/message"].asstr()) == ["The picture cannot be decoded: é1."]
        assert sorted(file["features"]) == ["grey4", "grey8"]
        wanted = given_.pieces[0]["features/grey4"][given_.row]
        np.testing.assert_array_equal(file["features/grey4"][:], wanted)


def _failing(name: str, number: int) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    fail.__name__ = name
    return fail


@pytest.mark.parametrize("call", ["write", "posix_fallocate", "fsync", "replace", "open"])
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "There is no space left to write {}; free some and run the same again."),
        (errno.EROFS, "{} cannot be written here (Read-only file system); choose another place."),
        (errno.EIO, "{} cannot be written: Input/output error."),
    ],
)
def test_a_disk_that_fails_leaves_the_old_file(tmp_path: Path, call: str, number: int, sentence: str) -> None:
    path, recipe = tmp_path / "features.h5", recipe_of()
    publish(path, recipe, contents([columns(3, recipe)]))
    before = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StorageError) as caught:
        patch.setattr(os, call, _failing(call, number))
        publish(path, recipe, contents([columns(4, recipe)]))
    assert str(caught.value) == sentence.format(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["features.h5"]


def test_a_file_that_reads_back_short_is_not_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of()
    monkeypatch.setattr("facefeat.features.store.publish.read", lambda path: [])
    with pytest.raises(StorageError) as caught:
        publish(tmp_path / "f.h5", recipe, contents([columns(3, recipe)]))
    assert str(caught.value) == (
        f"{tmp_path / 'f.h5'} could not be written: what was read back is not what was written."
    )
    assert list(tmp_path.iterdir()) == []
