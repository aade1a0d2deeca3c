"""Which faces of a capture are kept, and why the others are not."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import faces, picture, quality
from facefeat.data.detections import Detections, Detector
from facefeat.data.faces import FaceStep
from facefeat.data.pixels import MIN_SIDE
from facefeat.errors import PictureRefused, UsageError, unknown_name

Pixels = NDArray[np.uint8]
Box = NDArray[np.float32]
Progress = Callable[[str, int, int], None]

POLICIES = ("skip", "largest", "central")

# Why a frame is not kept, and how it is said after a number.
REASONS = {
    "no_face": "without a face",
    "several_faces": "with several faces",
    "tiny": "too small",
    "lost": "not found again in the cut-out",
    "blurred": "blurred",
    "alike": "like one kept before",
}

MIN_PIXELS = 64

# Correlation of grey faces aligned by their points alone: still ORL faces under noise and shifts of up to 3 pixels
# have 0.93 to 1.00, 97 % above 0.95; other pictures of the same person have a median of 0.77, 6 % above 0.95. Aligned
# by the detector's box they cannot be told apart, since the box jumps from frame to frame.
LIKENESS = 0.95

_SIDE = 32  # pixels of the faces that are compared
_SAME = 0.4  # overlap of the boxes of one face, in the frame and in its cut-out


@dataclass(frozen=True)
class Rules:
    """Which faces are kept.

    Attributes
    ----------
    policy : str
        One of ``POLICIES``: frames with several faces are passed over, or their largest or most central one is taken.
    min_pixels : float
        Faces whose box is narrower do not count.
    sharpness : float
        Less sharp faces are blurred; see ``facefeat.data.quality.sharpness``.
    likeness : float
        Faces of a higher correlation to one kept before, or lying in the folder, are the same once more.
    """

    policy: str = "skip"
    min_pixels: float = MIN_PIXELS
    sharpness: float = quality.SHARP
    likeness: float = LIKENESS

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise unknown_name("policy of capture", self.policy, POLICIES)
        for words, value, low, high in (
            ("The narrowest face", self.min_pixels, MIN_SIDE, 10_000),
            ("The lowest sharpness", self.sharpness, 0, 100),
            ("The highest likeness", self.likeness, 0, 1),
        ):
            if not low <= value <= high:
                raise UsageError(f"{words} must be from {low:,} to {high:,}; {value:g} was given.")


def rules_of(**given: Any) -> Rules:
    """Make rules of those fields that are not ``None``.

    Raises
    ------
    UsageError
        For a value out of range.
    """
    return Rules(**{name: value for name, value in given.items() if value is not None})


def counts_in_words(skipped: Mapping[str, int]) -> str:
    """Say how many frames were not kept, and why.

    Examples
    --------
    >>> counts_in_words({"no_face": 3, "blurred": 12})
    '12 blurred, 3 without a face'
    """
    most_first = sorted(skipped.items(), key=lambda item: -item[1])
    return ", ".join(f"{n:,} {REASONS[reason]}" for reason, n in most_first if n)


@dataclass
class Judge:
    """Find the one face of a frame, cut it out, and judge what was cut out as ``extract`` will see it."""

    detector: Detector
    step: FaceStep
    rules: Rules
    known: list[NDArray[np.float32]] = field(default_factory=list)

    def learn(self, folder: Path, tell: Progress) -> None:
        """Remember the faces that lie in a folder."""
        files = sorted(_pictures(folder))
        for number, file in enumerate(files, 1):
            with suppress(PictureRefused):
                pixels = picture.load(file).pixels
                if (face := self._face(pixels, "largest")) is not None:
                    self.known.append(self._signature(pixels, *face))
            tell("known faces looked at", number, len(files))

    def box(self, pixels: Pixels) -> Box | str:
        """Return the box of the face of a frame, or why there is none."""
        found = faces.detect(pixels, self.detector, self.step)
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1, initial=np.inf)
        wide = found.take(np.flatnonzero(sides >= self.rules.min_pixels))
        height, width = pixels.shape[:2]
        try:
            index = faces.choose(wide, self.rules.policy, width, height)
        except PictureRefused as refused:
            return refused.code
        if index is None:
            return "tiny" if len(found) else "no_face"
        box: Box = wide.boxes[index]
        return box

    def judge(self, pixels: Pixels, box: Box) -> Pixels | str:
        """Return the cut-out of a face and remember it, or return why it is not to be kept."""
        left, top, right, bottom = _room(box, pixels)
        cut_out = np.ascontiguousarray(pixels[top:bottom, left:right])
        face = self._face(cut_out, "largest")
        if face is None:
            return "lost"
        boxes, index = face
        if _overlap(boxes.boxes[index] + np.array([left, top] * 2, np.float32), box) < _SAME:
            return "lost"  # another face is larger in it
        grey = _grey(faces.cut(cut_out, boxes, index, self.step, quality.SIDE).pixels)
        if quality.sharpness(grey[None])[0] < self.rules.sharpness:
            return "blurred"
        signature = self._signature(cut_out, boxes, index)
        if min(1.0, max((float(one @ signature) for one in self.known), default=0.0)) > self.rules.likeness:
            return "alike"
        self.known.append(signature)
        return cut_out

    def _face(self, pixels: Pixels, policy: str) -> tuple[Detections, int] | None:
        found = faces.detect(pixels, self.detector, self.step)
        index = faces.choose(found, policy, pixels.shape[1], pixels.shape[0])
        return None if index is None else (found, index)

    def _signature(self, pixels: Pixels, found: Detections, index: int) -> NDArray[np.float32]:
        """Return a small grey face as a vector of mean 0 and length 1: inner products are correlations."""
        by_points = replace(self.step, template="arcface")
        grey = _grey(faces.cut(pixels, found, index, by_points, _SIDE).pixels).astype(np.float32).ravel()
        grey -= grey.mean()
        grey /= max(float(np.linalg.norm(grey)), 1e-6)
        return grey


def _room(box: Box, pixels: Pixels) -> tuple[int, int, int, int]:
    """Enlarge a box to a square with half its side more on each side, within the frame."""
    left, top, right, bottom = (float(side) for side in box)
    reach = max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    height, width = pixels.shape[:2]
    return (
        max(0, math.floor(x - reach)),
        max(0, math.floor(y - reach)),
        min(width, math.ceil(x + reach)),
        min(height, math.ceil(y + reach)),
    )


def _overlap(a: Box, b: Box) -> float:
    """Return the intersection of two boxes over their union."""
    inner = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return float(inner / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inner))


def _grey(pixels: Pixels) -> Pixels:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).convert("L"))


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, at any depth, that are not hidden."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".")]
        yield from (Path(parent, one) for one in files if not one.startswith("."))
