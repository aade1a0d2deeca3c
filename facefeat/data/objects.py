"""Files at an address, by fsspec: found, described, fetched, written and removed; one sentence for whatever goes wrong."""

from __future__ import annotations

import hashlib
import re
import struct
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from typing import IO, Any

from facefeat.data import picture
from facefeat.data.regular import Look
from facefeat.errors import (
    FacefeatError,
    InputError,
    MissingExtra,
    MissingPackage,
    PictureRefused,
    StorageError,
    Unreachable,
    UsageError,
)

AT_ONCE = 8  # pieces that are fetched side by side at least: fetching is mostly waiting

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SECRET = re.compile(r"(?<=://)(?:[^/\s]*@|[^/@:\s]*:(?!\d+/)[^@\s]*@)")  # a password may have a slash
_S3 = ("s3", "s3a")
# Whose folders have to be made, and whose files are there before they are whole.
_FOLDERS = ("file", "local", "sftp", "ssh", "ftp", "smb", "hdfs", "webhdfs")
_BLOCK = 4 * 1024**2  # read ahead; a request costs as much as some megabytes
# What depends on the bytes, under the names that file systems give it, and when they last changed.
_OF_THE_BYTES = ("ETag", "etag", "md5Hash", "content_md5", "md5", "sha256", "checksum", "blob_id")
_TIMES = ("mtime", "LastModified", "last_modified", "modified", "updated")


def scheme_of(address: object) -> str | None:
    """Return the scheme of an address, in lower case; ``None`` for what is none, such as a path.

    Examples
    --------
    >>> scheme_of("s3://bucket/people"), scheme_of("people"), scheme_of("people.tar")
    ('s3', None, None)
    """
    found = _SCHEME.match(address) if isinstance(address, str) else None
    return found[1].lower() if found else None


def shown(address: str) -> str:
    """Return an address without what may be secret in it: user, password and query.

    Examples
    --------
    >>> shown("ftp://ann:pass@host/people/"), shown("https://host/people.tar?signature=1")
    ('ftp://host/people', 'https://host/people.tar')
    """
    plain = _SECRET.sub("", address)
    if scheme_of(plain) in ("http", "https"):
        plain = plain.partition("?")[0]
    return plain.rstrip("/") if not plain.endswith("://") else plain


class _Nothing(InputError):
    """There is no such file or folder."""


class Store:
    """The files at an address.

    Pickled, it is the address: who unpickles it opens that anew, with credentials of its own, when it first asks something.

    Parameters
    ----------
    address : str

    Attributes
    ----------
    address : str
        Without what is secret.
    root : str
        Where it begins, as the file system calls it.

    Raises
    ------
    UsageError
        If nothing is known of such addresses.
    MissingExtra, MissingPackage
    InputError, Unreachable
    """

    def __init__(self, address: str) -> None:
        scheme, _, place = address.partition("://")
        address = f"{scheme.lower()}://{place}"
        self._given, self.address = address, shown(address)
        self._is_secret = self.address.rstrip("/") != address.rstrip("/")
        self._files, self.root = self._opened(address)

    @cached_property
    def _files(self) -> Any:
        return self._opened(self._given)[0]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_files"}

    def _opened(self, address: str) -> tuple[Any, str]:
        try:
            import fsspec
        except ImportError:
            raise MissingExtra("cluster", "A data set at an address") from None
        scheme = str(scheme_of(address))
        try:
            with self.answering():
                fsspec.get_filesystem_class(scheme)
        except (InputError, Unreachable):
            raise UsageError(
                f"There are no addresses {scheme}://; those of fsspec are read, such as s3://, gs://, hf:// and file://."
            ) from None
        with self.answering():
            # One of our own: those that fsspec keeps remember listings.
            made = fsspec.url_to_fs(address, skip_instance_cache=True, **_options(scheme, fsspec.config.conf))
        if scheme in _S3:
            made[0].retries = 3  # of its own, around those of botocore
        return made[0], str(made[1])

    def found(self, folder: str | None = None) -> Mapping[str, dict[str, Any]]:
        """List files and folders at any depth, with what is said of them.

        Parameters
        ----------
        folder : str or None
            Instead of the root.

        Raises
        ------
        InputError
            If there is nothing, or it may not be read.
        Unreachable
        """
        with self.answering():
            root = self.root if folder is None else folder
            self._files.invalidate_cache()
            found = self._files.find(root, withdirs=True, detail=True)
            self._files.invalidate_cache()
            if not found and not self._files.exists(root):
                raise FileNotFoundError(root)
        return found  # type: ignore[no-any-return]

    def described(self, key: str) -> dict[str, Any]:
        """Ask what is said of a file now; see ``look``.

        Raises
        ------
        InputError, Unreachable
        """
        with self.answering():
            self._files.invalidate_cache(key)
            return self._files.info(key)  # type: ignore[no-any-return]

    def fetched(self, key: str, start: int, end: int) -> bytes:
        """Fetch some bytes of a file, fewer where it ends before.

        Raises
        ------
        PictureRefused
            ``unreadable``, if there is no such file any more, or it may not be read.
        Unreachable
        """
        try:
            with self.answering():
                return self._files.cat_file(key, start=start, end=end)  # type: ignore[no-any-return]
        except _Nothing:
            raise PictureRefused("unreadable", "It was listed and is there no longer.") from None
        except InputError:
            raise PictureRefused("unreadable", "It may not be read.") from None

    def opened(self, key: str) -> IO[bytes]:
        """Open a file in which one may seek.

        Raises
        ------
        InputError, Unreachable
        """
        with self.answering():
            return self._files.open(key, "rb", block_size=_BLOCK, cache_type="readahead")  # type: ignore[no-any-return]

    def names(self, folder: str) -> list[str]:
        """List what lies right in a folder, sorted; nothing where there is no such folder.

        Raises
        ------
        InputError, Unreachable
        """
        try:
            found = self.found(folder)
        except _Nothing:
            return []
        return sorted(name for above, _, name in (key.rpartition("/") for key in found) if above == folder)

    def content(self, key: str) -> bytes | None:
        """Fetch a whole file, ``None`` where there is none.

        Raises
        ------
        InputError, Unreachable
        """
        try:
            with self.answering():
                return self._files.cat_file(key)  # type: ignore[no-any-return]
        except _Nothing:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Write a whole file, over one that may be there; what is half written never has its name.

        Raises
        ------
        StorageError
            If it may not be written.
        InputError
            If there is no such bucket, or there are no credentials.
        Unreachable
        """
        with self.answering("written"):
            if scheme_of(self._given) not in _FOLDERS:  # a store shows an object when it is whole
                self._files.pipe_file(key, data)
                return
            folder, _, name = key.rpartition("/")
            beside = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
            self._files.makedirs(folder, exist_ok=True)
            try:
                self._files.pipe_file(beside, data)
                self._files.mv(beside, key)
            except BaseException:
                with suppress(Exception):
                    self._files.rm_file(beside)
                raise

    def remove(self, key: str) -> None:
        """Delete a file, and its folder where that is left empty; one that is not there is no error.

        Raises
        ------
        StorageError
            If it may not be deleted.
        InputError, Unreachable
        """
        with suppress(_Nothing), self.answering("deleted"):
            self._files.rm_file(key)
        if scheme_of(self._given) in _FOLDERS:
            with suppress(Exception):  # others lie in it
                self._files.rmdir(key.rpartition("/")[0])

    @contextmanager
    def answering(self, done: str = "read") -> Iterator[None]:
        """Turn whatever a file system raises into one sentence without secrets.

        Parameters
        ----------
        done : {'read', 'written', 'deleted'}
        """
        refused: type[FacefeatError] = InputError if done == "read" else StorageError
        try:
            yield
        except FacefeatError:
            raise
        except ImportError as error:
            missing = error.__cause__.name if isinstance(error.__cause__, ImportError) else error.name
            purpose = f"{scheme_of(self.address)}://"
            if missing in ("s3fs", "fsspec"):
                raise MissingExtra("cluster", purpose) from None
            raise MissingPackage(missing or str(error), purpose) from None
        except FileNotFoundError as error:
            if isinstance(error.__cause__, OSError):  # so does HTTP's say that a host does not answer
                raise self._silent(error.__cause__, done) from None
            raise _Nothing(f"There is nothing at {self.address}; check its spelling and the endpoint.") from None
        except PermissionError as error:
            raise refused(f"{self.address} may not be {done} with these credentials: {self._said(error)}.") from None
        except (ValueError, TypeError, NotImplementedError) as error:
            raise refused(f"{self.address} cannot be {done}: {self._said(error)}.") from None
        except Exception as error:  # libraries of many makers
            if "Credentials" in type(error).__name__:
                raise InputError(
                    f"There are no credentials for {self.address}; give them as its own tools take them, in the environment "
                    "or a file."
                ) from None
            raise self._silent(error, done) from None

    def _silent(self, error: BaseException, done: str) -> Unreachable:
        said = self._said(error)
        return Unreachable(f"{self.address} cannot be {done} now: {said}. What is done is kept; try the same again.")

    def _said(self, error: BaseException) -> str:
        """Return what an error says on one line, without secrets."""
        text = str(error).strip()
        if self._is_secret or not text:  # it may be in there in any form
            return type(error).__name__
        return re.sub(r"\?[^\s\"']*", "", _SECRET.sub("", " ".join(text.split()))).rstrip(".")


def look(info: Mapping[str, Any]) -> Look | None:
    """Tell what a file looks like by what its file system says of it.

    Parameters
    ----------
    info : mapping
        Of ``Store.found`` or ``Store.described``.

    Returns
    -------
    Look or None
        Of its size with its ETag or another sum of the bytes, or else with the time of its last change; ``None`` where
        neither is said.
    """
    size = info.get("size")
    if not isinstance(size, int):
        return None
    for name in _OF_THE_BYTES:
        if info.get(name):
            return _look(size, f"{name} {info[name]}", 0.0)
    for name in _TIMES:
        if (when := _seconds(info.get(name))) is not None:
            return _look(size, f"{name} {when!r}", when)
    return None


def check_size(info: Mapping[str, Any]) -> int:
    """Return how many bytes of a picture to fetch at most: one more than it is said to have.

    Raises
    ------
    PictureRefused
        ``empty`` or ``too_many_bytes``, before anything is fetched.
    """
    size = info.get("size")
    if not isinstance(size, int):
        return picture.MAX_BYTES + 1
    if size == 0:
        raise picture.empty()
    if size > picture.MAX_BYTES:
        raise picture.too_many(size)
    return size + 1


def _look(size: int, said: str, changed: float) -> Look:
    return Look(struct.pack("<Q", size) + hashlib.sha256(said.encode("utf-8", "surrogateescape")).digest(), changed)


def _seconds(when: object) -> float | None:
    if isinstance(when, datetime):
        return when.timestamp()
    return float(when) if isinstance(when, int | float) and when > 0 else None


def _options(scheme: str, configured: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file system is to be told beside what the user has configured.

    S3 that takes connections and never answers would be tried for six minutes; so it is 90 seconds.
    """
    if scheme not in _S3:
        return {}
    known = configured.get(scheme, {}).get("config_kwargs", {})
    return {"config_kwargs": {"retries": {"max_attempts": 1}, **known}}
