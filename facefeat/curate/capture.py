"""Faces of one person from a camera, a video file or a stream into a folder of pictures."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from facefeat.curate.capture_judge import Judge, Pixels, Progress, Rules, counts_in_words
from facefeat.data import detectors
from facefeat.data.camera import TIMEOUT, Frames
from facefeat.data.detections import Detector
from facefeat.data.folder import escaped, person_folder
from facefeat.data.preview import Show
from facefeat.engines.choose import choose
from facefeat.errors import InputError, LockedError, UsageError
from facefeat.features.store import durable, lock


@dataclass(frozen=True)
class Captured:
    """What a capture did.

    Attributes
    ----------
    folder : Path
    source : str
        As it is called in sentences.
    written : tuple of Path
    seen : int
        Frames that were looked at.
    skipped : dict of str to int
        Frames that were not kept, by one of ``REASONS``.
    known : int
        Faces that lay in the folder before.
    ended : str
        ``'count'``: as many as asked for; ``'end'``: the source ended; ``'truncated'``: it is cut off.
    why : str
        The same as a sentence.
    """

    folder: Path
    source: str
    written: tuple[Path, ...]
    seen: int
    skipped: Mapping[str, int]
    known: int
    ended: str
    why: str

    @property
    def complete(self) -> bool:
        """Whether the capture came to its regular end."""
        return self.ended != "truncated"


def capture(
    name: str,
    source: str,
    *,
    data: Path = Path("data"),
    count: int = 100,
    every: float = 0.3,
    rules: Rules | None = None,
    faces_mode: str = "auto",
    engine: str = "auto",
    detector: Detector | None = None,
    show: Show | None = None,
    progress: Progress | None = None,
) -> Captured:
    """Keep faces of one person, each as a picture of its own, until there are enough or the source ends.

    A picture is the face with room around it, cut from the frame's own pixels. Faces are known again by what lies in
    the folder, so a second run adds only what is new, under numbers that go on.

    Parameters
    ----------
    name : str
        Of the person: the folder in ``data``.
    source : str
        A camera's number, a video file or a stream's address; see ``facefeat.data.camera.Frames``.
    data : Path
    count : int, default=100
        Pictures to keep in this run.
    every : float, default=0.3
        Seconds between the frames that are looked at.
    rules : Rules or None
    faces_mode : str, default='auto'
        See ``facefeat.data.detectors.face_step``.
    engine : str, default='auto'
    detector : Detector or None
        One that is ready, instead of that of ``faces_mode``.
    show : callable or None
        Given every frame that is looked at, and the box of its face.
    progress : callable or None

    Returns
    -------
    Captured

    Raises
    ------
    UsageError
        For a name, number or mode that cannot be.
    InputError
        If the source cannot be opened, breaks off, or no face was kept.
    LockedError
        If another capture writes into the folder.
    StorageError, MissingExtra
    """
    folder = folder_of(name, data)
    if count < 1:
        raise UsageError(f"At least 1 picture must be asked for; {count} was given.")
    rules, tell = rules or Rules(), progress or _silent
    with ExitStack() as stack:
        frames = stack.enter_context(Frames(source, every))
        judge = _judge(rules, faces_mode, engine, detector)
        stack.enter_context(_only_writer(folder))
        judge.learn(folder, tell)
        return _kept(frames, judge, folder, count, show, tell)


def folder_of(name: str, data: Path) -> Path:
    """Return the folder of a person, whose name must be a plain one.

    Raises
    ------
    UsageError
        If it is no name of a folder in ``data``.
    StorageError
        If the file system does not take it.
    """
    folder = data / person_folder(name)
    with durable.storage_errors(folder):
        is_link, is_file = folder.is_symlink(), folder.exists() and not folder.is_dir()
    if is_link or is_file:
        kind = "a link, which extract does not enter" if is_link else "a file"
        raise UsageError(f"{escaped(str(folder))} is {kind}; choose another name.")
    return folder


def _judge(rules: Rules, faces_mode: str, engine: str, detector: Detector | None) -> Judge:
    step, file = detectors.face_step(faces_mode)
    if detector is None:
        detector = detectors.load(step, choose(engine), file)
    if detector is None:
        raise UsageError("Capturing needs a way to find faces; 'none' was given. There are: auto, mtcnn, yunet:FILE.")
    return Judge(detector, step, rules)


def _kept(frames: Frames, judge: Judge, folder: Path, count: int, show: Show | None, tell: Progress) -> Captured:
    """Go through the frames, write what is to be kept, and say how it ended."""
    known, seen = len(judge.known), 0
    written: list[Path] = []
    skipped: Counter[str] = Counter()
    numbers = _numbers(folder)
    for _, pixels in frames:
        seen += 1
        box = judge.box(pixels)
        if show:
            show(pixels, None if isinstance(box, str) else box)
        made = box if isinstance(box, str) else judge.judge(pixels, box)
        if isinstance(made, str):
            skipped[made] += 1
        else:
            written.append(_write(folder, next(numbers), made))
        words = counts_in_words(skipped)
        tell(f"kept; {words}" if words else "kept", len(written), count)
        if len(written) == count:
            break
    ended = "count" if len(written) == count else frames.ended
    if ended in ("lost", "stalled"):
        raise InputError(f"{_why(frames, ended)}; {_until_then(len(written), folder)}.")
    if not written and not skipped["alike"]:
        raise InputError(_nothing(frames, ended, seen, skipped))
    return Captured(folder, frames.name, tuple(written), seen, dict(skipped), known, ended, _why(frames, ended))


def _write(folder: Path, number: int, pixels: Pixels) -> Path:
    from PIL import Image

    path, buffer = folder / f"{number:04}.png", BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    durable.write(path, buffer.getvalue())
    return path


def _why(frames: Frames, ended: str) -> str:
    return {
        "count": "As many are kept as were asked for",
        "end": f"The end of {frames.name} was reached",
        "truncated": f"{frames.read:,} of the {frames.announced:,} frames of {frames.name} could be read: it is cut off",
        "lost": f"No more frames come from {frames.name}: it was unplugged, or its driver failed",
        "stalled": f"No frame came from {frames.name} for {TIMEOUT:g} seconds",
    }[ended]


def _until_then(n: int, folder: Path) -> str:
    if not n:
        return "no face was kept"
    return f"the {n:,} {'face that was kept is' if n == 1 else 'faces that were kept are'} in {escaped(str(folder))}"


def _nothing(frames: Frames, ended: str, seen: int, skipped: Mapping[str, int]) -> str:
    looked = f"{seen:,} {'frame was' if seen == 1 else 'frames were'} looked at"
    broken = f" {_why(frames, ended)}." if ended == "truncated" else ""
    return (
        f"No face was kept from {frames.name}: {', '.join(filter(None, [looked, counts_in_words(skipped)]))}.{broken}"
    )


def _numbers(folder: Path) -> Iterator[int]:
    """Count on from the highest number that is the name of a file."""
    stems = (path.stem for path in folder.iterdir())
    return itertools.count(max((int(one) for one in stems if one.isascii() and one.isdecimal()), default=0) + 1)


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold a person's folder, so that no two captures give out the same number."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        with _locked(folder) as path:
            try:
                yield
            finally:
                durable.remove(path)
    finally:
        for one in made:
            with suppress(OSError):  # a picture was kept
                one.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    path = folder / ".capture.lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.locked(path))
        except LockedError as error:
            raise LockedError(
                f"Another capture is writing into {escaped(str(folder))}; wait for it, or stop it."
            ) from error
        yield path


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
