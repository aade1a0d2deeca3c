"""Frames of a camera, a video file or a stream, by OpenCV."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import regular
from facefeat.data.folder import escaped
from facefeat.data.opencv import cv2
from facefeat.data.pixels import MAX_PIXELS, MIN_SIDE
from facefeat.errors import InputError, UsageError

Pixels = NDArray[np.uint8]

TIMEOUT = 10.0  # seconds that a camera or stream may send nothing
MAX_EVERY = 3600.0

_DIGITS = 2  # of a camera's number; OpenCV reads longer ones as a choice of its own drivers
_SLACK = 1e-3  # seconds; some formats keep times in whole milliseconds
_MISSING = (2, 0.01)  # frames, and share of them, by which a header may be wrong about a whole file


class Frames:
    """Iterate over a source's frames, so many seconds apart.

    Seconds are those of the video for a file, and those of the clock for a camera or stream, which gives its
    newest frame each time. A context manager; to be iterated over once.

    Parameters
    ----------
    source : str
        The number of a camera, the path of a video file, or the address of a stream (``rtsp://...``).
    every : float, default=0.3
        Seconds from one frame to the next, 0 to ``MAX_EVERY``; 0: every frame.

    Attributes
    ----------
    name : str
        What the source is called in sentences; no password of an address is in it.
    is_camera : bool
    is_live : bool
        Whether it goes by the clock.
    read : int
        Frames read so far, with those passed over.
    announced : int
        Frames that the header of a file tells of; 0 where it tells nothing.
    ended : str
        ``''`` as long as it goes on, then ``'end'``, ``'truncated'`` (a file with fewer frames than it tells of),
        ``'lost'`` (a camera that gives no more) or ``'stalled'`` (nothing came for ``TIMEOUT`` seconds).

    Raises
    ------
    UsageError
        For seconds out of range.
    InputError
        For a source that cannot be opened; while iterating for frames that are too large or cannot be decoded.
    MissingExtra
        If OpenCV is not installed.
    """

    def __init__(self, source: str, every: float = 0.3) -> None:
        if not 0 <= every <= MAX_EVERY:
            raise UsageError(f"Frames can be 0 to {MAX_EVERY:g} seconds apart; {every:g} was given.")
        self._every = every
        self.is_camera, self.name = is_number(source), _name(source)
        self._video = _opened(source, self.name)
        self.announced = max(0, _whole(self._get("FRAME_COUNT")))
        is_stream = not self.is_camera and not os.path.exists(source)
        self.is_live = self.is_camera or (is_stream and not self.announced)
        self.read, self.ended = 0, ""
        self._check_size(self._get("FRAME_WIDTH"), self._get("FRAME_HEIGHT"))
        self._newest = _Newest(self._video) if self.is_live else None

    def __enter__(self) -> Frames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the source back."""
        if self._newest:
            self._newest.close()
        else:
            self._video.release()

    def __iter__(self) -> Iterator[tuple[float, Pixels]]:
        """Yield seconds since the start, and upright RGB pixels of shape (height, width, 3), uint8."""
        return self._by_the_clock(self._newest) if self._newest else self._by_the_video()

    def _by_the_video(self) -> Iterator[tuple[float, Pixels]]:
        due = now = before = 0.0
        while self._video.grab():
            self.read += 1
            time_of_frame = self._time()
            if self.read > 1:  # a joined recording may begin again at 0
                now += time_of_frame - before if time_of_frame >= before else 1 / self._rate()
            before = time_of_frame
            if now < due - _SLACK:
                continue
            self._check_size(self._get("FRAME_WIDTH"), self._get("FRAME_HEIGHT"))
            pixels = _retrieved(self._video)
            if pixels is not None:
                yield now, pixels
                due = self._every * (math.floor((now + _SLACK) / self._every) + 1) if self._every else 0.0
        if not self.read:
            raise InputError(
                f"{self.name} holds no frame that can be decoded; it seems to be cut off, damaged or no video."
            )
        self.ended = "truncated" if self._is_short(now) else "end"

    def _by_the_clock(self, newest: _Newest) -> Iterator[tuple[float, Pixels]]:
        start, due = time.monotonic(), 0.0
        while True:
            newest.over.wait(start + due - time.monotonic())
            pixels = newest.take()
            self.read = newest.read
            now = time.monotonic() - start
            if pixels is None:
                break
            self._check_size(*pixels.shape[1::-1])
            yield now, pixels
            due = max(due + self._every, time.monotonic() - start)  # what was missed is not made up for
        if newest.stalled:
            self.ended = "stalled"
        else:
            self.ended = "lost" if self.is_camera else "end"

    def _time(self) -> float:
        """Return the video's time of the frame that was read last, seconds."""
        now = self._get("POS_MSEC") / 1000
        is_told = math.isfinite(now) and (now > 0 or self.read == 1)
        return now if is_told else (self.read - 1) / self._rate()

    def _is_short(self, last: float) -> bool:
        """Say whether a file ended early: both by its frames and by its time, since a header may guess one of them."""
        few, share = _MISSING
        missing = max(few, share * self.announced)
        return self.read < self.announced - missing and last < (self.announced - 1 - missing) / self._rate()

    def _rate(self) -> float:
        rate = self._get("FPS")
        return rate if math.isfinite(rate) and rate > 0 else 25.0

    def _get(self, name: str) -> float:
        return float(self._video.get(getattr(cv2(), f"CAP_PROP_{name}")))

    def _check_size(self, width: float, height: float) -> None:
        """Refuse frames that are too large or too small, those of a file before they are turned into pixels."""
        width, height = _whole(width), _whole(height)
        if width * height > MAX_PIXELS:
            raise InputError(
                f"The frames of {self.name} have {width} x {height} pixels; at most {MAX_PIXELS:,} in all are decoded."
            )
        if 0 < min(width, height) < MIN_SIDE:
            raise InputError(
                f"The frames of {self.name} have {width} x {height} pixels; each side needs at least {MIN_SIDE}."
            )


class _Newest:
    """Read all frames of a camera in a thread, so that none waits in its buffer, and hand out the newest when asked.

    Attributes
    ----------
    read : int
    stalled : bool
        Whether nothing came for ``TIMEOUT`` seconds.
    over : threading.Event
        Set when there will be no more.
    """

    def __init__(self, video: Any) -> None:
        self.read, self.stalled, self.over = 0, False, threading.Event()
        self._video, self._wanted = video, threading.Event()
        self._frames: SimpleQueue[Pixels | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def take(self) -> Pixels | None:
        """Return a frame that was read after this call; ``None`` where there is no more."""
        self._wanted.set()
        try:
            return self._frames.get(timeout=TIMEOUT + 1)
        except Empty:
            self.stalled = True
            return None

    def close(self) -> None:
        """End the thread, which gives the camera back; one that hangs in its driver is left alone."""
        self.over.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        asked = time.monotonic()
        try:
            while not self.over.is_set() and self._video.grab():
                self.read += 1
                asked = time.monotonic()
                if self._wanted.is_set():
                    pixels = _retrieved(self._video)
                    if pixels is not None:
                        self._wanted.clear()
                        self._frames.put(pixels)
        finally:
            self.stalled = time.monotonic() - asked >= 0.9 * TIMEOUT
            self.over.set()
            self._frames.put(None)
            self._video.release()


def is_number(source: str) -> bool:
    """Say whether a source is the number of a camera."""
    return source.isascii() and source.isdecimal()


def _name(source: str) -> str:
    if is_number(source):
        return f"camera {source.lstrip('0') or 0}"
    return escaped(re.sub(r"//[^/]*@", "//", source)) or "''"


def _opened(source: str, name: str) -> Any:
    if is_number(source):
        video = _camera(source.lstrip("0") or "0")
        if video is None:
            raise InputError(f"The {name} cannot be opened: there is none of this number, or another program uses it.")
        return video
    if "://" in source and not os.path.exists(source):
        kind = "the stream cannot be reached, or is none that OpenCV reads"
    else:
        _check_file(source, name)
        kind = "it is no video that OpenCV reads, or it is cut off"
        source = os.path.abspath(source)  # what looks like an address is none then
    try:
        source.encode()
    except UnicodeEncodeError:  # OpenCV would crash
        raise InputError(f"{name} has a name that is not UTF-8, which OpenCV cannot open; rename it.") from None
    library = cv2()
    limits = [library.CAP_PROP_OPEN_TIMEOUT_MSEC, round(TIMEOUT * 1000)]
    limits += [library.CAP_PROP_READ_TIMEOUT_MSEC, round(TIMEOUT * 1000)]
    video = library.VideoCapture(source, library.CAP_FFMPEG, limits)
    if not video.isOpened():
        raise InputError(f"{name} cannot be opened: {kind}.")
    video.set(library.CAP_PROP_ORIENTATION_AUTO, 1)
    return video


def _camera(number: str) -> Any:
    """Open a camera; ``None`` where that cannot be."""
    library = cv2()
    if len(number) > _DIGITS:
        return None
    video = library.VideoCapture(int(number))
    if not video.isOpened():
        return None
    video.set(library.CAP_PROP_BUFFERSIZE, 1)
    return video


def _check_file(path: str, name: str) -> None:
    """Refuse what is no regular file, so that nothing waits for a pipe."""
    try:
        os.close(regular.opened(path))
    except regular.NotRegular as error:
        raise InputError(f"{name} is {error.strerror}; a video file is expected.") from error
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputError(
            f"There is no file {name}; a video file, the number of a camera or the address of a stream is expected."
        ) from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}.") from error


def _retrieved(video: Any) -> Pixels | None:
    """Return the pixels of the frame that was read last; ``None`` where they cannot be had."""
    with suppress(cv2().error):
        good, frame = video.retrieve()
        if good and frame is not None and frame.ndim == 3:
            return np.ascontiguousarray(frame[..., ::-1])
    return None


def _whole(number: float) -> int:
    return int(number) if math.isfinite(number) else 0
