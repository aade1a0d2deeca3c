"""What the heads that facefeat wrote itself do with their training rows first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data


def training_rows(estimator: Any, X: ArrayLike, y: ArrayLike, dtype: type) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Check the training rows of a classifier, and set its ``classes_`` and ``n_features_in_``.

    Parameters
    ----------
    estimator : classifier
    X : array-like of shape (n_images, n_features)
    y : array-like of shape (n_images,)
    dtype : type
        Of the rows returned.

    Returns
    -------
    rows : ndarray of shape (n_images, n_features)
    index : ndarray of shape (n_images,)
        Into ``classes_``.

    Raises
    ------
    ValueError
        Rows that are not finite or do not fit their labels, or fewer than two classes.
    """
    rows, labels = validate_data(estimator, X, y, dtype=dtype)
    estimator.classes_, index = np.unique(labels, return_inverse=True)
    if len(estimator.classes_) < 2:
        raise ValueError("At least two classes are needed; there is 1 class.")
    return rows, index
