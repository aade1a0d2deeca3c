"""Read a published feature file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.regular import NotRegular
from facefeat.errors import DamagedFile, FileFormatError, InputError, StorageError, unknown_name
from facefeat.features.layers import joined, parts
from facefeat.features.recipe import Recipe
from facefeat.features.store import columns as layout
from facefeat.features.store import sealed
from facefeat.features.store.columns import FEATURES, Columns, Skipped

_MAKER = {"engine": str, "device": str, "precision": str, "versions": dict}


@dataclass(frozen=True)
class FeatureFile:
    """A feature file that was checked; its columns are read from the disk as they are used.

    Attributes
    ----------
    path : Path
    recipe : Recipe
    made_by : dict
        Versions, engine, device and precision.
    people : tuple of str
        Sorted.
    paths : tuple of str, length n_images
        Relative to the data set, forward slashes, sorted by person and path.
    person : ndarray of shape (n_images,), int32
        Index into ``people``.
    columns : dict of str to ndarray
        Every dataset by its name in the file; ``images/sha256``, ``faces/box`` and so on.
    skipped : tuple of Skipped
    augmentation : str
        The ranges of the augmented copies, canonical JSON; see ``facefeat.data.augment``. ``''`` where it is not said.
    """

    path: Path
    recipe: Recipe
    made_by: dict[str, Any]
    people: tuple[str, ...]
    paths: tuple[str, ...]
    person: NDArray[np.int32]
    columns: Columns
    skipped: tuple[Skipped, ...]
    augmentation: str = ""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def ran_on(self) -> str:
        """Engine, device and precision in words."""
        return f"{self.made_by['engine']} on {self.made_by['device']}, {self.made_by['precision']}"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the network's order."""
        return self.recipe.layers

    @property
    def copy(self) -> NDArray[np.int16]:
        """0 for a picture itself, 1.. for its augmented copies; shape (n_images,)."""
        return self.columns["images/copy"]

    @property
    def original(self) -> NDArray[np.bool_]:
        """Whether a row is a picture itself, shape (n_images,); the others are augmented copies, which only train."""
        first: NDArray[np.bool_] = self.copy == 0
        return first

    @property
    def own(self) -> NDArray[np.int64]:
        """The row of the picture that each row is, or is an augmented copy of, shape (n_images,)."""
        return np.maximum.accumulate(np.where(self.original, np.arange(len(self)), 0)).astype(np.int64)

    def originals(self) -> FeatureFile:
        """Return the same without augmented copies; itself where there are none."""
        if not self.n_each:
            return self
        rows = np.flatnonzero(self.original)
        step = np.diff(rows)
        # where all pictures have as many copies, nothing is read: a slice of what is mapped stays mapped
        every = len(rows) < 2 or (step == step[0]).all()
        these = slice(0, None, int(step[0]) if len(step) else len(self)) if every else rows
        columns = {
            name: column[these] if name.startswith(("images/", "faces/", FEATURES)) else column
            for name, column in self.columns.items()
        }
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            person=self.person[these],
            columns=columns,
            augmentation="",
        )

    @property
    def n_pictures(self) -> int:
        """Number of pictures, augmented copies left out."""
        return int(np.sum(self.original))

    @property
    def n_each(self) -> int:
        """Number of augmented copies of each picture; where they differ, the largest."""
        return int(self.copy.max(initial=0))

    @property
    def sha256(self) -> NDArray[np.uint8]:
        """Of each picture's bytes, shape (n_images, 32)."""
        return self.columns["images/sha256"]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Whether a face was found, shape (n_images,); elsewhere the vector is of the whole picture."""
        return self.columns["faces/found"]

    @property
    def numbers(self) -> Columns:
        """The columns that a picture's bytes decide, whatever its name: those of ``ROW`` and the vectors."""
        return {name: self.columns[name] for name in layout.number_columns(self.layers)}

    def first_alike(self) -> NDArray[np.int64]:
        """Return for every row the first row of a picture with the same bytes, shape (n_images,).

        For augmented copies that is the picture itself, or another of the same bytes.
        """
        digests = np.ascontiguousarray(self.sha256).view("V32").reshape(-1)
        _, first, groups = np.unique(digests, return_index=True, return_inverse=True)
        return first[groups].astype(np.int64)

    def copies(self) -> tuple[int, int]:
        """Count pictures that have the bytes of an earlier one, and those of them that are of another person."""
        first = self.first_alike()
        repeated = (first != np.arange(len(self))) & self.original
        return int(repeated.sum()), int((repeated & (self.person != self.person[first])).sum())

    def vectors(self, layer: str) -> NDArray[np.float32]:
        """Return the vectors of a layer, of shape (n_images, n_features).

        Those of one layer are mapped from the disk; several joined by a plus sign are copied side by side.

        Raises
        ------
        UsageError
            If the file does not hold the layer; the sentence lists those it does.
        """
        for one in parts(layer):
            if one not in self.layers:
                raise unknown_name("layer", one, self.layers)
        return joined({name: self.columns[FEATURES + name] for name in parts(layer)}, layer)

    def width(self, layer: str) -> int:
        """Return the length of a layer's vectors; raise as ``vectors`` does."""
        return sum(self.vectors(one).shape[1] for one in parts(layer))


def read(path: str | Path) -> FeatureFile:
    """Open a feature file: every byte is compared with the checksum, then the structure is checked.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    FeatureFile

    Raises
    ------
    InputError
        If there is no such file.
    DamagedFile, ForeignFile, NewerFile
    """
    path = Path(path)
    try:
        raw = sealed.checked_map(path)
    except FileNotFoundError:
        raise InputError(f"There is no feature file {path}; make it with: facefeat extract DATA -o {path}") from None
    except NotRegular as error:
        hint = f" Make one with: facefeat extract {path}" if error.is_folder else ""
        raise InputError(f"{path} is {error.strerror}; a feature file is expected.{hint}") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    datasets, attrs = layout.places(path)
    try:
        columns = {name: layout.view(raw, where, name) for name, where in datasets.items()}
        columns = layout.lifted(columns, layout.version_in(raw, attrs, path))
        return _checked(path, columns, attrs)
    except FileFormatError:
        raise
    except Exception as error:  # a file from a stranger may fail any expectation
        raise DamagedFile(f"{path} is damaged: it lacks parts of the format, or they do not fit together.") from error


def recipe_in(path: Path) -> Recipe | None:
    """Look what recipe a file says it is of, checking nothing else; None where it does not say."""
    if not path.is_file():
        return None
    try:
        return Recipe.from_json(layout.places(path)[1]["recipe"])
    except (FileFormatError, OSError, KeyError):
        return None


def _checked(path: Path, columns: Columns, attrs: dict[str, str]) -> FeatureFile:
    recipe = Recipe.from_json(attrs["recipe"])
    if hashlib.sha256(attrs["recipe"].encode()).hexdigest() != attrs["recipe_sha256"]:
        raise DamagedFile(f"{path} is damaged: its recipe does not match its hash.")
    n = len(columns["images/path"])
    if len(columns["images/person"]) != n:
        raise DamagedFile(f"{path} is damaged: images/person has {len(columns['images/person'])} rows, not {n}.")
    check_numbers(path, columns, recipe.layers, n)
    people = layout.texts_of(columns["people"])
    if len(set(people)) != len(people):
        raise DamagedFile(f"{path} is damaged: it has a person twice.")
    person = columns["images/person"]
    if n and not (person.min() >= 0 and person.max() < len(people)):
        raise DamagedFile(f"{path} is damaged: a row belongs to no person.")
    return FeatureFile(
        path, recipe, maker_of(path, attrs["made_by"]), people, layout.texts_of(columns["images/path"]),
        person, columns, layout.skipped_of(columns), ranges_of(path, attrs.get("augmentation", "")),
    )  # fmt: skip


def check_numbers(path: Path, columns: Columns, layers: Sequence[str], n: int) -> None:
    """Refuse columns that lack rows, or are of another type or shape than the format says.

    Parameters
    ----------
    path : Path
        Of the file, for the sentence.
    columns : dict of str to ndarray
    layers : sequence of str
    n : int
        Rows there should be.

    Raises
    ------
    DamagedFile
    KeyError
        If a column is missing.
    """
    for name in layout.number_columns(layers):
        if len(columns[name]) != n:
            raise DamagedFile(f"{path} is damaged: {name} has {len(columns[name])} rows, not {n}.")
    for name, (dtype, shape) in layout.ROW.items():
        if columns[name].dtype != np.dtype(dtype) or columns[name].shape[1:] != shape:
            raise DamagedFile(f"{path} is damaged: {name} has another type or shape than the format says.")
    for layer in layers:
        if columns[FEATURES + layer].ndim != 2 or columns[FEATURES + layer].dtype not in (np.float32, np.float16):
            raise DamagedFile(f"{path} is damaged: the vectors of {layer} are no table of float32 or float16.")


def ranges_of(path: Path, text: str) -> str:
    """Look whether the ranges of a file's augmented copies are numbers by their names, and return them as they are.

    Raises
    ------
    DamagedFile
    """
    ranges = json.loads(text) if text else {}
    if not isinstance(ranges, dict) or not all(isinstance(value, (int, float)) for value in ranges.values()):
        raise DamagedFile(f"{path} is damaged: how its augmented copies were made is no list of ranges.")
    return text


def maker_of(path: Path, text: str) -> dict[str, Any]:
    """Read what made the rows of a file or shard.

    Parameters
    ----------
    path : Path
        Of the file, for the sentence.
    text : str
        JSON.

    Returns
    -------
    dict

    Raises
    ------
    DamagedFile
        If it is not said in full.
    """
    made_by: dict[str, Any] = json.loads(text)
    for maker in (made_by, *made_by.get("others", ())):
        missing = [name for name, kind in _MAKER.items() if not isinstance(maker.get(name), kind)]
        if missing:
            raise DamagedFile(f"{path} is damaged: what made it is not said in full, {', '.join(missing)} missing.")
    return made_by
