"""Fitted attributes that come from a file: have they the shapes and types that a fit gives them?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_array(value: Any, shape: tuple[int, ...], name: str, dtype: type = np.floating) -> NDArray[Any]:
    """Return a fitted array.

    Raises
    ------
    ValueError
        Unless it is an array of this shape and kind of numbers.
    """
    if not isinstance(value, np.ndarray) or value.shape != shape or not np.issubdtype(value.dtype, dtype):
        raise ValueError(f"its {name} is no array of shape {shape}")
    return value


def check_attributes(holder: Any, **expected: Any) -> None:
    """Require that attributes have these values, of these types.

    Raises
    ------
    ValueError
    """
    for name, value in expected.items():
        found = getattr(holder, name, None)
        if type(found) is not type(value) or found != value:
            raise ValueError(f"its {name} is not {value!r}")


def is_positive(value: Any) -> bool:
    """Tell whether something is a number over zero."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
