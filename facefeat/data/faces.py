"""Find the face of a picture and align it by five points; the whole picture where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.detections import Detections, Detector
from facefeat.errors import PictureRefused, unknown_name

POLICIES = ("largest", "central", "require-one", "skip")

# Where the eyes, the nose and the corners of the mouth go in a square of side 1: the template of 112
# pixels that ArcFace (arXiv:1801.07698) made common.
ARCFACE = (
    np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]) / 112
)

# The same points of dlib's mean face (``get_face_chip_details`` in its ``interpolation.h``: the eyes' centres are the
# means of six points each), with the padding of a quarter that its network was trained with.
DLIB = (
    np.array(
        [[0.225492, 0.215990], [0.754761, 0.215990], [0.490127, 0.515625], [0.254149, 0.780233], [0.726104, 0.780233]]
    )
    + 0.25
) / 1.5

BY_POINTS = {"arcface": ARCFACE, "dlib": DLIB}  # templates that take all from the points, nothing from the box
TEMPLATES = ("box", *BY_POINTS)

MAX_OVERSAMPLING = 16  # a face 16 times the output's size is as sharp as the output can show


@dataclass(frozen=True)
class FaceStep:
    """How a picture becomes the square that the network sees; part of the recipe.

    Attributes
    ----------
    detector : str
        ``'mtcnn'``, or ``'none'``: the whole picture, squeezed to a square.
    version, weights_sha256 : str
        Of the detector.
    template : str
        One of ``TEMPLATES``. ``'box'``: turned upright by the five points, scaled and centred by the
        detector's box; ``'arcface'``, ``'dlib'``: turned, scaled and moved by the five points alone, to where that
        network's own faces have them. docs/benchmarks.md compares them.
    margin : float
        Room around the template on each side, as a share of its side; negative cuts in.
    policy : str
        Which of several faces is taken: one of ``POLICIES``; see ``choose``.
    max_side : int
        Larger pictures are searched at this many pixels on their longer side. The face itself is cut
        from the original.
    min_side : int
        Pictures whose longer side is smaller are searched enlarged to it.
    min_score : float
        Faces of a lower score are not taken.
    min_face : float
        Nor are faces whose box is narrower than this share of the longer side searched.
    """

    detector: str = "none"
    version: str = ""
    weights_sha256: str = ""
    template: str = "box"
    margin: float = 0.05
    policy: str = "largest"
    max_side: int = 640
    min_side: int = 160
    min_score: float = 0.9
    min_face: float = 0.04

    def as_dict(self) -> dict[str, Any]:
        """Return what decides the pixels: everything, or the detector's name alone where it is none."""
        return asdict(self) if self.detector != "none" else {"detector": "none"}


@dataclass(frozen=True)
class Face:
    """The square that the network sees, and where it came from.

    Attributes
    ----------
    pixels : ndarray of shape (size, size, 3), uint8
    box : ndarray of shape (4,), float32
        Left, top, right, bottom in pixels of the upright picture; the whole picture where none was found.
    landmarks : ndarray of shape (5, 2), float32
        NaN where none was found.
    score : float
        The detector's; NaN where none was found.
    found : bool
    count : int
        How many faces of the picture count; -1 where none was looked for.
    """

    pixels: NDArray[np.uint8]
    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    found: bool
    count: int = -1


def detect(pixels: NDArray[np.uint8], detector: Detector, step: FaceStep) -> Detections:
    """Find the faces that count in one picture; see ``detect_all``."""
    return detect_all([pixels], detector, step)[0]


def detect_all(pictures: Sequence[NDArray[np.uint8]], detector: Detector, step: FaceStep) -> list[Detections]:
    """Find the faces that count in some pictures, in coordinates of the pictures given.

    Parameters
    ----------
    pictures : sequence of ndarray of shape (height, width, 3), uint8
        RGB, upright, of any sizes.
    detector : Detector
    step : FaceStep

    Returns
    -------
    list of Detections
        One for each picture, best score first; faces of at least ``min_score`` and ``min_face``.
    """
    scales = [_search_scale(max(pixels.shape[:2]), step) for pixels in pictures]
    searched = [_resized(pixels, scale) for pixels, scale in zip(pictures, scales, strict=True)]
    found = detector.detect_all(searched)
    return [
        _that_count(some, max(pixels.shape[:2]) * scale, step).scaled(1 / scale)
        for some, pixels, scale in zip(found, pictures, scales, strict=True)
    ]


def _search_scale(longer: int, step: FaceStep) -> float:
    return min(1.0, step.max_side / longer) if longer >= step.min_side else step.min_side / longer


def _that_count(found: Detections, longer: float, step: FaceStep) -> Detections:
    widths = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1, initial=np.inf)
    good = (found.scores >= step.min_score) & (widths >= step.min_face * longer)
    return found.take(np.nonzero(good)[0])


def choose(found: Detections, policy: str, width: int, height: int) -> int | None:
    """Choose the face that stands for the person of a picture.

    Parameters
    ----------
    found : Detections
    policy : str
        One of ``POLICIES``. Of several faces ``'largest'`` takes the one whose box has the largest area, and
        ``'central'`` the one whose box has its centre nearest to the picture's; ``'skip'`` refuses the picture.
        ``'require-one'`` refuses pictures without a face, too.
    width, height : int
        Of the picture that the boxes lie in, pixels.

    Returns
    -------
    int or None
        Index into ``found``; ``None`` where there is no face.

    Raises
    ------
    UsageError
        If there is no such policy.
    PictureRefused
        ``several_faces`` or ``no_face``, by the policies that refuse.
    """
    if policy not in POLICIES:
        raise unknown_name("policy", policy, POLICIES)
    if len(found) > 1 and policy in ("skip", "require-one"):
        raise PictureRefused("several_faces", f"It has {len(found)} faces; the policy '{policy}' takes one only.")
    if not len(found):
        if policy == "require-one":
            raise PictureRefused("no_face", "No face was found; the policy 'require-one' needs one.")
        return None
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    if policy == "central":
        away = found.boxes[:, :2] + sides / 2 - np.array([width, height], np.float32) / 2
        return int(np.argmin(np.sum(away * away, axis=1)))
    return int(np.argmax(np.prod(sides, axis=1)))


def cut(pixels: NDArray[np.uint8], found: Detections, index: int, step: FaceStep, size: int) -> Face:
    """Align one of the faces found."""
    box, landmarks = found.boxes[index], found.landmarks[index]
    turn, shift = placement(box, landmarks, step)
    return Face(resample(pixels, turn, shift, size), box, landmarks, float(found.scores[index]), True, len(found))


def whole(pixels: NDArray[np.uint8], size: int) -> Face:
    """Squeeze the whole picture to a square."""
    from PIL import Image

    height, width = pixels.shape[:2]
    square = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
    box = np.array([0, 0, width, height], np.float32)
    return Face(square, box, np.full((5, 2), np.nan, np.float32), math.nan, False)


def placement(box: NDArray[np.float32], landmarks: NDArray[np.float32], step: FaceStep) -> tuple[complex, complex]:
    """Find the similarity transform that brings a face upright into the square of side 1.

    Parameters
    ----------
    box : ndarray of shape (4,), float32
    landmarks : ndarray of shape (5, 2), float32
    step : FaceStep
        Its template and margin.

    Returns
    -------
    turn, shift : complex
        A point p = x + iy of the square lies at ``turn * p + shift`` in the picture.

    Raises
    ------
    UsageError
        If there is no such template.
    """
    if step.template not in TEMPLATES:
        raise unknown_name("template", step.template, TEMPLATES)
    room = 1 + 2 * step.margin
    points = BY_POINTS.get(step.template, ARCFACE)
    turn, shift = similarity((points + step.margin) / room, landmarks.astype(np.float64))
    if step.template in BY_POINTS:
        return turn, shift
    left, top, right, bottom = (float(side) for side in box)
    turn *= max(right - left, bottom - top) * room / abs(turn)
    return turn, complex(left + right, top + bottom) / 2 - turn * complex(0.5, 0.5)


def resample(pixels: NDArray[np.uint8], turn: complex, shift: complex, size: int) -> NDArray[np.uint8]:
    """Cut a turned square out of a picture, in one step from the original pixels.

    Every pixel of the square is an average of bilinear samples of the original, as dense as its pixels
    are, so a large face is neither blurred by an intermediate size nor jagged.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
    turn, shift : complex
        As ``placement`` returns them.
    size : int
        Side of the square, pixels.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Black where the square reaches beyond the picture.
    """
    from PIL import Image

    dense = min(max(1, math.ceil(abs(turn) / size - 1e-6)), MAX_OVERSAMPLING)
    step = turn / (size * dense)
    square = Image.fromarray(pixels).transform(
        (size * dense, size * dense),
        Image.Transform.AFFINE,
        (step.real, -step.imag, shift.real, step.imag, step.real, shift.imag),
        resample=Image.Resampling.BILINEAR if dense > 1 else Image.Resampling.BICUBIC,
    )
    return np.asarray(square.reduce(dense) if dense > 1 else square)


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[complex, complex]:
    """Fit the turn, scale and shift that bring one set of points nearest to another.

    Least squares without reflection (S. Umeyama, IEEE TPAMI 13(4), 1991), which in the plane is a
    regression of complex numbers.

    Parameters
    ----------
    source, target : ndarray of shape (n, 2), float64

    Returns
    -------
    turn, shift : complex
        ``target = turn * source + shift``, with x + iy for a point; ``abs(turn)`` is the scale.
    """
    z, w = source @ [1, 1j], target @ [1, 1j]
    centred = z - z.mean()
    turn = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred).real
    return complex(turn), complex(w.mean() - turn * z.mean())


def _resized(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1:
        return pixels
    from PIL import Image

    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
