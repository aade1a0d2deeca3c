"""How many photographs a person are needed: every quick head, trained on one, two, three and more of each.

scripts/bench/howmany.py --squad FOLDER

A fifth of each person's photographs are tested, the same whatever trains; of the others the first n train; ten draws. A fifth of
ORL's people are strangers, others each time. Intervals are those of the corrected resampled t-test, and no narrower than Wilson's.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faces import main, orl_people

from facefeat.engines.network import Engine
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.learn.curves import Curves, Point
from facefeat.learn.howmany import howmany
from facefeat.report.howmany import sentences
from facefeat.report.words import interval


def measure(squad: Path | None, _: Engine) -> Iterator[dict[str, Any]]:
    """Measure the curves of ORL, and of squad's Train where it is given."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for path, person in orl_people():
            (folder / "orl" / person).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "orl" / person / path.name)
        yield from _rows("ORL", howmany(extract(folder / "orl", folder / "orl.h5", plan()).file))
        if squad:
            yield from _rows("squad Train", howmany(extract(squad / "Train", folder / "train.h5", plan()).file))


def _rows(name: str, found: Curves) -> Iterator[dict[str, Any]]:
    for curve in found.curves:
        yield {f"{name}, head": curve.head} | {str(point.n): _accuracy(point) for point in curve.points}
    for curve in found.curves if found.draws.n_strangers else ():
        yield {f"{name}, FNIR at FPIR 1 %": curve.head} | {str(point.n): _fnir(point) for point in curve.points}
    for sentence in sentences(found):
        print(f"\n{sentence}", flush=True)


def _accuracy(point: Point) -> str:
    return f"{100 * point.accuracy.mean:.1f} [{interval(point.accuracy)}]"


def _fnir(point: Point) -> str:
    rates = point.rates[0.01]
    return f"{100 * rates.fnir.mean:.1f} [{interval(rates.fnir)}]" if rates else "-"


if __name__ == "__main__":
    main(measure, __doc__)
