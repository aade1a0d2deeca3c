"""Open a file that may be anything: only a regular one is opened, and opening never waits."""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path
from typing import NamedTuple

_LOOK = struct.Struct("<QqqQQ")  # size, times of change of the bytes and of the entry in nanoseconds, inode, device
LOOK_BYTES = _LOOK.size


class Look(NamedTuple):
    """What a file looks like without being read: one that looks the same has the same bytes.

    Attributes
    ----------
    mark : bytes
        ``LOOK_BYTES`` long.
    changed : float
        When it last changed, in seconds since 1970; a second change that soon may bear the same time. 0 where the mark
        depends on the bytes themselves.
    """

    mark: bytes
    changed: float


class NotRegular(OSError):
    """A folder, pipe, socket or device where a file was expected; ``strerror`` says which.

    Parameters
    ----------
    is_folder : bool
    """

    def __init__(self, is_folder: bool) -> None:
        super().__init__(*((errno.EISDIR, "a folder") if is_folder else (errno.EINVAL, "no regular file")))
        self.is_folder = is_folder


def opened(path: str | Path) -> int:
    """Open a regular file for reading.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    int
        File descriptor.

    Raises
    ------
    NotRegular
    OSError
    ValueError
        If the name holds a null byte.
    """
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to must not wait.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if os.path.exists(path) and not os.path.isfile(path):  # a socket, or a folder where folders cannot be opened
            raise NotRegular(os.path.isdir(path)) from error
        raise
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise NotRegular(stat.S_ISDIR(mode))
    return handle


def across(seen: Look) -> tuple[int, int]:
    """Return what of a look is the same on all machines that share a disk: size, and second of the last change of the bytes.

    Inode and device are numbers of each machine's own; parts of a second, and times of the entry, are not told by every
    file system that is shared.

    Parameters
    ----------
    seen : Look
        As ``look`` returned it.

    Returns
    -------
    size, seconds : int
    """
    size, changed, *_ = _LOOK.unpack(seen.mark)
    return size, changed // 10**9


def look(path: str | Path) -> Look | None:
    """Tell what a file looks like: its size, times, inode and device.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Look or None
        ``None`` where there is no regular file.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    most = 2**64 - 1  # some systems count inodes in 128 bits
    times = status.st_mtime_ns, status.st_ctime_ns
    return Look(_LOOK.pack(status.st_size, *times, status.st_ino & most, status.st_dev & most), max(times) / 1e9)
