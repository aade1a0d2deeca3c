from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facefeat.data import boxes, faces, mtcnn, mtcnn_networks, picture
from facefeat.data.detections import Detections
from facefeat.data.faces import Face, FaceStep
from facefeat.data.mtcnn import MTCNN
from facefeat.engines.choose import choose
from facefeat.errors import DamagedFile, MissingExtra
from tests.making import encoded, exif_of, random_pixels, turned

# The reference leaves its own weights' files open, which newer Pythons tell.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

STEP = FaceStep(detector="mtcnn")
BOX = NDArray[np.floating]


@pytest.fixture(scope="module")
def reference(cache: Path) -> Any:
    """Give the detector of the package whose weights we use."""
    return pytest.importorskip("mtcnn").MTCNN()


@pytest.fixture(scope="module")
def scenes(squad: Path) -> list[NDArray[np.uint8]]:
    """Give six real photographs, full scenes, of at most 800 pixels."""
    return [_small(path) for path in sorted((squad / "Test").glob("*/*"))[::16][:6]]


def _small(path: Path) -> NDArray[np.uint8]:
    image = Image.fromarray(picture.load(path).pixels)
    image.thumbnail((800, 800))
    return np.asarray(image)


def overlap(a: BOX, b: BOX) -> float:
    """Compute intersection over union of two boxes."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    area = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])
    return float(np.prod(sides) / (area - np.prod(sides)))


def enlarged(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Enlarge a picture smoothly."""
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((width * factor, height * factor), Image.Resampling.BILINEAR))


def largest_face(pixels: NDArray[np.uint8], detector: MTCNN, step: FaceStep) -> Face:
    """Cut out the largest face of a picture, or squeeze the whole of it where there is none."""
    found = faces.detect(pixels, detector, step)
    index = faces.choose(found, step.policy, 640, 640)
    return faces.whole(pixels, 64) if index is None else faces.cut(pixels, found, index, step, 64)


def as_bytes(found: Detections) -> tuple[bytes, ...]:
    """Return every bit of what was found."""
    return found.boxes.tobytes(), found.landmarks.tobytes(), found.scores.tobytes()


def _same_as_reference(detector: MTCNN, reference: Any, pixels: NDArray[np.uint8]) -> int:
    found = detector.detect(pixels)
    theirs = sorted(reference.detect_faces(pixels), key=lambda face: -face["confidence"])
    assert len(found) == len(theirs)
    for box, points, score, face in zip(found.boxes, found.landmarks, found.scores, theirs, strict=True):
        x, y, width, height = face["box"]
        assert overlap(box, np.array([x, y, x + width, y + height])) > 0.95
        assert score == pytest.approx(face["confidence"], abs=1e-3)
        names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        near = np.array([face["keypoints"][name] for name in names])
        assert np.abs(points - near).max() <= 1 + 0.025 * width  # theirs are whole pixels
    return len(found)


def test_faces_are_those_of_the_reference(detector: MTCNN, reference: Any, orl_pixels: list[Any]) -> None:
    assert sum(_same_as_reference(detector, reference, enlarged(pixels, 2)) for pixels in orl_pixels) >= 5


def test_faces_of_real_scenes_are_those_of_the_reference(
    detector: MTCNN, reference: Any, scenes: list[NDArray[np.uint8]]
) -> None:
    assert sum(_same_as_reference(detector, reference, pixels) for pixels in scenes) >= 5


@pytest.mark.parametrize("n", [5, 40, 200])
@pytest.mark.parametrize("method", ["union", "min"])
def test_of_equally_good_boxes_those_of_the_reference_are_kept(reference: Any, n: int, method: str) -> None:
    theirs = pytest.importorskip("mtcnn.utils.bboxes").smart_nms_from_bboxes
    rng = np.random.default_rng(n)
    corners = rng.uniform(0, 100, (n, 2))
    some = np.concatenate([corners, corners + rng.uniform(20, 60, (n, 2))], axis=1).astype(np.float32)
    scores = rng.choice(np.array([0.5, 0.75, 1], np.float32), n)
    rows = np.column_stack([np.zeros(n), some, scores, np.arange(n)])
    kept = boxes.suppress(some, scores, 0.4, by_smaller=method == "min")
    assert kept.tolist() == theirs(rows, threshold=0.4, method=method)[:, 6].astype(int).tolist()


def test_both_engines_find_the_same(detector: MTCNN, orl_pixels: list[NDArray[np.uint8]]) -> None:
    other = MTCNN(choose("keras", "bfloat16"))  # exact all the same
    pixels = np.concatenate([enlarged(one, 2) for one in orl_pixels[:2]], axis=1)
    here, there = detector.detect(pixels), other.detect(pixels)
    assert len(here) >= 2
    np.testing.assert_allclose(here.boxes, there.boxes, atol=0.05)
    np.testing.assert_allclose(here.landmarks, there.landmarks, atol=0.05)
    np.testing.assert_allclose(here.scores, there.scores, atol=1e-4)


@pytest.fixture(scope="module")
def various(orl_pixels: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Give pictures of several sizes, with several faces, one or none."""
    row = np.concatenate([enlarged(one, 2) for one in orl_pixels], axis=1)
    return [
        *(enlarged(one, factor) for one, factor in zip(orl_pixels, (1, 2, 3, 4, 2, 1), strict=True)),
        row,
        np.concatenate([row[:, ::-1], row]),
        random_pixels(230, 301),
        random_pixels(16, 16),
        np.zeros((90, 200, 3), np.uint8),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_found_does_not_depend_on_the_pictures_beside_it(
    detector: MTCNN, various: list[NDArray[np.uint8]], seed: int
) -> None:
    alone = [as_bytes(detector.detect(pixels)) for pixels in various]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(various))
    cuts = np.sort(rng.choice(np.arange(1, len(various)), 2, replace=False))
    for group in np.split(order, cuts):
        found = detector.detect_all([various[i] for i in group])
        assert [as_bytes(one) for one in found] == [alone[i] for i in group]


def test_what_is_found_does_not_depend_on_how_much_goes_through_a_network_at_once(
    detector: MTCNN, various: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [as_bytes(one) for one in detector.detect_all(various)]
    monkeypatch.setattr(mtcnn, "MEMORY", 1)
    assert [as_bytes(one) for one in detector.detect_all(various)] == found


def test_several_threads_find_the_same_as_one(detector: MTCNN, various: list[NDArray[np.uint8]]) -> None:
    found = [as_bytes(one) for one in detector.detect_all(various)]
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(detector.detect_all, [various] * 4):
            assert [as_bytes(one) for one in again] == found


def test_no_pictures_have_no_faces(detector: MTCNN) -> None:
    assert detector.detect_all([]) == []


def test_of_a_crowd_the_likeliest_proposals_are_followed(
    detector: MTCNN, various: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = various[7]
    everybody = detector.detect(crowd)
    assert len(everybody) >= 10
    monkeypatch.setattr(mtcnn, "MAX_PROPOSALS", 8)
    some = detector.detect(crowd)
    assert 1 <= len(some) <= 8
    for box in some.boxes:
        assert max(overlap(box, other) for other in everybody.boxes) > 0.8


NO_FACES = {
    "black": np.zeros((100, 140, 3), np.uint8),
    "white": np.full((140, 100, 3), 255, np.uint8),
    "noise": random_pixels(120, 120),
    "16 x 16": random_pixels(16, 16),
    "1 x 1": random_pixels(1, 1),
    "12 x 12": np.full((12, 12, 3), 90, np.uint8),
    "20 x 20": np.full((20, 20, 3), 90, np.uint8),
    "thread": random_pixels(16, 700),
    "ribbon": random_pixels(21, 3000),
}


@pytest.mark.parametrize("pixels", NO_FACES.values(), ids=NO_FACES)
def test_where_there_is_no_face_none_is_found(detector: MTCNN, pixels: NDArray[np.uint8]) -> None:
    found = detector.detect(pixels)
    assert (found.boxes.shape, found.landmarks.shape, found.scores.shape) == ((0, 4), (0, 5, 2), (0,))
    assert len(faces.detect(pixels, detector, STEP)) == 0


@pytest.mark.parametrize("template", faces.TEMPLATES)
def test_a_found_face_is_put_upright_with_its_eyes_above_its_mouth(
    detector: MTCNN, orl_pixels: list[NDArray[np.uint8]], template: str
) -> None:
    step = FaceStep(detector="mtcnn", template=template)
    face = largest_face(orl_pixels[0], detector, step)
    assert face.found
    turn, shift = faces.placement(face.box, face.landmarks, step)
    points = (face.landmarks @ np.array([1, 1j]) - shift) / turn
    wanted = (faces.ARCFACE + step.margin) / (1 + 2 * step.margin) @ np.array([1, 1j])
    assert abs(points - wanted).max() < (0.1 if template == "arcface" else 0.25)
    assert points[:2].imag.mean() < points[2].imag < points[3:].imag.mean()
    assert points[0].real < points[1].real


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photograph_turned_by_its_exif_gives_the_same_face(
    detector: MTCNN, orl_pixels: list[NDArray[np.uint8]], orientation: int
) -> None:
    upright = enlarged(orl_pixels[0], 2)
    data = encoded(turned(upright, orientation), exif=exif_of(orientation))
    face, again = (largest_face(pixels, detector, STEP) for pixels in (upright, picture.decode(data)))
    assert face.found
    np.testing.assert_array_equal(face.box, again.box)
    np.testing.assert_array_equal(face.pixels, again.pixels)


def test_a_picture_lying_on_its_side_is_another_picture(detector: MTCNN, orl_pixels: list[NDArray[np.uint8]]) -> None:
    upright = enlarged(orl_pixels[0], 2)
    face = largest_face(upright, detector, STEP)
    lying = largest_face(turned(upright, 6), detector, STEP)
    assert np.abs(face.pixels.astype(int) - lying.pixels).mean() > 10


def test_small_faces_are_found_enlarged(detector: MTCNN, orl_pixels: list[NDArray[np.uint8]]) -> None:
    found = [faces.detect(pixels, detector, STEP) for pixels in orl_pixels]
    assert sum(map(len, found)) >= 5
    for one, pixels in zip(found, orl_pixels, strict=True):
        height, width = pixels.shape[:2]
        assert (one.boxes >= 0).all()
        assert (one.boxes <= [width, height, width, height]).all()


def test_the_weights_are_pinned() -> None:
    spec = find_spec("mtcnn")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "assets" / "weights"
    assert {
        path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.lz4")
    } == mtcnn_networks.WEIGHTS
    joined = mtcnn_networks.WEIGHTS["pnet"] + mtcnn_networks.WEIGHTS["rnet"] + mtcnn_networks.WEIGHTS["onet"]
    assert hashlib.sha256(joined.encode()).hexdigest() == MTCNN.weights_sha256


def test_other_weights_are_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mtcnn_networks.WEIGHTS, "pnet", "0" * 64)
    mtcnn_networks._weights.cache_clear()
    with pytest.raises(DamagedFile) as caught:
        mtcnn_networks._weights("pnet")
    assert str(caught.value).endswith(
        "pnet.lz4 is not the file of mtcnn 1.0.0; reinstall it with: pip install mtcnn==1.0.0"
    )


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mtcnn_networks, "find_spec", lambda name: None)
    mtcnn_networks._weights.cache_clear()
    with pytest.raises(MissingExtra):
        mtcnn_networks._weights("pnet")
