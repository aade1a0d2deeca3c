"""The one model in memory, and its file: when the file changes, the new model takes the place of the old."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from facefeat.errors import FacefeatError, InputError
from facefeat.learn import bundle as bundles
from facefeat.learn.bundle import Bundle
from facefeat.learn.predict import Recogniser

Mark = tuple[int, int, int, int]


@dataclass(frozen=True)
class Model:
    """A model that is ready, as its file was when it was read.

    Attributes
    ----------
    recogniser : Recogniser
    sha256 : str
        Of the file.
    """

    recogniser: Recogniser
    sha256: str

    @property
    def bundle(self) -> Bundle:
        """What the file holds."""
        return self.recogniser.bundle

    @cached_property
    def pictures(self) -> dict[str, list[int]]:
        """Of each person the rows of the gallery, one a picture: augmented copies are left out."""
        gallery, people = self.bundle.gallery, self.bundle.people
        found: dict[str, dict[str, int]] = {name: {} for name in people}
        for row, (path, person) in enumerate(zip(gallery.paths, gallery.person.tolist(), strict=True)):
            found[people[person]].setdefault(path, row)
        return {name: list(rows.values()) for name, rows in found.items()}

    @cached_property
    def places(self) -> dict[str, int]:
        """Of each path of a training picture its number among its person's."""
        paths = self.bundle.gallery.paths
        return {paths[row]: number for rows in self.pictures.values() for number, row in enumerate(rows)}


class Current:
    """The model that answers now.

    Parameters
    ----------
    path : Path
    ready : callable
        Makes a bundle ready, with the recogniser there was before if the two share their recipe.
    tell : callable
        Told in a sentence what happened to the file.

    Attributes
    ----------
    path : Path
    model : Model
    problem : str or None
        Why the file as it is now could not be read; the model is that of before.
    """

    def __init__(
        self,
        path: Path,
        ready: Callable[[Bundle, Recogniser | None], Recogniser],
        tell: Callable[[str], None],
    ) -> None:
        self.path, self._ready, self._tell = path, ready, tell
        self._lock = threading.Lock()
        self.problem: str | None = None
        self._mark = self._look()
        self.model = self._read(None)

    def refresh(self) -> bool:
        """Take up the file if it has changed; the model there was stays where the new one cannot be read.

        Returns
        -------
        bool
            Whether another model answers from now on.
        """
        with self._lock:
            mark = self._look()
            if mark == self._mark:
                return False
            self._mark = mark
            try:
                if mark is not None and self._digest() == self.model.sha256:
                    self.problem = None
                    return False
                self.model, self.problem = self._read(self.model.recogniser), None
            except FacefeatError as error:
                self.problem = str(error)
                self._tell(f"The model stays as it was: {error}")
                return False
        self._tell(f"{self.path.name} has changed; its new state answers from now on.")
        return True

    def _look(self) -> Mark | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev

    def _digest(self) -> str:
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}.") from error

    def _read(self, before: Recogniser | None) -> Model:
        digest = ""
        while digest != (digest := self._digest()):  # a file that is replaced meanwhile is read again
            bundle = bundles.read(self.path)
        return Model(self._ready(bundle, before), digest)
