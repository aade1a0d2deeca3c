"""A second run over the same photographs, and one after a run that was stopped."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefeat.curate import crop_table
from facefeat.curate.crop import crop
from facefeat.errors import StorageError
from tests.curate.cropping import SIZE, Stop, cut, files_of, paths, refused, scene, stopping
from tests.making import Pixels, encoded

pytestmark = pytest.mark.usefixtures("ready")


def test_a_second_run_looks_at_nothing(raw: Path, looked: list[str]) -> None:
    first = cut(raw)
    before, changed = files_of(first.out), first.table.stat().st_mtime_ns
    looked.clear()
    second = cut(raw)
    assert looked == [] and (second.written, second.known) == (0, 5) and second.rows == first.rows
    assert files_of(second.out) == before and second.table.stat().st_mtime_ns == changed


def test_only_what_is_new_or_changed_is_cut(raw: Path, orl_pixels: list[Pixels], looked: list[str]) -> None:
    cut(raw)
    looked.clear()
    new, changed = encoded(scene(orl_pixels[4])), encoded(scene(orl_pixels[5]), "JPEG")
    (raw / "cleo").mkdir()
    (raw / "cleo" / "new.png").write_bytes(new)
    (raw / "bob" / "1.jpg").write_bytes(changed)
    (raw / "bob" / "2.jpg").rename(raw / "bob" / "renamed.jpg")
    (raw / "ada" / "1.jpg").unlink()
    made = cut(raw)
    renamed = (raw / "bob" / "renamed.jpg").read_bytes()
    assert sorted(looked) == sorted(hashlib.sha256(data).hexdigest() for data in (new, changed, renamed))
    assert (made.photographs, made.written, made.known) == (7, 3, 2)
    assert [row.output for row in made.orphaned] == ["ada/1.png", "bob/2.png"]
    assert (made.out / "bob" / "2.png").read_bytes() == (made.out / "bob" / "renamed.png").read_bytes()
    undisturbed = crop(raw, raw.parent / "anew", size=SIZE)
    assert undisturbed.rows == tuple(row for row in made.rows if row.code != "orphaned")
    left = {name: data for name, data in files_of(made.out).items() if name not in ("ada/1.png", "bob/2.png")}
    left["faces.csv"] = undisturbed.table.read_bytes()
    assert left == files_of(undisturbed.out)


def test_a_face_left_behind_stays_listed_until_its_photograph_is_back(raw: Path, looked: list[str]) -> None:
    first = cut(raw)
    photograph = (raw / "ada" / "1.jpg").read_bytes()
    (raw / "ada" / "1.jpg").unlink()
    for _ in range(2):
        made = cut(raw)
        assert [(row.source, row.output, row.code) for row in made.orphaned] == [("ada/1.jpg", "ada/1.png", "orphaned")]
    looked.clear()
    (raw / "ada" / "1.jpg").write_bytes(photograph)
    assert cut(raw).rows == first.rows and looked == []
    (raw / "ada" / "1.jpg").unlink()
    (first.out / "ada" / "1.png").unlink()
    assert cut(raw).orphaned == ()


def test_a_face_whose_photograph_no_longer_shows_one_is_listed(raw: Path) -> None:
    cut(raw)
    shutil.copyfile(raw / "bob" / "nobody.png", raw / "bob" / "1.jpg")
    made = cut(raw)
    assert paths(made.no_face) == ["bob/1.jpg", "bob/nobody.png"]
    assert [row.output for row in made.orphaned] == ["bob/1.png"]
    assert cut(raw).rows == made.rows


def test_a_face_that_is_missing_is_made_again(raw: Path) -> None:
    first = cut(raw)
    before = files_of(first.out)
    (first.out / "bob" / "1.png").unlink()
    second = cut(raw)
    assert (second.written, second.known) == (1, 4) and files_of(second.out) == before


def test_another_way_of_cutting_is_named(raw: Path) -> None:
    out = cut(raw).out
    before = files_of(out)
    assert refused(raw, size=96, policy="central") == (
        f"{out} holds faces that were cut otherwise: policy is largest instead of central, size is 80 instead of 96. "
        "Crop into another folder, or cut all of them anew with --overwrite."
    )
    assert files_of(out) == before
    (out / ".faces.json").unlink()
    name = cut(raw).step.name
    assert refused(raw, size=96).startswith(f"{out} holds faces that were cut otherwise: step is {name} instead of ")
    made = cut(raw, size=96, overwrite=True)
    assert (made.written, made.known) == (5, 0)
    with Image.open(out / "bob" / "1.png") as picture:
        assert picture.size == (96, 96)
    assert files_of(out) == files_of(crop(raw, raw.parent / "anew", size=96).out)


@pytest.mark.parametrize("knob", [{"margin": 0.3}, {"template": "arcface"}, {"min_score": 0.2}, {"min_face": 0.2}])
def test_every_knob_is_part_of_the_step(raw: Path, knob: dict[str, Any]) -> None:
    made = cut(raw, **knob)
    ((name, value),) = knob.items()
    assert made.step.as_dict()["faces"][name] == value
    assert f"{name} is {value} instead of " in refused(raw)


# A run that was stopped


@pytest.mark.parametrize("after", [1, 3, 7])
def test_a_run_that_was_stopped_goes_on(raw: Path, looked: list[str], after: int) -> None:
    with pytest.raises(Stop):
        cut(raw, workers=1, progress=stopping(after))
    out = raw.parent / "out"
    assert not (out / "faces.csv").exists() and not (out / ".faces.lock").exists()
    done = [row for row in crop_table.read(out / "faces.csv.part", torn=True) if row.code != "pending"]
    assert len(done) >= after
    looked.clear()
    made = cut(raw)
    assert len(looked) == 7 - len(done)
    assert made.written + made.known == 5
    assert files_of(out) == files_of(crop(raw, raw.parent / "undisturbed", size=SIZE).out)


def test_a_run_that_was_killed_between_a_face_and_its_row_goes_on(raw: Path) -> None:
    """Neither a torn row, nor a face without one, nor a file half written is in its way."""
    with pytest.raises(Stop):
        cut(raw, workers=1, progress=stopping(3))
    out = raw.parent / "out"
    part = out / "faces.csv.part"
    torn = part.read_bytes()[:-60]
    part.write_bytes(torn)
    (out / "ada" / f".both.png.{'0' * 32}.tmp").write_bytes(b"half")
    (out / "ada" / ".mine.tmp").write_bytes(b"mine")
    assert len(crop_table.read(part, torn=True)) == torn.count(b"\r\n") - 1
    cut(raw)
    assert (out / "ada" / ".mine.tmp").read_bytes() == b"mine"
    (out / "ada" / ".mine.tmp").unlink()
    assert files_of(out) == files_of(crop(raw, raw.parent / "undisturbed", size=SIZE).out)


def test_a_changed_photograph_is_cut_again_though_the_run_was_stopped(raw: Path, orl_pixels: list[Pixels]) -> None:
    first = cut(raw)
    for name in ("1.jpg", "2.jpg"):
        (raw / "bob" / name).write_bytes(encoded(scene(orl_pixels[5]), "JPEG"))
    (raw / "ada" / "1.jpg").unlink()
    with pytest.raises(Stop):
        cut(raw, workers=1, progress=stopping(1))
    assert len(crop_table.read(first.table)) == 7  # the table of the last whole run is still there
    made = cut(raw)
    assert [row.output for row in made.orphaned] == ["ada/1.png"]
    anew = crop(raw, raw.parent / "anew", size=SIZE)
    for name in ("1.png", "2.png"):
        assert (made.out / "bob" / name).read_bytes() == (anew.out / "bob" / name).read_bytes()


def test_a_full_disk_leaves_no_half_of_a_face(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, write = 30_000, os.write

    def scarce(handle: int, data: Any) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left -= len(data)
        return write(handle, data[:1000])

    with monkeypatch.context() as patch:
        patch.setattr("facefeat.features.store.durable.os.write", scarce)
        with pytest.raises(StorageError) as caught:
            cut(raw, workers=1)
    out = raw.parent / "out"
    assert str(caught.value).startswith(f"There is no space left to write {out}{os.sep}")
    assert not list(out.rglob("*.tmp")) and not (out / "faces.csv").exists()
    for path in out.rglob("*.png"):
        with Image.open(path) as picture:
            assert np.asarray(picture).shape == (SIZE, SIZE, 3)
    cut(raw)
    assert files_of(out) == files_of(crop(raw, raw.parent / "undisturbed", size=SIZE).out)
