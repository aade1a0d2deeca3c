"""Write bytes so that a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import glob
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facefeat.errors import StorageError


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's error about a file into a sentence.

    Raises
    ------
    StorageError
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"There is no space left to write {path}; free some and run the same again.") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StorageError(f"{path} cannot be written here ({error.strerror}); choose another place.") from error
        raise StorageError(f"{path} cannot be written: {error.strerror or error}.") from error


def unlike(path: Path) -> StorageError:
    """Build the error for a file that reads back as something else than was written."""
    return StorageError(f"{path} could not be written: what was read back is not what was written.")


def write(path: Path, *parts: bytes | memoryview) -> None:
    """Write a whole file beside its place, sync it, and rename it; its folder is made where it is missing.

    Parameters
    ----------
    path : Path
    *parts : bytes or memoryview
        One after the other.

    Raises
    ------
    StorageError
        No space, read-only, or another failure; what was there before is untouched.
    """
    with storage_errors(path):
        make_folder(path.parent)
        with beside(path) as (handle, _):
            for part in parts:
                write_all(handle, part)


@contextmanager
def beside(path: Path) -> Iterator[tuple[int, Path]]:
    """Open a file beside a place; when the body ends well, sync it and give it the good name.

    Parameters
    ----------
    path : Path
        The good name.

    Yields
    ------
    handle : int
        File descriptor, open for reading and writing.
    temporary : Path
        What the file is called until then: ``.NAME.<random>.tmp``.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        try:
            yield handle, temporary
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    sync_folder(path.parent)


def clear_leftovers(path: Path) -> None:
    """Remove what killed writers of a file left beside it; only for whoever holds its lock."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        remove(leftover)


def remove(path: Path) -> None:
    """Delete a file that nobody needs; where that cannot be, it is in nobody's way."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Create a folder where it is missing, and those above it, so that they survive a power loss."""
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def write_all(handle: int, data: bytes | memoryview) -> None:
    """Write all bytes at the file's position, however many calls that takes."""
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(handle, view) :]


def sync_folder(folder: Path) -> None:
    """Make what was made, renamed or deleted in a folder survive a power loss, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems sync files only
            raise
    finally:
        os.close(handle)
