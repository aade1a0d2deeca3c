"""Keras' ``.h5``, old and new. Links are not followed, and datasets whose content lies elsewhere are left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.features.tensors.entry import Entry, Listing


@contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """List the datasets of a file, for as long as it is open, in Keras' order where the file names it."""
    import h5py

    found: dict[str, Entry] = {}

    def visit(where: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual and item.shape is not None:
            found[where] = _entry(where, item)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
        order = _order(file, set(found))
        others = [entry for where, entry in found.items() if where not in set(order)]
        yield Listing("Keras' .h5", [*(found[where] for where in order), *others], bool(order))


def _entry(where: str, item: Any) -> Entry:
    *layers, leaf = where.split("/")
    named = item.parent.attrs.get("name")  # Keras 3 calls the groups after the layers' kinds
    if isinstance(named, str):
        layers.append(named)
    plain = item.dtype.kind in "fiu"
    return Entry(tuple(layers), leaf, item.shape, (lambda: _read(item)) if plain else None)


def _read(item: Any) -> NDArray[np.float32]:
    return np.asarray(item, np.float32)


def _order(file: Any, known: set[str]) -> list[str]:
    """Return the datasets in the order in which Keras 2 wrote the layers, by which it reads them too."""
    folders = {one[:at] for one in known for at, letter in enumerate(one) if letter == "/"}
    root = "model_weights/" if "model_weights" in folders else ""
    groups = [f"{root}{layer}" for layer in _texts(file[root] if root else file, "layer_names")]
    found = [f"{group}/{name}" for group in groups if group in folders for name in _texts(file[group], "weight_names")]
    return list(dict.fromkeys(one for one in found if one in known))


def _texts(group: Any, attribute: str) -> list[str]:
    values = np.ravel(group.attrs.get(attribute, []))
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]
