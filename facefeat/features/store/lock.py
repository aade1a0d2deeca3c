"""One writer at a time: a lock that the kernel releases when its holder dies, and that names the holder."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facefeat.errors import LockedError
from facefeat.features.store.durable import storage_errors


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
    with storage_errors(path):
        handle = _take(path)
    try:
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        with storage_errors(path):
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(holder).encode())
        yield
    finally:
        os.close(handle)


def _take(path: Path) -> int:
    """Open and lock the file that has the name at that moment, not one that was just removed."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)  # a run that just ended may have removed it
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue
        try:
            _lock(handle)
        except OSError as error:
            message = _held(handle, path)
            os.close(handle)
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise  # the file system has no locks
            raise LockedError(message) from None
        try:
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)


def _lock(handle: int) -> None:
    if os.name == "nt":
        import msvcrt

        # Beyond the text that names the holder, so that others can read it.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _held(handle: int, path: Path) -> str:
    target = path.parent.with_suffix("")
    try:
        holder = json.loads(os.read(handle, 4096))
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError):
        who = "a process that has just started"
    return f"{target} is being written by another run ({who}); wait for it, or stop it."
