"""Which crop, size, pooling and layer recognise people best: the table behind the default recipe.

    scripts/bench/crops.py --squad FOLDER

Faces are found once; then one choice is changed at a time. Columns: ORL with two training pictures a
person (mean of 10 draws), squad's Test by a head fitted on Train, and 5 folds over both, copies kept
together; each for LDA and logistic regression.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faces import cross_validated, draws, find, folder_people, main, orl_people, vectors

from facefeat.engines.network import Engine

HEADS = ("lda", "logreg")
LAYER = "block4_pool"
CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("default", {}),
    ("whole picture", {"whole": True}),
    *((f"box, margin {margin}", {"template": "box", "margin": margin}) for margin in (0.0, 0.1, 0.2)),
    *((f"arcface, margin {margin}", {"template": "arcface", "margin": margin}) for margin in (0.0, 0.1, 0.2)),
    *((f"{size} pixels", {"size": size}) for size in (64, 96, 112)),
    *((f"pooling {pooling}", {"pooling": pooling}) for pooling in ("avg", "max")),
    ("no mirror image", {"flip": False}),
    *((f"layer block{block}_pool", {"layers": [f"block{block}_pool"]}) for block in (3, 5)),
]


def measure(squad: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Score every choice."""
    orl = find(orl_people(), engine)
    train = find(folder_people(squad / "Train"), engine) if squad else None
    test = find(folder_people(squad / "Test"), engine) if squad else None
    for name, choice in CHOICES:
        choice = dict(choice)
        layer = choice.get("layers", [LAYER])[0]
        X = vectors(orl, engine, **choice)[layer]
        row: dict[str, Any] = {"choice": name, "numbers": X.shape[1]}
        for head in HEADS:
            row[f"ORL 2/8 {head}"] = draws(X, orl.person, head, 2)
        if train and test:
            A, B = (vectors(part, engine, **choice)[layer] for part in (train, test))
            row |= _squad(A, train, B, test)
        yield row


def _squad(A: Any, train: Any, B: Any, test: Any) -> dict[str, float]:
    from facefeat.learn import head as heads

    both, person = np.concatenate([A, B]), np.concatenate([train.person, test.person])
    digests = np.concatenate([train.groups, test.groups + len(train.groups)])
    row = {}
    for head in HEADS:
        row[f"squad Test {head}"] = float(np.mean(heads.build(head).fit(A, train.person).predict(B) == test.person))
    for head in HEADS:
        row[f"squad 5-fold {head}"] = cross_validated(both, person, digests, train.people, head, 5)
    return row


if __name__ == "__main__":
    main(measure, __doc__)
