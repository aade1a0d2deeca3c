"""The state of a training after each epoch, on disk: whatever moment a run is killed at, there is a whole one."""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.features.store import durable

Weights = list[NDArray[Any]]


class Checkpoint:
    """Where one training keeps its state.

    Keras' ModelCheckpoint and BackupAndRestore write into the file that has the good name, and keep no callback's state.

    Parameters
    ----------
    folder : Path
    name : str
        Of the training; others may lie in the same folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.state = folder / f"{name}-state.npz"

    def write(self, variables: list[Any], record: dict[str, Any]) -> None:
        """Write the values of Keras variables and a record of plain JSON values, in the place of those before.

        Raises
        ------
        StorageError
        """
        durable.write(self.state, packed(values_of(variables), record))
        for path in self.folder.glob(f"{self.name}-best-*.npz"):
            if path != self._best(record["best"]):
                durable.remove(path)

    def read(self, variables: list[Any]) -> dict[str, Any] | None:
        """Set variables to what was written, and return the record; ``None``, and nothing is set, where that cannot be."""
        found = unpacked(self.state)
        if found is None:
            return None
        values, record = found
        if [one.shape for one in values] != [tuple(one.shape) for one in variables]:
            return None
        if not self._best(record["best"]).exists():
            return None
        for one, value in zip(variables, values, strict=True):
            one.assign(value)
        return record

    def keep_best(self, epoch: int, weights: Weights) -> None:
        """Keep the weights of an epoch; those of others go with the next ``write``.

        Raises
        ------
        StorageError
        """
        durable.write(self._best(epoch), packed(weights, {}))

    def best(self, epoch: int) -> Weights:
        """Return the weights of an epoch that were kept.

        Raises
        ------
        StorageError
        """
        found = unpacked(self._best(epoch))
        if found is None:
            raise durable.unlike(self._best(epoch))
        return found[0]

    def _best(self, epoch: int) -> Path:
        return self.folder / f"{self.name}-best-{epoch}.npz"


def values_of(variables: list[Any]) -> Weights:
    """Return the values of Keras variables.

    ``get_weights`` asks TensorFlow for them in a way that NumPy 2 warns of.
    """
    return [np.array(np.asarray(one)) for one in variables]


def packed(values: Weights, record: dict[str, Any]) -> bytes:
    """Return arrays and a record as the bytes of a .npz file."""
    made = BytesIO()
    arrays: dict[str, Any] = {f"v{i}": value for i, value in enumerate(values)}
    np.savez(made, record=np.array(json.dumps(record)), **arrays)
    return made.getvalue()


def unpacked(path: Path) -> tuple[Weights, dict[str, Any]] | None:
    """Read what ``packed`` made; ``None`` where the file is missing or damaged."""
    with (
        suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile),
        path.open("rb") as file,
        np.load(file, allow_pickle=False) as kept,
    ):
        return [kept[f"v{i}"] for i in range(len(kept.files) - 1)], json.loads(str(kept["record"]))
    return None
