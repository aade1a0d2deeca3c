"""Weights that others publish: where they are, how they are known, and their one copy in the cache folder."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from facefeat.engines.openvino import cache_folder
from facefeat.errors import DamagedFile, StorageError
from facefeat.features.store import durable
from facefeat.features.weights import Shapes, Weights, from_file

TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 18
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Official:
    """A file of weights at its publisher's.

    Attributes
    ----------
    url : str
        HTTPS; plain HTTP is taken from this machine only.
    bytes : int
        Its size.
    md5 : str
        Of the file, in hex, as published; empty where none is.
    sha256 : str
        Of the tensors, as ``facefeat.features.weights.digest``; empty where they have not been seen.
    """

    url: str
    bytes: int
    md5: str = ""
    sha256: str = ""

    @property
    def name(self) -> str:
        """The file's name, at its publisher's and here."""
        return self.url.rpartition("/")[2]

    @property
    def path(self) -> Path:
        """Its place in the cache folder, whether it is there or not."""
        return cache_folder() / "weights" / self.name

    def __str__(self) -> str:
        return f"{self.url} ({self.bytes / 1e6:.0f} MB{f', MD5 {self.md5}' if self.md5 else ''})"


def find(
    source: str, officials: Mapping[str, Official], shapes: Shapes, other_names: Mapping[str, str] | None = None
) -> Weights:
    """Find weights by the name of a published file, fetching it where it is not there yet, or by a path.

    Parameters
    ----------
    source : str
    officials : mapping of str to Official
        By the names that ``source`` may have.
    shapes : mapping of str to tuple of int
        The network's tensors, in its order.
    other_names : mapping of str to str or None
        As ``facefeat.features.weights.from_file``.

    Returns
    -------
    Weights

    Raises
    ------
    StorageError
        If the file cannot be fetched.
    DamagedFile
        If what was fetched is not the published network.
    FacefeatError
        As ``facefeat.features.weights.from_file``.
    """
    if source not in officials:
        return from_file(source, shapes, other_names)
    official = officials[source]
    found = from_file(fetch(official), shapes)
    if official.sha256 and found.sha256 != official.sha256:
        raise DamagedFile(f"{official.path} does not hold the tensors published at {official.url}.")
    return Weights(source, found.sha256, found.read)


def is_here(official: Official) -> bool:
    """Tell whether the published file lies in the cache folder, whole."""
    try:
        if official.path.stat().st_size != official.bytes:
            return False
        with official.path.open("rb") as file:
            return not official.md5 or hashlib.file_digest(file, _md5).hexdigest() == official.md5
    except OSError:
        return False


def fetch(official: Official, progress: Progress | None = None) -> Path:
    """Download a published file into the cache folder, unless it is there.

    It is written beside its place, its size and hash are checked while it comes, and it is renamed then: what has
    the good name is whole. A download that stopped is begun anew.

    Parameters
    ----------
    official : Official
    progress : callable or None
        Called as ``progress(what, MB done, MB in all)``.

    Returns
    -------
    Path

    Raises
    ------
    StorageError
        If it cannot be downloaded or written, or is not the published file; with what to do by hand.
    """
    path = official.path
    if not is_here(official):
        with durable.storage_errors(path):
            durable.make_folder(path.parent)
            with durable.beside(path) as (handle, _):
                _write(official, handle, progress)
    return path


def _write(official: Official, handle: int, progress: Progress | None) -> None:
    done, hashed = 0, _md5()
    for chunk in _chunks(official):
        done += len(chunk)
        if done > official.bytes:
            raise _failed(official, f"what came is longer than {official.bytes:,} bytes")
        hashed.update(chunk)
        durable.write_all(handle, chunk)
        if progress:
            progress(f"fetching {official.name}, MB", done // 10**6, max(1, official.bytes // 10**6))
    if done < official.bytes:
        raise _failed(official, f"it stopped after {done:,} of {official.bytes:,} bytes")
    if official.md5 and hashed.hexdigest() != official.md5:
        raise _failed(official, f"what came has the MD5 {hashed.hexdigest()}")


class _SameSafety(urllib.request.HTTPRedirectHandler):
    """Follow no redirection to a place that could not have been asked itself."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        try:
            _check_scheme(newurl)
        except ValueError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _chunks(official: Official) -> Iterator[bytes]:
    """Yield the file's bytes; whatever goes wrong on the way is one sentence."""
    try:
        _check_scheme(official.url)
        opener = urllib.request.build_opener(_SameSafety)
        with opener.open(official.url, timeout=TIMEOUT) as answer:
            while chunk := answer.read(CHUNK):
                yield chunk
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(official, _reason(error)) from error


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError(f"{url} is not HTTPS")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it is the answer, too
        return f"the server answered {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"nothing came for {TIMEOUT:.0f} seconds"
    if isinstance(cause, ssl.SSLError):
        return "the server cannot be trusted"
    if isinstance(cause, OSError):
        return (cause.strerror or "no connection").lower()
    return str(cause) or type(error).__name__


def _failed(official: Official, reason: str) -> StorageError:
    return StorageError(
        f"{official} cannot be downloaded: {reason}. Fetch it elsewhere and put it at {official.path}, "
        "or give it as --weights FILE."
    )


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)
