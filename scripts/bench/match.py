"""How well two faces are told to be of one person: ORL by the protocol of Labeled Faces in the Wild.

scripts/bench/match.py --squad FOLDER

10 folds of 30 pairs of one person and 30 of two, each fold of 4 people who are in no other. Without a model nothing is learned
from names. "half of ORL" is a model fitted on 20 of the people; the pairs, in 5 folds, are of the other 20.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from faces import main, orl_people

from facefeat.engines.network import Engine
from facefeat.features.backbone import usual_layer
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn.bundle import Bundle
from facefeat.learn.fit import fit
from facefeat.learn.pairs import Pair, Pairs
from facefeat.learn.verification import verify_file
from facefeat.report.words import interval

FOLD = 4  # people of a fold
EACH = 30  # pairs of each kind in a fold; with half of the people twice as many


def measure(squad: Path | None, _: Engine) -> Iterator[dict[str, Any]]:
    """Score ORL's pairs on every layer, without a model and with some."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number, (path, person) in enumerate(orl_people()):
            (folder / "orl" / person).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "orl" / person / f"{person}_{number % 10 + 1:04d}.pgm")
        people = np.random.default_rng(0).permutation(sorted(path.name for path in (folder / "orl").iterdir()))
        file = extract(folder / "orl", folder / "orl.h5", plan()).file
        pairs, others = drawn(people, EACH), drawn(people[20:], 2 * EACH)
        for layer in (usual_layer(file.recipe), *file.layers):
            yield _row("none", file, pairs, layer)
        for person in people[20:]:
            shutil.move(folder / "orl" / person, folder / "strangers" / person)
        known = extract(folder / "orl", folder / "known.h5", plan()).file
        for layer in (usual_layer(file.recipe), *file.layers):
            yield _row("none", file, others, layer)
            yield _row("half of ORL", file, others, layer, _model(known, layer, folder))
        if squad:
            train = extract(squad / "Train", folder / "train.h5", plan()).file
            for layer in (usual_layer(file.recipe), *file.layers):
                yield _row("squad Train", file, pairs, layer, _model(train, layer, folder))


def drawn(people: Any, each: int) -> Pairs:
    """Draw pairs of ORL's pictures, in folds of people who are in no other."""
    rng, chosen = np.random.default_rng(0), []
    for start in range(0, len(people), FOLD):
        mine = [(name, str(number)) for name in people[start : start + FOLD] for number in range(1, 11)]
        both = [Pair(one, other) for one, other in combinations(mine, 2)]
        for kind in (True, False):
            alike = [pair for pair in both if pair.mated == kind]
            chosen += [alike[index] for index in rng.permutation(len(alike))[:each]]
    return Pairs(len(people) // FOLD, each, tuple(chosen))


def _model(file: FeatureFile, layer: str, folder: Path) -> Bundle:
    return fit(file, folder / "model.facefeat", head="prototype", layer=layer).bundle


def _row(model: str, file: FeatureFile, pairs: Pairs, layer: str, bundle: Bundle | None = None) -> dict[str, Any]:
    found = verify_file(file, pairs, bundle, layer=None if bundle else layer)
    scored, accuracy = found.trade_off, found.decisions.accuracy
    missed = {rate.fmr: rate.fnmr for rate in scored.rates}[0.01]
    return {
        "ORL, model": model,
        "layer": layer,
        "folds": found.n_folds,
        "accuracy, %": f"{100 * accuracy.mean:.1f} [{interval(accuracy)}]",
        "AUROC": f"{scored.auroc:.4f}",
        "EER": scored.eer,
        "FNMR at FMR 1 %": "-" if missed is None else missed,
    }


if __name__ == "__main__":
    main(measure, __doc__)
