"""One writer at a time: a lock that the kernel releases when its holder dies, and that names the holder."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facefeat.errors import LockedError
from facefeat.features.store import durable

_ATTEMPTS = 100  # to take a lock whose folder comes and goes with other runs


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing; the file stays, unless the holder removes it.

    Raises
    ------
    LockedError
        If another process holds it; the sentence names it.
    """
    with durable.storage_errors(path):
        handle = _take(path)
    try:
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        with durable.storage_errors(path):
            os.ftruncate(handle, 0)
            durable.write_all(handle, json.dumps(holder).encode())
        yield
    finally:
        _close(handle)


def _take(path: Path) -> int:
    """Open and lock the file that has the name at that moment, not one that was just removed."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            durable.make_folder(path.parent)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError):  # a run that just ended may have removed the folder
            if attempt == _ATTEMPTS:
                raise
            continue
        try:
            _lock(handle, path)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            _close(handle)
            raise
        _close(handle)
    raise LockedError(f"{_target(path)} is being written by other runs, one after another; try again.")


def _close(handle: int) -> None:
    with suppress(OSError):  # all there is in it is who holds it
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        _try_lock(handle)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise LockedError(_held(handle, path)) from None
        raise  # the file system has no locks


def _try_lock(handle: int) -> None:
    if os.name == "nt":
        import msvcrt

        # Beyond the text that names the holder, so that others can read it.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _held(handle: int, path: Path) -> str:
    try:
        holder = json.loads(os.read(handle, 4096))
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError):
        who = "a process that has just started"
    return f"{_target(path)} is being written by another run ({who}); wait for it, or stop it."


def _target(path: Path) -> Path:
    """Return what the lock is about: the file whose work folder it lies in."""
    return path.parent.with_suffix("") if path.parent.suffix == ".work" else path.parent
