"""Files that earlier versions wrote are still read: ``tests/files`` has one of each format there ever was.

Each was made by the last version that wrote its format, from ``write_people`` of ada 3, bob 3 and Zoë 2 and a file
``ada/notes.txt``, by the backbone thumb, its layer grey8 and whole pictures; the model is the head lda.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import read
from facefeat.learn import bundle
from facefeat.learn.check import check
from facefeat.learn.compare import compare
from facefeat.learn.evaluate import evaluate
from facefeat.learn.naming import namings
from tests.making import write_people

FILES = Path(__file__).parent / "files"
PATHS = tuple(f"{person}/{i:02}.png" for person, n in (("Zoë", 2), ("ada", 3), ("bob", 3)) for i in range(1, n + 1))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give the data set that the old files were made of."""
    root = write_people(tmp_path / "people", {"ada": 3, "bob": 3, "Zoë": 2})
    (root / "ada" / "notes.txt").write_text("no picture")
    return root


def test_the_feature_file_of_format_1(data: Path, tmp_path: Path) -> None:
    file = read(FILES / "features-1.h5")
    assert (file.people, file.paths) == (("Zoë", "ada", "bob"), PATHS)
    assert [(one.path, one.code) for one in file.skipped] == [("ada/notes.txt", "not_a_picture")]
    assert check(FILES / "features-1.h5").problems == ()
    recipe = plan("thumb", layers=["grey8"], faces_mode="none")
    assert file.recipe == replace(recipe.recipe, resize="area")
    anew = extract(data, tmp_path / "anew.h5", recipe, engine="openvino", precision="float32").file
    np.testing.assert_allclose(file.vectors("grey8"), anew.vectors("grey8"), rtol=1e-6)
    np.testing.assert_array_equal(file.sha256, anew.sha256)


def test_the_feature_file_of_format_1_is_added_to(data: Path, tmp_path: Path) -> None:
    shutil.copy(FILES / "features-1.h5", tmp_path / "f.h5")
    write_people(data, {"bob": 4})
    made = extract(data, tmp_path / "f.h5", plan("thumb", layers=["grey8"], faces_mode="none"), engine="openvino")
    assert (made.computed, made.reused, len(made.file)) == (1, 8, 9)
    np.testing.assert_array_equal(made.file.vectors("grey8")[:8], read(FILES / "features-1.h5").vectors("grey8"))


def test_the_model_of_format_1() -> None:
    model = bundle.read(FILES / "model-1.facefeat")
    assert (model.head, model.layer, model.people) == ("lda", "grey8", ("Zoë", "ada", "bob"))
    assert model.threshold.value == pytest.approx(0.38570, abs=1e-5)
    assert check(FILES / "model-1.facefeat").problems == ()
    named = namings(model, read(FILES / "features-1.h5").vectors("grey8"), 3)
    assert [naming.name for naming in named] == [path.partition("/")[0] for path in PATHS]


def test_format_1_counted_no_faces_and_kept_half_as_many_pixels(data: Path, tmp_path: Path) -> None:
    file = read(FILES / "features-1.h5")
    assert file.columns["faces/count"].tolist() == [-1] * 8 and file.columns["faces/count"].dtype == "<i2"
    kept = file.columns["faces/pixels"]
    assert (kept.shape, kept.dtype) == ((8, 64, 64), np.uint8)
    np.testing.assert_array_equal(kept, kept[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2))
    anew = extract(data, tmp_path / "anew.h5", plan("thumb", layers=["grey8"], faces_mode="none")).file
    assert np.abs(kept.astype(int) - anew.columns["faces/pixels"]).mean() < 12


def test_format_1_with_new_rows_is_format_2(data: Path, tmp_path: Path) -> None:
    shutil.copy(FILES / "features-1.h5", tmp_path / "f.h5")
    assert (tmp_path / "f.h5").read_bytes().startswith(b"facefeat-features/1\n")
    recipe = plan("thumb", layers=["grey8"], faces_mode="none")
    again = extract(data, tmp_path / "f.h5", recipe, engine="openvino")
    assert (again.computed, again.reused) == (0, 8)
    assert (tmp_path / "f.h5").read_bytes() == (FILES / "features-1.h5").read_bytes()  # nothing new: left as it is
    write_people(data, {"bob": 4})
    extract(data, tmp_path / "f.h5", recipe, engine="openvino")
    assert (tmp_path / "f.h5").read_bytes().startswith(b"facefeat-features/2\n")
    assert check(tmp_path / "f.h5").problems == ()
    old, new = read(FILES / "features-1.h5"), read(tmp_path / "f.h5")
    assert new.columns["faces/count"].tolist() == [-1] * 9
    for name in ("faces/pixels", "faces/box", "images/sha256"):
        np.testing.assert_array_equal(new.columns[name][:8], old.columns[name])
    fresh = new.columns["faces/pixels"][8]
    assert not np.array_equal(fresh, fresh[::2, ::2].repeat(2, axis=0).repeat(2, axis=1))


def test_format_1_is_compared_and_evaluated(data: Path, tmp_path: Path) -> None:
    shutil.copy(FILES / "features-1.h5", tmp_path / "f.h5")
    found = compare(read(tmp_path / "f.h5"), heads_wanted=["lda"], n_folds=2, workers=1, baselines=False)
    assert (found.copies, found.near_copies, found.with_leaks) == (0, 0, None)
    scored = evaluate(bundle.read(FILES / "model-1.facefeat"), FILES / "features-1.h5")
    assert (scored.leaks, scored.near_leaks) == (8, 0)


def test_the_model_of_format_2() -> None:
    model = bundle.read(FILES / "model-2.facefeat")
    assert (model.head, model.layer, model.people) == ("lda", "grey8", ("Zoë", "ada", "bob"))
    assert model.threshold.value == pytest.approx(0.38570, abs=1e-5) and model.threshold.reached is None
    assert model.confidence is None and model.gallery.pixels.shape == (8, 64, 64)
    assert check(FILES / "model-2.facefeat").problems == ()
    named = namings(model, read(FILES / "features-1.h5").vectors("grey8"), 3)
    assert [naming.name for naming in named] == [path.partition("/")[0] for path in PATHS]
    assert [naming.probability for naming in named] == [None] * 8
