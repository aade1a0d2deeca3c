"""Figures of an evaluation, counted again picture by picture; test sets in three folders; why a name was given."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefeat.errors import DamagedFile, InputError, RecipeMismatch
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile, read
from facefeat.heads import _rows
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.evaluate import Evaluation, evaluate, evaluate_file
from facefeat.learn.evaluation import Enrolled, Mistake
from facefeat.learn.fit import fit
from facefeat.learn.metrics import Share, wilson
from facefeat.learn.naming import Naming
from facefeat.learn.nearest import Nearest
from facefeat.learn.predict import Recogniser, load
from facefeat.learn.unknown import directions
from tests.making import person_pixels, write_people

PEOPLE = ("ada", "bob", "cleo", "dan", "eva", "fay", "gus")
PLAN = plan("thumb", faces_mode="none")
OWN = (1.0, 0.75, 0.6, 0.5, 0.4, 0.3)  # how much of a picture is of the person; the rest is of the next one


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a model of seven people. Not to be changed."""
    folder = tmp_path_factory.mktemp("evaluate")
    data = write_people(folder / "people", dict.fromkeys(PEOPLE, 5), noise=60)
    file = extract(data, folder / "features.h5", PLAN).file
    return fit(file, folder / "m.facefeat", head="lda", fpir=0.1).output


@pytest.fixture(scope="module")
def bundle(model: Path) -> Bundle:
    return bundles.read(model)


@pytest.fixture(scope="module")
def recogniser(model: Path) -> Recogniser:
    return load(model)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give mixed pictures of five known people, one of them unreadable, and of two strangers. Not to be changed."""
    folder = tmp_path_factory.mktemp("held-out")
    for name, second in zip((*PEOPLE[:5], "yan", "zoe"), (*PEOPLE[1:6], "ada", "gus"), strict=True):
        (folder / name).mkdir()
        for number, own in enumerate(OWN, 101):
            mixed = own * person_pixels(name, number) + (1 - own) * person_pixels(second, number)
            Image.fromarray(mixed.astype(np.uint8)).save(folder / name / f"{number}.png")
    (folder / "ada" / "broken.jpg").write_text("no picture")
    (folder / "zoe" / "broken.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def found(bundle: Bundle, data: Path) -> Evaluation:
    return evaluate(bundle, data, workers=1)


@pytest.fixture(scope="module")
def names(recogniser: Recogniser, data: Path) -> dict[str, Naming]:
    """Give what the model says of every readable picture, with all candidates."""
    paths = sorted(data.rglob("*.png"))
    photos = recogniser.predict(paths, top=99)
    return {str(path.relative_to(data)): photo.faces[0][1] for path, photo in zip(paths, photos, strict=True)}


def others(folder: Path, name: str, n: int = 3) -> Path:
    """Write other pictures of somebody."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(101, 101 + n):
        Image.fromarray(person_pixels(name, number)).save(folder / f"{number}.png")
    return folder


def known_of(names: dict[str, Naming]) -> dict[str, Naming]:
    return {path: one for path, one in names.items() if path.partition("/")[0] in PEOPLE}


def strangers_of(names: dict[str, Naming]) -> dict[str, Naming]:
    return {path: one for path, one in names.items() if path not in known_of(names)}


def test_the_pictures_are_of_use_here(found: Evaluation) -> None:
    assert 0.2 < found.accuracy.mean < 0.9 and 1 < found.strangers_named < 12 and found.rejected > 0


def test_ranks_are_counted_over_all_candidates_and_failures_never_count(
    found: Evaluation, names: dict[str, Naming]
) -> None:
    hits = [0] * 7
    for path, one in known_of(names).items():
        rank = [candidate.name for candidate in one.candidates].index(path.partition("/")[0]) + 1
        for k in range(rank, 8):
            hits[k - 1] += 1
    assert found.images == 31 and hits[-1] == 30
    assert found.cmc == tuple(wilson(n / 31, 31) for n in hits)
    assert found.rank5 == found.cmc[4] and found.accuracy == found.cmc[0]


def test_false_negatives_and_false_positives_are_counted_one_by_one(
    found: Evaluation, names: dict[str, Naming]
) -> None:
    right = sum(one.name == path.partition("/")[0] for path, one in known_of(names).items())
    assert found.fnir == wilson((31 - right) / 31, 31)
    assert found.accepted_right == wilson(right / 31, 31)
    named = [path for path, one in strangers_of(names).items() if one.name]
    assert (found.strangers, found.strangers_named) == (12, len(named))
    assert found.fpir == wilson(len(named) / 12, 12)
    assert [one.path for one in found.stranger_mistakes] == sorted(named)
    assert [one.path for one in found.failures] == ["ada/broken.jpg"]
    assert [one.path for one in found.stranger_failures] == ["zoe/broken.jpg"]


def test_balanced_accuracy_is_everybodys_own_share(found: Evaluation, names: dict[str, Naming]) -> None:
    shares = []
    for name in PEOPLE[:5]:
        right = sum(one.best == name for path, one in names.items() if path.startswith(f"{name}/"))
        shares.append(right / (7 if name == "ada" else 6))
    assert found.balanced_accuracy == pytest.approx(sum(shares) / 5)


def test_the_area_and_the_curve_are_of_own_scores(found: Evaluation, names: dict[str, Naming]) -> None:
    own = [one.score if one.best == path.partition("/")[0] else -np.inf for path, one in known_of(names).items()]
    own.append(-np.inf)  # the one that is not read
    strange = [one.score for one in strangers_of(names).values()]
    pairs = [(a > b) + (a == b) / 2 for a in own for b in strange]
    assert found.auroc == pytest.approx(sum(pairs) / len(pairs))
    assert found.curve is not None
    at = int(np.sum(found.curve.thresholds >= found.threshold.value)) - 1  # the last step before the threshold
    assert found.curve.false_negative[at] == pytest.approx(found.fnir.mean)
    assert found.curve.false_positive[at] == pytest.approx(found.fpir.mean)


def test_few_strangers_cannot_tell_a_rate_from_none(bundle: Bundle, data: Path, found: Evaluation) -> None:
    assert found.threshold == bundle.threshold and not found.fpir_measurable  # 12 of the 30 that 10 % takes
    higher = replace(bundle, threshold=replace(bundle.threshold, fpir=0.25))
    assert evaluate(higher, data, workers=1).fpir_measurable


def test_a_mistake_is_explained(
    found: Evaluation, names: dict[str, Naming], bundle: Bundle, recogniser: Recogniser, data: Path
) -> None:
    wrong = [path for path, one in known_of(names).items() if one.best != path.partition("/")[0]]
    assert [one.path for one in found.mistakes] == wrong
    gallery = directions(bundle.unknown, bundle.gallery.vectors.astype(np.float32))
    rows = dict(zip(bundle.gallery.paths, gallery, strict=True))
    for one in (*found.mistakes, *found.stranger_mistakes):
        seen = names[one.path]
        assert one.truth == one.path.partition("/")[0] and one.picture == data / one.path
        assert [(near.name, near.score) for near in one.naming.candidates] == [
            (near.name, pytest.approx(near.score)) for near in seen.candidates[:5]
        ]
        assert [near.path for near in one.naming.nearest] == [near.path for near in seen.nearest]
        assert one.naming.runner_up and seen.runner_up and one.naming.runner_up.name == seen.runner_up.name
    for one in found.mistakes:
        assert one.rank == [candidate.name for candidate in names[one.path].candidates].index(one.truth) + 1
        face = direction_of(recogniser, data / one.path)
        best = max((path for path in rows if path.startswith(f"{one.truth}/")), key=lambda path: rows[path] @ face)
        assert one.missed == Nearest(best, one.truth, pytest.approx(rows[best] @ face))
    assert {(one.rank, one.missed) for one in found.stranger_mistakes} == {(0, None)}


def direction_of(recogniser: Recogniser, picture: Path) -> Any:
    """Return the direction of a picture's one face, for cosines."""
    finder, encoder = recogniser.encoder.finder, recogniser.encoder
    faces = finder.all_faces(finder.open(picture.read_bytes()))
    vectors = encoder.vectors([face.pixels for face in faces])[recogniser.bundle.layer]
    return directions(recogniser.bundle.unknown, vectors)[0]


def test_reasons_do_not_depend_on_the_size_of_blocks(
    found: Evaluation, bundle: Bundle, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rows, "_NUMBERS", 1)
    again = evaluate(bundle, data, workers=1).mistakes
    assert [(one.path, one.rank, one.truth, picked(one)) for one in again] == [
        (one.path, one.rank, one.truth, picked(one)) for one in found.mistakes
    ]


def picked(one: Mistake) -> list[str]:
    return [near.path for near in (*one.naming.nearest, *([one.missed] if one.missed else []))]


# Test sets in three folders


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Give three people who are enrolled and probed, and strangers in a folder and without one."""
    root = tmp_path / "set"
    write_people(root / "gallery", {"ida": 4, "jon": 4, "kim": 4})
    for name in ("ida", "jon", "kim"):
        others(root / "probe" / name, name)
    others(root / "unknown" / "zoe", "zoe")
    others(root / "unknown", "yan", 2)
    return root


def test_a_gallery_takes_the_place_of_the_models_people(bundle: Bundle, three: Path) -> None:
    found = evaluate(bundle, three, workers=1)
    assert found.enrolled == Enrolled(three / "gallery", 3, 12, 0)
    assert (found.images, found.accuracy.mean, found.missing_people, found.notes) == (9, 1.0, (), ())
    assert [one.name for one in found.per_person] == ["ida", "jon", "kim"]
    assert (found.strangers, found.stranger_people) == (5, ("zoe",))
    assert found.threshold.fpir == bundle.threshold.fpir and found.threshold != bundle.threshold


def test_it_is_fitted_as_fit_would_by_the_models_choices(three: Path, thumb_file: Path, tmp_path: Path) -> None:
    choices: dict[str, Any] = {"head": "svm", "layer": "grey16", "params": {"C": 10}, "fpir": 0.2}
    model = fit(read(thumb_file), tmp_path / "m", **choices).bundle
    found = evaluate(model, three, workers=1)
    gallery = extract(three / "gallery", tmp_path / "g.h5", PLAN).file
    probe = extract(three / "probe", tmp_path / "p.h5", PLAN).file
    same = evaluate_file(fit(gallery, tmp_path / "g", **choices).bundle, probe)
    assert (found.threshold, found.accuracy, found.fnir, found.cmc) == (
        same.threshold, same.accuracy, same.fnir, same.cmc,
    )  # fmt: skip
    assert model.people == ("ada", "bob", "cleo", "dan")


def test_without_a_gallery_the_models_people_are_meant(bundle: Bundle, tmp_path: Path) -> None:
    others(tmp_path / "probe" / "ada", "ada")
    others(tmp_path / "probe" / "xia", "xia", 1)
    others(tmp_path / "unknown", "zoe", 2)
    found = evaluate(bundle, tmp_path, workers=1)
    assert (found.enrolled, found.images, found.strangers, found.stranger_people) == (None, 3, 3, ("xia",))
    assert found.notes == ("Not known to the model, and so counted as strangers: xia in probe/.",)


def test_paths_are_relative_to_the_test_set(bundle: Bundle, three: Path) -> None:
    for number in (101, 102):
        shutil.copy(three / "probe" / "jon" / f"{number}.png", three / "probe" / "ida" / f"x{number}.png")
    for name in ("probe/ida/broken.png", "unknown/broken.png"):
        (three / name).write_text("no picture")
    shutil.copy(three / "gallery" / "kim" / "01.png", three / "unknown" / "kim.png")
    found = evaluate(bundle, three, workers=1)
    assert [(one.path, one.truth, one.naming.best) for one in found.mistakes] == [
        ("probe/ida/x101.png", "ida", "jon"),
        ("probe/ida/x102.png", "ida", "jon"),
    ]
    assert found.mistakes[0].picture == three / "probe" / "ida" / "x101.png"
    assert found.mistakes[0].missed and found.mistakes[0].missed.path.startswith("ida/")
    assert [one.path for one in found.failures] == ["probe/ida/broken.png"]
    ida = found.per_person[0]
    assert (ida.name, ida.images, ida.right) == ("ida", 6, 3)
    assert [one.path for one in found.stranger_failures] == ["unknown/broken.png"]
    taken = next(one for one in found.stranger_mistakes if one.path == "unknown/kim.png")
    assert (taken.truth, taken.naming.best, taken.picture) == ("", "kim", three / "unknown" / "kim.png")
    assert found.notes == (
        "1 picture of strangers trained the model, byte for byte, under a name that it knows; the first is "
        "unknown/kim.png.",
    )


def test_strangers_whom_the_model_knows_are_left_out_and_named(bundle: Bundle, three: Path) -> None:
    others(three / "unknown" / "jon", "jon", 2)
    found = evaluate(bundle, three, workers=1)
    assert (found.images, found.strangers, found.stranger_people) == (9, 5, ("zoe",))
    assert found.notes == (
        "People in unknown/ whom the model knows by name are no strangers, and left out: jon (2 pictures).",
    )


def test_what_lies_beside_the_people_is_told(bundle: Bundle, three: Path) -> None:
    others(three / "probe", "ida", 1)
    (three / "gallery" / "link").symlink_to(three / "unknown")
    assert evaluate(bundle, three, workers=1).notes == (
        "Left out, as they are links to folders: gallery/link.",
        "Left out, as they lie beside the people's folders: probe/101.png.",
    )


def test_strangers_may_lie_elsewhere(bundle: Bundle, data: Path, found: Evaluation, tmp_path: Path) -> None:
    folder = others(tmp_path / "more", "xia", 2)
    file = extract(others(tmp_path / "w" / "wim", "wim", 4).parent, tmp_path / "w.h5", PLAN).file
    more = evaluate(bundle, data, unknown=folder, workers=1)
    assert (more.strangers, more.stranger_people, more.images) == (14, ("yan", "zoe"), found.images)
    for one in more.stranger_mistakes[len(found.stranger_mistakes) :]:
        assert one.path in (f"{folder}/101.png", f"{folder}/102.png")
    of_file = evaluate(bundle, data, unknown=file.path, workers=1)
    assert (of_file.strangers, of_file.stranger_people) == (16, ("yan", "zoe", "wim"))
    assert more.accuracy == of_file.accuracy == found.accuracy


def test_the_models_numbers_are_those_of_its_own_evaluation(bundle: Bundle, data: Path, found: Evaluation) -> None:
    root = data.parent / "three"
    for name in PEOPLE[:5]:
        shutil.copytree(data / name, root / "probe" / name)
    for name in ("yan", "zoe"):
        shutil.copytree(data / name, root / "unknown" / name)
    same = evaluate(bundle, root, workers=1)
    figures = ("accuracy", "cmc", "fnir", "fpir", "auroc", "balanced_accuracy", "confusion", "per_person")
    assert {name: getattr(same, name) for name in figures} == {name: getattr(found, name) for name in figures}


# What cannot be counted


def test_nobody_known_leaves_the_strangers(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("yan", "zoe"):
        others(tmp_path / name, name, 2)
    found = evaluate(bundle, tmp_path, workers=1)
    assert (found.images, found.strangers, found.cmc, found.rank5, found.curve) == (0, 4, (), None, None)
    assert np.isnan([found.accuracy.mean, found.balanced_accuracy, found.fnir.mean, found.auroc]).all()
    assert found.notes == (
        "None of the people there (yan, zoe) is known to the model (ada, bob, cleo ...); folders are matched by their "
        "names. So all of them count as strangers.",
    )


def test_without_strangers_their_figures_are_empty(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "bob", tmp_path / "bob")
    found = evaluate(bundle, tmp_path, workers=1)
    assert (found.strangers, found.curve, found.fpir.low, found.fpir.high) == (0, None, 0.0, 1.0)
    assert np.isnan([found.fpir.mean, found.auroc]).all() and not found.fpir_measurable


def test_somebody_known_of_whom_nothing_can_be_read_is_no_stranger(bundle: Bundle, tmp_path: Path) -> None:
    others(tmp_path / "zoe", "zoe", 2)
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "broken.jpg").write_text("no picture")
    found = evaluate(bundle, tmp_path, workers=1)
    assert (found.images, found.accuracy, found.fnir.mean, found.notes) == (1, Share(0.0, 0.0, 0.7934507), 1.0, ())


def test_strangers_of_whom_nothing_can_be_read_are_refused(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_text("no picture")
    with pytest.raises(InputError) as caught:
        evaluate(bundle, data, unknown=tmp_path, workers=1)
    assert str(caught.value) == (
        f"None of the 1 files in {tmp_path} is a usable picture; the first, 1.jpg: Not a picture of an accepted format "
        "(JPEG, MPO, PNG, WEBP, GIF, BMP, TIFF, PPM, AVIF)."
    )


def test_strangers_of_another_recipe_are_refused(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    others(tmp_path / "w" / "wim", "wim")
    other = extract(tmp_path / "w", tmp_path / "w.h5", plan("thumb", size=48, faces_mode="none")).file
    with pytest.raises(RecipeMismatch) as caught:
        evaluate(bundle, data, unknown=other.path, workers=1)
    assert str(caught.value) == f"{other.path} was made by another recipe: input_size is 48 instead of 32."


def test_vectors_that_are_no_numbers_are_refused(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    file = extract(data, tmp_path / "f.h5", PLAN).file
    name = f"features/{bundle.layer}"
    vectors = np.array(file.columns[name])
    vectors[3, 5] = np.nan
    broken: FeatureFile = replace(file, columns={**file.columns, name: vectors})
    with pytest.raises(DamagedFile) as caught:
        evaluate_file(bundle, broken)
    assert str(caught.value) == f"{file.path} is damaged: its vectors of grey8 are not all finite numbers."
