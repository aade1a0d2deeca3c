"""Layers that lie side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facefeat.errors import UsageError
from facefeat.features import backbone
from facefeat.features.encode import plan
from facefeat.features.layers import joined, parts, within
from facefeat.features.store.file import read
from facefeat.learn import bundle
from facefeat.learn.fit import fit
from facefeat.learn.naming import namings


def test_names() -> None:
    assert parts("a+b") == ("a", "b") and parts("a") == ("a",)
    assert within("b+a", ("a", "b")) and within("a", ("a",))
    assert not within("a+a", ("a",)) and not within("a+c", ("a", "b")) and not within("", ("a",))


def test_vectors_lie_side_by_side(thumb_file: Path) -> None:
    file = read(thumb_file)
    both = file.vectors("grey8+grey16")
    np.testing.assert_array_equal(both, np.hstack([file.vectors("grey8"), file.vectors("grey16")]))
    assert file.width("grey8+grey16") == both.shape[1]
    assert joined({"a": both}, "a") is both
    with pytest.raises(UsageError, match=r"^There is no layer 'grey9'; did you mean 'grey8'"):
        file.vectors("grey16+grey9")


def test_a_model_on_two_layers_names_the_same_after_reading(thumb_file: Path, tmp_path: Path) -> None:
    file = read(thumb_file)
    made = fit(file, tmp_path / "m.facefeat", head="lda", layer="grey8+grey16")
    again = bundle.read(tmp_path / "m.facefeat")
    assert again.layer == "grey8+grey16"
    X = file.vectors(again.layer)
    assert [one.best for one in namings(again, X, 1)] == [one.best for one in namings(made.bundle, X, 1)]


@pytest.mark.parametrize(
    ("layers", "usual"),
    [
        (None, "block3_pool+block4_pool"),
        (["block3_pool", "block4_pool"], "block3_pool+block4_pool"),
        (["block4_pool", "block5_pool"], "block4_pool"),
        (["block3_pool", "block5_pool"], "block3_pool"),
        (["block1_pool", "block5_pool"], "block5_pool"),
    ],
)
def test_what_heads_use_unless_told_otherwise(layers: list[str] | None, usual: str) -> None:
    assert backbone.usual_layer(plan(layers=layers).recipe) == usual
