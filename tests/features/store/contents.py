"""Columns of feature files, made up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facefeat.features.encode import plan
from facefeat.features.recipe import Recipe
from facefeat.features.store.columns import FEATURES, ROW, Columns, Skipped
from facefeat.features.store.publish import Contents
from facefeat.features.store.shards import Shard

MADE_BY = {"engine": "none", "device": "a test", "precision": "float32", "versions": {}}
MADE_BY_JSON = '{"device":"a test","engine":"none","precision":"float32","versions":{}}'


def recipe_of(*layers: str) -> Recipe:
    """Make a recipe of the weightless backbone."""
    return plan("thumb", layers=layers or None, faces_mode="none", flip=False).recipe


def columns(n: int, recipe: Recipe, seed: int = 0, width: int = 3, dtype: str = "<f4") -> Columns:
    """Make the rows of n pictures; their bytes' hashes are a function of the seed and the row."""
    rng = np.random.default_rng(seed)
    made: Columns = {}
    for name, (kind, shape) in ROW.items():
        made[name] = rng.integers(0, 2, (n, *shape)).astype(kind)
    made["images/copy"][:] = 0
    made["images/sha256"] = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    made["faces/landmarks"][::2] = np.nan
    for layer in recipe.layers:
        made[FEATURES + layer] = rng.normal(size=(n, width)).astype(dtype)
    return made


def skipped(number: int) -> Skipped:
    """Make a picture that is no row."""
    return Skipped(
        f"ada/bad{number}.jpg", bytes([number] * 32), "damaged", f"The picture cannot be decoded: é{number}."
    )


def shard(n: int, recipe: Recipe, seed: int = 0, n_skipped: int = 0) -> Shard:
    """Make a shard."""
    refused = (skipped(number + 1) for number in range(n_skipped))
    return Shard(
        columns(n, recipe, seed), tuple(Skipped("", one.sha256, one.code, one.message) for one in refused), MADE_BY_JSON
    )


def contents(
    pieces: Sequence[Columns], people: Sequence[str] = ("ada",), refused: Sequence[Skipped] = (), seed: int = 0
) -> Contents:
    """Make the contents of a file that takes every row of its pieces, shuffled."""
    places = [(piece, row) for piece, rows in enumerate(pieces) for row in range(len(rows["images/sha256"]))]
    np.random.default_rng(seed).shuffle(places)
    person = np.sort(np.arange(len(places)) % len(people)).astype("<i4")
    return Contents(
        people=tuple(people),
        paths=[f"{people[who]}/{i:03}.jpg" for i, who in enumerate(person)],
        person=person,
        pieces=pieces,
        piece=np.array([piece for piece, _ in places], np.int64),
        row=np.array([row for _, row in places], np.int64),
        skipped=list(refused),
        made_by=MADE_BY,
    )
