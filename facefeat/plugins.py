"""Find heads and backbones by name: one file is one of them, and other packages may bring more.

A plug-in is a module. facefeat's own are the modules of a package; third parties name theirs by an
entry point. Listing them imports none of them. This module imports only the errors.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from types import ModuleType

from facefeat.errors import unknown_name

PACKAGES = {"head": "facefeat.heads", "backbone": "facefeat.features.backbones"}
GROUPS = {"head": "facefeat.heads", "backbone": "facefeat.backbones"}


def names(kind: str) -> tuple[str, ...]:
    """List the plug-ins of a kind without importing them.

    Parameters
    ----------
    kind : {'head', 'backbone'}

    Returns
    -------
    tuple of str
        Sorted. A name of facefeat's own is never taken by another package's.
    """
    return tuple(sorted({*_own(kind), *_others(kind)}))


def load(kind: str, name: str) -> ModuleType:
    """Import one plug-in.

    Parameters
    ----------
    kind : {'head', 'backbone'}
    name : str

    Returns
    -------
    module

    Raises
    ------
    UsageError
        If there is none of that name; the message has the nearest.
    """
    if name in _own(kind):
        return importlib.import_module(f"{PACKAGES[kind]}.{name}")
    others = _others(kind)
    if name not in others:
        raise unknown_name(kind, name, names(kind))
    module: ModuleType = others[name].load()
    return module


@cache
def _own(kind: str) -> tuple[str, ...]:
    spec = find_spec(PACKAGES[kind])
    places = spec.submodule_search_locations if spec else None
    return tuple(module.name for module in pkgutil.iter_modules(places) if not module.name.startswith("_"))


@cache
def _others(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUPS[kind])}
