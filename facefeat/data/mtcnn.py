"""The detector MTCNN: three small networks that find faces and their five landmarks.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016, arXiv:1604.02878. The weights and
the constants are those of the package ``mtcnn`` 1.0.0 (I. de Paz Centeno, MIT licence), which this
module reads once; its boxes are the reference, and the networks run on facefeat's own engines.
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.detections import Detections
from facefeat.engines.network import Engine, Network
from facefeat.errors import DamagedFile, MissingExtra

FACE_CELL = 12  # the window of the proposal network, pixels
STRIDE = 2  # the step of that window
SMALLEST_FACE = 20  # pixels; the pyramid starts where such a face fills the window
PYRAMID_STEP = 0.709
SCORES = (0.6, 0.7, 0.8)  # what each of the three networks must reach
OVERLAPS = (0.5, 0.7, 0.7, 0.7)  # within a scale, between scales, after the second and the third network
MAX_PROPOSALS = 4096  # per picture, best first: a bound on memory for pictures of pure texture

# The files of the wheel mtcnn 1.0.0. They are pickles (joblib), so nothing else is ever opened.
WEIGHTS = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}

Boxes = NDArray[np.float32]


class MTCNN:
    """Find faces with MTCNN.

    Parameters
    ----------
    engine : Engine
        Runs the three networks, in float32 whatever its own precision: the scores' thresholds are exact.

    Raises
    ------
    MissingExtra
        If the package ``mtcnn`` is not installed.
    DamagedFile
        If its weights are not those of version 1.0.0.
    """

    name = "mtcnn"
    version = "1.0.0"
    weights_sha256 = hashlib.sha256("".join(WEIGHTS[n] for n in ("pnet", "rnet", "onet")).encode()).hexdigest()

    def __init__(self, engine: Engine) -> None:
        self._propose = engine.load(_network("pnet", (None, None, 3), None))
        self._refine = engine.load(_network("rnet", (24, 24, 3), 64))
        self._output = engine.load(_network("onet", (48, 48, 3), 16))

    def detect(self, pixels: NDArray[np.uint8]) -> Detections:
        """Find all faces of one picture.

        Parameters
        ----------
        pixels : ndarray of shape (height, width, 3), uint8
            RGB, upright.

        Returns
        -------
        Detections
            Best score first.
        """
        image = (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(128)
        boxes = self._proposals(image)
        if len(boxes):
            boxes = self._refined(image, boxes)
        if len(boxes):
            return self._outputs(image, boxes)
        return Detections.none()

    def _proposals(self, image: NDArray[np.float32]) -> Boxes:
        """Slide the first network over a pyramid of scales."""
        found, found_scores = [], []
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        for scale in pyramid(*image.shape[:2]):
            height, width = (int(side * scale) for side in image.shape[:2])
            offsets, probabilities = self._propose(shrink(planes, height, width)[None])
            boxes, scores = _boxes_of_map(offsets[0], probabilities[0, :, :, 1])
            keep = suppress(boxes, scores, OVERLAPS[0])
            found.append(boxes[keep] / np.float32(scale))
            found_scores.append(scores[keep])
        if not found:
            return np.empty((0, 4), np.float32)
        boxes, scores = np.concatenate(found), np.concatenate(found_scores)
        keep = suppress(boxes, scores, OVERLAPS[1])[:MAX_PROPOSALS]
        return squared(boxes[keep])

    def _refined(self, image: NDArray[np.float32], boxes: Boxes) -> Boxes:
        offsets, probabilities = self._refine(crops(image, boxes, 24))
        boxes, scores = _moved(boxes, offsets), probabilities[:, 1]
        likely = scores > SCORES[1]
        boxes, scores = boxes[likely], scores[likely]
        keep = suppress(boxes, scores, OVERLAPS[2])
        return squared(boxes[keep])

    def _outputs(self, image: NDArray[np.float32], boxes: Boxes) -> Detections:
        offsets, points, probabilities = self._output(crops(image, boxes, 48))
        sides = (boxes[:, 2:] - boxes[:, :2] + 1)[:, None, :]
        landmarks = np.stack([points[:, :5], points[:, 5:]], axis=2) * sides + boxes[:, None, :2] - 1
        boxes, scores = _moved(boxes, offsets), probabilities[:, 1]
        likely = scores > SCORES[2]
        boxes, scores, landmarks = boxes[likely], scores[likely], landmarks[likely]
        keep = suppress(boxes, scores, OVERLAPS[3], by_smaller=True)
        limits = np.array([image.shape[1] - 1, image.shape[0] - 1] * 2, np.float32)
        return Detections(np.clip(boxes[keep], 0, limits), landmarks[keep], scores[keep])


def pyramid(height: int, width: int) -> NDArray[np.float64]:
    """List the scales at which the first network looks at a picture, largest first.

    Parameters
    ----------
    height, width : int
        Of the picture, in pixels.

    Returns
    -------
    ndarray of shape (n_scales,), float64
    """
    levels = round(-(np.log(min(height, width) / FACE_CELL) / np.log(PYRAMID_STEP) + 1))
    scales = FACE_CELL / SMALLEST_FACE * PYRAMID_STEP ** np.arange(max(levels, 0))
    return scales[scales * min(height, width) >= FACE_CELL]


def shrink(planes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize by exact area averaging, as two matrix products.

    Parameters
    ----------
    planes : ndarray of shape (channels, h, w), float32
        Colour by colour, so that both products run over contiguous rows.
    height, width : int
        Not larger than h and w.

    Returns
    -------
    ndarray of shape (height, width, channels), float32
    """
    channels, h, w = planes.shape
    narrow = (planes.reshape(channels * h, w) @ _area_weights(w, width).T).reshape(channels, h, width)
    small: NDArray[np.float32] = _area_weights(h, height) @ narrow
    return np.ascontiguousarray(small.transpose(1, 2, 0))


@lru_cache(maxsize=64)
def _area_weights(n_in: int, n_out: int) -> NDArray[np.float32]:
    """Build the (n_out, n_in) matrix whose row i averages the inputs that output i covers."""
    edges = np.arange(n_out + 1) * (n_in / n_out)
    cells = np.arange(n_in)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights: NDArray[np.float32] = (np.clip(overlap, 0, None) * (n_out / n_in)).astype(np.float32)
    return weights


def crops(image: NDArray[np.float32], boxes: Boxes, size: int) -> NDArray[np.float32]:
    """Cut boxes out of an image, each resampled bilinearly to a square; zero outside the image.

    Parameters
    ----------
    image : ndarray of shape (height, width, 3), float32
    boxes : ndarray of shape (n, 4), float32
        Left, top, right, bottom.
    size : int
        Side of the square, pixels.

    Returns
    -------
    ndarray of shape (n, size, size, 3), float32
    """
    y, x = (_sample_positions(boxes[:, [axis, axis + 2]], image.shape[1 - axis], size) for axis in (1, 0))
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, across = (y - top).astype(np.float32), (x - left).astype(np.float32)

    def corner(dy: int, dx: int) -> NDArray[np.float32]:
        rows = np.clip(top + dy, 0, image.shape[0] - 1)
        columns = np.clip(left + dx, 0, image.shape[1] - 1)
        pixels: NDArray[np.float32] = image[rows[:, :, None], columns[:, None, :]]
        return pixels

    across4, down4 = across[:, None, :, None], down[:, :, None, None]
    upper = corner(0, 0) * (1 - across4) + corner(0, 1) * across4
    lower = corner(1, 0) * (1 - across4) + corner(1, 1) * across4
    result = upper * (1 - down4) + lower * down4
    inside_y = (y >= 0) & (y <= image.shape[0] - 1)
    inside_x = (x >= 0) & (x <= image.shape[1] - 1)
    return np.where((inside_y[:, :, None] & inside_x[:, None, :])[..., None], result, np.float32(0))


def _sample_positions(ends: Boxes, length: int, size: int) -> NDArray[np.float64]:
    """Spread ``size`` samples over each interval, first and last on its ends scaled to pixel centres."""
    start, stop = (ends.astype(np.float64) / length * (length - 1)).T
    positions: NDArray[np.float64] = start[:, None] + np.arange(size) * ((stop - start) / (size - 1))[:, None]
    return positions


def _boxes_of_map(offsets: NDArray[np.float32], scores: NDArray[np.float32]) -> tuple[Boxes, NDArray[np.float32]]:
    """Turn the first network's map into boxes of the scaled image, best first."""
    rows, columns = np.nonzero(scores > SCORES[0])
    corner = np.stack([columns, rows, columns, rows], axis=1) * STRIDE
    window = corner + np.array([1, 1, FACE_CELL, FACE_CELL])
    boxes = window + offsets[rows, columns] * (FACE_CELL - 1)
    order = np.argsort(-scores[rows, columns], kind="stable")
    return boxes[order].astype(np.float32), scores[rows, columns][order]


def _moved(boxes: Boxes, offsets: NDArray[np.float32]) -> Boxes:
    sides = np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
    return boxes + offsets * sides


def squared(boxes: Boxes) -> Boxes:
    """Grow boxes to squares about their middle."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True, initial=0)
    corner = boxes[:, :2] + sides * 0.5 - side * 0.5
    return np.concatenate([corner, corner + side], axis=1)


def suppress(
    boxes: Boxes, scores: NDArray[np.float32], overlap: float, *, by_smaller: bool = False
) -> NDArray[np.intp]:
    """Choose the boxes that no better box overlaps, best first.

    As in the reference, a box is dropped by any better box, also one that is dropped itself.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4), float32
    scores : ndarray of shape (n,), float32
    overlap : float
        Intersection over union above which the worse box goes.
    by_smaller : bool, default=False
        Divide by the smaller box's area instead of the union.

    Returns
    -------
    ndarray of shape (n_kept,)
        Indices into ``boxes``.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    keep = np.ones(len(boxes), bool)
    for start in range(0, len(boxes), 512):  # in blocks: a full matrix of thousands of boxes is large
        block = boxes[start : start + 512, None]
        sides = np.minimum(block[..., 2:], boxes[None, :, 2:]) - np.maximum(block[..., :2], boxes[None, :, :2])
        shared = np.prod(np.clip(sides, 0, None), axis=2)
        mine, theirs = areas[start : start + 512, None], areas[None, :]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = shared / (np.minimum(mine, theirs) if by_smaller else mine + theirs - shared)
        better = np.arange(len(boxes))[None, :] > np.arange(start, start + len(block))[:, None]
        keep &= ~((ratio > overlap) & better).any(axis=0)
    return order[keep]


def _network(name: str, input_shape: tuple[int | None, int | None, int], batch_size: int | None) -> Network:
    build = {"pnet": _build_pnet, "rnet": _build_rnet, "onet": _build_onet}[name]
    return Network(f"mtcnn-{name}", WEIGHTS[name], build, input_shape, batch_size, exact=True)


@cache
def _weights(name: str) -> list[NDArray[np.float32]]:
    """Read one network's weights from the installed wheel, after its hash was checked."""
    spec = find_spec("mtcnn")  # finds the package without running it, so TensorFlow stays out
    if spec is None or spec.origin is None:
        raise MissingExtra("faces", "Finding faces (--faces auto)")
    path = Path(spec.origin).parent / "assets" / "weights" / f"{name}.lz4"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS[name]:
        raise DamagedFile(f"{path} is not the file of mtcnn 1.0.0; reinstall it with: pip install mtcnn==1.0.0")
    import joblib
    import lz4.frame

    loaded: list[NDArray[np.float32]] = joblib.load(BytesIO(lz4.frame.decompress(data)))
    return loaded


def _convolutions(inputs: Any, blocks: list[tuple[int, int, tuple[int, str] | None]]) -> Any:
    from facefeat.engines.keras import import_keras

    layers = import_keras().layers
    x = inputs
    for filters, kernel, pool in blocks:
        x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(filters, kernel)(x))
        if pool:
            x = layers.MaxPooling2D(pool[0], 2, padding=pool[1])(x)
    return x


def _dense(x: Any, units: int, outputs: dict[str, int]) -> list[Any]:
    from facefeat.engines.keras import import_keras

    layers = import_keras().layers
    x = layers.Flatten()(layers.Permute((2, 1, 3))(x))  # the weights expect columns before rows
    x = layers.PReLU()(layers.Dense(units)(x))
    return [layers.Dense(n, activation="softmax" if name == "face" else None)(x) for name, n in outputs.items()]


def _build_pnet() -> Any:
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    inputs = keras.Input((None, None, 3))
    x = _convolutions(inputs, [(10, 3, (2, "same")), (16, 3, None), (32, 3, None)])
    outputs = [keras.layers.Conv2D(4, 1)(x), keras.layers.Conv2D(2, 1, activation="softmax")(x)]
    return _with_weights(keras.Model(inputs, outputs), "pnet")


def _build_rnet() -> Any:
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    inputs = keras.Input((24, 24, 3))
    x = _convolutions(inputs, [(28, 3, (3, "same")), (48, 3, (3, "valid")), (64, 2, None)])
    return _with_weights(keras.Model(inputs, _dense(x, 128, {"box": 4, "face": 2})), "rnet")


def _build_onet() -> Any:
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    inputs = keras.Input((48, 48, 3))
    blocks = [(32, 3, (3, "same")), (64, 3, (3, "valid")), (64, 3, (2, "same")), (128, 2, None)]
    x = _convolutions(inputs, blocks)
    return _with_weights(keras.Model(inputs, _dense(x, 256, {"box": 4, "points": 10, "face": 2})), "onet")


def _with_weights(model: Any, name: str) -> Any:
    model.set_weights(_weights(name))
    return model
