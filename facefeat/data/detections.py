"""What a detector finds, and what a detector is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """The faces of one picture, best score first.

    Attributes
    ----------
    boxes : ndarray of shape (n_faces, 4), float32
        Left, top, right, bottom, in pixels of the picture that was given.
    landmarks : ndarray of shape (n_faces, 5, 2), float32
        x and y of the eye on the picture's left, the eye on its right, the nose, and the corners of
        the mouth on its left and right.
    scores : ndarray of shape (n_faces,), float32
        How sure the detector is, 0 to 1.
    """

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]

    @classmethod
    def none(cls) -> Detections:
        """Return the detections of a picture without a face."""
        return cls(np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32))

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, indices: NDArray[np.intp]) -> Detections:
        """Keep some faces, in the order given."""
        return Detections(self.boxes[indices], self.landmarks[indices], self.scores[indices])

    def scaled(self, factor: float) -> Detections:
        """Move all coordinates to a picture that is ``factor`` times as large."""
        return Detections(self.boxes * np.float32(factor), self.landmarks * np.float32(factor), self.scores)


class Detector(Protocol):
    """Anything that finds faces; several threads may call it at once.

    Attributes
    ----------
    name, version : str
    weights_sha256 : str
        Hex; together the three name everything that decides what is found.
    """

    name: str
    version: str
    weights_sha256: str

    def detect_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find all faces of upright RGB pictures of shape (height, width, 3), each by itself."""
