"""Copies and near copies between training and test: kept apart, counted, and told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefeat.errors import DamagedFile
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn import bundle as bundles
from facefeat.learn import fit as fitting
from facefeat.learn.bundle import Bundle
from facefeat.learn.compare import compare
from facefeat.learn.comparison import Comparison
from facefeat.learn.copies import groups_of
from facefeat.learn.evaluate import evaluate
from facefeat.learn.fit import fit
from facefeat.report import compared as compared_report
from facefeat.report import verdicts, words
from tests.cli.test_commands import document, run
from tests.crafted import Whole
from tests.making import Pixels, encoded, person_pixels, write_people

FILES = Path(__file__).parents[1] / "files"
PLAN = plan("thumb", faces_mode="none")


def altered(picture: Path) -> bytes:
    """Return the bytes of a near copy: with less contrast, and compressed."""
    pixels = np.asarray(Image.open(picture))
    return encoded((pixels * 0.9 + 12.7).astype(np.uint8), "JPEG", quality=95, subsampling=0)


def noisy(root: Path) -> Path:
    """Write a data set of pure noise, every picture with a near copy: only who saw its twin knows the person."""
    data = write_people(root, {"ada": 6, "bob": 6}, noise=3000.0)
    for path in sorted(data.rglob("*.png")):
        path.with_name(f"near-{path.stem}.jpg").write_bytes(altered(path))
    return data


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> FeatureFile:
    """Give the feature file of pure noise in pairs. Not to be changed."""
    root = tmp_path_factory.mktemp("noise")
    return extract(noisy(root / "people"), root / "f.h5", PLAN).file


@pytest.fixture(scope="module")
def compared(noise: FeatureFile) -> Comparison:
    return compare(noise, heads_wanted=["knn"], layers=["grey16"], n_folds=4, repeats=2, workers=1)


def test_near_copies_are_on_one_side_of_every_fold(noise: FeatureFile, compared: Comparison) -> None:
    number = {path: path.replace("near-", "").rpartition(".")[0] for path in noise.paths}
    assert len(compared.folds.splits) == 8
    for train, test in compared.folds.splits:
        here, there = ({number[noise.paths[row]] for row in rows} for rows in (train, test))
        assert len(test) and not here & there
    assert (compared.copies, compared.near_copies, compared.n_images) == (0, 12, 24)


def test_what_copies_would_have_made_of_the_figure(noise: FeatureFile, compared: Comparison) -> None:
    assert compared.with_leaks is not None
    assert compared.with_leaks.mean >= compared.best.accuracy.mean
    assert compared.with_leaks.mean > 0.75 and compared.best.accuracy.mean < 0.65
    assert verdicts.with_leaks(compared) == (
        "With copies dealt to any folds, which are others then, knn on grey16 has "
        f"{words.percent(compared.with_leaks.mean)}."
    )
    told = compared_report.document(compared, noise)["leaks"]
    assert (told["copies"], told["near_copies"]) == (0, 12)
    assert told["accuracy_with"]["mean"] == compared.with_leaks.mean


def test_the_figure_with_leaks_is_of_the_same_deal(noise: FeatureFile, compared: Comparison) -> None:
    again = compare(noise, heads_wanted=["knn"], layers=["grey16"], n_folds=4, repeats=2, workers=1)
    assert again.with_leaks == compared.with_leaks
    assert compared.with_leaks is not None and compared.with_leaks.low < compared.with_leaks.mean


def test_exact_copies_are_told_as_well(tmp_path: Path) -> None:
    data = noisy(tmp_path / "people")
    for path in sorted(data.rglob("*.png")):
        path.with_name(f"again-{path.name}").write_bytes(path.read_bytes())
    file = extract(data, tmp_path / "f.h5", PLAN).file
    found = compare(file, heads_wanted=["knn"], layers=["grey16"], n_folds=3, workers=1, baselines=False)
    assert (found.copies, found.near_copies, found.with_leaks is None) == (12, 12, False)
    assert found.folds.notes[-1] == (
        "24 pictures are copies or near copies of another; such stay on one side of a fold."
    )


def test_compare_prints_a_line_of_it(noise: FeatureFile, tmp_path: Path) -> None:
    found = run("compare", noise.path, "--heads", "knn", "--layers", "grey16", "--folds", 4, "--workers", 1)
    lines = [line.strip().removeprefix("pictures").strip() for line in found.stdout.splitlines()]
    assert "12 pictures are copies or near copies of another; such stay on one side of a fold." in lines
    (told,) = [line for line in lines if line.startswith("With copies dealt to any folds, which are others then, knn")]
    assert told.startswith("With copies dealt to any folds, which are others then, knn on grey16 has ")


def test_without_copies_there_is_no_such_line(thumb_file: Path) -> None:
    found = compare(read(thumb_file), heads_wanted=["lda"], n_folds=3, workers=1, baselines=False)
    assert (found.copies, found.near_copies, found.with_leaks, verdicts.with_leaks(found)) == (0, 0, None, "")
    assert compared_report.document(found, read(thumb_file))["leaks"] == {
        "copies": 0,
        "near_copies": 0,
        "accuracy_with": None,
    }
    told = run("compare", thumb_file, "--heads", "lda", "--folds", 3, "--workers", 1)
    assert told.exit_code == 0 and "With copies" not in told.stdout


def test_somebody_with_near_copies_of_one_picture_only_is_never_tested(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 4, "bob": 4, "zoe": 1})
    for number in range(3):
        picture = Image.open(data / "zoe" / "01.png").resize((60 + 10 * number, 60 + 10 * number))
        picture.save(data / "zoe" / f"near{number}.png")
    file = extract(data, tmp_path / "f.h5", PLAN).file
    found = compare(file, heads_wanted=["lda"], layers=["grey8"], n_folds=4, workers=1, baselines=False)
    assert [file.paths[row].partition("/")[0] for row in found.folds.always_train] == ["zoe"] * 4
    assert (found.near_copies, found.n_tested) == (3, 8)
    assert "One picture only, so it trains and is never tested: zoe." in found.folds.notes
    assert found.with_leaks is not None


def test_fitting_keeps_near_copies_together(noise: FeatureFile, tmp_path: Path) -> None:
    made = fit(noise, tmp_path / "m.facefeat", head="knn", layer="grey16")
    assert made.bundle.gallery.pixels.shape == (24, 64, 64)
    np.testing.assert_array_equal(made.bundle.gallery.pixels, noise.columns["faces/pixels"])
    assert len(np.unique(groups_of(noise))) == 12


@pytest.fixture(scope="module")
def model(thumb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model of ada, bob, cleo and dan. Not to be changed."""
    return fit(read(thumb_file), tmp_path_factory.mktemp("leaks") / "m.facefeat", head="lda").output


@pytest.fixture
def held_out(thumb_file: Path, tmp_path: Path) -> Path:
    """Give four new pictures of two people, two near copies and an exact copy of training pictures."""
    trained, data = thumb_file.parent / "people", tmp_path / "held-out"
    for name in ("ada", "bob"):
        (data / name).mkdir(parents=True)
        for number in (101, 102):
            Image.fromarray(person_pixels(name, number)).save(data / name / f"{number}.png")
        (data / name / "near.jpg").write_bytes(altered(trained / name / "01.png"))
    shutil.copy(trained / "ada" / "02.png", data / "ada" / "same.png")
    return data


def test_near_copies_of_training_pictures_are_counted(model: Path, held_out: Path) -> None:
    found = evaluate(bundles.read(model), held_out, workers=1)
    assert (found.images, found.leaks, found.near_leaks) == (7, 1, 2)
    assert found.accuracy.mean == found.accuracy_without_leaks.mean == 1.0
    assert found.accuracy_without_leaks.low < found.accuracy.low  # of four pictures instead of seven


def test_the_accuracy_without_them_is_of_the_others(model: Path, held_out: Path) -> None:
    # What is left is named wrong: bob's new pictures lie in ada's folder, and hers in his.
    for number in (101, 102):
        first, second = (held_out / name / f"{number}.png" for name in ("ada", "bob"))
        kept = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(kept)
    found = evaluate(bundles.read(model), held_out, workers=1)
    assert (found.leaks, found.near_leaks) == (1, 2)
    assert found.accuracy.mean == pytest.approx(3 / 7) and found.accuracy_without_leaks.mean == 0.0


def test_near_copies_of_strangers_are_no_leaks(model: Path, held_out: Path) -> None:
    (held_out / "bob").rename(held_out / "zoe")
    found = evaluate(bundles.read(model), held_out, workers=1)
    assert (found.images, found.strangers, found.leaks, found.near_leaks) == (4, 3, 1, 1)


def test_evaluate_prints_a_line_of_it(model: Path, held_out: Path) -> None:
    text = " ".join(run("evaluate", model, held_out).stdout.split())
    assert "leaks 1 picture and near copies of 2 pictures trained the model too; without them 100.0 %" in text
    told = document("evaluate", model, held_out)["leaks"]
    assert (told["images"], told["near"], told["accuracy_without"]["mean"]) == (1, 2, 1.0)


def test_where_nothing_else_is_left_it_says_so(model: Path, held_out: Path) -> None:
    for path in (*held_out.rglob("10?.png"), held_out / "ada" / "same.png"):
        path.unlink()
    text = " ".join(run("evaluate", model, held_out).stdout.split())
    assert "leaks near copies of 2 pictures trained the model too; without them none is left" in text
    told = document("evaluate", model, held_out)["leaks"]
    assert (told["images"], told["near"], told["accuracy_without"]["mean"]) == (0, 2, None)


def test_without_leaks_there_is_no_such_line(model: Path, held_out: Path) -> None:
    for path in (*held_out.rglob("near.jpg"), held_out / "ada" / "same.png"):
        path.unlink()
    found = run("evaluate", model, held_out)
    assert found.exit_code == 0 and "leaks" not in found.stdout


def test_a_model_of_format_1_has_no_near_copies(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 3, "bob": 3})
    (data / "ada" / "near.jpg").write_bytes(altered(data / "ada" / "01.png"))
    model = bundles.read(FILES / "model-1.facefeat")
    assert model.gallery.pixels.shape == (0, 64, 64)
    file = extract(data, tmp_path / "f.h5", plan("thumb", layers=["grey8"], faces_mode="none")).file
    (tmp_path / "old.h5").write_bytes((FILES / "features-1.h5").read_bytes())
    found = evaluate(model, tmp_path / "old.h5", workers=1)
    assert (found.leaks, found.near_leaks) == (8, 0)
    assert len(groups_of(file)) == 7 and len(np.unique(groups_of(file))) == 6


def test_large_galleries_keep_no_faces(
    thumb_file: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MOST_FACES", 23)
    made = fit(read(thumb_file), tmp_path / "m.facefeat", head="lda")
    assert made.bundle.gallery.pixels.shape == (0, 64, 64)
    found = evaluate(bundles.read(made.output), held_out, workers=1)
    assert (found.leaks, found.near_leaks) == (1, 0)


def read_with(whole: Whole, path: Path, pixels: Any) -> Bundle:
    """Read a model whose gallery has other faces."""
    whole = whole.copy()
    whole.set("gallery.npz", "pixels.npy", pixels)
    path.write_bytes(whole.packed())
    return bundles.read(path)


@pytest.mark.parametrize(
    ("pixels", "complaint"),
    [
        (np.zeros((24, 32, 32), np.uint8), "its vectors, hashes or faces are of no length that they can have"),
        (np.zeros((0, 32, 64), np.uint8), "its vectors, hashes or faces are of no length that they can have"),
        (np.zeros((23, 64, 64), np.uint8), "pixels has another type or length than the format says"),
        (np.zeros((25, 64, 64), np.uint8), "pixels has another type or length than the format says"),
        (np.zeros((24, 64), np.uint8), "pixels has another type or length than the format says"),
        (np.zeros((24, 64, 64), np.float32), "pixels has another type or length than the format says"),
        (np.zeros((24, 64, 64), np.int8), "pixels has another type or length than the format says"),
        (np.array(5, np.uint8), "pixels has another type or length than the format says"),
    ],
)
def test_a_gallery_with_faces_of_a_wrong_shape_is_refused(
    model: Path, tmp_path: Path, pixels: Pixels, complaint: str
) -> None:
    path = tmp_path / "m.facefeat"
    with pytest.raises(DamagedFile) as caught:
        read_with(Whole.of(model.read_bytes()), path, pixels)
    assert str(caught.value) == f"gallery.npz in {path} is damaged: {complaint}."


def test_a_gallery_without_faces_is_read(model: Path, held_out: Path, tmp_path: Path) -> None:
    bundle = read_with(Whole.of(model.read_bytes()), tmp_path / "m.facefeat", np.zeros((0, 64, 64), np.uint8))
    assert (evaluate(bundle, held_out, workers=1).near_leaks) == 0


def test_a_gallery_lacks_no_array_of_its_format(model: Path, tmp_path: Path) -> None:
    whole, path = Whole.of(model.read_bytes()), tmp_path / "m.facefeat"
    whole.inner["gallery.npz"] = [one for one in whole.inner["gallery.npz"] if one[0] != "pixels.npy"]
    path.write_bytes(whole.packed())
    with pytest.raises(DamagedFile) as caught:
        bundles.read(path)
    assert str(caught.value) == (
        f"gallery.npz in {path} is damaged: it does not hold the arrays vectors, person, paths, sha256, pixels."
    )
    old = Whole.of(model.read_bytes())
    old.manifest["format"] = old.manifest["format"].replace("/3", "/1")
    path.write_bytes(old.packed())
    with pytest.raises(DamagedFile) as caught:
        bundles.read(path)
    assert str(caught.value) == (
        f"gallery.npz in {path} is damaged: it does not hold the arrays vectors, person, paths, sha256."
    )
    assert json.loads(json.dumps(old.manifest))["format"].endswith("/1")
