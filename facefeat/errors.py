"""The errors a caller may want to tell apart, each with its exit code.

::

    FacefeatError                     1  never raised itself
      UsageError        (ValueError)  2  a name, knob or option that does not exist
      InputError        (ValueError)  3  nothing usable in the input
        PictureRefused                3  one picture that is not read, with a code
      FileFormatError   (ValueError)  4  a file that is not what it should be
        DamagedFile                   4  cut, overwritten, or failing its checksum
        ForeignFile                   4  made by another program
        NewerFile                     4  made by a newer facefeat
        RecipeMismatch                4  vectors of one recipe, a head of another
      LockedError       (RuntimeError)5  another run holds the file
      ExportDiffers     (RuntimeError)1  an exported model gives other answers than the model
      StorageError      (OSError)     6  no space, read-only, or another I/O failure
      Unreachable       (OSError)     6  a data set at an address that does not answer
      MissingExtra      (ImportError) 7  an optional package is not installed
      MissingPackage    (ImportError) 7  the same of a package that no extra brings

An error's text is one sentence or two: what was expected, what came, what to do.
This module imports nothing of the package and nothing heavy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "DamagedFile",
    "ExportDiffers",
    "FacefeatError",
    "FileFormatError",
    "ForeignFile",
    "InputError",
    "LockedError",
    "MissingExtra",
    "MissingPackage",
    "NewerFile",
    "PictureRefused",
    "RecipeMismatch",
    "StorageError",
    "Unreachable",
    "UsageError",
    "unknown_name",
]

_LISTED = 20  # names in one sentence


class FacefeatError(Exception):
    """Root of all errors that facefeat raises on purpose."""

    exit_code = 1


class UsageError(FacefeatError, ValueError):
    """A name, knob or option that does not exist, or a value out of its range."""

    exit_code = 2


class InputError(FacefeatError, ValueError):
    """Nothing usable in the input."""

    exit_code = 3


class PictureRefused(InputError):
    """One picture that is not read.

    Parameters
    ----------
    code : str
        One of ``facefeat.data.picture.CODES``; stable from version to version.
    message : str
        One sentence for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class FileFormatError(FacefeatError, ValueError):
    """A feature file or bundle that cannot be used."""

    exit_code = 4


class DamagedFile(FileFormatError):
    """A file that was cut or overwritten, or that fails its own checksum."""


class ForeignFile(FileFormatError):
    """A file that facefeat did not make."""


class NewerFile(FileFormatError):
    """A file of a format that only a newer facefeat reads."""


class RecipeMismatch(FileFormatError):
    """Vectors of one recipe met a head or a file of another."""


class LockedError(FacefeatError, RuntimeError):
    """Another run is writing the same file."""

    exit_code = 5


class ExportDiffers(FacefeatError, RuntimeError):
    """An exported model gives other answers than the model, so it was not written."""


class StorageError(FacefeatError, OSError):
    """No space, a read-only place, or another failure of the storage."""

    exit_code = 6


class Unreachable(FacefeatError, OSError):
    """A data set at an address that does not answer; what was read before is kept."""

    exit_code = 6


class MissingPackage(FacefeatError, ImportError):
    """A package is needed that no extra brings.

    Parameters
    ----------
    package : str
        As it is imported.
    purpose : str
        What needs it, as the subject of the sentence.
    """

    exit_code = 7

    def __init__(self, package: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}; install it with: pip install {package}")
        self.package = package


class MissingExtra(FacefeatError, ImportError):
    """An optional package is needed and not installed.

    Parameters
    ----------
    extra : str
        Name of the extra of ``pyproject.toml`` that brings the package.
    purpose : str
        What needs it, as the subject of the sentence.
    """

    exit_code = 7

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the extra '{extra}'; install it with: pip install 'facefeat[{extra}]'")
        self.extra = extra


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Build the error for a mistyped name: what there is, and the nearest of it.

    Parameters
    ----------
    kind : str
        What the name should have been, e.g. ``'head'``.
    name : str
        What came.
    known : iterable of str
        The names there are.

    Returns
    -------
    UsageError
        To be raised by the caller.

    Examples
    --------
    >>> print(unknown_name("head", "smv", ["knn", "svm"]))
    There is no head 'smv'; did you mean 'svm'? There are: knn, svm.
    """
    names = sorted(known)
    lower = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    guess = f"; did you mean '{lower[near[0]]}'?" if near else "."
    rest = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return UsageError(f"There is no {kind} '{name}'{guess} There are: {', '.join(names[:_LISTED])}{rest}.")
