"""Heads by name: their knobs, checked against their own signature."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterator, Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, Protocol, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from facefeat.heads._space import Space


class Head(Protocol):
    """The contract of a module in ``facefeat/heads``; docs/adding-a-head.md explains it.

    Attributes
    ----------
    SUMMARY : str
        One line for people.
    GRID : dict of str to list
        Values that ``--search`` tries, by knob.

    Optional: ``TRUSTED``, ``APPLIED``, ``RANK`` and ``SLOW``, read by ``trusted``, ``applied``, ``rank`` and ``is_slow``; and
    ``check_fitted(estimator, X, y)``, called by the function of that name here when a bundle is read. It gets an
    estimator that is made like ``build``'s, but whose fitted attributes may be anything that a file can hold, and
    the gallery: X of shape (n_images, n_features), float16, and y of shape (n_images,), int32, in which every
    class from 0 has a row. It raises ValueError, one clause, unless all that predicting reads has the type, shape
    and range that it was written for. Compiled code that does not look is why: it would read memory not its own.

    And ``cost(n_images, n_features, n_people)``, read by the function of that name here; the functions of
    ``SharingHead``; those of ``StreamingHead`` and ``LayeredHead``; and of ``facefeat.learn.search.SearchingHead``.
    """

    SUMMARY: str
    GRID: dict[str, list[Any]]

    def build(self, **knobs: Any) -> Any:
        """Return an unfitted scikit-learn classifier."""


class SharingHead(Head, Protocol):
    """A head that can be fitted beside others on rows that were scaled and decomposed once for all of them.

    It depends on the inner products of the scaled rows alone, so that other coordinates than the features do as
    well, and its ``build`` returns what ``facefeat.heads._scaling.scaled`` makes of a classifier. Other heads are
    fitted on the features, each by itself.
    """

    def fit_shared(self, classifier: Any, space: Space) -> Any:
        """Fit the last step of what ``build`` returns, and return it.

        ``space.rows``, of shape (n_images, width), and ``space.labels`` are what ``fit`` would get, in coordinates
        in which it may be asked to name others later; ``facefeat.heads._space.Space`` has more. A head that counts
        the features takes ``space.n_features``.
        """

    def in_features(self, classifier: Any, space: Space) -> None:
        """Turn those fitted attributes that are vectors in the coordinates of the space back to features."""


class StreamingHead(Head, Protocol):
    """A head that shares nothing, made by ``facefeat.heads._scaling.scaled``, for tables that are not held in memory."""

    def fit_streamed(self, classifier: Any, space: Space) -> Any:
        """Fit the last step of what ``build`` returns, and return it.

        ``space.streamed`` is a table of scaled rows, read where a slice or row numbers ask for them.
        """


class LayeredHead(Head, Protocol):
    """A head whose fitted models can be written as files for other programs.

    Its ``build`` returns what ``facefeat.heads._scaling.scaled`` makes of a classifier.
    """

    def in_layers(self, classifier: Any, rows: Any) -> Any:
        """Write the last step of a fitted pipeline in layers and operations of Keras' own.

        ``rows`` is a Keras tensor of shape (n, n_features), float32: rows that were scaled already. Returned is what
        ``decision_function`` gives for them, or ``predict_proba`` of a head that only has that, as a Keras tensor of
        shape (n, n_classes), float32; of shape (n, 1) where the former gives one number a row.
        """


def get(name: str) -> Head:
    """Import a head by its name.

    Raises
    ------
    UsageError
        If there is none of that name; the sentence has the nearest.
    """
    return cast(Head, plugins.load("head", name))


def trusted(name: str) -> tuple[str, ...]:
    """Return the types that a bundle of this head may hold beside scikit-learn's own that ``build`` makes."""
    return tuple(getattr(get(name), "TRUSTED", ()))


def held_types(name: str, params: Mapping[str, Any]) -> frozenset[str]:
    """Return the full names of all types that a bundle of this head and these knobs may hold."""
    return frozenset({*trusted(name), *map(full_name, _types_of(applied(name, params)))})


def applied_types(name: str, params: Mapping[str, Any]) -> dict[str, type] | None:
    """Return the classes that stand for ``held_types`` without scikit-learn; ``None`` for a head without ``APPLIED``."""
    if not hasattr(get(name), "APPLIED"):
        return None
    own = {one: resolve_name(one) for one in trusted(name)}
    return own | {full_name(one): one for one in _types_of(applied(name, params))}


def full_name(kind: type) -> str:
    """Return the name under which a bundle keeps objects of a type."""
    return str(getattr(kind, "KEPT_AS", f"{kind.__module__}.{kind.__name__}"))


def rank(name: str) -> int:
    """Return a head's place among heads that score alike: lower is taken first."""
    return int(getattr(get(name), "RANK", 50))


def is_slow(name: str) -> bool:
    """Tell whether a head takes so long to fit that it is left out where many are tried."""
    return bool(getattr(get(name), "SLOW", False))


def shares(name: str) -> bool:
    """Tell whether a head can be fitted in coordinates that it shares with others."""
    return hasattr(get(name), "fit_shared")


def fit_shared(name: str, classifier: Any, space: Space) -> Any:
    """Fit the last step of what ``build`` returns in shared coordinates; see ``Head``.

    Raises
    ------
    ValueError
        In the head's own words.
    """
    return cast(SharingHead, get(name)).fit_shared(classifier, space)


def streams(name: str) -> bool:
    """Tell whether a head that does not share can be fitted on a table that is read in parts."""
    return hasattr(get(name), "fit_streamed")


def fit_in(name: str, classifier: Any, space: Space) -> Any:
    """Fit the last step of what ``build`` returns in a space, by ``fit_shared`` or ``fit_streamed``.

    Raises
    ------
    ValueError
        In the head's own words.
    """
    if shares(name):
        return fit_shared(name, classifier, space)
    return cast(StreamingHead, get(name)).fit_streamed(classifier, space)


def in_features(name: str, classifier: Any, space: Space) -> None:
    """Turn a classifier that was fitted in shared coordinates back to the features; see ``Head``."""
    cast(SharingHead, get(name)).in_features(classifier, space)
    classifier.n_features_in_ = space.n_features


def cost(name: str, n_images: int, n_features: int, n_people: int) -> float:
    """Estimate what a head costs, so that those that take too long can be left out where nobody named them.

    Parameters
    ----------
    name : str
    n_images, n_features, n_people : int
        Of the table.

    Returns
    -------
    float
        Roughly the seconds that one core takes to fit the head on the table and to name a tenth of it; 0 where the
        head does not say.
    """
    estimate = getattr(get(name), "cost", None)
    width = min(n_features, n_images) if shares(name) else n_features
    return float(estimate(n_images, width, n_people)) if estimate else 0.0


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
    return get(name).build(**_checked(name, params or {}))


def applied(name: str, params: Mapping[str, Any]) -> Any:
    """Build what a fitted head from a file is filled into: without scikit-learn, or what ``build`` makes.

    Parameters
    ----------
    name : str
    params : mapping of str to value

    Returns
    -------
    estimator
        Of the class ``APPLIED`` after its scaling, where the head has one.

    Raises
    ------
    UsageError
        As ``build`` does.
    """
    classifier = getattr(get(name), "APPLIED", None)
    if classifier is None:
        return build(name, params)
    from facefeat.heads._applied import scaled

    values = knobs(name) | _checked(name, params)
    return scaled(root=values.pop("root"), classifier=classifier(**values))


def _checked(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return knobs as ``build`` takes them."""
    hints = get_type_hints(get(name).build)
    checked = {}
    for knob, value in params.items():
        if knob not in knobs(name):
            raise unknown_name(f"knob of {name}", knob, knobs(name))
        if not fits(value, hints[knob]):
            raise UsageError(f"{name}: {knob} should be {_in_words(hints[knob])}; {value!r} was given.")
        checked[knob] = tuple(value) if isinstance(value, list) else value
    return checked


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


def check_fitted(name: str, params: Mapping[str, Any], fitted: Any, X: NDArray[np.float16], y: NDArray[Any]) -> None:
    """Refuse an estimator from a file that is not what the head makes of these knobs, before anything is computed.

    Its parameters are replaced by those that ``build`` gives, so the file decides on fitted attributes alone.

    Parameters
    ----------
    name : str
    params : mapping of str to value
    fitted : estimator
    X : ndarray of shape (n_images, n_features), float16
        The gallery.
    y : ndarray of shape (n_images,), int32
        Every class from 0 has a row.

    Raises
    ------
    ValueError
        One clause.
    """
    made = applied(name, params) if hasattr(type(fitted), "KEPT_AS") else build(name, params)
    _adopt(fitted, made, frozenset(knobs(name)))
    classes, width = fitted.classes_, fitted.n_features_in_
    if not isinstance(classes, np.ndarray) or classes.dtype.kind not in "iu" or type(width) is not int:
        raise ValueError("it has no classes")
    if not np.array_equal(classes, np.arange(y.max() + 1)) or width != X.shape[1]:
        raise ValueError("it knows other people or vectors than the manifest")
    if check := getattr(get(name), "check_fitted", None):
        check(fitted, X, y)


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


def _types_of(value: Any) -> Iterator[type]:
    """Yield the types of an unfitted estimator and of those within it."""
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _types_of(one)
    elif hasattr(value, "get_params"):
        yield type(value)
        yield from _types_of(tuple(value.get_params(deep=False).values()))


def _adopt(fitted: Any, built: Any, names: frozenset[str]) -> None:
    """Require that an estimator is made like another, and give it the other's parameters."""
    if type(fitted) is not type(built):
        raise ValueError(f"it has a {type(fitted).__name__} for a {type(built).__name__}")
    if isinstance(built, (list, tuple)):
        if len(fitted) != len(built):
            raise ValueError("it has more or fewer steps")
        for one, other in zip(fitted, built, strict=True):
            _adopt(one, other, names)
    elif not hasattr(built, "get_params"):
        if fitted != built:
            raise ValueError("its steps have other names")
    else:
        own = vars(fitted)
        if hidden := [key for key in own if callable(getattr(type(fitted), key, None))]:
            raise ValueError(f"an attribute hides the method {hidden[0]}")
        for key, value in built.get_params(deep=False).items():
            if any(_types_of(value)):
                _adopt(own.get(key), value, names)
            elif key in names and own.get(key) != value:
                raise ValueError(f"it was made with another {key}")
            else:
                setattr(fitted, key, value)


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is of an annotated type; whole numbers are floats, lists are tuples."""
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in options)
    if origin is Literal:
        return value in options
    if origin is tuple:
        return isinstance(value, (list, tuple)) and all(fits(one, options[0]) for one in value)
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
