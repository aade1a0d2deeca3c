"""Two pictures compared by a model, and the threshold that its gallery gives."""

from __future__ import annotations

import hashlib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.data.quality import SIDE
from facefeat.errors import DamagedFile, PictureRefused, RecipeMismatch, UsageError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import read
from facefeat.learn import bundle as bundles
from facefeat.learn import match as matching
from facefeat.learn.fit import fit
from facefeat.learn.gallery import Gallery
from facefeat.learn.match import Match, match, match_threshold
from facefeat.learn.pair_scores import directions_of
from facefeat.learn.rates import threshold_for
from facefeat.learn.unknown import directions, fit_score
from tests.curate.cropping import scene
from tests.making import Pixels, encoded, person_pixels, write_people

NAMES = [f"p{number:02}" for number in range(10)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model of ten people with eight pictures each. Not to be changed."""
    folder = tmp_path_factory.mktemp("match")
    data = write_people(folder / "people", dict.fromkeys(NAMES, 8), noise=60)
    file = extract(data, folder / "features.h5", plan("thumb", faces_mode="none")).file
    return fit(file, folder / "model.facefeat", head="lda").output


def picture_of(folder: Path, name: str, number: int) -> Path:
    path = folder / f"{name}-{number}.png"
    Image.fromarray(person_pixels(name, number, noise=60)).save(path)
    return path


def gallery_of(counts: list[int], seed: int = 0, spread: float = 0.7) -> Gallery:
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    X = rng.normal(size=(len(counts), 12))[person] + spread * rng.normal(size=(len(person), 12))
    paths = tuple(f"p/{row}" for row in range(len(person)))
    digests = np.array([list(hashlib.sha256(path.encode()).digest()) for path in paths], np.uint8)
    return Gallery(X.astype(np.float16), person, paths, digests, np.empty((0, SIDE, SIDE), np.uint8))


def test_one_person_and_two(model: Path, tmp_path: Path) -> None:
    a, b, c = (picture_of(tmp_path, name, n) for name, n in (("p00", 50), ("p00", 51), ("p01", 50)))
    same, other = match(model, a, b), match(model, a, c)
    assert (same.same, other.same) == (True, False)
    assert same.paths == (str(a), str(b)) and same.notes == () and len(same.faces) == 2
    assert same.threshold == other.threshold and same.threshold.value is not None
    assert other.similarity < same.threshold.value <= same.similarity


def test_the_similarity_is_the_cosine_of_what_an_extraction_gives(model: Path, tmp_path: Path) -> None:
    a, b = picture_of(tmp_path, "p00", 50), picture_of(tmp_path, "p03", 51)
    for name, path in (("x", a), ("y", b)):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / path.name).write_bytes(path.read_bytes())
    bundle = bundles.read(model)
    file = extract(tmp_path / "data", tmp_path / "f.h5", plan("thumb", faces_mode="none")).file
    one, other = directions_of(bundle, np.asarray(file.vectors(bundle.layer)))
    found = match(model, a, b)
    assert found.similarity == pytest.approx(one @ other, abs=1e-6)
    assert match(model, b, a).similarity == pytest.approx(found.similarity, abs=1e-12)


def test_the_same_bytes_and_a_training_picture_are_said(model: Path, tmp_path: Path) -> None:
    trained = model.parent / "people" / "p02" / "01.png"
    copy = tmp_path / "copy.png"
    copy.write_bytes(trained.read_bytes())
    found = match(model, trained, copy)
    assert found.similarity == pytest.approx(1.0) and found.same
    assert found.notes == (
        "The two files are the same, byte for byte.",
        f"{trained} trained the model.",
        f"{copy} trained the model.",
    )


def test_a_picture_that_cannot_be_read(model: Path, tmp_path: Path) -> None:
    good, bad = picture_of(tmp_path, "p00", 50), tmp_path / "bad.jpg"
    bad.write_text("no picture")
    with pytest.raises(PictureRefused) as caught:
        match(model, good, bad)
    assert caught.value.code == "not_a_picture"
    assert str(caught.value).startswith(f"{bad} cannot be compared (not_a_picture): ")
    with pytest.raises(PictureRefused) as caught:
        match(model, tmp_path / "none.jpg", good)
    assert str(caught.value) == (
        f"{tmp_path / 'none.jpg'} cannot be compared (unreadable): The file cannot be opened: No such file or directory."
    )


@pytest.mark.parametrize("fmr", [0, 1, -0.1, float("nan")])
def test_a_rate_that_is_none(model: Path, fmr: float) -> None:
    with pytest.raises(UsageError) as caught:
        match(model, "a", "b", fmr=fmr)
    assert str(caught.value) == f"--fmr is a share between 0 and 1, such as 0.01; {fmr} was given."


def test_vectors_of_another_width(model: Path) -> None:
    with pytest.raises(RecipeMismatch) as caught:
        directions_of(bundles.read(model), np.ones((2, 5), np.float32))
    assert str(caught.value) == "The model takes vectors of 64 numbers, but these have 5."


def test_the_threshold_is_that_of_a_plain_loop() -> None:
    gallery = gallery_of([8] * 10)
    found = match_threshold(gallery, 0.05)
    X, y = gallery.vectors.astype(np.float32), gallery.person
    people = order_of(gallery)
    mated, nonmated = [], []
    for part in range(5):
        outside = np.isin(y, people[part::5])
        unit = directions(fit_score(X[~outside], y[~outside]), X[outside])
        for i, j in combinations(range(len(unit)), 2):
            (mated if y[outside][i] == y[outside][j] else nonmated).append(float(unit[i] @ unit[j]))
    assert (found.n_mated, found.n_nonmated) == (len(mated), len(nonmated)) == (5 * 2 * 28, 5 * 64)
    assert found.value == pytest.approx(threshold_for(nonmated, 0.05), abs=1e-9)
    assert found.fnmr == pytest.approx(np.mean(np.array(mated) < found.value), abs=1e-12)
    assert np.mean(np.array(nonmated) >= found.value) <= 0.05 < np.mean(np.array(nonmated) >= found.value - 0.05)
    assert match_threshold(gallery, 0.05, workers=3) == found
    assert found.how == "chosen on 320 pairs of 10 people, each left out in turn, for an FMR of 5 % at most"


def order_of(gallery: Gallery) -> np.ndarray:  # type: ignore[type-arg]
    """Return the people in the order in which they are dealt."""
    rng = np.random.default_rng(0)
    matching._drawn(gallery, rng)
    return rng.permutation(np.unique(gallery.person))


def test_nobody_who_is_compared_has_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, trained, compared = gallery_of([8] * 10), [], []
    known = {row.tobytes(): who for row, who in zip(gallery.vectors.astype(np.float32), gallery.person, strict=True)}
    monkeypatch.setattr(matching, "fit_score", lambda X, y: trained.append(set(y.tolist())) or fit_score(X, y))
    monkeypatch.setattr(
        matching,
        "directions",
        lambda score, X: compared.append({int(known[row.tobytes()]) for row in X}) or directions(score, X),
    )
    match_threshold(gallery, 0.05)
    assert [sorted(one | other) for one, other in zip(trained, compared, strict=True)] == [list(range(10))] * 5
    assert not any(one & other for one, other in zip(trained, compared, strict=True))


def test_new_people_match_about_as_often_as_asked() -> None:
    X, people = (whole := gallery_of([10] * 30, seed=3)).vectors, whole.person
    gallery = Gallery(X[people < 20], people[people < 20], whole.paths[:200], whole.sha256[:200], whole.pixels)
    found = match_threshold(gallery, 0.1)
    unit = directions(fit_score(gallery.vectors.astype(np.float32), gallery.person), X[people >= 20].astype(np.float32))
    first, second = np.triu_indices(100, 1)
    nonmated = people[people >= 20][first] != people[people >= 20][second]
    assert found.value is not None
    assert 0.05 < np.mean((unit @ unit.T)[first, second][nonmated] >= found.value) < 0.2


@pytest.mark.parametrize(
    ("counts", "fmr", "how"),
    [
        ([9, 9], 0.01, "not measurable: with 2 people no two can be left out while two others train"),
        ([9, 9, 9], 0.01, "not measurable: with 3 people no two can be left out while two others train"),
        ([5, 5, 5, 5], 0.01, "not measurable with 50 pairs of two people"),
        ([8] * 10, 0.005, "not measurable with 320 pairs of two people"),
        ([1] * 40, 0.1, "not measurable with 0 pairs of two people"),
    ],
)
def test_what_cannot_be_measured(counts: list[int], fmr: float, how: str) -> None:
    found = match_threshold(gallery_of(counts), fmr)
    assert (found.value, found.fnmr, found.how) == (None, None, how)


def test_without_pairs_of_one_person_left_out_there_is_no_fnmr() -> None:
    found = match_threshold(gallery_of([9] + [1] * 39), 0.05)  # where the first is left out, nobody else can train
    assert found.n_mated == 0 and found.fnmr is None and found.value is not None


def test_a_large_gallery_is_drawn_from_the_same_way_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_PICTURES", 60)
    gallery = gallery_of([30] * 3 + [12] * 8 + [2] * 5)
    rows = matching._drawn(gallery, np.random.default_rng(0))
    assert len(rows) == 60 == len(set(rows.tolist())) and np.bincount(gallery.person[rows]).max() == 10
    assert match_threshold(gallery) == match_threshold(gallery)
    few = gallery_of([100] * 3)
    assert np.bincount(few.person[matching._drawn(few, np.random.default_rng(0))]).tolist() == [20, 20, 20]


def test_copies_are_looked_at_once() -> None:
    gallery = gallery_of([8] * 10)
    gallery.sha256[1] = gallery.sha256[0]
    assert match_threshold(gallery, 0.05).n_mated == 5 * 2 * 28 - 7


def test_a_gallery_that_cannot_be_compared() -> None:
    gallery = gallery_of([8] * 10)
    gallery.vectors[0, 0] = np.inf
    with pytest.raises(DamagedFile) as caught:
        match_threshold(gallery)
    assert str(caught.value) == "The model is damaged: its gallery's vectors cannot be compared."


def test_faces_are_taken_as_the_recipe_says(tmp_path: Path, orl_pixels: list[Pixels]) -> None:
    pictures = {"one": scene(orl_pixels[0]), "two": scene(orl_pixels[0], orl_pixels[1]), "none": scene()}
    for name, pixels in pictures.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.png").write_bytes(encoded(pixels))
        (tmp_path / f"{name}.png").write_bytes(encoded(pixels))
    file = extract(tmp_path / "data", tmp_path / "f.h5", plan("thumb")).file
    model = fit(read(file.path), tmp_path / "m.facefeat", head="prototype", keep_faces=False).output
    found: Match = match(model, tmp_path / "two.png", tmp_path / "none.png")
    assert [face.found for face in found.faces] == [True, False]
    boxes = dict(zip((path.split("/")[0] for path in file.paths), file.columns["faces/box"], strict=True))
    np.testing.assert_allclose(found.faces[0].box, boxes["two"], atol=1e-3)
    one, other = tmp_path / "two.png", tmp_path / "none.png"
    assert found.notes == (
        f"{one} shows 2 faces; one was taken by the policy 'largest'.",
        f"{one} trained the model.",
        f"In {other} no face was found; the whole picture was taken.",
        f"{other} trained the model.",
    )
    assert found.same is None and found.threshold.value is None
