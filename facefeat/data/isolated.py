"""Decoding in a process of its own: a picture that a decoder hangs or dies on costs itself, not the run.

The process keeps no state but the picture in hand. It takes bytes on its standard input, answers with
pixels or a refusal, and ends when the input does. Each thread that decodes uses one, and hands it on.
"""

from __future__ import annotations

import atexit
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Any

import numpy as np

from facefeat.data import pixels
from facefeat.data.pixels import Decoded
from facefeat.errors import PictureRefused, StorageError

# What decoding may cost. Large pictures of slow formats take seconds honestly; a small file that does is hostile.
SECONDS = 5.0
SECONDS_A_MB = 0.5
PATIENCE = 4  # of the wall clock's seconds to the processor's: the machine may be busy
MEMORY = 4 * 1024**3  # address space, bytes

_ATTEMPTS = 2  # a process may also be ended by somebody else, for want of memory for instance
_REQUEST = struct.Struct("<QdII")  # length of the data, seconds it may cost, pixels needed on either side
_ANSWER = struct.Struct("<?IIII")  # refused: lengths of code and message; else: height, width, and those in full
_START = "import sys; sys.path[:] = sys.argv[1:]; from facefeat.data.isolated import serve; serve()"
_PIPE = 1024**2
_TEXT = 4096  # longest refusal, bytes

# How a process ends that ran out of processor time, and out of time by the clock; Windows has neither.
_SPENT, _LATE = (-getattr(signal, name, 1 << 20) for name in ("SIGPROF", "SIGALRM"))


class _Died(Exception):
    """The process ended before it answered.

    Parameters
    ----------
    hung : bool
        It was out of time.
    surely : bool
        Of its own processor time, however busy the machine was.
    """

    def __init__(self, hung: bool, surely: bool) -> None:
        super().__init__()
        self.hung, self.surely = hung, surely


def decode(data: bytes, longer: int = 0, shorter: int = 0) -> Decoded:
    """Do what ``facefeat.data.pixels.decode`` does, in another process; see ``facefeat.data.picture.decode``."""
    seconds = SECONDS + SECONDS_A_MB * len(data) / 1024**2
    hung = False
    for _ in range(_ATTEMPTS):
        decoder = _taken()
        try:
            answer = decoder.ask(data, seconds, longer, shorter)
        except _Died as death:
            hung = death.hung
            if death.surely:
                break
            continue
        _idle.append(decoder)
        if isinstance(answer, PictureRefused):
            raise answer
        return answer
    if hung:
        raise PictureRefused("timeout", f"Decoding it takes more than {seconds:.0f} s.")
    raise PictureRefused("crashed", "The decoder dies of it.")


def begin() -> None:
    """Start a process ahead of the first picture, which then need not wait for it."""
    with suppress(StorageError):  # the first picture says so
        if not _idle:
            _idle.append(_Decoder())


class _Decoder:
    """One process, and the pipes to it."""

    def __init__(self) -> None:
        command = [sys.executable or "python3", "-c", _START, *sys.path]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # its threads would reserve memory for nothing
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=environment)
        except OSError as error:
            raise StorageError(f"The process that decodes pictures cannot be started: {error.strerror}.") from error
        if not (self.process.stdin and self.process.stdout and self.process.stderr):
            raise RuntimeError("three pipes were asked for")
        self.to, self.back, self.said = self.process.stdin, self.process.stdout, self.process.stderr
        _widen(self.to, self.back)
        self.begun = self.late = False

    def ask(self, data: bytes, seconds: float, longer: int, shorter: int) -> Decoded | PictureRefused:
        """Have one picture decoded.

        Raises
        ------
        _Died
            The process is gone then.
        """
        self._begin()
        _watchdog.watch(self, seconds * PATIENCE)
        try:
            _send(self.to, _REQUEST.pack(len(data), seconds, longer, shorter), data)
            return self._answer()
        except (OSError, EOFError):
            self.end()
            ended = self.process.returncode
            raise _Died(self.late or ended in (_SPENT, _LATE), ended == _SPENT) from None
        except BaseException:
            self.end()  # an answer may be under way, and would be taken for that to the next picture
            raise
        finally:
            _watchdog.leave(self)

    def _begin(self) -> None:
        """Wait until the process is ready: one that cannot even start says nothing about a picture."""
        if self.begun:
            return
        try:
            self.begun = bool(self.back.read(1))
            why = "" if self.begun else self.said.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        except BaseException:
            self.end()
            raise
        if not self.begun:
            self.end()
            raise StorageError(f"The process that decodes pictures ended as it began: {why or 'it said nothing'}.")

    def _answer(self) -> Decoded | PictureRefused:
        refused, first, second, *full = _ANSWER.unpack(_receive(self.back, bytearray(_ANSWER.size)))
        if refused and first + second <= _TEXT:
            code, message = (_receive(self.back, bytearray(n)).decode("utf-8", "replace") for n in (first, second))
            return PictureRefused(code, message)
        if refused or max(first * second, full[0] * full[1]) > pixels.MAX_PIXELS:
            raise EOFError  # no answer of ours
        picture = np.empty((first, second, 3), np.uint8)
        _receive(self.back, picture)
        return Decoded(picture, *full)

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        for pipe in (self.to, self.back, self.said):
            with suppress(OSError):
                pipe.close()
        self.process.wait()


class _Watchdog:
    """One thread that ends processes which do not answer in time, though the kernel was to end them before."""

    TURN = 0.25  # seconds between two looks

    def __init__(self) -> None:
        self._deadlines: dict[_Decoder, float] = {}
        self._lock = threading.Lock()
        self._awake = False

    def watch(self, decoder: _Decoder, seconds: float) -> None:
        with self._lock:
            self._deadlines[decoder] = time.monotonic() + seconds
            if not self._awake:
                self._awake = True
                threading.Thread(target=self._look, daemon=True).start()

    def leave(self, decoder: _Decoder) -> None:
        with self._lock:
            self._deadlines.pop(decoder, None)

    def _look(self) -> None:
        while True:
            time.sleep(self.TURN)
            with self._lock:
                if not self._deadlines:
                    self._awake = False
                    return
                now = time.monotonic()
                for decoder, deadline in self._deadlines.items():
                    if now > deadline:
                        decoder.late = True
                        decoder.process.kill()


_watchdog = _Watchdog()
_idle: list[_Decoder] = []


def _taken() -> _Decoder:
    try:
        return _idle.pop()
    except IndexError:
        return _Decoder()


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()


def _forget() -> None:
    """After a fork: the processes are the parent's, and its threads are not here."""
    global _watchdog
    _watchdog = _Watchdog()
    for decoder in _idle:
        decoder.process.returncode = 0  # nothing of ours to wait for
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _widen(*pipes: IO[bytes]) -> None:
    """Let pipes hold more than 64 kB, where the system can: fewer turns a picture."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        for pipe in pipes:
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)


def _send(pipe: IO[bytes], *parts: Any) -> None:
    for part in parts:
        view = memoryview(part).cast("B")
        while len(view):
            view = view[pipe.write(view) :]


def _receive(pipe: IO[bytes], target: Any) -> Any:
    """Fill a buffer, and return it."""
    view = memoryview(target).cast("B")
    while len(view):
        n = pipe.readinto(view)  # type: ignore[attr-defined]
        if not n:
            raise EOFError
        view = view[n:]
    return target


def serve() -> None:
    """Decode what comes on standard input until it ends: the other side of ``decode``."""
    from PIL import Image

    to = os.fdopen(os.dup(1), "wb", buffering=0)
    come = os.fdopen(os.dup(0), "rb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # what a library prints is no answer
        os.dup2(nothing, stream)
    _confine()
    Image.init()  # else the first picture waits until all of Pillow's formats are imported
    _send(to, b"!")
    with suppress(EOFError, OSError):
        while True:
            _serve_one(come, to)


def _serve_one(come: IO[bytes], to: IO[bytes]) -> None:
    """Answer one request, and keep nothing of it: the next may be long in coming, and pictures are large."""
    length, seconds, *needed = _REQUEST.unpack(_receive(come, bytearray(_REQUEST.size)))
    data = bytes(_receive(come, bytearray(length)))
    _alarm(seconds)
    answer = _decoded(data, *needed)
    _alarm(0)
    _send(to, *answer)


def _decoded(data: bytes, longer: int, shorter: int) -> tuple[Any, ...]:
    try:
        picture = pixels.decode(data, longer, shorter)
    except PictureRefused as refused:
        code, message = refused.code.encode(), refused.message[:500].encode("utf-8", "replace")
        return _ANSWER.pack(True, len(code), len(message), 0, 0), code, message
    sides = (*picture.pixels.shape[:2], picture.height, picture.width)
    return _ANSWER.pack(False, *sides), np.ascontiguousarray(picture.pixels)


def _confine() -> None:
    """Give up what decoding does not need; what is asked of the user's process is not asked of this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _alarm(seconds: float) -> None:
    """Have the kernel end this process: after so much processor time, and later by the clock; 0 for not at all."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds * PATIENCE)
