"""Heads on one training set: what they share is computed once; see ``Head`` in ``facefeat.learn.head``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import DamagedFile
from facefeat.features.store.file import FeatureFile
from facefeat.heads._rows import blocks, taken
from facefeat.heads._rowspace import Vectors
from facefeat.heads._space import Space
from facefeat.learn import head as heads
from facefeat.learn.calibration import logits

_MEBIBYTES = 512  # that scikit-learn may take for distances at a time


def finite_vectors(file: FeatureFile, layer: str) -> NDArray[np.float32]:
    """Return the vectors of a layer, shape (n_images, n_features).

    Raises
    ------
    UsageError
        If the file does not hold the layer.
    DamagedFile
        If a number is not finite.
    """
    X = file.vectors(layer)
    if not all(np.isfinite(taken(X, block)).all() for block in blocks(*X.shape)):
        raise DamagedFile(f"{file.path} is damaged: its vectors of {layer} are not all finite numbers.")
    return X


class TrainingSet:
    """Rows of a table that train, and the coordinates in which heads are fitted on them, made when first used.

    Parameters
    ----------
    vectors : Vectors
        The table; several training sets of one table share it.
    y : ndarray of shape (n,)
    train : ndarray of shape (n_images,), optional
        Row numbers; all by default.
    """

    def __init__(self, vectors: Vectors, y: NDArray[Any], train: NDArray[np.int64] | None = None) -> None:
        self.vectors, self.y = vectors, y
        self.train = np.arange(len(y)) if train is None else train
        self._spaces: dict[bool, Space | None] = {}

    def space(self, head: str, estimator: Any) -> Space | None:
        """Return the coordinates for an unfitted estimator of a head, if there are any.

        There are none for a head that does not share, unless it streams and the table is large, and for numbers that are not finite: fitted by itself, each
        head has its own words for those.
        """
        if not heads.shares(head) and not (heads.streams(head) and self.vectors.is_large):
            return None
        root = "root" in estimator.named_steps
        if root not in self._spaces:
            try:
                self._spaces[root] = self.vectors.space(self.y, self.train, root)
            except ValueError:
                self._spaces[root] = None
        return self._spaces[root]

    def fit(self, head: str, params: Mapping[str, Any] | None = None) -> Any:
        """Fit a head.

        Parameters
        ----------
        head : str
        params : mapping of str to value, optional

        Returns
        -------
        estimator
            As ``build`` makes it, whatever the coordinates were in which it was fitted.

        Raises
        ------
        ValueError
            In the head's own words.
        """
        estimator = heads.build(head, params)
        space = self.space(head, estimator)
        if space is None:
            return estimator.fit(self.vectors.X[self.train], self.y[self.train])
        classifier = heads.fit_in(head, estimator[-1], space)
        if heads.shares(head):
            heads.in_features(head, classifier, space)
        estimator.steps[:-1] = space.scaling.steps
        return estimator


def scored(classifier: Any, space: Space, rows: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Score rows of the table by a head that was fitted in shared coordinates.

    Parameters
    ----------
    classifier : fitted classifier
    space : Space
    rows : ndarray of shape (n_images,)
        Row numbers.

    Yields
    ------
    block : slice
        Of ``rows``.
    scores : ndarray of shape (n_block, n_classes), float64
        See ``facefeat.learn.calibration.logits``.
    """
    from sklearn import config_context

    with config_context(working_memory=_MEBIBYTES):
        for block in blocks(len(rows), max(space.width, len(space.classes))):
            yield block, logits(classifier, space.coordinates(rows[block]))
