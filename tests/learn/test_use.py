"""Naming faces, and scoring a model on pictures it did not see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.errors import RecipeMismatch
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import read
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.evaluate import Evaluation, evaluate
from facefeat.learn.fit import fit
from facefeat.learn.predict import Recogniser, load
from tests.making import person_pixels, write_people

PLAN = {"faces_mode": "none"}


@pytest.fixture(scope="module")
def model(thumb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model of ada, bob, cleo and dan. Not to be changed."""
    return fit(read(thumb_file), tmp_path_factory.mktemp("use") / "m.facefeat", head="lda").output


@pytest.fixture(scope="module")
def recogniser(model: Path) -> Recogniser:
    return load(model)


@pytest.fixture
def bundle(model: Path) -> Bundle:
    return bundles.read(model)


def others(root: Path, people: dict[str, int]) -> Path:
    """Write other pictures of the same people."""
    for name, n in people.items():
        (root / name).mkdir(parents=True)
        for number in range(101, 101 + n):
            Image.fromarray(person_pixels(name, number)).save(root / name / f"{number}.png")
    return root


def scored(bundle: Bundle, data: Path) -> Evaluation:
    return evaluate(bundle, data, workers=1)


def test_known_people_are_named(recogniser: Recogniser, tmp_path: Path) -> None:
    data = others(tmp_path / "other", {"ada": 2, "dan": 2})
    paths = sorted(data.rglob("*.png"))
    photos = recogniser.predict(paths)
    assert [photo.path for photo in photos] == [str(path) for path in paths]
    assert [photo.faces[0][1].best for photo in photos] == ["ada", "ada", "dan", "dan"]
    naming = photos[0].faces[0][1]
    assert naming.candidates[0].name == "ada" and naming.candidates[0].score == naming.score
    assert naming.name == ("ada" if naming.score >= naming.threshold else None)
    assert naming.nearest[0].name == "ada" and naming.nearest[0].path.startswith("ada/")
    scores = [candidate.score for candidate in naming.candidates[1:]]
    assert naming.margin == pytest.approx(naming.score - max(scores), abs=1e-9) or len(scores) < 3


def test_a_training_picture_finds_itself(recogniser: Recogniser, thumb_file: Path) -> None:
    path = thumb_file.parent / "people" / read(thumb_file).paths[0]
    nearest = recogniser.predict([path])[0].faces[0][1].nearest[0]
    assert nearest.path == read(thumb_file).paths[0] and nearest.similarity == pytest.approx(1.0, abs=1e-3)


def test_top_limits_the_candidates(recogniser: Recogniser, thumb_file: Path) -> None:
    path = next((thumb_file.parent / "people").rglob("*.png"))
    assert len(recogniser.predict([path], top=1)[0].faces[0][1].candidates) == 1
    assert len(recogniser.predict([path], top=9)[0].faces[0][1].candidates) == 4


def test_what_cannot_be_read_is_said_and_the_rest_goes_on(recogniser: Recogniser, tmp_path: Path) -> None:
    good = next(others(tmp_path / "other", {"ada": 1}).rglob("*.png"))
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    photos = recogniser.predict([bad, tmp_path / "none.jpg", good])
    assert [photo.error.code if photo.error else None for photo in photos] == ["not_a_picture", "unreadable", None]
    assert photos[2].faces[0][1].best == "ada"


def test_vectors_are_named_as_photographs_are(recogniser: Recogniser, bundle: Bundle, tmp_path: Path) -> None:
    data = others(tmp_path / "other", {"bob": 2})
    file = extract(data, tmp_path / "f.h5", plan("thumb", **PLAN)).file
    by_vector = recogniser.name(np.asarray(file.vectors(bundle.layer)))
    by_photo = [photo.faces[0][1] for photo in recogniser.predict(sorted(data.rglob("*.png")))]
    assert [one.best for one in by_vector] == [one.best for one in by_photo]
    np.testing.assert_allclose([one.score for one in by_vector], [one.score for one in by_photo], atol=1e-6)


def test_people_are_matched_by_name_never_by_number(bundle: Bundle, tmp_path: Path) -> None:
    # Without ada every later person has another number there.
    found = scored(bundle, others(tmp_path / "other", {"bob": 4, "cleo": 4, "dan": 4}))
    assert found.images == 12 and found.accuracy.mean == 1.0
    assert found.missing_people == ("ada",) and found.stranger_people == ()
    assert [(one.name, one.images, one.right) for one in found.per_person] == [
        ("bob", 4, 4), ("cleo", 4, 4), ("dan", 4, 4),
    ]  # fmt: skip


def test_strangers_count_apart(bundle: Bundle, tmp_path: Path) -> None:
    found = scored(bundle, others(tmp_path / "other", {"ada": 3, "zoe": 5}))
    assert (found.images, found.strangers, found.stranger_people) == (3, 5, ("zoe",))
    assert 0 <= found.strangers_named <= 5


def test_names_match_however_they_are_composed(tmp_path: Path) -> None:
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    data = write_people(tmp_path / "train", {composed: 4, "bob": 4})
    file = extract(data, tmp_path / "f.h5", plan("thumb", **PLAN)).file
    bundle = fit(file, tmp_path / "m", head="lda").bundle
    (data / composed).rename(data / decomposed)
    found = scored(bundle, data)
    assert found.stranger_people == () and found.images == 8


def test_leaks_are_told(bundle: Bundle, thumb_file: Path, tmp_path: Path) -> None:
    data = others(tmp_path / "other", {"ada": 3})
    trained = thumb_file.parent / "people" / read(thumb_file).paths[0]
    (data / "ada" / "copy.png").write_bytes(trained.read_bytes())
    found = scored(bundle, data)
    assert (found.images, found.leaks) == (4, 1) and found.accuracy_without_leaks.mean == 1.0


def test_a_picture_that_cannot_be_read_is_not_right(bundle: Bundle, tmp_path: Path) -> None:
    data = others(tmp_path / "other", {"ada": 3})
    (data / "ada" / "broken.jpg").write_text("no picture")
    found = scored(bundle, data)
    assert found.images == 4 and found.accuracy.mean == 0.75
    assert [(one.path, one.code) for one in found.failures] == [("ada/broken.jpg", "not_a_picture")]


def test_somebody_whose_pictures_all_fail_is_there_and_never_right(bundle: Bundle, tmp_path: Path) -> None:
    data = others(tmp_path / "other", {"ada": 3})
    (data / "bob").mkdir()
    (data / "bob" / "broken.jpg").write_text("no picture")
    found = scored(bundle, data)
    assert [(one.name, one.images, one.right) for one in found.per_person] == [("ada", 3, 3), ("bob", 1, 0)]
    assert (found.images, found.accuracy.mean, found.missing_people) == (4, 0.75, ("cleo", "dan"))


def test_mistakes_and_confusion_agree(bundle: Bundle, tmp_path: Path) -> None:
    data = others(tmp_path / "other", {"ada": 4, "bob": 4})
    (data / "ada").rename(data / "x")
    (data / "bob").rename(data / "ada")
    (data / "x").rename(data / "bob")
    found = scored(bundle, data)
    assert found.accuracy.mean == 0.0 and found.confusion == {("ada", "bob"): 4, ("bob", "ada"): 4}
    assert len(found.mistakes) == 8 and {(one.truth, one.naming.best) for one in found.mistakes} == set(found.confusion)


def test_a_feature_file_does_as_well_as_its_folder(bundle: Bundle, tmp_path: Path) -> None:
    data = others(tmp_path / "other", {"ada": 3, "cleo": 3})
    path = extract(data, tmp_path / "f.h5", plan("thumb", **PLAN)).file.path
    assert scored(bundle, path).accuracy == scored(bundle, data).accuracy


def test_another_recipe_is_refused_by_its_field(bundle: Bundle, tmp_path: Path) -> None:
    data = others(tmp_path / "other", {"ada": 3})
    path = extract(data, tmp_path / "f.h5", plan("thumb", size=48, **PLAN)).file.path
    with pytest.raises(RecipeMismatch) as caught:
        scored(bundle, path)
    assert str(caught.value) == f"{path} was made by another recipe: input_size is 48 instead of 32."
