"""From a picture's bytes to names: many pictures at once, their faces through the network together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from facefeat.data.faces import Face
from facefeat.learn.naming import Naming
from facefeat.learn.predict import Recogniser

BATCH = 32  # faces that are taken from those that wait; the network cuts them as it likes


@dataclass(frozen=True)
class Answer:
    """A photograph and who is in it.

    Attributes
    ----------
    width, height : int
        Of the upright photograph, pixels.
    faces : tuple of (Face, Naming)
        Left to right.
    """

    width: int
    height: int
    faces: tuple[tuple[Face, Naming], ...]


@dataclass
class _Job:
    recogniser: Recogniser
    data: bytes
    top: int
    answer: Future[Answer] = field(default_factory=Future)
    size: tuple[int, int] = (0, 0)
    faces: Sequence[Face] = ()


class Pipeline:
    """Threads that decode pictures and find faces, and one that runs the network on all faces that wait.

    Vectors do not depend on what else is asked meanwhile, since the network's batches have one length; scores do in their
    last digits, as sums of products of other shapes.

    Parameters
    ----------
    workers : int
        Threads that decode and find.
    """

    def __init__(self, workers: int) -> None:
        self._finders = ThreadPoolExecutor(workers, thread_name_prefix="faces")
        self._found: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._namer = threading.Thread(target=self._name_all, name="network", daemon=True)
        self._namer.start()

    def submit(self, recogniser: Recogniser, data: bytes, top: int) -> Future[Answer]:
        """Begin with a picture.

        Parameters
        ----------
        recogniser : Recogniser
        data : bytes
        top : int
            How many candidates to list.

        Returns
        -------
        Future of Answer
            May be cancelled until a thread begins with it. Raises what ``Recogniser.predict`` would, and
            ``PictureRefused``.
        """
        job = _Job(recogniser, data, top)
        self._finders.submit(self._find, job)
        return job.answer

    def close(self) -> None:
        """Finish what was begun, and end the threads."""
        self._finders.shutdown()
        self._found.put(None)
        self._namer.join()

    def _find(self, job: _Job) -> None:
        if not job.answer.set_running_or_notify_cancel():
            return
        try:
            opened = job.recogniser.open(job.data)
            job.size = opened.decoded.width, opened.decoded.height
            job.faces = job.recogniser.encoder.finder.all_faces(opened)
        except BaseException as error:
            job.answer.set_exception(error)
            return
        job.data = b""
        self._found.put(job)

    def _name_all(self) -> None:
        while (first := self._found.get()) is not None:
            jobs, ended = self._waiting(first)
            for recogniser in {id(job.recogniser): job.recogniser for job in jobs}.values():
                _name([job for job in jobs if job.recogniser is recogniser])
            if ended:
                return

    def _waiting(self, first: _Job) -> tuple[list[_Job], bool]:
        """Return the jobs that wait, up to a batch of faces, and whether none comes after them."""
        jobs = [first]
        while sum(len(job.faces) for job in jobs) < BATCH:
            try:
                job = self._found.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False


def _name(jobs: list[_Job]) -> None:
    """Name the faces of some pictures together; where that fails, each by itself."""
    recogniser = jobs[0].recogniser
    try:
        X = recogniser.vectors([face for job in jobs for face in job.faces])
        named = iter(recogniser.name(X, max(job.top for job in jobs)))
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].answer.set_exception(error)
        else:
            for job in jobs:
                _name([job])
        return
    for job in jobs:
        faces = tuple((face, _cut(next(named), job.top)) for face in job.faces)
        job.answer.set_result(Answer(*job.size, faces))


def _cut(naming: Naming, top: int) -> Naming:
    return replace(naming, candidates=naming.candidates[:top])
