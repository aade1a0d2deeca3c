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
from facefeat.learn import openset
from facefeat.learn.copies import groups_of
from facefeat.learn.crossval import Trial, cross_validate
from facefeat.learn.metrics import Share
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
        yield from _thresholds(file)
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
    """Deal 20 known people and 20 strangers, 20 times; other strangers choose the threshold than are judged by it."""
    y, groups = file.person, groups_of(file)
    trials = openset.deal(y, groups, REPEATS)
    assert trials is not None and (trials.n_known_people, trials.n_stranger_people) == (20, 20)
    quick = [head for head in plugins.names("head") if not heads.is_slow(head)]
    for layer in (usual_layer(file.recipe), *file.layers):
        X = np.asarray(file.vectors(layer))
        results = cross_validate(X, y, trials.splits, [Trial(head) for head in quick], 2)
        for head, found in zip(quick, openset.measured(X, y, trials, results, 2), strict=True):
            assert found is not None
            one, ten = found.rates[0.01], found.rates[0.1]
            assert one is not None and ten is not None
            yield {
                "ORL, strangers; template": template,
                "layer": layer,
                "head": head,
                "AUROC": f"{found.auroc.mean:.4f} [{found.auroc.low:.3f}, {found.auroc.high:.3f}]",
                "for FPIR 1 %: FNIR": _interval(one.fnir),
                "FPIR reached": _interval(one.fpir),
                "for 10 %: FNIR": _interval(ten.fnir),
                "FPIR reached there": _interval(ten.fpir),
            }


def _thresholds(file: FeatureFile) -> Iterator[dict[str, Any]]:
    """Put 20 strangers before the threshold that `fit` chooses from 20 known people alone, 20 times."""
    y, groups = file.person, groups_of(file)
    trials = openset.deal(y, groups, REPEATS)
    assert trials is not None
    for layer in (usual_layer(file.recipe), *file.layers):
        X, figures, under, over = np.asarray(file.vectors(layer)), [], 0, 0
        for (train, test), n in zip(trials.splits, trials.n_known, strict=True):
            people, index = np.unique(y[train], return_inverse=True)
            names = tuple(file.people[person] for person in people)
            chosen = choose_threshold(X[train], index.astype(np.int32), groups[train], names)
            cosines = similarities(fit_score(X[train], index), X[test])
            best, right = cosines.max(axis=1), people[cosines.argmax(axis=1)] == y[test]
            passed = float(np.mean(best[n:] >= chosen.value))
            low, high = chosen.reached_low or 0.0, chosen.reached_high or 0.0
            under += passed < low
            over += passed > high
            figures.append((1 - np.mean((right & (best >= chosen.value))[:n]), passed, chosen.reached, low, high))
        fnir, passed, reached, low, high = np.mean(np.array(figures, float), axis=0)
        yield {
            "ORL, threshold of fit; layer": layer,
            "FNIR": float(fnir),
            "FPIR of new strangers": float(passed),
            "FPIR that fit states": f"{reached:.3f} [{low:.3f}, {high:.3f}]",
            f"draws of {REPEATS} under it": under,
            "over it": over,
        }


def _interval(share: Share) -> str:
    return f"{share.mean:.3f} [{share.low:.3f}, {share.high:.3f}]"


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
