"""The coefficients of multinomial logistic regression, found in coordinates that heads share."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facefeat.heads._rows import blocks, require_two

if TYPE_CHECKING:
    from facefeat.heads._space import Space


MOST_SCORES = 2**25  # pictures times people; scikit-learn holds several tables of that size
_SCORES = 2**23  # of a block, where there are more: less and adding gradients up costs, more and memory does


def fit_logistic(classifier: Any, space: Space) -> Any:
    """Fit scikit-learn's ``LogisticRegression`` in shared coordinates.

    Where those are the features, its own ``fit`` does. Where they are not, or where it would take too much memory,
    the same steps are taken here, on rows that are scaled as they are asked for. L-BFGS takes the same steps whatever the
    coordinates, but stops when no number of
    the gradient exceeds ``tol``, and that depends on them: with many features it stops long before the optimum. So
    the gradient is looked at as the features have it, and the solution is the one that ``fit`` finds there. Rows are
    taken in blocks; no table of pictures by people is ever held.

    A second fit in the same space, with another ``C``, starts where the one before ended.

    Parameters
    ----------
    classifier : LogisticRegression
        Unfitted, with its default solver and penalty.
    space : Space

    Returns
    -------
    LogisticRegression
        The same, fitted; its ``coef_`` is in the coordinates of the space.

    Raises
    ------
    ValueError
        For a parameter that scikit-learn refuses, or fewer than two classes.
    """
    start = space.ends.get("logistic")
    if space.width == space.n_features and len(space.train) * len(space.classes) <= MOST_SCORES:
        fitted = _fit_from(start, classifier, space)
    else:
        fitted = _fit_in_blocks(start, classifier, space)
    space.ends["logistic"] = np.concatenate([fitted.coef_, fitted.intercept_[:, None]], axis=1)
    return fitted


def _fit_from(start: NDArray[Any] | None, classifier: Any, space: Space) -> Any:
    """Have scikit-learn fit in the features."""
    if start is not None:
        classifier.set_params(warm_start=True)
        classifier.coef_, classifier.intercept_ = start[:, :-1], start[:, -1]
    return classifier.fit(space.rows, space.labels).set_params(warm_start=False)


def _fit_in_blocks(start: NDArray[Any] | None, classifier: Any, space: Space) -> Any:
    """Fit in any coordinates, block by block."""
    from scipy.optimize import minimize

    classifier._validate_params()
    require_two(space.classes)
    rule = _Rule(space, classifier.C, classifier.tol)
    # The options are those of scikit-learn, which has no way to be told when to stop.
    options = {"maxiter": classifier.max_iter, "maxls": 50, "gtol": 0.0, "ftol": 64 * np.finfo(float).eps}
    first = np.zeros(rule.shape) if start is None else start.astype(np.float64)
    found = minimize(rule, first.ravel(), method="L-BFGS-B", jac=True, options=options, callback=rule.look)
    if found.status != 0 and not rule.settled:
        _warn(found.message)
    fitted = found.x.reshape(rule.shape)
    classifier.classes_, classifier.n_features_in_ = space.classes, fitted.shape[1] - 1
    classifier.coef_, classifier.intercept_ = fitted[:, :-1].copy(), fitted[:, -1].copy()
    classifier.n_iter_ = np.array([found.nit], np.int32)
    return classifier


def _warn(message: str) -> None:
    from sklearn.exceptions import ConvergenceWarning

    warnings.warn(f"Logistic regression did not converge: {message}", ConvergenceWarning, stacklevel=4)


class _Rule:
    """Loss and gradient of coefficients, and whether they are settled.

    Two classes have one row of coefficients, for the second; the score of the first is 0.
    """

    def __init__(self, space: Space, C: float, tol: float) -> None:
        self.space, self.rows, self.tol = space, space.streamed, tol
        self.n, self.is_large = len(space.train), len(space.train) * len(space.classes) > MOST_SCORES
        self.penalty = 1.0 / (C * self.n)
        n_classes = len(space.classes)
        self.shape = (n_classes if n_classes > 2 else 1, self.rows.shape[1] + 1)
        self.settled = False

    def __call__(self, flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        coefficients = flat.reshape(self.shape)
        weights, intercept = coefficients[:, :-1], coefficients[:, -1]
        lost, gradient, narrow = 0.0, np.zeros(self.shape), weights
        for block in blocks(self.n, len(self.space.classes), _SCORES if self.is_large else None):
            rows = self.rows[block]
            narrow = narrow.astype(rows.dtype, copy=False)  # once: it may be as large as a block
            scores = rows @ narrow.T
            # Products may be of float32; so few losses of float32 would mislead the search for a step.
            if not self.is_large:
                scores = scores.astype(np.float64)
            scores += intercept.astype(scores.dtype, copy=False)
            some, error = self._errors(scores, self.space.index[block])
            lost += some
            gradient[:, :-1] += error.astype(rows.dtype, copy=False).T @ rows
            gradient[:, -1] += error.sum(axis=0, dtype=np.float64)
        gradient /= self.n
        gradient[:, :-1] += self.penalty * weights
        self.gradient = gradient
        return lost / self.n + 0.5 * self.penalty * float(np.sum(weights**2)), gradient.ravel()

    def _errors(self, scores: NDArray[Any], index: NDArray[np.intp]) -> tuple[float, NDArray[Any]]:
        """Return the loss of some rows, summed, and by how much each probability is off."""
        if len(self.space.classes) == 2:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        own = np.arange(len(scores)), index
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[own]
        np.exp(scores, out=scores)
        totals = scores.sum(axis=1, keepdims=True, dtype=np.float64)
        loss = float(np.sum(np.log(totals[:, 0]) - right))
        scores /= totals.astype(scores.dtype, copy=False)
        scores[own] -= 1
        return loss, scores[:, -self.shape[0] :]

    def look(self, intermediate_result: Any) -> None:
        """Stop where no number of the gradient, as the features have it, exceeds the tolerance."""
        weights, intercept = self.gradient[:, :-1], self.gradient[:, -1]
        if np.abs(intercept).max() <= self.tol and not self.space.exceeds(weights, self.tol):
            self.settled = True
            raise StopIteration
