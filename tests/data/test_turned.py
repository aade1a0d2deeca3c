"""Turned photographs: by their EXIF data, and by the head of the person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.data.detectors import face_step
from facefeat.data.faces import Face
from facefeat.data.finder import FaceFinder
from facefeat.data.mtcnn import MTCNN
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from tests.data.test_mtcnn import overlap
from tests.data.test_yunet import photograph
from tests.making import Pixels, encoded, exif_of, turned

SIZE = 80
ORIENTATIONS = range(1, 9)
RIGHT_AT_LEAST = 0.97  # of the turned pictures; 198 of 200 were found right, and 200 of 200 upright


@pytest.fixture(scope="module")
def finder(detector: MTCNN) -> FaceFinder:
    return FaceFinder(face_step()[0], SIZE, detector)


def portrait(width: int, height: int) -> Pixels:
    """Give a photograph of a woman, higher than wide."""
    upright = Image.fromarray(photograph("astronaut.png")[:, 60:420])
    return np.asarray(upright.resize((width, height), Image.Resampling.BICUBIC))


def face_of(finder: FaceFinder, data: bytes, full: tuple[int, int], decoded: tuple[int, int]) -> Face:
    """Find the one face; check that the picture was decoded upright, and how far."""
    opened = finder.open(data)
    assert (opened.decoded.width, opened.decoded.height) == full
    assert opened.decoded.pixels.shape[1::-1] == decoded
    (face,) = finder.faces([opened])
    assert isinstance(face, Face) and face.found
    return face


@pytest.mark.parametrize(("width", "height"), [(360, 512), (521, 741)])
def test_a_lossless_picture_is_the_same_in_all_orientations(finder: FaceFinder, width: int, height: int) -> None:
    upright = portrait(width, height)
    first = face_of(finder, encoded(upright), (width, height), (width, height))
    for orientation in ORIENTATIONS:
        stored = turned(upright, orientation)
        assert stored.shape[:2] == ((height, width) if orientation < 5 else (width, height))
        data = encoded(stored, compress_level=1, exif=exif_of(orientation))
        face = face_of(finder, data, (width, height), (width, height))
        np.testing.assert_array_equal(face.pixels, first.pixels)
        np.testing.assert_array_equal(face.box, first.box)
        np.testing.assert_array_equal(face.landmarks, first.landmarks)


def test_a_large_jpeg_is_nearly_the_same_in_all_orientations(finder: FaceFinder) -> None:
    upright = portrait(1440, 2048)  # decoded at a half of its size
    first = face_of(finder, encoded(upright, "JPEG", quality=92), (1440, 2048), (720, 1024))
    side = float(first.box[2] - first.box[0])
    for orientation in ORIENTATIONS:
        data = encoded(turned(upright, orientation), "JPEG", quality=92, exif=exif_of(orientation))
        face = face_of(finder, data, (1440, 2048), (720, 1024))
        assert np.abs(face.pixels.astype(int) - first.pixels).mean() < 3
        assert np.abs(face.box - first.box).max() < 0.01 * side
        assert np.abs(face.landmarks - first.landmarks).max() < 0.02 * side


def test_a_large_jpeg_whose_sides_cannot_be_halved_is_decoded_in_full(finder: FaceFinder) -> None:
    upright = portrait(1437, 2043)
    first = face_of(finder, encoded(upright), (1437, 2043), (1437, 2043))
    for orientation in ORIENTATIONS:
        data = encoded(turned(upright, orientation), "JPEG", quality=92, exif=exif_of(orientation))
        face = face_of(finder, data, (1437, 2043), (1437, 2043))
        assert overlap(face.box, first.box) > 0.95
        assert np.abs(face.pixels.astype(int) - first.pixels).mean() < 3


def leaning(path: Path, degrees: float) -> Image.Image:
    """Turn a picture about its middle; what comes into it is of the mean grey of its border."""
    picture = Image.open(path).convert("L")
    pixels = np.asarray(picture)
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    fill = round(float(border.mean()))
    return picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=fill)


@pytest.fixture(scope="module")
def orl_file(orl: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> FeatureFile:
    """Give the vectors of pictures 1 to 5 of each person upright, and 6 to 10 leaning to one side or the other."""
    root = tmp_path_factory.mktemp("leaning")
    for path in sorted(orl.glob("*/*.pgm")):
        number, person = int(path.stem), root / "people" / path.parent.name
        person.mkdir(parents=True, exist_ok=True)
        degrees = 0 if number <= 5 else 20 if number % 2 == 0 else -20
        leaning(path, degrees).save(person / f"{number:02}.png")
    return extract(root / "people", root / "f.h5", plan(layers=["block3_pool", "block4_pool"])).file


def test_people_who_lean_are_named(orl_file: FeatureFile) -> None:
    leans = np.array([int(Path(path).stem) > 5 for path in orl_file.paths])
    X, y = np.asarray(orl_file.vectors("block3_pool+block4_pool")), orl_file.person
    head = heads.build("lda").fit(X[~leans], y[~leans])
    assert leans.sum() == 200 and orl_file.found[leans].mean() >= 0.97
    assert np.mean(head.predict(X[leans]) == y[leans]) >= RIGHT_AT_LEAST


def test_faces_that_lean_are_turned_upright(orl_file: FeatureFile) -> None:
    eyes = orl_file.columns["faces/landmarks"][:, 1] - orl_file.columns["faces/landmarks"][:, 0]
    slope = np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))
    for number, degrees in ((1, 0), (6, -20), (7, 20)):  # a picture turned to the left has its right eye higher
        mine = np.array([int(Path(path).stem) == number for path in orl_file.paths]) & orl_file.found
        assert abs(np.median(slope[mine]) - degrees) < 4
