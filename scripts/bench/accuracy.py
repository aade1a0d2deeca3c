"""How right the default recipe is: ORL and squad, every head, known people and strangers.

scripts/bench/accuracy.py --squad FOLDER
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faces import cross_validated, draws, main, orl_people, with_interval

from facefeat import plugins
from facefeat.engines.network import Engine
from facefeat.features.backbone import usual_layer
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn.copies import groups_of
from facefeat.learn.unknown import choose_threshold, fit_score, similarities

REPEATS = 20


def measure(squad: Path | None, _: Engine) -> Iterator[dict[str, Any]]:
    """Score every head on every layer, then strangers."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number, (path, person) in enumerate(orl_people()):
            (folder / "orl" / person).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "orl" / person / f"{number:03d}.pgm")
        file = extract(folder / "orl", folder / "orl.h5", plan()).file
        yield from _orl(file)
        yield from _strangers("box", file)
        arcface = plan(template="arcface", margin=0.0)
        yield from _strangers("arcface", extract(folder / "orl", folder / "arcface.h5", arcface).file)
        if squad:
            parts = (extract(squad / part, folder / f"{part}.h5", plan()).file for part in ("Train", "Test"))
            yield from _squad(*parts)


def _orl(file: FeatureFile) -> Iterator[dict[str, Any]]:
    y, apart = file.person, groups_of(file)
    for layer in (usual_layer(file.recipe), *file.layers):
        X = np.asarray(file.vectors(layer))
        for head in plugins.names("head"):
            tenfold = cross_validated(X, y, apart, file.people, head, 10)
            repeats = 2 if heads.is_slow(head) else 10
            five, two = (draws(X, y, head, n, repeats) for n in (5, 2))
            yield {
                "ORL, head": head,
                "layer": layer,
                "10-fold": with_interval(tenfold, 400),
                "5 train, 5 test": with_interval(five, 200),
                "2 train, 8 test": with_interval(two, 320),
            }


def _strangers(template: str, file: FeatureFile) -> Iterator[dict[str, Any]]:
    """20 known people, 5 pictures each; 20 strangers whom neither the score nor the threshold ever saw."""
    from sklearn.metrics import roc_auc_score

    y = file.person
    for layer in (usual_layer(file.recipe), *file.layers):
        X, figures = np.asarray(file.vectors(layer)), []
        for repeat in range(REPEATS):
            rng = np.random.default_rng(repeat)
            known = rng.permutation(40)[:20]
            train = np.concatenate([rng.permutation(np.flatnonzero(y == person))[:5] for person in known])
            test = np.setdiff1d(np.flatnonzero(np.isin(y, known)), train)
            strangers = np.flatnonzero(~np.isin(y, known))
            people = tuple(f"{person}" for person in sorted(known))
            index = np.searchsorted(np.sort(known), y).astype(np.int32)
            score = fit_score(X[train], index[train])
            cosines, theirs = similarities(score, X[test]), similarities(score, X[strangers]).max(axis=1)
            best, right = cosines.max(axis=1), cosines.argmax(axis=1) == index[test]
            chosen = choose_threshold(X[train], index[train], np.arange(len(train)), people).value
            exact = np.quantile(theirs, 0.99)
            labels = np.concatenate([np.ones(len(test)), np.zeros(len(strangers))])
            figures.append(
                (
                    roc_auc_score(labels, np.concatenate([best, theirs])),
                    1 - np.mean(right & (best > exact)),
                    1 - np.mean(right & (best >= chosen)),
                    np.mean(theirs >= chosen),
                )
            )
        auroc, fnir, reached_fnir, reached_fpir = np.mean(figures, axis=0)
        yield {
            "ORL, strangers; template": template,
            "layer": layer,
            "AUROC": f"{auroc:.4f}",
            "FNIR at FPIR 1 %": float(fnir),
            "at the chosen threshold: FNIR": float(reached_fnir),
            "FPIR": float(reached_fpir),
        }


def _squad(train: FeatureFile, test: FeatureFile) -> Iterator[dict[str, Any]]:
    apart = groups_of(train)
    for layer in (usual_layer(train.recipe), *train.layers):
        A, B = np.asarray(train.vectors(layer)), np.asarray(test.vectors(layer))
        for head in plugins.names("head"):
            right = heads.build(head).fit(A, train.person).predict(B) == test.person
            tenfold = cross_validated(A, train.person, apart, train.people, head, 10)
            yield {
                "squad, head": head,
                "layer": layer,
                "Train to Test": with_interval(float(np.mean(right)), len(right)),
                "10-fold on Train": with_interval(tenfold, len(train.person)),
            }


if __name__ == "__main__":
    main(measure, __doc__)
