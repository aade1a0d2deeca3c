from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefeat.errors import RecipeMismatch, StorageError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store import mapped
from facefeat.features.store.shards import Shard, WorkFolder
from tests.features.store.contents import columns, recipe_of, shard
from tests.making import run_python, write_people

RECIPE = recipe_of()


@pytest.fixture
def folder(tmp_path: Path) -> WorkFolder:
    """Give the work folder of a feature file."""
    return WorkFolder(tmp_path / "features.h5", RECIPE)


def assert_equal(one: Shard, other: Shard) -> None:
    """Compare two shards, number by number."""
    assert (one.skipped, one.made_by) == (other.skipped, other.made_by)
    assert sorted(one.columns) == sorted(other.columns)
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column, other.columns[name], strict=True)


@pytest.mark.parametrize(("n", "n_skipped"), [(5, 0), (1, 2), (0, 3)])
def test_a_shard_comes_back(folder: WorkFolder, n: int, n_skipped: int) -> None:
    given = shard(n, RECIPE, n_skipped=n_skipped)
    if not n:  # a shard of refusals alone knows no layers
        given.columns.update({name: column[:, :0] for name, column in given.columns.items() if name.startswith("feat")})
    with folder.held():
        folder.add(given)
        (again,) = folder.shards()
    assert_equal(given, again)


def test_the_same_shard_is_the_same_file(folder: WorkFolder) -> None:
    with folder.held():
        folder.add(shard(5, RECIPE))
        (path,) = folder.path.glob("shard-*.h5")
        before = path.read_bytes()
        folder.add(shard(5, RECIPE))
        assert [one.read_bytes() for one in folder.path.glob("shard-*.h5")] == [before]
        folder.add(shard(5, RECIPE, seed=1))
        assert len(list(folder.shards())) == 2


def test_a_damaged_shard_is_set_aside(folder: WorkFolder) -> None:
    with folder.held():
        folder.add(shard(5, RECIPE))
        folder.add(shard(4, RECIPE, seed=1))
        first, second = sorted(folder.path.glob("shard-*.h5"))
        first.write_bytes(first.read_bytes()[:-1])
        kept = len(list(folder.shards()))
    assert kept == 1
    assert second.exists()
    assert first.with_suffix(".bad").exists()
    assert not first.exists()


def test_the_folder_is_gone_once_its_work_is_done(folder: WorkFolder, tmp_path: Path) -> None:
    with folder.held():
        folder.add(shard(5, RECIPE))
        folder.clear()
    assert list(tmp_path.iterdir()) == []


def test_work_of_another_recipe_is_not_touched(folder: WorkFolder, tmp_path: Path) -> None:
    with folder.held():
        folder.add(shard(5, RECIPE))
    (path,) = folder.path.glob("shard-*.h5")
    other = WorkFolder(tmp_path / "features.h5", recipe_of("grey4"))
    with pytest.raises(RecipeMismatch) as caught, other.held():
        pass
    assert str(caught.value) == (
        f"An unfinished run of another recipe left its work in {folder.path} (layers is grey4 instead of grey8+grey16); "
        "finish that run, write to another file, or use --overwrite."
    )
    assert path.exists()


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe"])
def test_a_damaged_note_does_not_stop_work_that_is_whole(folder: WorkFolder, text: bytes) -> None:
    with folder.held():
        folder.add(shard(5, RECIPE))
    (folder.path / "recipe.json").write_bytes(text)
    with folder.held():
        assert len(list(folder.shards())) == 1


def test_what_a_dead_run_left_half_written_is_cleared(folder: WorkFolder, tmp_path: Path) -> None:
    folder.path.mkdir()
    (folder.path / ".shard-0.h5.99999999.tmp").write_bytes(b"half")
    (tmp_path / ".features.h5.99999999.tmp").write_bytes(b"half")
    (tmp_path / ".others.h5.99999999.tmp").write_bytes(b"not ours")
    with folder.held():
        folder.clear()
    assert [path.name for path in tmp_path.iterdir()] == [".others.h5.99999999.tmp"]


def test_a_run_that_starts_while_another_ends_does_not_spoil_its_end(
    folder: WorkFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        real(path, missing_ok=missing_ok)
        if path.name == "lock":
            path.touch()  # the other run has just made its own

    monkeypatch.setattr(Path, "unlink", unlink)
    with folder.held():
        folder.clear()
    assert [path.name for path in folder.path.iterdir()] == ["lock"]


def test_a_place_that_is_no_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    work = WorkFolder(tmp_path / "file" / "features.h5", RECIPE)
    with pytest.raises(StorageError) as caught, work.held():
        pass
    assert str(caught.value) == f"{work.path / 'lock'} cannot be written: Not a directory."


def test_columns_that_are_read_are_those_of_the_disk(folder: WorkFolder) -> None:
    given = Shard(columns(300, RECIPE, width=64), (), "{}")
    with folder.held():
        folder.add(given)
        (again,) = folder.shards()
        assert not again.columns["features/grey8"].flags.writeable
    assert_equal(given, again)


def test_very_many_shards_need_few_open_files(tmp_path: Path) -> None:
    # Systems allow a process 1,024 or even 256.
    code = """
import resource, sys
from facefeat.features import compute
from facefeat.features.encode import plan
from facefeat.features.extract import extract

compute.SHARD_ROWS = 1
resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
made = extract(sys.argv[1], sys.argv[2], plan("thumb", faces_mode="none"), progress=lambda what, done, total: None)
print(len(made.file), made.computed)
"""
    people = write_people(tmp_path / "people", {"ada": 60, "bob": 60})
    assert run_python(code, str(people), str(tmp_path / "few.h5")) == "120 120\n"
    plain = extract(people, tmp_path / "plain.h5", plan("thumb", faces_mode="none")).file.path
    assert (tmp_path / "few.h5").read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("deleted", [True, False])
def test_a_shard_that_goes_or_changes_while_it_is_in_use_is_said(folder: WorkFolder, deleted: bool) -> None:
    with folder.held():
        kept = folder.add(shard(5, RECIPE)).columns
        (path,) = folder.path.glob("shard-*.h5")
        mapped.let_go()
        if deleted:
            path.unlink()
        else:  # the same bytes, but nobody has checked them
            path.with_suffix(".new").write_bytes(path.read_bytes())
            path.with_suffix(".new").replace(path)
        with pytest.raises(StorageError) as raised:
            kept["images/sha256"]
    assert str(raised.value) == f"{path} was changed or deleted while it was in use; run the same again."


def test_columns_of_shards_are_mapped_a_few_at_a_time(folder: WorkFolder) -> None:
    with folder.held():
        kept = [folder.add(shard(1, RECIPE, seed=seed)) for seed in range(mapped.OPEN + 5)]
        found = [one.columns["images/sha256"].tobytes() for one in kept]
        assert mapped._mapped.cache_info().currsize == mapped.OPEN
        assert found == [shard(1, RECIPE, seed=seed).columns["images/sha256"].tobytes() for seed in range(len(kept))]
        folder.clear()
    assert mapped._mapped.cache_info().currsize == 0
