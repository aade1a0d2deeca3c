"""Heads by name, and their knobs."""

from __future__ import annotations

import numpy as np
import pytest

from facefeat.errors import UsageError
from facefeat.learn import head as heads


def sentence(name: str, params: dict[str, object]) -> str:
    with pytest.raises(UsageError) as caught:
        heads.build(name, params)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_mistyped_head_gets_the_nearest() -> None:
    assert sentence("smv", {}) == (
        "There is no head 'smv'; did you mean 'svm'? There are: dense, knn, lda, logreg, prototype, svm."
    )


def test_a_mistyped_knob_gets_the_nearest() -> None:
    assert sentence("svm", {"kernal": "rbf"}) == (
        "There is no knob of svm 'kernal'; did you mean 'kernel'? There are: C, gamma, kernel, root."
    )


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("svm", {"C": "ten"}, "svm: C should be a number; 'ten' was given."),
        ("svm", {"C": True}, "svm: C should be a number; True was given."),
        ("svm", {"kernel": "poly"}, "svm: kernel should be 'linear' or 'rbf'; 'poly' was given."),
        ("knn", {"n_neighbors": 1.5}, "knn: n_neighbors should be a whole number; 1.5 was given."),
        ("lda", {"shrinkage": [1]}, "lda: shrinkage should be a number or text; [1] was given."),
        ("prototype", {"whiten": 1}, "prototype: whiten should be true or false; 1 was given."),
        ("dense", {"hidden": 128}, "dense: hidden should be a list such as [128, 64]; 128 was given."),
        ("dense", {"hidden": [128, 0.5]}, "dense: hidden should be a list such as [128, 64]; [128, 0.5] was given."),
    ],
)
def test_values_are_checked_against_the_signature(name: str, params: dict[str, object], expected: str) -> None:
    assert sentence(name, params) == expected


def test_values_reach_the_estimator() -> None:
    assert heads.build("svm", {"C": 10, "kernel": "rbf"})[-1].get_params()["C"] == 10
    assert heads.build("dense", {"hidden": [32, 16]})[-1].hidden == (32, 16)
    assert [step for step, _ in heads.build("lda", {"root": False}).steps] == ["scale", "classify"]


def test_settings_need_an_equals_sign() -> None:
    with pytest.raises(UsageError, match=r"^--set takes name=value, such as C=10; 'C10' was given\.$"):
        heads.parse_settings(["C10"])


def test_scores_of_two_people_are_two_columns() -> None:
    X = np.array([[0.0], [1.0], [9.0], [10.0]])
    fitted = heads.build("svm").fit(X, [0, 0, 1, 1])
    scores = heads.decision_scores(fitted, X)
    assert np.array_equal(scores[:, 0], -scores[:, 1]) and scores.argmax(axis=1).tolist() == [0, 0, 1, 1]
