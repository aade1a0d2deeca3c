"""Objects from a schema that ``facefeat.learn.archive`` has checked: what skops would construct, and nothing else.

skops writes the schema. Reading it here spares importing skops and, with it, all of scikit-learn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def constructed(node: Any, arrays: Mapping[str, NDArray[Any]], types: Mapping[str, type]) -> Any:
    """Construct what a node of a checked schema describes.

    Parameters
    ----------
    node : parsed JSON
    arrays : mapping of str to ndarray
        By the names that the schema has for them.
    types : mapping of str to type
        The classes of objects, by full name. None of them is called: an object is empty, and filled with attributes.

    Returns
    -------
    object, list, tuple, dict, str, int, float, bool, None, ndarray or NumPy scalar

    Raises
    ------
    KeyError, TypeError, ValueError
        If the schema is none that was checked for these types.
    """
    kind, loader = f"{node['__module__']}.{node['__class__']}", node["__loader__"]
    if loader == "ObjectNode":
        made: Any = object.__new__(types[kind])
        vars(made).update(constructed(node["content"], arrays, types))
        return made
    if loader == "DictNode":
        return {key: constructed(one, arrays, types) for key, one in node["content"].items()}
    if loader in ("ListNode", "TupleNode"):
        held = [constructed(one, arrays, types) for one in node["content"]]
        return held if loader == "ListNode" else tuple(held)
    if loader == "JsonNode":
        return json.loads(node["content"])
    if loader == "NdArrayNode":
        found = arrays[node["file"]]
        return found if kind == "numpy.ndarray" else np.dtype(kind.removeprefix("numpy.")).type(found)
    raise ValueError(f"nodes of the loader {loader!r} are not read")
