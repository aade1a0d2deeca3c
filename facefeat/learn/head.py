"""Heads by name: their knobs, checked against their own signature."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Mapping
from typing import Any, Literal, Protocol, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.errors import UsageError, unknown_name


class Head(Protocol):
    """The contract of a module in ``facefeat/heads``; docs/adding-a-head.md explains it.

    Attributes
    ----------
    SUMMARY : str
        One line for people.
    GRID : dict of str to list
        Values that ``--search`` tries, by knob.

    Optional: ``TRUSTED``, ``RANK`` and ``SLOW``, read by ``trusted``, ``rank`` and ``is_slow``.
    """

    SUMMARY: str
    GRID: dict[str, list[Any]]

    def build(self, **knobs: Any) -> Any:
        """Return an unfitted scikit-learn classifier."""


def get(name: str) -> Head:
    """Import a head by its name.

    Raises
    ------
    UsageError
        If there is none of that name; the sentence has the nearest.
    """
    return cast(Head, plugins.load("head", name))


def trusted(name: str) -> tuple[str, ...]:
    """Return the types that a bundle of this head may hold beside scikit-learn's own."""
    return tuple(getattr(get(name), "TRUSTED", ()))


def rank(name: str) -> int:
    """Return a head's place among heads that score alike: lower is taken first."""
    return int(getattr(get(name), "RANK", 50))


def is_slow(name: str) -> bool:
    """Tell whether a head takes so long to fit that it is left out where many are tried."""
    return bool(getattr(get(name), "SLOW", False))


def knobs(name: str) -> dict[str, Any]:
    """Return a head's knobs and their defaults, in the order of its signature."""
    parameters = inspect.signature(get(name).build).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def build(name: str, params: Mapping[str, Any] | None = None) -> Any:
    """Build an unfitted head.

    Parameters
    ----------
    name : str
    params : mapping of str to value, optional

    Returns
    -------
    estimator

    Raises
    ------
    UsageError
        For an unknown head or knob, or a value of the wrong type.
    """
    head = get(name)
    hints = get_type_hints(head.build)
    checked = {}
    for knob, value in (params or {}).items():
        if knob not in knobs(name):
            raise unknown_name(f"knob of {name}", knob, knobs(name))
        if not _fits(value, hints[knob]):
            raise UsageError(f"{name}: {knob} should be {_in_words(hints[knob])}; {value!r} was given.")
        checked[knob] = tuple(value) if isinstance(value, list) else value
    return head.build(**checked)


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs; values are JSON, or text where they are not.

    Raises
    ------
    UsageError
        If one has no ``=``.

    Examples
    --------
    >>> parse_settings(["C=10", "kernel=rbf", "hidden=[256, 128]"])
    {'C': 10, 'kernel': 'rbf', 'hidden': [256, 128]}
    """
    values = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise UsageError(f"--set takes name=value, such as C=10; '{setting}' was given.")
        try:
            values[name.strip()] = json.loads(text)
        except ValueError:
            values[name.strip()] = text.strip()
    return values


def decision_scores(estimator: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return one score a class, of which ``predict`` names the largest.

    Parameters
    ----------
    estimator : fitted classifier
        With ``decision_function`` or ``predict_proba``.
    X : ndarray of shape (n_images, n_features)

    Returns
    -------
    ndarray of shape (n_images, n_classes), float64
    """
    if hasattr(estimator, "decision_function"):
        scores = np.asarray(estimator.decision_function(X), np.float64)
        return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
    return np.asarray(estimator.predict_proba(X), np.float64)


def _fits(value: Any, hint: Any) -> bool:
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in options)
    if origin is Literal:
        return value in options
    if origin is tuple:
        return isinstance(value, (list, tuple)) and all(_fits(one, options[0]) for one in value)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is hint


def _in_words(hint: Any) -> str:
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(option) for option in options)
    if origin is Literal:
        return " or ".join(repr(option) for option in options)
    if origin is tuple:
        return f"a list such as [{', '.join(['128', '64'] if options[0] is int else ['...'])}]"
    return {float: "a number", int: "a whole number", bool: "true or false", str: "text"}.get(hint, str(hint))
