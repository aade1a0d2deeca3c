"""The detector YuNet, run by OpenCV from the user's own file.

W. Wu, H. Peng, S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023. OpenCV's
model zoo has the file, ``face_detection_yunet_2023mar.onnx``.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import regular
from facefeat.data.detections import Detections
from facefeat.data.faces import FaceStep
from facefeat.data.opencv import cv2
from facefeat.errors import DamagedFile, InputError

OVERLAP = 0.3  # of boxes that are the same face
LOWEST = 0.5  # score of what is returned at all
MOST = 5000  # windows that are looked at more closely
LARGEST = 320  # pixels; the network was trained on faces of 10 to 300
SMALLEST = 64  # pixels; up to 32 its last layers have one row or column, and OpenCV takes numbers from nowhere there
MAX_BYTES = 64 * 1024**2


class YuNet:
    """Find faces with YuNet.

    Its methods may be called by several threads at once; each has its own copy of the network.

    Parameters
    ----------
    file : Path
        An ONNX file.

    Raises
    ------
    MissingExtra
        If OpenCV is not installed.
    InputError
        If the file cannot be read.
    DamagedFile
        If it is no such network.
    """

    name = "yunet"

    def __init__(self, file: Path) -> None:
        self._network, self.weights_sha256 = _read(file)
        self.version = _version()
        self._file = file
        self._threads = threading.local()
        self._run(np.zeros((LARGEST, LARGEST, 3), np.uint8))  # one that cannot be used is refused here

    @classmethod
    def step(cls, file: Path) -> FaceStep:
        """Return the face step of a file: searched at the size the network was made for."""
        return FaceStep(detector=cls.name, version=_version(), weights_sha256=_read(file)[1], max_side=LARGEST)

    def detect_all(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find all faces of upright RGB pictures of shape (height, width, 3), each by itself."""
        return [_detections(self._run(pixels)) for pixels in pictures]

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return rows of left, top, width, height, five points, score."""
        pixels = _enough(pixels)
        height, width = pixels.shape[:2]
        try:
            network = self._of_this_thread()
            network.setInputSize((width, height))
            _, rows = network.detect(np.ascontiguousarray(pixels[..., ::-1]))
        except cv2().error as error:
            raise DamagedFile(f"{self._file} is no YuNet network that OpenCV {cv2().__version__} can run.") from error
        return np.empty((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32)

    def _of_this_thread(self) -> Any:
        if not hasattr(self._threads, "network"):
            create, size = cv2().FaceDetectorYN.create, (LARGEST, LARGEST)
            self._threads.network = create("onnx", self._network, b"", size, LOWEST, OVERLAP, MOST)
        return self._threads.network


def _enough(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay black beside and under a picture that is too thin, as OpenCV does to fill its blocks."""
    down, right = (max(SMALLEST - side, 0) for side in pixels.shape[:2])
    return np.pad(pixels, ((0, down), (0, right), (0, 0))) if down or right else pixels


def _detections(rows: NDArray[np.float32]) -> Detections:
    # Its points come in facefeat's order: it calls the eye on the picture's left the right one, as the person would.
    rows = rows[np.argsort(-rows[:, 14], kind="stable")]
    boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    return Detections(boxes, rows[:, 4:14].reshape(-1, 5, 2), rows[:, 14])


def _read(file: Path) -> tuple[NDArray[np.uint8], str]:
    """Return a file's bytes and their SHA-256."""
    try:
        with open(regular.opened(file), "rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"The detector's file {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"There is no detector's file {str(file)!r}: a name cannot hold a null byte.") from error
    if not data or len(data) > MAX_BYTES:
        raise DamagedFile(f"{file} is no YuNet network: it has {len(data):,} bytes.")
    return np.frombuffer(data, np.uint8), hashlib.sha256(data).hexdigest()


def _version() -> str:
    return f"opencv {cv2().__version__.partition('.')[0]}"
