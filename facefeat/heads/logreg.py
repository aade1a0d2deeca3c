"""Multinomial logistic regression."""

from __future__ import annotations

from typing import Any

from facefeat.heads._scaling import TRUSTED, scaled

SUMMARY = "logistic regression"
RANK = 30
GRID: dict[str, list[Any]] = {"C": [0.01, 0.1, 1.0, 10.0]}

__all__ = ["GRID", "RANK", "SUMMARY", "TRUSTED", "build"]


def build(C: float = 1.0, max_iter: int = 300, root: bool = True) -> Any:
    """Build the head.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the L2 penalty.
    max_iter : int, default=300
        Of the solver, L-BFGS.
    root : bool, default=True
        Take square roots before scaling.

    Returns
    -------
    Pipeline
    """
    from sklearn.linear_model import LogisticRegression

    return scaled(LogisticRegression(C=C, max_iter=max_iter), root)
