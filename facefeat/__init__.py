"""From a folder of photographs, one folder a person, to a recogniser you can trust.

The front door. Nothing heavy is loaded before one of these is used:

>>> import facefeat
>>> sorted(facefeat.__all__)
['add', 'compare', 'evaluate', 'extract', 'fit', 'forget', 'howmany', 'load', 'plan', 'predict', 'read', 'read_bundle']

``extract(data, output, plan())`` makes a feature file, ``read`` opens it, ``compare``, ``howmany`` and ``fit`` take it,
``read_bundle`` and ``evaluate`` look at a fitted model, ``load(model).predict(pictures)`` names faces, and ``add`` and
``forget`` change who is in a model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facefeat.features.encode import plan
    from facefeat.features.extract import extract
    from facefeat.features.store.file import read
    from facefeat.learn.bundle import read as read_bundle
    from facefeat.learn.compare import compare
    from facefeat.learn.evaluate import evaluate
    from facefeat.learn.fit import fit
    from facefeat.learn.howmany import howmany
    from facefeat.learn.membership import add, forget
    from facefeat.learn.predict import load, predict

_PLACES = {
    "add": "facefeat.learn.membership:add",
    "compare": "facefeat.learn.compare:compare",
    "evaluate": "facefeat.learn.evaluate:evaluate",
    "extract": "facefeat.features.extract:extract",
    "fit": "facefeat.learn.fit:fit",
    "forget": "facefeat.learn.membership:forget",
    "howmany": "facefeat.learn.howmany:howmany",
    "load": "facefeat.learn.predict:load",
    "plan": "facefeat.features.encode:plan",
    "predict": "facefeat.learn.predict:predict",
    "read": "facefeat.features.store.file:read",
    "read_bundle": "facefeat.learn.bundle:read",
}

__all__ = [
    "add",
    "compare",
    "evaluate",
    "extract",
    "fit",
    "forget",
    "howmany",
    "load",
    "plan",
    "predict",
    "read",
    "read_bundle",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'facefeat' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
