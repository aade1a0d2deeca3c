"""Feature files that are merged are the file that would have been extracted in one go."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.errors import InputError, LockedError, RecipeMismatch, UsageError
from facefeat.features.encode import Plan, plan
from facefeat.features.extract import extract
from facefeat.features.merge import Merged, merge
from facefeat.features.store.check import check
from facefeat.features.store.columns import Columns, Skipped
from facefeat.features.store.file import read
from facefeat.features.store.publish import Contents, publish
from facefeat.features.store.shards import WorkFolder, writing
from tests.features.store.contents import MADE_BY, columns, recipe_of, shard
from tests.making import write_people

THUMB = plan("thumb", faces_mode="none")
RECIPE = recipe_of()


def extracted(data: Path, plan: Plan = THUMB) -> Path:
    """Extract with the toy into a file beside the data set."""
    return extract(data, data.parent / f"{data.name}.h5", plan, engine="openvino").file.path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data set of three people, with a copy and two files that are no pictures, and its feature file."""
    data = write_people(tmp_path_factory.mktemp("whole") / "people", {"ada": 2, "bob": 3, "cleo": 2})
    shutil.copy(data / "ada" / "01.png", data / "bob" / "copy.png")
    (data / "ada" / "bad.jpg").write_bytes(b"text")
    (data / "cleo" / "empty.jpg").write_bytes(b"")
    extracted(data)
    return data


def pictures(data: Path) -> list[str]:
    return sorted(path.relative_to(data).as_posix() for path in data.rglob("*.*"))


N_FILES = 10
SIDES = st.sampled_from(["left", "right", "both"])


@settings(deadline=None, max_examples=20)
@given(sides=st.lists(SIDES, min_size=N_FILES, max_size=N_FILES))
def test_a_data_set_in_two_halves_is_the_whole_byte_for_byte(whole: Path, sides: list[str]) -> None:
    names = pictures(whole)
    assert len(names) == N_FILES
    good = [side for name, side in zip(names, sides, strict=True) if name.endswith(".png")]
    sides = sides if {"left", "right"} <= {*good} or "both" in good else ["both"] * N_FILES  # a half needs a picture
    with tempfile.TemporaryDirectory() as folder:
        for name, side in zip(names, sides, strict=True):
            for half in ("left", "right") if side == "both" else (side,):
                (Path(folder) / half / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(whole / name, Path(folder) / half / name)
        halves = [extracted(Path(folder) / half) for half in ("left", "right")]
        wanted = whole.with_name("people.h5").read_bytes()
        for number, inputs in enumerate(permutations(halves)):
            assert merge(inputs, Path(folder) / f"{number}.h5").file.path.read_bytes() == wanted


def test_merging_a_file_with_itself_changes_nothing(whole: Path, tmp_path: Path) -> None:
    source = whole.with_name("people.h5")
    made = merge([source, source], tmp_path / "m.h5")
    assert made.inputs == ((source, 8, 8), (source, 8, 0))
    assert made.file.path.read_bytes() == source.read_bytes()


def made_up(path: Path, names: list[str], pieces: Columns, refused: tuple[Skipped, ...] = ()) -> Path:
    """Publish rows under names."""
    rows = [(name.partition("/")[0], name, 0, row) for row, name in enumerate(names)]
    pieces = {**pieces, "images/copy": np.zeros(len(names), "<i2")}
    return publish(path, RECIPE, Contents.of(rows, [pieces], refused, MADE_BY)).path


def test_the_order_of_three_inputs_changes_neither_people_nor_paths_nor_vectors(tmp_path: Path) -> None:
    pieces = columns(6, RECIPE)
    parts = [["zoe/1", "ada/1"], ["bob/1", "bob/0"], ["ada/0", "bob/2"]]
    inputs = [
        made_up(tmp_path / f"{i}.h5", names, {name: column[2 * i : 2 * i + 2] for name, column in pieces.items()})
        for i, names in enumerate(parts)
    ]
    for number, order in enumerate(permutations(inputs)):
        file = merge(order, tmp_path / f"m{number}.h5").file
        assert file.people == ("ada", "bob", "zoe")
        assert file.paths == ("ada/0", "ada/1", "bob/0", "bob/1", "bob/2", "zoe/1")
        np.testing.assert_array_equal(file.person, [0, 0, 1, 1, 1, 2])
        for layer in file.layers:
            np.testing.assert_array_equal(file.vectors(layer), pieces[f"features/{layer}"][[4, 1, 3, 2, 5, 0]])


def test_the_same_bytes_take_the_numbers_of_the_first_input_everywhere(tmp_path: Path) -> None:
    one, other = columns(1, RECIPE), columns(1, RECIPE, seed=1)
    other["images/sha256"] = one["images/sha256"]
    inputs = made_up(tmp_path / "a.h5", ["ada/1"], one), made_up(tmp_path / "b.h5", ["bob/1"], other)
    for first, (source, *rest) in ((one, inputs), (other, inputs[::-1])):
        file = merge([source, *rest], tmp_path / "m.h5", overwrite=True).file
        assert file.paths == ("ada/1", "bob/1")
        assert sorted(file.numbers) == sorted(first)
        for name in sorted({*first} - {"images/copy"}):
            np.testing.assert_array_equal(file.numbers[name], np.repeat(first[name], 2, axis=0), err_msg=name)


def test_a_path_that_is_skipped_in_one_and_a_row_in_another_is_a_row(tmp_path: Path) -> None:
    refused = (Skipped("ada/1", bytes(32), "unreadable", "No."), Skipped("ada/2", bytes(32), "empty", "Empty."))
    a = made_up(tmp_path / "a.h5", ["bob/1"], columns(1, RECIPE), refused)
    b = made_up(tmp_path / "b.h5", ["ada/1"], columns(1, RECIPE, seed=1), refused[1:])
    for number, inputs in enumerate(([a, b], [b, a])):
        file = merge(inputs, tmp_path / f"m{number}.h5").file
        assert (file.paths, file.skipped) == (("ada/1", "bob/1"), refused[1:])


def test_who_made_the_rows_stays_named(tmp_path: Path) -> None:
    makers = [{**MADE_BY, "device": device} for device in ("first", "second")]
    inputs = []
    for number, maker in enumerate(makers):
        rows = [("ada", f"ada/{number}", 0, 0)]
        contents = Contents.of(rows, [columns(1, RECIPE, number)], [], maker)
        inputs.append(publish(tmp_path / f"{number}.h5", RECIPE, contents).path)
    assert merge(inputs, tmp_path / "m.h5").file.made_by == {**makers[1], "others": [makers[0]]}


def test_one_path_with_different_bytes_is_refused(tmp_path: Path) -> None:
    a = made_up(tmp_path / "a.h5", ["ada/1", "ada/2"], columns(2, RECIPE))
    b = made_up(tmp_path / "b.h5", ["ada/2", "ada/3"], columns(2, RECIPE, seed=1))
    with pytest.raises(InputError) as caught:
        merge([a, b], tmp_path / "m.h5")
    assert str(caught.value) == (
        f"ada/2 is one picture in {a} and another in {b}: its bytes differ. Rename one of the two and extract it again."
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


def test_files_of_other_recipes_are_refused(tmp_path: Path) -> None:
    a = made_up(tmp_path / "a.h5", ["ada/1"], columns(1, RECIPE))
    other = replace(RECIPE, input_size=48)
    rows = [("bob", "bob/1", 0, 0)]
    b = publish(tmp_path / "b.h5", other, Contents.of(rows, [columns(1, other)], [], MADE_BY)).path
    with pytest.raises(RecipeMismatch) as caught:
        merge([a, a, b], tmp_path / "m.h5")
    assert str(caught.value) == (
        f"{b} is of another recipe than {a}: input_size is 48 instead of 32. Only files of one recipe can be merged."
    )


@pytest.mark.parametrize(("width", "dtype"), [(3, "<f2"), (4, "<f4")])
def test_vectors_of_another_width_or_type_are_refused(tmp_path: Path, width: int, dtype: str) -> None:
    a = made_up(tmp_path / "a.h5", ["ada/1"], columns(1, RECIPE))
    b = made_up(tmp_path / "b.h5", ["bob/1"], columns(1, RECIPE, 1, width, dtype))
    with pytest.raises(RecipeMismatch) as caught:
        merge([a, b], tmp_path / "m.h5")
    assert str(caught.value) == (
        f"{b} keeps grey8 as {width} numbers of {np.dtype(dtype)}, {a} as 3 of float32. "
        "Only files of the same numbers can be merged."
    )


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Give two files that can be merged."""
    return [made_up(tmp_path / f"{name}.h5", [f"{name}/1"], columns(1, RECIPE, len(name))) for name in ("ada", "bo")]


def test_an_output_that_exists_is_replaced_on_request_only(inputs: list[Path]) -> None:
    first, _ = inputs
    before = first.read_bytes()
    with pytest.raises(UsageError) as caught:
        merge(inputs, first)
    assert str(caught.value) == f"{first} exists; write to another file with -o, or replace it with --overwrite."
    assert first.read_bytes() == before
    made = merge(inputs, first, overwrite=True)
    assert (read(first).paths, made.inputs) == (("ada/1", "bo/1"), ((first, 1, 1), (inputs[1], 1, 1)))
    assert merge(inputs, first, overwrite=True).file.paths == ("ada/1", "bo/1")


def test_one_input_is_no_merge(inputs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        merge(inputs[:1], tmp_path / "m.h5")
    assert str(caught.value) == "At least two feature files are needed to merge; 1 was given."


def test_a_folder_is_no_output(inputs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        merge(inputs, tmp_path, overwrite=True)
    assert str(caught.value) == (
        f"{tmp_path} is a folder; give the name of a feature file, such as {tmp_path / 'features.h5'}."
    )
    assert not tmp_path.with_name(f"{tmp_path.name}.work").exists()


def test_an_output_that_another_run_writes_is_locked(inputs: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "m.h5"
    with writing(output), pytest.raises(LockedError) as caught:
        merge(inputs, output)
    assert str(caught.value).startswith(f"{output} is being written by another run (process ")
    assert not output.exists()


@pytest.mark.parametrize("layers", [(), ("grey4",)])
@pytest.mark.parametrize("overwrite", [False, True])
def test_unfinished_work_beside_the_output_stays(
    inputs: list[Path], tmp_path: Path, layers: tuple[str, ...], overwrite: bool
) -> None:
    output, recipe = tmp_path / "m.h5", recipe_of(*layers)
    work = WorkFolder(output, recipe)
    with work.held():
        work.add(shard(3, recipe, seed=5))
    before = {path.name: path.read_bytes() for path in work.path.iterdir() if path.name != "lock"}
    made: Merged = merge(inputs, output, overwrite=overwrite)
    assert made.file.paths == ("ada/1", "bo/1")
    assert {path.name: path.read_bytes() for path in work.path.iterdir() if path.name != "lock"} == before
    with work.held():
        assert len(list(work.shards())) == 1


def test_what_is_merged_is_whole(whole: Path, tmp_path: Path) -> None:
    more = extracted(write_people(tmp_path / "more", {"dan": 2}))
    made = merge([whole.with_name("people.h5"), more], tmp_path / "m.h5")
    assert check(made.file.path).problems == ()
    assert made.file.people == ("ada", "bob", "cleo", "dan")
