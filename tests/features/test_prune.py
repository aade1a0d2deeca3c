"""What is pruned is what an extraction of the smaller data set gives, and nothing is computed for it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.data import picture
from facefeat.errors import DamagedFile, InputError, LockedError, PictureRefused, UsageError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.prune import Pruned, prune
from facefeat.features.store.check import unfinished
from facefeat.features.store.file import read
from facefeat.features.store.shards import WorkFolder, writing
from tests.features.store.contents import recipe_of, shard
from tests.making import write_people

THUMB = plan("thumb", faces_mode="none")


def extracted(data: Path, output: Path) -> Path:
    """Extract with the toy."""
    return extract(data, output, THUMB, engine="openvino").file.path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data set of four people with a copy and bad files, and its feature file. Not to be changed."""
    data = write_people(tmp_path_factory.mktemp("whole") / "people", {"ada": 2, "bob": 3, "cleo": 2})
    shutil.copy(data / "ada" / "01.png", data / "bob" / "copy.png")
    (data / "ada" / "bad.jpg").write_bytes(b"text")
    (data / "dan").mkdir()
    (data / "dan" / "empty.jpg").write_bytes(b"")
    extracted(data, data.with_name("features.h5"))
    return data


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    """Give a copy of it, to be changed at will, with the feature file beside it."""
    shutil.copy(whole.with_name("features.h5"), tmp_path / "features.h5")
    return Path(shutil.copytree(whole, tmp_path / "people"))


@pytest.fixture
def features(data: Path) -> Path:
    """Give that feature file."""
    return data.with_name("features.h5")


def fresh(data: Path) -> bytes:
    """Give the bytes of a feature file made from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        return extracted(data, Path(folder) / "f.h5").read_bytes()


def figures(made: Pruned) -> tuple[int, int, tuple[str, ...], int | None]:
    """Give the rows and skipped pictures that left, who has no row any more, and what is left to extract."""
    return made.rows, made.skipped, made.people, made.to_extract


N_FILES = 10


@settings(deadline=None, max_examples=25)
@given(gone=st.sets(st.integers(0, N_FILES - 1), max_size=N_FILES))
def test_pruning_by_the_folder_is_extracting_the_smaller_folder(whole: Path, gone: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, features = Path(folder) / "people", Path(folder) / "features.h5"
        shutil.copytree(whole, data)
        shutil.copy(whole.with_name("features.h5"), features)
        files = sorted(path for path in data.rglob("*.*") if path.is_file())
        assert len(files) == N_FILES
        kept = [path for number, path in enumerate(files) if number not in gone]
        if not any(path.suffix == ".png" for path in kept):
            gone = {*range(1, N_FILES)}  # somebody must stay
        for number in gone:
            files[number].unlink()
        made = prune(features, data=data)
        assert made.rows + made.skipped == len(gone)
        assert made.to_extract == 0
        assert features.read_bytes() == fresh(data)


def test_nothing_is_decoded(data: Path, features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "decode_for", lambda bytes, **_: pytest.fail("a picture was decoded"))
    (data / "ada" / "02.png").unlink()
    write_people(data, {"eve": 1})
    assert figures(prune(features, data=data)) == (1, 0, (), 1)


def test_a_picture_that_changed_or_was_renamed_leaves_and_is_left_to_extract(data: Path, features: Path) -> None:
    shutil.copy(data / "cleo" / "01.png", data / "ada" / "01.png")
    (data / "bob" / "01.png").rename(data / "bob" / "new.png")
    made = prune(features, data=data)
    assert figures(made) == (2, 0, (), 2)
    assert read(features).paths == (
        "ada/02.png",
        "bob/02.png",
        "bob/03.png",
        "bob/copy.png",
        "cleo/01.png",
        "cleo/02.png",
    )
    extracted(data, features)
    assert features.read_bytes() == fresh(data)


def test_a_folder_that_is_as_it_was_changes_nothing(data: Path, features: Path) -> None:
    before, when = features.read_bytes(), features.stat().st_mtime_ns
    assert figures(prune(features, data=data)) == (0, 0, (), 0)
    assert (features.read_bytes(), features.stat().st_mtime_ns) == (before, when)


def test_what_cannot_be_read_now_stays(data: Path, features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "bob" / "01.png").unlink()
    (data / "cleo" / "01.png").write_bytes(b"")
    real = picture.read

    def failing(path: Path) -> bytes:
        if path.name == "02.png":
            raise PictureRefused("unreadable", "The file cannot be opened: Input/output error.")
        return real(path)

    monkeypatch.setattr(picture, "read", failing)
    made = prune(features, data=data)
    assert (figures(made), made.unreadable) == ((2, 0, (), 1), 3)
    assert read(features).paths == (
        "ada/01.png",
        "ada/02.png",
        "bob/02.png",
        "bob/03.png",
        "bob/copy.png",
        "cleo/02.png",
    )


def test_a_folder_that_cannot_be_read_now_keeps_its_rows(
    data: Path, features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facefeat.data import folder

    real = folder.os.scandir

    def failing(path: Path) -> object:
        if Path(path).name == "bob":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(folder.os, "scandir", failing)
    before = features.read_bytes()
    made = prune(features, data=data)
    assert (figures(made), made.unreadable) == ((0, 0, (), 0), 1)
    assert features.read_bytes() == before


@pytest.mark.parametrize(
    ("people", "left", "wanted"),
    [
        (["bob"], ["bob"], (4, 0, ("bob",), None)),
        (["ada", "cleo"], ["ada", "cleo"], (4, 1, ("ada", "cleo"), None)),
        (["dan"], ["dan"], (0, 1, (), None)),
    ],
)
def test_everything_of_a_person_leaves(
    data: Path, features: Path, people: list[str], left: list[str], wanted: tuple[int, int, tuple[str, ...], None]
) -> None:
    assert figures(prune(features, people=people)) == wanted
    for name in left:
        shutil.rmtree(data / name)
    assert features.read_bytes() == fresh(data)


def test_a_person_whose_folder_is_still_there_is_left_to_extract(data: Path, features: Path) -> None:
    assert figures(prune(features, people=["ada"], data=data)) == (2, 1, ("ada",), 3)


def test_a_name_may_come_as_the_disk_has_it_or_as_the_file_has_it(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"100%41": 1, "ada": 1, "bob": 1})
    features = extracted(data, tmp_path / "f.h5")
    assert read(features).people == ("100%2541", "ada", "bob")
    kept = features.read_bytes()
    for name in ("100%41", "100%2541"):
        features.write_bytes(kept)
        assert prune(features, people=[name]).people == ("100%2541",)


def refusal(error: type[Exception], features: Path, **options: object) -> str:
    """Prune what is not to be pruned; the file must stay as it is. Return the sentence."""
    before = features.read_bytes() if features.is_file() else None
    with pytest.raises(error) as caught:
        prune(features, **options)  # type: ignore[arg-type]
    assert (features.read_bytes() if features.is_file() else None) == before
    return str(caught.value)


def test_an_unknown_name(features: Path) -> None:
    assert refusal(UsageError, features, people=["ada", "bop"]) == (
        "There is no person 'bop'; did you mean 'bob'? There are: ada, bob, cleo, dan."
    )


def test_nothing_was_said(features: Path) -> None:
    assert refusal(UsageError, features) == (
        "Say what is to leave: --data DATA, --person NAME, or --work for what unfinished runs left."
    )


def test_nobody_left(features: Path, tmp_path: Path) -> None:
    sentence = f"Nobody would be left in {features}; it stays as it is. If all is to go, delete the file."
    assert refusal(InputError, features, people=["ada", "bob", "cleo"]) == sentence
    assert refusal(InputError, features, data=write_people(tmp_path / "others", {"eve": 1})) == sentence
    assert not features.with_name("features.h5.work").exists()


def test_what_is_missing_damaged_or_locked(features: Path, tmp_path: Path) -> None:
    missing = tmp_path / "no" / "f.h5"
    for options in ({"people": ["ada"]}, {"work": True}):
        assert refusal(InputError, missing, **options).startswith(f"There is no feature file {missing}; ")
        assert refusal(InputError, tmp_path, **options).startswith(f"{tmp_path} is a folder; ")
    assert not missing.parent.exists()
    assert refusal(InputError, features, data=tmp_path / "gone") == f"There is no folder {tmp_path / 'gone'}."
    with writing(features):
        sentence = refusal(LockedError, features, people=["ada"])
    assert sentence.startswith(f"{features} is being written by another run (process ")
    features.write_bytes(features.read_bytes()[:-1])
    assert refusal(DamagedFile, features, people=["ada"]) == (
        f"{features} is damaged: its bytes do not match their checksum."
    )


@pytest.fixture
def work(features: Path) -> WorkFolder:
    """Give unfinished work beside it: a shard, one set aside, and files that are half written."""
    folder = WorkFolder(features, recipe_of("grey4"))
    with folder.held():
        folder.add(shard(3, folder.recipe))
    for path in (
        folder.path / "shard-0.bad",
        folder.path / ".shard-1.h5.0f.tmp",
        features.parent / ".features.h5.0f.tmp",
    ):
        path.write_bytes(b"")
    return folder


def test_unfinished_work_stays_and_is_spoken_of(features: Path, work: WorkFolder) -> None:
    made = prune(features, people=["ada"])
    assert (made.rows, made.deleted, len(made.left.shards), len(made.left.files)) == (2, 0, 1, 4)
    assert made.left == unfinished(features)


def test_unfinished_work_is_deleted_on_request(features: Path, work: WorkFolder) -> None:
    other = features.with_name(".other.h5.0f.tmp")
    other.write_bytes(b"")
    before = features.read_bytes()
    made = prune(features, work=True)
    assert (made.file, made.rows, made.deleted, made.left.files) == (None, 0, 4, ())
    assert features.read_bytes() == before
    assert sorted(path.name for path in features.parent.iterdir()) == [other.name, "features.h5", "people"]
    assert prune(features, work=True).deleted == 0


def test_work_of_a_file_that_was_never_finished_can_be_deleted(features: Path, work: WorkFolder) -> None:
    features.unlink()
    assert prune(features, work=True).deleted == 4
    assert not work.path.exists()


def test_a_person_and_the_work_leave_together(features: Path, work: WorkFolder) -> None:
    made = prune(features, people=["ada"], work=True)
    assert (made.rows, made.deleted, made.left.files) == (2, 4, ())


def test_work_stays_where_the_person_cannot_leave(features: Path, work: WorkFolder) -> None:
    refusal(InputError, features, people=["ada", "bob", "cleo"], work=True)
    assert len(unfinished(features).files) == 4
