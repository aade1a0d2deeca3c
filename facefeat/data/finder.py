"""From a file's bytes to the squares of its faces, by one face step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facefeat.data import faces, picture
from facefeat.data.detections import Detections, Detector
from facefeat.data.faces import Face, FaceStep
from facefeat.data.pixels import MIN_SIDE, Decoded
from facefeat.errors import PictureRefused, UsageError


class Opened:
    """A picture that was decoded for one face step.

    Parameters
    ----------
    data : bytes
    decoded : Decoded
    """

    def __init__(self, data: bytes, decoded: Decoded) -> None:
        self.data, self.decoded = data, decoded

    @cached_property
    def full(self) -> NDArray[np.uint8]:
        """All its pixels."""
        return picture.decode(self.data) if self.decoded.is_reduced else self.decoded.pixels

    @property
    def enlargement(self) -> float:
        """How many times as large the picture is in full."""
        return max(self.decoded.height, self.decoded.width) / float(max(self.decoded.pixels.shape[:2]))


class FaceFinder:
    """Find the faces of pictures and cut them out.

    Its methods may be called by several threads at once.

    Parameters
    ----------
    step : FaceStep
    size : int
        Side of the squares, pixels.
    detector : Detector or None
        That of the step; see ``facefeat.data.detectors.load``.
    reduced : bool, default=True
        Whether JPEGs are decoded no further than needed.

    Attributes
    ----------
    step : FaceStep
    size : int
    """

    def __init__(self, step: FaceStep, size: int, detector: Detector | None, reduced: bool = True) -> None:
        self.step, self.size = step, size
        self._detector, self._reduced = detector, reduced

    def open(self, data: bytes) -> Opened:
        """Decode a picture as far as it is needed.

        Parameters
        ----------
        data : bytes
            Of a file.

        Returns
        -------
        Opened

        Raises
        ------
        PictureRefused
        """
        if not self._reduced:
            return Opened(data, picture.decode_for(data))
        if self._detector is None:
            return Opened(data, picture.decode_for(data, shorter=self.size))
        return Opened(data, picture.decode_for(data, longer=self.step.max_side))

    def opened(self, pixels: NDArray[np.uint8]) -> Opened:
        """Take pixels that are decoded already.

        Parameters
        ----------
        pixels : ndarray of shape (height, width, 3), uint8
            Upright, RGB.

        Returns
        -------
        Opened

        Raises
        ------
        UsageError
            For any other array.
        PictureRefused
            ``too_small``.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise UsageError(
                "A picture that is an array has the shape (height, width, 3) and the type uint8, but this one has "
                f"{pixels.shape} and {pixels.dtype}."
            )
        height, width = pixels.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise PictureRefused("too_small", f"{width} x {height} pixels; each side needs at least {MIN_SIDE}.")
        return Opened(b"", Decoded(pixels, height, width))

    def faces(self, pictures: Sequence[Opened]) -> list[Face | PictureRefused]:
        """Return the one square of each picture that stands for its person: the chosen face, or the whole.

        What is found in a picture does not depend on those beside it.
        """
        return [self._one_face(one, found) for one, found in zip(pictures, self._found(pictures), strict=True)]

    def all_faces(self, opened: Opened) -> list[Face]:
        """Return every face of a picture, left to right; the whole picture where none was found.

        Raises
        ------
        PictureRefused
        """
        found = self._found([opened])[0]
        order = np.argsort(found.boxes[:, 0], kind="stable")
        return [self._cut(opened, found, int(index)) for index in order] or [self._whole(opened)]

    def _found(self, pictures: Sequence[Opened]) -> list[Detections]:
        """Return the faces of each picture, in coordinates of its decoded pixels."""
        if self._detector is None:
            return [Detections.none() for _ in pictures]
        return faces.detect_all([one.decoded.pixels for one in pictures], self._detector, self.step)

    def _one_face(self, opened: Opened, found: Detections) -> Face | PictureRefused:
        height, width = opened.decoded.pixels.shape[:2]
        try:
            index = faces.choose(found, self.step.policy if self._detector else "largest", width, height)
            return self._whole(opened) if index is None else self._cut(opened, found, index)
        except PictureRefused as refused:
            return refused

    def _cut(self, opened: Opened, found: Detections, index: int) -> Face:
        """Cut a face out of the decoded pixels, or of all where those decoded are fewer than the square has."""
        larger = opened.enlargement
        side = abs(faces.placement(found.boxes[index], found.landmarks[index], self.step)[0])
        if larger == 1 or side < self.size:
            return faces.cut(opened.full, found.scaled(larger), index, self.step, self.size)
        cut = faces.cut(opened.decoded.pixels, found, index, self.step, self.size)
        there = found.scaled(larger)
        return replace(cut, box=there.boxes[index], landmarks=there.landmarks[index])

    def _whole(self, opened: Opened) -> Face:
        decoded = opened.decoded
        square = faces.whole(decoded.pixels, self.size)
        box = np.array([0, 0, decoded.width, decoded.height], np.float32)
        return replace(square, box=box, count=0 if self._detector else -1)
