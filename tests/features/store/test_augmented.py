"""Augmented copies in files that are merged, pruned and checked."""

from __future__ import annotations

import shutil
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from facefeat.data.augment import AUGMENTATION, Augmentation
from facefeat.errors import DamagedFile, RecipeMismatch
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.merge import merge
from facefeat.features.prune import prune
from facefeat.features.store import sealed
from facefeat.features.store.check import check
from facefeat.features.store.columns import Columns
from facefeat.features.store.file import read
from facefeat.features.store.publish import Contents, publish
from facefeat.features.store.shards import Shard, WorkFolder
from tests.features.store.contents import MADE_BY, MADE_BY_JSON
from tests.features.store.test_check import RECIPE, problems_of, whole_columns
from tests.features.store.test_file import crafted
from tests.making import write_people

THUMB = plan("thumb", faces_mode="none")
RANGES = '{"rotation":1}'


def extracted(data: Path, output: Path, augment: int = 2, ranges: Augmentation = AUGMENTATION) -> Path:
    """Extract with the toy."""
    return extract(data, output, THUMB, augment=augment, ranges=ranges, engine="openvino").file.path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data set with the same picture twice, beside its feature file with two copies each. Not to be changed."""
    data = write_people(tmp_path_factory.mktemp("whole") / "people", {"ada": 2, "bob": 2})
    shutil.copy(data / "ada" / "01.png", data / "bob" / "again.png")
    extracted(data, data.with_name("features.h5"))
    return data


@pytest.fixture
def halves(whole: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Give two folders that are the data set together."""
    for half, names in (("a", ("ada/01.png", "bob/01.png")), ("b", ("ada/02.png", "bob/02.png", "bob/again.png"))):
        for name in names:
            (tmp_path / half / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(whole / name, tmp_path / half / name)
    return tmp_path / "a", tmp_path / "b"


def test_halves_that_are_merged_are_one_extraction_of_the_whole(whole: Path, halves: tuple[Path, Path]) -> None:
    files = [extracted(half, half.with_suffix(".h5")) for half in halves]
    for number, order in enumerate(permutations(files)):
        made = merge(order, halves[0].parent / f"m{number}.h5")
        assert made.file.path.read_bytes() == whole.with_name("features.h5").read_bytes()


def test_files_with_and_without_copies_are_merged_and_the_next_extraction_evens_them_out(
    whole: Path, halves: tuple[Path, Path]
) -> None:
    files = [extracted(halves[0], halves[0].with_suffix(".h5"), 0), extracted(halves[1], halves[1].with_suffix(".h5"))]
    output = halves[0].parent / "m.h5"
    file = merge(files, output).file
    assert (file.n_pictures, len(file), file.n_each) == (5, 11, 2)
    assert problems_of(output) == []
    assert output.read_bytes() == merge(files[::-1], output, overwrite=True).file.path.read_bytes()
    done = extract(whole, output, THUMB, engine="openvino")
    # of the two pictures that had none, one has the bytes of a picture that had some
    assert (done.computed, done.file.path.read_bytes()) == (2, whole.with_name("features.h5").read_bytes())


def test_copies_of_other_ranges_are_not_merged(halves: tuple[Path, Path]) -> None:
    a, b = halves[0].with_suffix(".h5"), halves[1].with_suffix(".h5")
    extracted(halves[0], a)
    extracted(halves[1], b, ranges=Augmentation(rotation=1))
    with pytest.raises(RecipeMismatch) as caught:
        merge([a, b], a.with_name("m.h5"))
    assert str(caught.value) == (
        f"The augmented copies in {b} were made by other ranges than those in {a}; "
        "facefeat extract --augment makes them anew, --augment 0 takes them out."
    )
    assert merge([a, extracted(halves[1], b, 0)], a.with_name("m.h5")).file.n_each == 2


def test_a_picture_that_is_pruned_takes_its_copies_along(whole: Path, tmp_path: Path) -> None:
    features = Path(shutil.copy(whole.with_name("features.h5"), tmp_path / "features.h5"))
    data = Path(shutil.copytree(whole, tmp_path / "people"))
    (data / "bob" / "again.png").unlink()
    assert (prune(features, data=data).rows, features.read_bytes()) == (
        3,
        extracted(data, tmp_path / "f.h5").read_bytes(),
    )
    shutil.rmtree(data / "ada")
    assert prune(features, people=["ada"]).rows == 6
    assert features.read_bytes() == extracted(data, tmp_path / "g.h5").read_bytes()
    assert problems_of(features) == []


def published(path: Path, copies: list[int], augmentation: str = RANGES, changed: int | None = None) -> Path:
    """Publish one person's rows of one picture: these numbers of copies, as they are."""
    made = whole_columns(1)
    columns: Columns = {name: np.repeat(column, len(copies), axis=0) for name, column in made.items()}
    columns["images/copy"] = np.array(copies, "<i2")
    if changed is not None:
        columns["images/sha256"][changed] += 1
    rows = [("ada", "ada/1.jpg", 0, row) for row in range(len(copies))]
    return publish(path, RECIPE, Contents.of(rows, [columns], [], MADE_BY, augmentation)).path


ASTRAY = "it has augmented copies that do not follow their picture, numbered from 1: ada/1.jpg"


@pytest.mark.parametrize(
    ("copies", "changed", "said"),
    [
        ([0, 1, 2], None, []),
        ([1, 2], None, [f"{ASTRAY}"]),
        ([0, 2], None, [ASTRAY]),
        ([0, 1, 2], 2, [ASTRAY]),
        ([0, 1, 1], None, ["it has rows that are not sorted by person and path, or stand twice: ada/1.jpg", ASTRAY]),
    ],
)
def test_copies_follow_their_picture_and_are_numbered(
    tmp_path: Path, copies: list[int], changed: int | None, said: list[str]
) -> None:
    path = published(tmp_path / "f.h5", copies, changed=changed)
    assert problems_of(path) == [f"{path} is damaged: {one}." for one in said]


def test_it_is_said_how_copies_were_made_and_only_where_there_are_some(tmp_path: Path) -> None:
    path = published(tmp_path / "f.h5", [0, 1], "")
    assert problems_of(path) == [f"{path} is damaged: it does not say by what ranges its augmented copies were made."]
    assert read(published(tmp_path / "g.h5", [0])).augmentation == ""
    crafted(tmp_path / "h.h5", tmp_path / "g.h5", lambda file: file.attrs.__setitem__("augmentation", RANGES))
    assert problems_of(tmp_path / "h.h5") == [
        f"{tmp_path / 'h.h5'} is damaged: it says how augmented copies were made and has none."
    ]


NO_RANGES = "how its augmented copies were made is no list of ranges"
NO_JSON = "it lacks parts of the format, or they do not fit together"


@pytest.mark.parametrize(
    ("text", "said"), [("[1]", NO_RANGES), ('{"rotation":"far"}', NO_RANGES), ("no JSON", NO_JSON)]
)
def test_ranges_that_are_none_are_damage(tmp_path: Path, text: str, said: str) -> None:
    path, source = tmp_path / "f.h5", published(tmp_path / "g.h5", [0, 1])
    crafted(path, source, lambda file: file.attrs.__setitem__("augmentation", text))
    path.write_bytes(sealed.seal(path.read_bytes(), sealed.VERSION))
    with pytest.raises(DamagedFile) as caught:
        read(path)
    assert str(caught.value) == f"{path} is damaged: {said}."


def test_a_first_line_that_does_not_name_the_format_is_damage(tmp_path: Path) -> None:
    path = published(tmp_path / "f.h5", [0, 1])
    path.write_bytes(path.read_bytes().replace(b"facefeat-features/3\n", b"facefeat-features/2\n", 1))
    with pytest.raises(DamagedFile) as caught:
        read(path)
    assert str(caught.value) == f"{path} is damaged: its first line does not name its format."


def test_shards_of_the_same_pictures_and_other_copies_lie_side_by_side(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "f.h5", RECIPE)
    made = whole_columns(3)
    with folder.held():
        folder.add(Shard(made, (), MADE_BY_JSON))
        for copy, ranges in ((1, RANGES), (2, RANGES), (2, "{}")):
            folder.add(Shard({**made, "images/copy": np.full(3, copy, "<i2")}, (), MADE_BY_JSON, ranges))
        found = {(int(one.columns["images/copy"][0]), one.augmentation) for one in folder.shards()}
        assert found == {(0, ""), (1, RANGES), (2, RANGES), (2, "{}")}
        assert check(tmp_path / "f.h5").problems == ()
