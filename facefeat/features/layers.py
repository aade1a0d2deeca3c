"""Names of layers: those of the network, or several of them joined by a plus sign, whose vectors lie side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def parts(layer: str) -> tuple[str, ...]:
    """Return the network's layers that a name stands for.

    Examples
    --------
    >>> parts("block3_pool+block4_pool")
    ('block3_pool', 'block4_pool')
    """
    return tuple(layer.split("+"))


def within(layer: str, layers: tuple[str, ...]) -> bool:
    """Tell whether a name stands for some of these layers, each once."""
    mine = parts(layer)
    return set(mine) <= set(layers) and len(set(mine)) == len(mine)


def joined(tables: Mapping[str, NDArray[Any]], layer: str) -> NDArray[Any]:
    """Return the vectors of a layer, or of several side by side.

    Parameters
    ----------
    tables : mapping of str to ndarray of shape (n_images, n_features)
        By the network's layers.
    layer : str

    Returns
    -------
    ndarray of shape (n_images, n_features)
        A table as it is, or a new one.
    """
    found = [tables[name] for name in parts(layer)]
    return found[0] if len(found) == 1 else np.concatenate(found, axis=1)
