"""A film of a real face, found by the real detector, becomes pictures that extract takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from facefeat.curate.capture import capture
from facefeat.data.mtcnn import MTCNN
from facefeat.data.opencv import cv2
from facefeat.data.picture import load
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from tests.making import Pixels
from tests.videos import scene, write_video


def orl_face(orl: Path, person: int, number: int) -> Image.Image:
    return Image.fromarray(load(orl / f"s{person:02}" / f"{number:02}.pgm").pixels)


def film(orl: Path) -> list[Pixels]:
    """Make a film of one person: five looks, each almost still, then blurred, then away; at last somebody else beside."""
    frames = []
    for number in (1, 2, 3, 4, 5):
        face = orl_face(orl, 3, number)
        frames += [scene([(face, 100 + 3 * number + seed, 60 + seed % 2)], seed) for seed in range(4)]
        frames += [scene([(face, 100 + 3 * number, 60)], blur=3), scene()]
    return [*frames, *[scene([(orl_face(orl, 3, 6), 20, 60), (orl_face(orl, 8, 1), 200, 60)])] * 2]


def test_a_film_becomes_pictures_that_extract_takes(orl: Path, tmp_path: Path, detector: MTCNN) -> None:
    path = write_video(tmp_path / "film.mp4", film(orl))
    data = tmp_path / "data"
    made = capture("anna", str(path), data=data, every=0, detector=detector)
    assert made.skipped == {"alike": 15, "blurred": 5, "no_face": 5, "several_faces": 2} and made.seen == 32
    assert len(made.written) == 5
    for number, file in enumerate(made.written, 1):
        assert found_in(file, orl_face(orl, 3, number)) > 0.95 > 0.8 > found_in(file, orl_face(orl, 8, 1))
    features = extract(data, tmp_path / "features.h5", plan("thumb")).file
    assert features.found.tolist() == [True] * 5
    again = capture("anna", str(path), data=data, every=0, detector=detector)
    assert (again.written, again.known, again.skipped["alike"]) == ((), 5, 20)


def test_a_face_whose_box_jumps_from_frame_to_frame_is_still(orl: Path, tmp_path: Path, detector: MTCNN) -> None:
    face = orl_face(orl, 11, 1)
    frames = [scene([(face, 100 + seed, 60 + seed // 2)], seed) for seed in range(6)]
    path = write_video(tmp_path / "film.avi", frames)
    made = capture("anna", str(path), data=tmp_path / "data", every=0, detector=detector)
    assert (len(made.written), made.skipped) == (1, {"alike": 5})


def found_in(file: Path, face: Image.Image) -> float:
    """Return the best correlation of the middle of a face with any place of a picture."""
    middle = np.asarray(face.crop((20, 30, 72, 92)))
    return float(cv2().matchTemplate(load(file).pixels, middle, cv2().TM_CCOEFF_NORMED).max())
