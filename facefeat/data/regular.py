"""Open a file that may be anything: only a regular one is opened, and opening never waits."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


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
