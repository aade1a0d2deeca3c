"""Support vector machine, linear or with a radial kernel."""

from __future__ import annotations

from typing import Any, Literal

from facefeat.heads._scaling import TRUSTED, scaled

SUMMARY = "support vector machine, linear or rbf"
RANK = 40
GRID: dict[str, list[Any]] = {"kernel": ["linear", "rbf"], "C": [0.1, 1.0, 10.0]}

__all__ = ["GRID", "RANK", "SUMMARY", "TRUSTED", "build"]


def build(
    C: float = 1.0,
    kernel: Literal["linear", "rbf"] = "linear",
    gamma: float | Literal["scale", "auto"] = "scale",
    root: bool = True,
) -> Any:
    """Build the head.

    Parameters
    ----------
    C : float, default=1.0
        Cost of a training error; larger fits the training pictures more closely.
    kernel : {'linear', 'rbf'}, default='linear'
    gamma : float or {'scale', 'auto'}, default='scale'
        Width of the radial kernel.
    root : bool, default=True
        Take square roots before scaling.

    Returns
    -------
    Pipeline
    """
    from sklearn.svm import SVC

    # break_ties: otherwise predict and the decision function may name different people.
    return scaled(SVC(C=C, kernel=kernel, gamma=gamma, break_ties=True), root)
