"""Whether fine-tuning paid: heads on the vectors of both networks, tested on pictures that neither was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.errors import InputError
from facefeat.features import backbone as backbones
from facefeat.features.layers import joined
from facefeat.features.recipe import Recipe
from facefeat.learn import head as heads
from facefeat.learn.compare import TOO_LONG
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.metrics import Share, wilson
from facefeat.learn.statistics import Difference, matched_difference
from facefeat.tune.split import Split

SIGNIFICANT = 0.05
INNER = 5  # folds in which a head and a layer are chosen

Vectors = Mapping[str, NDArray[np.float32]]  # by layer, of shape (n_images, n_features)


@dataclass(frozen=True)
class Chosen:
    """A head on a layer, and how it did in one split.

    Attributes
    ----------
    head, layer : str
    expected : float
        Accuracy on the validation pictures, by which it was chosen.
    right : ndarray of shape (n_test,), bool
        Which of the tested pictures it names right.
    """

    head: str
    layer: str
    expected: float
    right: NDArray[np.bool_]


@dataclass(frozen=True)
class Payoff:
    """Both networks, each with its best head, on the pictures tested in any split.

    Attributes
    ----------
    frozen, tuned : Share
        Accuracies, Wilson's interval.
    difference : Difference
        Tuned less frozen on the same pictures, with McNemar's exact test.
    only_frozen, only_tuned : int
        Pictures that one of them alone names right.
    n_tested : int
    """

    frozen: Share
    tuned: Share
    difference: Difference
    only_frozen: int
    only_tuned: int
    n_tested: int

    @property
    def verdict(self) -> str:
        """One of ``'paid'``, ``'did not pay'`` and ``'cannot be told'``.

        It pays by being better, and not by chance. What is no better did not pay for its time.
        """
        if self.difference.mean <= 0:
            return "did not pay"
        return "paid" if self.difference.p_value < SIGNIFICANT else "cannot be told"


def candidates(recipe: Recipe) -> tuple[str, ...]:
    """Return the layers that heads are tried on: what the backbone recommends, each, and all side by side."""
    return tuple(dict.fromkeys((backbones.usual_layer(recipe), *recipe.layers, "+".join(recipe.layers))))


def choose(
    vectors: Vectors, person: NDArray[np.int32], split: Split, layers: Sequence[str], random_state: int, workers: int
) -> Chosen:
    """Choose a head and a layer by the validation pictures, and test it.

    Vectors of pictures that trained a network flatter it, and would flatter each head on them. So the choice is made
    by cross-validation over the validation pictures: each is named by heads fitted on all that train and on the
    others. The head chosen is fitted on both, and tested.

    Parameters
    ----------
    vectors : mapping of str to ndarray of shape (n_images, n_features)
    person : ndarray of shape (n_images,), int32
    split : Split
    layers : sequence of str
    random_state : int
    workers : int

    Returns
    -------
    Chosen
        Of equally good ones, the head with the lower rank on the layer named first.

    Raises
    ------
    InputError
        If no head could be fitted.
    """
    inner = _inner(split, random_state)
    found: list[tuple[float, str, str, NDArray[np.bool_]]] = []
    for layer in layers:
        X = joined(vectors, layer)
        names = _quick(len(X), X.shape[1], int(person.max()) + 1)
        outcomes = cross_validate(X, person, [*inner, _outer(split)], [Trial(name) for name in names], workers)
        for name, results in zip(names, outcomes, strict=True):
            *by_part, last = results
            if isinstance(last, Outcome) and all(isinstance(one, Outcome) for one in by_part):
                right = [one.named == person[test] for (_, test), one in zip(inner, by_part, strict=True)]  # type: ignore[union-attr]
                found.append((float(np.mean(np.concatenate(right))), name, layer, last.named == person[split.test]))
    if not found:
        raise InputError("No head could be fitted on the vectors of the network.")
    best = max(found, key=lambda one: one[0])  # of equal ones the first
    return Chosen(best[1], best[2], best[0], best[3])


def payoff(frozen: Sequence[NDArray[np.bool_]], tuned: Sequence[NDArray[np.bool_]]) -> Payoff:
    """Set both networks against each other.

    Parameters
    ----------
    frozen, tuned : sequence of ndarray of shape (n_test,), bool
        Which pictures each names right, split by split; no picture is in two.

    Returns
    -------
    Payoff
    """
    one, other = np.concatenate(frozen), np.concatenate(tuned)
    n = len(one)
    return Payoff(
        frozen=wilson(float(one.mean()), n),
        tuned=wilson(float(other.mean()), n),
        difference=matched_difference(other, one),
        only_frozen=int(np.sum(one & ~other)),
        only_tuned=int(np.sum(other & ~one)),
        n_tested=n,
    )


def _quick(n_images: int, n_features: int, n_people: int) -> list[str]:
    """Return the heads that are tried, by rank: those that take no more than ``TOO_LONG`` for a layer."""
    names = [name for name in plugins.names("head") if not heads.is_slow(name)]
    return sorted(
        (name for name in names if heads.cost(name, n_images, n_features, n_people) * (INNER + 1) <= TOO_LONG),
        key=heads.rank,
    )


def _inner(split: Split, random_state: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return splits of what is not tested, in which every validation picture is named once."""
    order = np.random.default_rng(random_state).permutation(split.validation)
    both = np.union1d(split.train, split.validation)
    parts = [np.sort(part) for part in np.array_split(order, min(INNER, len(order)))]
    return [(np.setdiff1d(both, part), part) for part in parts]


def _outer(split: Split) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.union1d(split.train, split.validation), split.test
