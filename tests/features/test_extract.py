from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefeat.data.picture import CODES
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, ForeignFile, InputError, LockedError, RecipeMismatch, StorageError
from facefeat.features import compute
from facefeat.features.encode import Encoder, plan
from facefeat.features.extract import Extraction, extract
from facefeat.features.store.file import read
from facefeat.features.store.shards import WorkFolder
from tests.features.store.contents import shard
from tests.making import encoded, expected_left, halves, odd_pictures, person_pixels, random_pixels, write_people

THUMB = plan("thumb", faces_mode="none")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Give the place of a feature file that is not there yet."""
    return tmp_path / "features.h5"


def run(data: Path, output: Path, **options: Any) -> Extraction:
    """Extract with the toy, and check what must hold of every extraction."""
    done = extract(data, output, options.pop("plan", THUMB), engine="openvino", **options)
    file = read(output)
    assert done.images == len(file) + len(file.skipped) == len(done.dataset.entries)
    assert len(file) == done.computed + done.reused + done.duplicates
    order = list(zip(file.person.tolist(), file.paths, strict=True))
    assert order == sorted(order)
    assert not output.with_name("features.h5.work").exists()
    return done


def counts(done: Extraction) -> tuple[int, int, int, int]:
    """Give images, computed, reused and duplicates."""
    return done.images, done.computed, done.reused, done.duplicates


def test_rows_are_the_vectors_of_the_pictures(people: Path, output: Path, engine: Engine) -> None:
    done = run(people, output)
    assert counts(done) == (6, 6, 0, 0)
    file = read(output)
    assert file.people == ("ada", "bob")
    encoder = Encoder(THUMB, engine)
    for row, path in enumerate(file.paths):
        (face,) = encoder.finder.all_faces(encoder.finder.open((people / path).read_bytes()))
        for layer, vectors in encoder.vectors([face.pixels]).items():
            np.testing.assert_array_equal(file.vectors(layer)[row], vectors[0])
    np.testing.assert_array_equal(file.columns["faces/box"], [[0, 0, 48, 48]] * 6)
    assert file.made_by["engine"] == "openvino"
    assert set(file.made_by["versions"]) == {"facefeat", "numpy", "pillow", "openvino"}


def test_every_face_is_kept_as_a_small_grey_picture(people: Path, output: Path) -> None:
    (people / "ada" / "01.png").write_bytes(encoded(halves((255, 255, 255), (0, 0, 0))))
    run(people, output)
    kept = read(output).columns["faces/pixels"][0]
    assert kept[:, :12].min() == 255
    assert kept[:, -12:].max() == 0


def test_a_run_tells_how_far_it_is(people: Path, output: Path) -> None:
    told: list[tuple[str, int, int]] = []
    done = run(people, output, progress=lambda *what: told.append(what))
    assert told == [
        *(("reading", i, 6) for i in range(1, 7)),
        (f"Vectors are computed by {done.ran_on}", 0, 0),
        *(("faces and vectors", i, 6) for i in range(1, 7)),
    ]
    assert done.ran_on.startswith("openvino on ")
    assert done.seconds.total > 0


@pytest.mark.parametrize(("workers", "batch_size"), [(1, 1), (0, 32), (5, 3)])
def test_threads_and_batches_do_not_change_a_byte(
    people: Path, output: Path, tmp_path: Path, workers: int, batch_size: int
) -> None:
    run(people, output)
    other = tmp_path / "other" / "features.h5"
    run(people, other, workers=workers, batch_size=batch_size)
    assert other.read_bytes() == output.read_bytes()


def test_where_the_data_set_lies_does_not_change_a_byte(people: Path, output: Path, tmp_path: Path) -> None:
    run(people, output)
    shutil.copytree(people, tmp_path / "elsewhere")
    run(tmp_path / "elsewhere", tmp_path / "b" / "features.h5")
    assert (tmp_path / "b" / "features.h5").read_bytes() == output.read_bytes()


def test_pictures_of_every_kind_are_rows_or_skipped(people: Path, output: Path) -> None:
    kinds = list(odd_pictures())
    for name, data, _ in kinds:
        (people / "bob" / name).write_bytes(data)
    done = run(people, output)
    file = read(output)
    assert {one.path: one.code for one in file.skipped} == {f"bob/{name}": code for name, _, code in kinds if code}
    assert all(one.code in CODES and one.message.endswith(".") for one in file.skipped)
    assert done.images == 6 + len(kinds)
    assert {f"bob/{name}" for name, _, code in kinds if code is None} <= set(file.paths)
    row = file.paths.index("bob/grey16.png")
    np.testing.assert_allclose(file.vectors("grey8")[row][::8], expected_left("grey16.png")[0] / 255, atol=0.25)


def test_what_is_no_file_is_skipped_without_waiting(people: Path, output: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(halves()))
    os.mkfifo(people / "ada" / "pipe")
    (people / "ada" / "out.png").symlink_to(tmp_path / "secret.png")
    (people / "ada" / "lost.png").symlink_to("nowhere.png")
    (people / "ada" / "inside.png").symlink_to("01.png")
    done = run(people, output)
    assert [(one.path, one.code, one.message) for one in read(output).skipped] == [
        ("ada/lost.png", "not_a_file", "The file cannot be opened: No such file or directory."),
        ("ada/out.png", "link_outside", "A link that leads out of the data set."),
        ("ada/pipe", "not_a_file", "Not a regular file."),
    ]
    assert counts(done) == (10, 6, 0, 1)


def test_names_of_any_bytes(people: Path, output: Path) -> None:
    (people / os.fsdecode(b"caf\xe9")).mkdir()
    (people / os.fsdecode(b"caf\xe9") / "100%.png").write_bytes(encoded(random_pixels(20, 20)))
    run(people, output)
    file = read(output)
    assert file.people == ("ada", "bob", "caf%E9")
    assert file.paths[-1] == "caf%E9/100%.png"
    assert counts(run(people, output)) == (7, 0, 7, 0)


def test_nothing_usable_is_an_input_error(tmp_path: Path, output: Path) -> None:
    (tmp_path / "people" / "ada").mkdir(parents=True)
    for i in range(2):
        (tmp_path / "people" / "ada" / f"{i}.jpg").write_text(f"text {i}")
    with pytest.raises(InputError) as caught:
        run(tmp_path / "people", output)
    assert str(caught.value).startswith(
        f"None of the 2 files in {tmp_path / 'people'} is a usable picture; "
        "the first, ada/0.jpg: Not a picture of an accepted format ("
    )
    assert not output.exists()


def test_a_person_without_a_usable_picture_is_no_person(people: Path, output: Path) -> None:
    (people / "aaron").mkdir()
    (people / "aaron" / "1.jpg").write_text("text")
    run(people, output)
    file = read(output)
    assert file.people == ("ada", "bob")
    np.testing.assert_array_equal(file.person, [0, 0, 0, 1, 1, 1])
    assert [one.path for one in file.skipped] == ["aaron/1.jpg"]


def test_a_file_of_another_recipe_is_not_touched(people: Path, output: Path) -> None:
    run(people, output)
    before = output.read_bytes()
    other = plan("thumb", size=64, faces_mode="none")
    with pytest.raises(RecipeMismatch) as caught:
        run(people, output, plan=other)
    assert str(caught.value) == (
        f"{output} holds vectors of another recipe: input_size is 32 instead of 64. "
        "Write to another file with -o, or replace it with --overwrite."
    )
    assert output.read_bytes() == before
    assert counts(run(people, output, plan=other, overwrite=True)) == (6, 6, 0, 0)
    assert read(output).recipe.input_size == 64


@pytest.mark.parametrize(("data", "error"), [(b"", DamagedFile), (b"a text of mine", ForeignFile)])
def test_a_file_that_is_no_feature_file_is_replaced_only_on_demand(
    people: Path, output: Path, data: bytes, error: type[Exception]
) -> None:
    output.write_bytes(data)
    with pytest.raises(error):
        run(people, output)
    assert output.read_bytes() == data
    run(people, output, overwrite=True)
    assert len(read(output)) == 6


def test_a_second_writer_is_told_of_the_first(people: Path, output: Path) -> None:
    with WorkFolder(output, THUMB.recipe).held(), pytest.raises(LockedError) as caught:
        run(people, output)
    assert str(caught.value).startswith(f"{output} is being written by another run (process {os.getpid()} on ")
    assert not output.exists()


def test_unfinished_work_of_another_recipe_goes_only_on_demand(people: Path, output: Path) -> None:
    other = WorkFolder(output, plan("thumb", size=64, faces_mode="none").recipe)
    with other.held():
        other.add(shard(3, other.recipe))
    with pytest.raises(RecipeMismatch):
        run(people, output)
    assert len(list(other.shards())) == 1
    assert counts(run(people, output, overwrite=True)) == (6, 6, 0, 0)


def test_overwriting_does_not_touch_the_work_of_a_run_that_goes_on(people: Path, output: Path) -> None:
    first = WorkFolder(output, THUMB.recipe)
    with first.held():
        first.add(shard(3, THUMB.recipe))
        with pytest.raises(LockedError):
            run(people, output, overwrite=True)
        assert len(list(first.shards())) == 1


@pytest.mark.parametrize("call", ["write", "posix_fallocate"])
def test_a_full_disk_is_a_storage_error_and_the_run_goes_on_later(
    people: Path, output: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_people(people, {"ada": 2})
    run(people, output)
    before = output.read_bytes()
    write_people(people, {"cleo": 2})

    def full(*args: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StorageError) as caught:
        patch.setattr(os, call, full)
        run(people, output)
    assert str(caught.value).startswith("There is no space left to write ")
    assert output.read_bytes() == before
    assert counts(run(people, output))[0] == 8


def test_faces_are_found_aligned_and_kept(orl: Path, output: Path, tmp_path: Path) -> None:
    for person in ("s01", "s02"):
        (tmp_path / "few" / person).mkdir(parents=True)
        for number in ("01", "02"):
            shutil.copy(orl / person / f"{number}.pgm", tmp_path / "few" / person)
    (tmp_path / "few" / "s02" / "wall.png").write_bytes(encoded(np.full((60, 60, 3), 90, np.uint8)))
    done = run(tmp_path / "few", output, plan=plan("thumb"))
    file = read(output)
    assert file.found.tolist() == [True, True, True, True, False]
    assert done.whole == 1
    assert np.isfinite(file.columns["faces/landmarks"][:4]).all()
    assert np.isnan(file.columns["faces/landmarks"][4]).all()
    assert np.isnan(file.columns["faces/score"][4])
    assert (file.columns["faces/score"][:4] >= 0.9).all()


def test_a_recipe_that_flips_gives_mirror_images_the_same_vectors(tmp_path: Path, output: Path) -> None:
    pixels = person_pixels("ada", 1)
    (tmp_path / "people" / "ada").mkdir(parents=True)
    for name, one in (("a", pixels), ("b", pixels[:, ::-1])):
        (tmp_path / "people" / "ada" / f"{name}.png").write_bytes(encoded(one))
    assert THUMB.recipe.flip
    run(tmp_path / "people", output)
    rows = read(output).vectors("grey8")
    np.testing.assert_allclose(rows[0], rows[1], atol=0.01)
    assert replace(THUMB.recipe, flip=False).sha256 != THUMB.recipe.sha256


def test_constants_are_what_the_pages_say() -> None:
    assert (compute.SHARD_ROWS, compute.GROUP) == (256, 8)
