"""Makers of videos, scenes and sources for the tests of capture."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from facefeat.data.detections import Detections
from facefeat.data.faces import ARCFACE
from facefeat.data.opencv import cv2
from tests.making import Pixels

MARKS = (
    (255, 60, 200),
    (0, 160, 255),
)  # as light as the rest of a face; squares between points of these colours are the faces of FakeDetector


def write_video(path: Path, frames: Iterable[Pixels], fps: float = 10) -> Path:
    """Write a video: MJPG in .avi, MPEG-4 in .mp4."""
    frames = list(frames)
    height, width = frames[0].shape[:2]
    codec = cv2().VideoWriter_fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2().VideoWriter(str(path), codec, fps, (width, height))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def scene(faces: Sequence[tuple[Image.Image, int, int]] = (), seed: int = 0, blur: float = 0) -> Pixels:
    """Put faces on a grey wall of 320 x 240 pixels, out of focus if wanted, with a camera's noise."""
    picture = Image.fromarray(np.full((240, 320, 3), 110, np.uint8))
    for face, left, top in faces:
        picture.paste(face, (left, top))
    if blur:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    noise = np.random.default_rng(seed).normal(0, 2, (240, 320, 1))
    return np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)


def with_header_first(data: bytes) -> bytes:
    """Move the table of an .mp4 before its frames, as cameras and web sites do."""
    boxes, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        boxes[kind] = bytearray(data[at : at + size])
        at += size
    table = boxes.pop(b"moov")
    places = table.index(b"stco") + 8
    (n,) = struct.unpack_from(">I", table, places)
    for i in range(places + 4, places + 4 + 4 * n, 4):
        struct.pack_into(">I", table, i, struct.unpack_from(">I", table, i)[0] + len(table))
    return bytes(boxes.pop(b"ftyp") + table + b"".join(boxes.values()))


def turned_in_its_header(data: bytes) -> bytes:
    """Let an .mp4 say that it is to be shown turned by 90 degrees, clockwise."""
    found = bytearray(data)
    struct.pack_into(">9i", found, found.index(b"tkhd") + 44, 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return bytes(found)


class FakeDetector:
    """Find what lies between points of two colours, as faces that look straight ahead."""

    name, version, weights_sha256 = "fake", "1", "00"

    def detect_all(self, pictures: Sequence[Pixels]) -> list[Detections]:
        return [self._in(pixels) for pixels in pictures]

    def _in(self, pixels: Pixels) -> Detections:
        boxes = []
        for mark in MARKS:
            rows, columns = np.nonzero((abs(pixels.astype(int) - mark) < 30).all(axis=2))
            if len(rows):
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        found = np.array(boxes, np.float32).reshape(-1, 4)
        points = found[:, None, :2] + ARCFACE[None] * (found[:, None, 2:] - found[:, None, :2])
        return Detections(found, points.astype(np.float32), np.full(len(found), 0.99, np.float32))


def marked(number: int, side: int = 80, mark: int = 0, blur: float = 0) -> Image.Image:
    """Make a face for FakeDetector, with marks in its corners; another number is another look."""
    pattern = np.random.default_rng(number).integers(60, 200, (6, 6, 3), dtype=np.uint8)
    face = Image.fromarray(pattern).resize((side, side), Image.Resampling.NEAREST)
    if blur:
        face = face.filter(ImageFilter.GaussianBlur(blur))
    for corner in ((0, 0), (side - 4, 0), (0, side - 4), (side - 4, side - 4)):
        face.paste(MARKS[mark], (*corner, corner[0] + 4, corner[1] + 4))
    return face


class FakeFrames:
    """A source that gives some frames and ends as it is told to; an exception among the frames is raised."""

    def __init__(self, frames: Iterable[Pixels | BaseException], ended: str = "end", announced: int = 0) -> None:
        self._frames, self._ended, self.announced = frames, ended, announced
        self.name, self.read, self.ended, self.closed = "clip.avi", 0, "", False

    def __enter__(self) -> FakeFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True

    def __iter__(self) -> Iterator[tuple[float, Pixels]]:
        for frame in self._frames:
            self.read += 1
            if isinstance(frame, BaseException):
                raise frame
            yield self.read / 10, frame
        self.ended = self._ended


class FakeCamera:
    """An OpenCV camera whose frames show their number, and which is unplugged some frames after the first one taken.

    Parameters
    ----------
    n : int
    hang : float
        Seconds that pass before it says that there is no more.
    """

    def __init__(self, n: int, hang: float = 0.0) -> None:
        self.left, self.hang = n, hang
        self.grabbed, self.retrieved, self.released = 0, 0, False

    def __call__(self, *given: Any) -> FakeCamera:
        return self

    def isOpened(self) -> bool:
        return True

    def set(self, what: int, value: float) -> bool:
        return False

    def get(self, what: int) -> float:
        return {cv2().CAP_PROP_FRAME_WIDTH: 32, cv2().CAP_PROP_FRAME_HEIGHT: 24}.get(what, -1.0)

    def grab(self) -> bool:
        time.sleep(0.002 if self.left else self.hang)
        if not self.left:
            return False
        self.left -= self.retrieved > 0
        self.grabbed += 1
        return True

    def retrieve(self) -> tuple[bool, Pixels]:
        self.retrieved += 1
        frame = np.zeros((24, 32, 3), np.uint8)
        frame[..., :2] = divmod(self.grabbed, 256)
        return True, frame

    def release(self) -> None:
        self.released = True
