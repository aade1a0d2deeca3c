"""The detector MTCNN: three small networks that find faces and their five landmarks.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016, arXiv:1604.02878. The weights and
the constants are those of the package ``mtcnn`` 1.0.0 (I. de Paz Centeno, MIT licence), which
``facefeat.data.mtcnn_networks`` reads once; its boxes are the reference, and the networks run on facefeat's
own engines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from facefeat.data import pyramid
from facefeat.data.boxes import NO_BOXES, Boxes, crops, moved, squared, suppress
from facefeat.data.detections import Detections
from facefeat.data.mtcnn_networks import WEIGHTS, network
from facefeat.data.pyramid import TILE, Layout, layout
from facefeat.engines.network import Engine, Run

SCORES = (0.6, 0.7, 0.8)  # what each of the three networks must reach
OVERLAPS = (0.5, 0.7, 0.7, 0.7)  # within a scale, between scales, after the second and the third network
MAX_PROPOSALS = 4096  # per picture, best first: a bound on memory for pictures of pure texture

REFINED, FINAL = 24, 48  # sides of what the second and the third network see, pixels
MEMORY = 32 * 1024**2  # bytes of a network's inputs that are made together; one picture's may be more

Pixels = NDArray[np.uint8]


class MTCNN:
    """Find faces with MTCNN.

    Its methods may be called by several threads at once. What is found in a picture does not depend on those
    beside it, to the last bit: all networks run in batches of fixed shape.

    Parameters
    ----------
    engine : Engine

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
        self._propose = engine.load(network("pnet", TILE, engine.batch_size))
        self._refine = engine.load(network("rnet", REFINED, max(64, engine.batch_size)))
        self._finish = engine.load(network("onet", FINAL, engine.batch_size))

    def detect(self, pixels: Pixels) -> Detections:
        """Find all faces of one picture; see ``detect_all``."""
        return self.detect_all([pixels])[0]

    def detect_all(self, pictures: Sequence[Pixels]) -> list[Detections]:
        """Find all faces of some pictures.

        Parameters
        ----------
        pictures : sequence of ndarray of shape (height, width, 3), uint8
            RGB, upright, of any sizes.

        Returns
        -------
        list of Detections
            One for each picture, best score first.
        """
        return self._finished(pictures, self._refined(pictures, self._proposals(pictures)))

    def _proposals(self, pictures: Sequence[Pixels]) -> list[Boxes]:
        """Slide the first network over every scale of every picture."""
        layouts = [layout(*pixels.shape[:2]) for pixels in pictures]
        found = [NO_BOXES] * len(pictures)

        def fill(i: int, tiles: NDArray[np.float32]) -> None:
            pyramid.cut_tiles(pictures[i], layouts[i], tiles)

        for i, (windows,) in _together(self._propose, TILE, [len(one) for one in layouts], fill):
            found[i] = _best_windows(layouts[i], windows)
        return found

    def _refined(self, pictures: Sequence[Pixels], boxes: Sequence[Boxes]) -> list[Boxes]:
        found = [NO_BOXES] * len(pictures)
        for i, (offsets, probabilities) in _crops_together(self._refine, REFINED, pictures, boxes):
            likely = probabilities[:, 1] > SCORES[1]
            better = moved(boxes[i], offsets)[likely]
            keep = suppress(better, probabilities[likely, 1], OVERLAPS[2])
            found[i] = squared(better[keep])
        return found

    def _finished(self, pictures: Sequence[Pixels], boxes: Sequence[Boxes]) -> list[Detections]:
        found = [Detections.none() for _ in pictures]
        for i, (offsets, points, probabilities) in _crops_together(self._finish, FINAL, pictures, boxes):
            sides = (boxes[i][:, 2:] - boxes[i][:, :2] + 1)[:, None, :]
            landmarks = np.stack([points[:, :5], points[:, 5:]], axis=2) * sides + boxes[i][:, None, :2] - 1
            faces = Detections(moved(boxes[i], offsets), landmarks, probabilities[:, 1])
            faces = faces.take(np.flatnonzero(faces.scores > SCORES[2]))
            faces = faces.take(suppress(faces.boxes, faces.scores, OVERLAPS[3], by_smaller=True))
            height, width = pictures[i].shape[:2]
            limits = np.array([width - 1, height - 1] * 2, np.float32)
            found[i] = Detections(np.clip(faces.boxes, 0, limits), faces.landmarks, faces.scores)
        return found


def _best_windows(tiles: Layout, windows: NDArray[np.float32]) -> Boxes:
    """Choose the boxes that the first network proposes for one picture, as squares."""
    found, found_scores = [], []
    levels = pyramid.windows(tiles, windows, SCORES[0])
    for scale, (boxes, level_scores) in zip(tiles.scales, levels, strict=True):
        keep = suppress(boxes, level_scores, OVERLAPS[0])
        found.append(boxes[keep] / np.float32(scale))
        found_scores.append(level_scores[keep])
    boxes = np.concatenate(found)
    keep = suppress(boxes, np.concatenate(found_scores), OVERLAPS[1])[:MAX_PROPOSALS]
    return squared(boxes[keep])


def _crops_together(
    run: Run, side: int, pictures: Sequence[Pixels], boxes: Sequence[Boxes]
) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    def fill(i: int, squares: NDArray[np.float32]) -> None:
        squares[:] = crops(pictures[i], boxes[i], side)

    return _together(run, side, [len(one) for one in boxes], fill)


def _together(
    run: Run, side: int, counts: Sequence[int], fill: Callable[[int, NDArray[np.float32]], None]
) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    """Run a network on the squares of several pictures, so that its batches are full.

    Parameters
    ----------
    run : Run
    side : int
        Of the squares, pixels.
    counts : sequence of int
        How many squares each picture has.
    fill : callable
        Takes a picture's index and zeros of shape (count, side, side, 3), where its squares go.

    Yields
    ------
    int, list of ndarray
        Index and outputs of every picture that has squares, in order.
    """
    most = MEMORY // (side * side * 3 * 4)
    waiting: list[int] = []
    for i, count in enumerate(counts):
        if waiting and sum(counts[j] for j in waiting) + count > most:
            yield from _run_on(run, side, counts, waiting, fill)
            waiting = []
        if count:
            waiting.append(i)
    if waiting:
        yield from _run_on(run, side, counts, waiting, fill)


def _run_on(
    run: Run, side: int, counts: Sequence[int], which: list[int], fill: Callable[[int, NDArray[np.float32]], None]
) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    ends = np.cumsum([counts[i] for i in which])
    squares = np.zeros((ends[-1], side, side, 3), np.float32)
    for i, part in zip(which, np.split(squares, ends[:-1]), strict=True):
        fill(i, part)
    outputs = (np.split(output, ends[:-1]) for output in run(squares))
    for i, *parts in zip(which, *outputs, strict=True):
        yield i, parts
