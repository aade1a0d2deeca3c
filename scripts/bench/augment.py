"""What augmented copies bring heads with two pictures a person, by how many there are and by how far they go.

ORL: two pictures of each person train, with copies of them, and the eight others are tested; drawn anew 20 times (5 for
dense). Squad: Train with copies, tested on Test; and few photographs of Train, tested on a fifth of it, ten draws. Copies
only train.

scripts/bench/augment.py --squad FOLDER
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faces import main, orl_people, with_interval

from facefeat import plugins
from facefeat.data.augment import AUGMENTATION, Augmentation
from facefeat.engines.network import Engine
from facefeat.features.backbone import usual_layer
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn.crossval import Outcome, Trial, cross_validate
from facefeat.learn.howmany import howmany
from facefeat.learn.statistics import corrected_t, mcnemar

COUNTS = (2, 5, 10)
TRAINING = 2  # pictures of each person
OTHERS = {
    "half as far": Augmentation(rotation=5, shift=0.025, scale=0.025, brightness=0.1),
    "twice as far": Augmentation(rotation=20, shift=0.1, scale=0.1, brightness=0.4),
    "turned alone": Augmentation(rotation=10, shift=0, scale=0, brightness=0, flip=False),
    "moved alone": Augmentation(rotation=0, shift=0.05, scale=0.05, brightness=0, flip=False),
    "lit alone": Augmentation(rotation=0, shift=0, scale=0, brightness=0.2, flip=False),
}
PHOTOGRAPHS = (1, 2, 5, 13, 34)
FEW = 3  # copies by which ranges are compared
QUICK = tuple(head for head in plugins.names("head") if not heads.is_slow(head))


def measure(squad: Path | None, _: Engine) -> Iterator[dict[str, Any]]:
    """Measure counts of copies, then ranges, then without the mean over the mirror image, then real photographs."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number, (path, person) in enumerate(orl_people()):
            (folder / "orl" / person).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "orl" / person / f"{number:03d}.pgm")
        yield from of_counts("ORL", made(folder / "orl", max(COUNTS)), plugins.names("head"), COUNTS)
        for name, ranges in OTHERS.items():
            file = made(folder / "orl", FEW, ranges)
            yield from of_counts(f"ORL, copies {name}", file, QUICK, (FEW,))
        yield from of_counts("ORL, no mirrored mean", made(folder / "orl", FEW, flip=False), QUICK, (FEW,))
        if squad:
            for name, ranges in {"by default": AUGMENTATION, **OTHERS}.items():
                train = made(squad / "Train", FEW, ranges)
                yield from of_squad(name, train, made(squad / "Test", 0))
                yield from of_few(f"squad Train, copies {name}", train)


def made(data: Path, augment: int, ranges: Augmentation = AUGMENTATION, flip: bool = True) -> FeatureFile:
    """Extract a data set with copies."""
    with tempfile.TemporaryDirectory() as folder:
        return extract(data, Path(folder) / "features.h5", plan(flip=flip), augment=augment, ranges=ranges).file


def of_counts(what: str, file: FeatureFile, names: Sequence[str], counts: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield each head's accuracy without copies, and what copies change."""
    X, y = np.asarray(file.vectors(usual_layer(file.recipe))), file.person
    for head in names:
        draws = _draws(file, 5 if heads.is_slow(head) else 20)
        plain = _accuracies(X, y, _with(file, draws, 0), head)
        row: dict[str, Any] = {"faces": what, "head": head, "without": float(np.mean(plain))}
        for n in counts:
            found = _accuracies(X, y, _with(file, draws, n), head)
            gain = corrected_t(found - plain, 1 - TRAINING / 10)
            row[f"{n} copies, points"] = f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
        yield row


def _draws(file: FeatureFile, repeats: int) -> list[tuple[Any, Any]]:
    """Draw pictures that train; all others are tested."""
    rng, pictures, found = np.random.default_rng(0), np.flatnonzero(file.original), []
    for _ in range(repeats):
        mine = [rng.permutation(pictures[file.person[pictures] == who])[:TRAINING] for who in range(len(file.people))]
        train = np.sort(np.concatenate(mine))
        found.append((train, np.setdiff1d(pictures, train)))
    return found


def _with(file: FeatureFile, draws: Sequence[tuple[Any, Any]], n: int) -> list[tuple[Any, Any]]:
    """Add the first n copies of each picture that trains."""
    return [(np.flatnonzero(np.isin(file.own, train) & (file.copy <= n)), test) for train, test in draws]


def _accuracies(X: Any, y: Any, splits: Sequence[tuple[Any, Any]], head: str) -> Any:
    (results,) = cross_validate(X, y, splits, [Trial(head)], 2)
    pairs = zip(results, splits, strict=True)
    return np.array([np.mean(one.named == y[test]) for one, (_, test) in pairs if isinstance(one, Outcome)])


def of_few(what: str, file: FeatureFile) -> Iterator[dict[str, Any]]:
    """Yield what copies change on few photographs a person, by the draws of ``howmany``, which are the same without."""
    options: dict[str, Any] = {"heads_wanted": QUICK, "counts": PHOTOGRAPHS, "workers": 2}
    with_, alone = howmany(file, **options), howmany(file.originals(), **options)
    before = {curve.head: curve for curve in alone.curves}
    for curve in sorted(with_.curves, key=lambda one: one.head):
        row: dict[str, Any] = {"faces": what, "head": curve.head}
        for point, plain in zip(curve.points, before[curve.head].points, strict=True):
            gain = corrected_t(point.by_repeat - plain.by_repeat, with_.draws.test_share)
            said = f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
            row[f"{point.n} photographs: without, points"] = f"{plain.accuracy.mean:.3f}, {said}"
        yield row


def of_squad(name: str, train: FeatureFile, test: FeatureFile) -> Iterator[dict[str, Any]]:
    """Yield each head's accuracy on other photographs, with and without copies."""
    layer = usual_layer(train.recipe)
    y = np.concatenate([train.person, test.person])
    X = np.concatenate([train.vectors(layer), test.vectors(layer)])
    last = np.arange(len(train), len(y))
    splits = [(np.arange(len(train))[train.copy <= n], last) for n in (0, FEW)]
    for head in QUICK:
        (found,) = cross_validate(X, y, splits, [Trial(head)], 2)
        plain, copies = (one.named == y[last] for one in found if isinstance(one, Outcome))
        yield {
            "squad, copies": name,
            "head": head,
            "without": with_interval(float(np.mean(plain)), len(last)),
            f"{FEW} copies": with_interval(float(np.mean(copies)), len(last)),
            "p (McNemar)": mcnemar(plain, copies),
        }


if __name__ == "__main__":
    main(measure, __doc__)
