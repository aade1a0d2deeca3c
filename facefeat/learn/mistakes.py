"""What the best head named wrong, and the training pictures that may have misled it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facefeat.features.store.file import FeatureFile
from facefeat.learn.comparison import Mistake, Row
from facefeat.learn.splits import Folds
from facefeat.learn.unknown import directions, fit_score

MOST = 500  # mistakes that neighbours are looked for


def mistakes_of(file: FeatureFile, row: Row, cut: Folds, groups: NDArray[np.int64]) -> tuple[Mistake, ...]:
    """List the pictures that a row named wrong in the first repeat, in the order of the file.

    Parameters
    ----------
    file : FeatureFile
    row : Row
    cut : Folds
    groups : ndarray of shape (n_images,), int64
        Copies of the picture itself are not among those most like it.

    Returns
    -------
    tuple of Mistake
        Likeness is the cosine by which strangers are told, of a score fitted on all pictures.
    """
    tested = cut.tested
    wrong = np.flatnonzero(row.named[0] != file.person[tested])
    pairs = list(zip(tested[wrong].tolist(), row.named[0][wrong].tolist(), strict=True))
    looked, rest = pairs[:MOST], pairs[MOST:]
    if not looked:
        return ()
    X = file.vectors(row.layer)
    score = fit_score(X, file.person)
    people = np.unique([who for at, named in looked for who in (named, int(file.person[at]))])
    rows = np.flatnonzero(np.isin(file.person, people) & file.original)
    found = directions(score, np.asarray(X[rows]))

    def nearest(at: int, who: int) -> int:
        mine = np.flatnonzero((file.person[rows] == who) & (groups[rows] != groups[at]))
        own = found[np.searchsorted(rows, at)]
        return int(rows[mine[np.argmax(found[mine] @ own)]]) if len(mine) else -1

    near = [Mistake(at, named, nearest(at, named), nearest(at, int(file.person[at]))) for at, named in looked]
    return (*near, *(Mistake(at, named, -1, -1) for at, named in rest))
