"""What a run has finished so far: immutable shards in a work folder beside the feature file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facefeat.errors import DamagedFile, FileFormatError, RecipeMismatch
from facefeat.features.recipe import Recipe
from facefeat.features.store import columns as layout
from facefeat.features.store import durable, sealed
from facefeat.features.store.columns import Columns, Skipped
from facefeat.features.store.lock import locked


@dataclass(frozen=True)
class Shard:
    """Rows of pictures that were computed, and refusals of those that could not be.

    Attributes
    ----------
    columns : dict of str to ndarray
        Those of ``ROW`` and one ``features/<layer>`` a layer.
    skipped : tuple of Skipped
        Without paths: a shard knows bytes, not names.
    made_by : str
        JSON.
    """

    columns: Columns
    skipped: tuple[Skipped, ...]
    made_by: str


class WorkFolder:
    """The shards of one feature file that is being made.

    Parameters
    ----------
    output : Path
        The feature file; the folder is ``<output>.work``.
    recipe : Recipe
    """

    def __init__(self, output: Path, recipe: Recipe) -> None:
        self.output = output
        self.path = output.with_name(f"{output.name}.work")
        self.recipe = recipe

    @contextmanager
    def held(self, *, anew: bool = False) -> Iterator[None]:
        """Create the folder and hold its lock; without shards in it, it goes again at the end.

        Parameters
        ----------
        anew : bool, default=False
            Delete what an unfinished run left, once the lock is held.

        Raises
        ------
        LockedError
            If another run is writing the same feature file.
        RecipeMismatch
            If an unfinished run of another recipe left shards there.
        StorageError
        """
        with locked(self.path / "lock"):
            if anew:
                self.clear()
            try:
                self._claim()
                yield
            finally:
                if not any(self.path.glob("shard-*")):
                    self._remove()

    def add(self, shard: Shard) -> Shard:
        """Write a shard, and return it as it lies on the disk; its name is a function of what it holds."""
        digests = [shard.columns["images/sha256"].tobytes(), *(one.sha256 for one in shard.skipped)]
        name = hashlib.sha256(b"".join(digests)).hexdigest()[:16]
        path = self.path / f"shard-{name}.h5"
        durable.write(path, _image(shard, self.recipe))
        return _read(path, self.recipe)

    def shards(self) -> Iterator[Shard]:
        """Read all shards, in the order of their names; a damaged one is set aside and left out."""
        for path in sorted(self.path.glob("shard-*.h5")):
            try:
                yield _read(path, self.recipe)
            except FileFormatError:
                with durable.storage_errors(path):
                    path.replace(path.with_suffix(".bad"))

    def clear(self) -> None:
        """Delete the shards, once they are published or not wanted."""
        with durable.storage_errors(self.path):
            for path in self.path.glob("shard-*"):
                path.unlink(missing_ok=True)

    def _remove(self) -> None:
        """Delete the folder; the lock goes last."""
        with suppress(OSError):  # the next run may already be in it, or the disk may be read-only
            for path in sorted(self.path.iterdir(), key=lambda path: path.name == "lock"):
                path.unlink(missing_ok=True)
            self.path.rmdir()

    def _claim(self) -> None:
        """Clear what a dead run left half written; refuse shards of another recipe."""
        durable.clear_leftovers(self.output)
        for leftover in self.path.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
        note = self.path / "recipe.json"
        if any(self.path.glob("shard-*.h5")):
            other = _noted(note)
            if other is not None and other.sha256 != self.recipe.sha256:
                raise RecipeMismatch(
                    f"An unfinished run of another recipe left its work in {self.path} "
                    f"({other.difference(self.recipe)}); finish that run, write to another file, or use --overwrite."
                )
        durable.write(note, self.recipe.to_json().encode())


def _noted(note: Path) -> Recipe | None:
    """Read whose work this is; None where the note is lost: every shard names its own recipe as well."""
    try:
        return Recipe.from_json(note.read_text())
    except (OSError, UnicodeDecodeError, DamagedFile):
        return None


def _image(shard: Shard, recipe: Recipe) -> bytes:
    """Build the file of a shard in memory."""
    columns = {**shard.columns, **layout.skipped_columns(shard.skipped)}
    attrs = {
        "format": f"{sealed.FORMAT}/{sealed.VERSION}",
        "recipe": recipe.to_json(),
        "recipe_sha256": recipe.sha256,
        "made_by": shard.made_by,
    }
    buffer = layout.skeleton({name: (column.dtype, column.shape) for name, column in columns.items()}, attrs)
    datasets, _ = layout.places(buffer)
    image = np.frombuffer(bytearray(buffer.getvalue()), np.uint8)
    for name, where in datasets.items():
        if columns[name].size:
            layout.view(image, where, name)[...] = columns[name]
    return sealed.seal(image.tobytes())


def _read(path: Path, recipe: Recipe) -> Shard:
    raw = sealed.checked_map(path)
    datasets, attrs = layout.places(path)
    if attrs.get("recipe_sha256") != recipe.sha256:
        raise RecipeMismatch(f"{path} is of another recipe.")
    columns = {name: layout.view(raw, where, name) for name, where in datasets.items()}
    kept = {name: column for name, column in columns.items() if not name.startswith("skipped/")}
    return Shard(kept, layout.skipped_of(columns), attrs["made_by"])
