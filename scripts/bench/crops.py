"""Which crop, size, pooling and layer recognise people best: the table behind the default recipe.

    scripts/bench/crops.py --squad FOLDER

Faces are found once; then one choice is changed at a time. Columns: ORL with two training pictures a
person (mean of 10 draws), squad's Test by a head fitted on Train, and 5 folds over both, dealt three times,
copies and near copies kept together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faces import cross_validated, draws, find, folder_people, groups, main, orl_people, vectors

from facefeat.engines.network import Engine
from facefeat.features.layers import joined
from facefeat.learn import head as heads

HEADS = ("lda", "logreg", "prototype")
LAYER = "block3_pool+block4_pool"
LAYERS = (
    "block3_pool", "block4_pool", "block5_pool", "block4_pool+block5_pool", "block3_pool+block4_pool+block5_pool",
)  # fmt: skip
REPEATS = 3  # of the 5 folds
CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("default", {}),
    ("whole picture", {"whole": True}),
    *((f"box, margin {margin}", {"template": "box", "margin": margin}) for margin in (0.0, 0.1, 0.2)),
    *((f"arcface, margin {margin}", {"template": "arcface", "margin": margin}) for margin in (0.0, 0.1, 0.2)),
    *((f"{size} pixels", {"size": size}) for size in (64, 96, 112)),
    *((f"96 pixels, box, margin {margin}", {"size": 96, "margin": margin}) for margin in (0.0, 0.1)),
    ("96 pixels, arcface, margin 0.0", {"size": 96, "template": "arcface", "margin": 0.0}),
    *((f"pooling {pooling}", {"pooling": pooling}) for pooling in ("avg", "max")),
    ("no mirror image", {"flip": False}),
    *((layer, {"layer": layer}) for layer in LAYERS),
]


def measure(squad: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Score every choice."""
    orl = find(orl_people(), engine)
    train, test = (find(folder_people(squad / part), engine) for part in ("Train", "Test")) if squad else (None, None)
    both = train + test if train and test else None
    apart = groups(both, engine) if both else None
    for name, choice in CHOICES:
        choice = dict(choice)
        layer = choice.pop("layer", LAYER)
        X = joined(vectors(orl, engine, **choice), layer)
        row: dict[str, Any] = {"choice": name, "numbers": X.shape[1]}
        for head in HEADS:
            row[f"ORL 2/8 {head}"] = draws(X, orl.person, head, 2)
        if train and both:
            X, n = joined(vectors(both, engine, **choice), layer), len(train.person)
            for head in HEADS:
                named = heads.build(head).fit(X[:n], train.person).predict(X[n:])
                row[f"squad Test {head}"] = float(np.mean(named == both.person[n:]))
            for head in HEADS:
                row[f"squad 5-fold {head}"] = cross_validated(X, both.person, apart, both.people, head, 5, REPEATS)
        yield row


if __name__ == "__main__":
    main(measure, __doc__)
