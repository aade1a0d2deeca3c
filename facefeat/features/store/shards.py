"""What a run has finished so far: immutable shards in a work folder beside the feature file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facefeat.errors import DamagedFile, FileFormatError, RecipeMismatch
from facefeat.features.recipe import Recipe
from facefeat.features.store import columns as layout
from facefeat.features.store import durable, mapped, sealed
from facefeat.features.store.columns import Columns, Kept, Skipped
from facefeat.features.store.file import check_numbers, maker_of
from facefeat.features.store.lock import locked
from facefeat.features.store.skeleton import skeleton

SHARD_NAME = re.compile(r"shard-[0-9a-f]{16}\.h5")


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
    augmentation : str
        The ranges of its augmented copies, JSON; ``''`` where there are none.
    """

    columns: Kept
    skipped: tuple[Skipped, ...]
    made_by: str
    augmentation: str = ""


def work_folder(output: Path) -> Path:
    """Return where the unfinished work of a feature file lies."""
    return output.with_name(f"{output.name}.work")


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Hold a feature file's lock in its work folder; without shards in it, the folder goes again at the end.

    Unfinished work stays as it is, whatever recipe it is of.

    Raises
    ------
    LockedError
        If another run is writing the same feature file.
    StorageError
    """
    folder = work_folder(output)
    with locked(folder / "lock"):
        try:
            yield
        finally:
            if not any(folder.glob("shard-*")):
                _remove(folder)


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
        self.path = work_folder(output)
        self.recipe = recipe

    @contextmanager
    def held(self, *, anew: bool = False) -> Iterator[None]:
        """Hold the lock, see ``writing``, and take the folder for this recipe.

        Parameters
        ----------
        anew : bool, default=False
            Delete what an unfinished run of another recipe left, once the lock is held.

        Raises
        ------
        LockedError
            If another run is writing the same feature file.
        RecipeMismatch
            If an unfinished run of another recipe left shards there, and they are not to be deleted.
        StorageError
        """
        with writing(self.output):
            self._claim(anew)
            yield

    def add(self, shard: Shard) -> Shard:
        """Write a shard, and return it as it lies on the disk.

        Raises
        ------
        StorageError
        """
        return self.put(*packed(shard, self.recipe))

    def put(self, name: str, data: bytes) -> Shard:
        """Write the file of a shard, as ``packed`` made it here or elsewhere, and return it as it lies on the disk.

        Raises
        ------
        StorageError
        """
        durable.write(self.path / name, data)
        return self.get(name)

    def get(self, name: str) -> Shard:
        """Return a shard that was just written, by this process or another.

        Raises
        ------
        StorageError
            If it does not read back.
        """
        path = self.path / name
        try:
            return _read(path, self.recipe)
        except (FileFormatError, OSError) as error:
            raise durable.unlike(path) from error

    def take(self, name: str, data: bytes) -> None:
        """Write the file of a shard of which nothing is known but its name, if it is what that says.

        Raises
        ------
        FileFormatError
            If it is damaged, of another recipe, or about other pictures; nothing is written then.
        StorageError
        """
        path = self.path / name
        with durable.storage_errors(path), durable.beside(path) as (handle, temporary):
            durable.write_all(handle, data)
            if name_of(checked(temporary, self.recipe)) != name:
                raise DamagedFile(f"{name} is damaged: it is about other pictures than its name says.")

    def shards(self) -> Iterator[Shard]:
        """Read all shards, in the order of their names; one that cannot be read is set aside and left out."""
        for path in sorted(self.path.glob("shard-*.h5")):
            try:
                shard = _read(path, self.recipe)
            except (FileFormatError, OSError):
                with durable.storage_errors(path):
                    path.replace(path.with_suffix(".bad"))
            else:
                yield shard

    def clear(self) -> None:
        """Delete the shards, once they are published or not wanted."""
        with durable.storage_errors(self.path):
            mapped.let_go()
            durable.sync_folder(self.output.parent)  # a killed run may have published without getting so far
            for path in self.path.glob("shard-*"):
                path.unlink(missing_ok=True)

    def _claim(self, anew: bool) -> None:
        """Clear what a dead run left half written; refuse or delete shards of another recipe."""
        durable.clear_leftovers(self.output)
        for leftover in self.path.glob(".*.tmp"):
            durable.remove(leftover)
        note = self.path / "recipe.json"
        if any(self.path.glob("shard-*.h5")):
            other = noted(note)
            if other is not None and other.sha256 != self.recipe.sha256:
                if not anew:
                    raise RecipeMismatch(
                        f"An unfinished run of another recipe left its work in {self.path} "
                        f"({other.difference(self.recipe)}); finish that run, write to another file, or use --overwrite."
                    )
                self.clear()
        durable.write(note, self.recipe.to_json().encode())


def _remove(folder: Path) -> None:
    """Delete a work folder; the lock goes last."""
    with suppress(OSError):  # the next run may already be in it, or the disk may be read-only
        for path in sorted(folder.iterdir(), key=lambda path: path.name == "lock"):
            path.unlink(missing_ok=True)
        folder.rmdir()


def noted(note: Path) -> Recipe | None:
    """Read whose work this is; None where the note is lost: every shard names its own recipe as well."""
    try:
        return Recipe.from_json(note.read_text())
    except (OSError, UnicodeDecodeError, DamagedFile):
        return None


def packed(shard: Shard, recipe: Recipe) -> tuple[str, bytes]:
    """Return the file of a shard: its name and its bytes."""
    return name_of(shard), _image(shard, recipe)


def name_of(shard: Shard) -> str:
    """Return the name of a shard's file, which is a function of the pictures it is about."""
    digests = [shard.columns["images/sha256"].tobytes(), *(one.sha256 for one in shard.skipped)]
    if shard.augmentation:
        digests += [shard.columns["images/copy"].tobytes(), shard.augmentation.encode()]
    return f"shard-{hashlib.sha256(b''.join(digests)).hexdigest()[:16]}.h5"


def _image(shard: Shard, recipe: Recipe) -> bytes:
    """Build the file of a shard in memory."""
    columns = {**shard.columns, **layout.skipped_columns(shard.skipped)}
    version = sealed.version_for(shard.augmentation)
    attrs = layout.attributes(recipe, version, shard.made_by, shard.augmentation)
    empty = skeleton({name: (column.dtype, column.shape) for name, column in columns.items()}, attrs)
    image = np.zeros(empty.size, np.uint8)
    for offset, part in empty.parts:
        image[offset : offset + len(part)] = np.frombuffer(part, np.uint8)
    for name, where in empty.datasets.items():
        if columns[name].size:
            layout.view(image, where, name)[...] = columns[name]
    return sealed.seal(image.tobytes(), version)


def _read(path: Path, recipe: Recipe) -> Shard:
    seen = mapped.mark_of(path)  # of the file that is checked: another would not be mapped later
    raw = sealed.checked_map(path)
    datasets, attrs = layout.places(path)
    if attrs.get("recipe_sha256") != recipe.sha256:
        raise RecipeMismatch(f"{path} is of another recipe.")
    version = layout.version_in(raw, attrs, path)
    shard = _shard({name: layout.view(raw, where, name) for name, where in datasets.items()}, attrs)
    kept = {name: datasets[name] for name in shard.columns if name in datasets}
    return replace(shard, columns=mapped.MappedColumns(path, seen, kept, version))


def checked(path: Path, recipe: Recipe | None) -> Shard:
    """Read a shard, trusting nothing of it.

    Parameters
    ----------
    path : Path
    recipe : Recipe or None
        That it has to be of, if that is known.

    Returns
    -------
    Shard

    Raises
    ------
    FileFormatError
    OSError
    """
    raw = sealed.checked_map(path)
    datasets, attrs = layout.places(path)
    try:
        columns = {name: layout.view(raw, where, name) for name, where in datasets.items()}
        columns = layout.lifted(columns, layout.version_in(raw, attrs, path))
        own = Recipe.from_json(attrs["recipe"])
        if hashlib.sha256(attrs["recipe"].encode()).hexdigest() != attrs["recipe_sha256"]:
            raise DamagedFile(f"{path} is damaged: its recipe does not match its hash.")
        if recipe is not None:
            recipe.require(own, str(path))
        n = len(columns["images/sha256"])
        check_numbers(path, columns, own.layers if n else (), n)
        maker_of(path, attrs["made_by"])
        return _shard(columns, attrs)
    except FileFormatError:
        raise
    except Exception as error:  # a shard may fail any expectation
        raise DamagedFile(f"{path} is damaged: it lacks parts of the format, or they do not fit together.") from error


def _shard(columns: Columns, attrs: dict[str, str]) -> Shard:
    kept = {name: column for name, column in columns.items() if not name.startswith("skipped/")}
    return Shard(kept, layout.skipped_of(columns), attrs["made_by"], attrs.get("augmentation", ""))
