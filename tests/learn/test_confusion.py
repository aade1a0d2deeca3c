"""Who is taken for whom, counted from the record of a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from facefeat.features.store.file import read
from facefeat.learn.compare import compare
from facefeat.learn.confusion import Recall, confused, per_person


def test_people_and_pairs_are_those_of_the_first_repeat(thumb_file: Path) -> None:
    file = read(thumb_file)
    found = compare(file, heads_wanted=["lda"], layers=["grey8"], n_folds=3, repeats=2, workers=1)
    named = np.stack([file.person, np.zeros_like(file.person)])
    named[0, :3] = (1, 1, 2)  # of ada's six
    wrong = replace(found, rows=(replace(found.best, named=named),))
    assert per_person(wrong, file) == (
        Recall("ada", 6, 3), Recall("bob", 6, 6), Recall("cleo", 6, 6), Recall("dan", 6, 6),
    )  # fmt: skip
    assert confused(wrong, file) == {("ada", "bob"): 2, ("ada", "cleo"): 1}
    assert per_person(wrong, file)[0].share == 0.5 and Recall("zoe", 0, 0).share is None
