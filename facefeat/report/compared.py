"""What is said of a comparison: the printed table, and the JSON with everything in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facefeat.features.store.file import FeatureFile
from facefeat.learn.compare import left_out_sentence
from facefeat.learn.comparison import Comparison, Mistake, Row
from facefeat.learn.confusion import confused, per_person
from facefeat.learn.openset import FPIRS, GRID, OpenSet
from facefeat.report import origin, verdicts, words
from facefeat.report.documents import share
from facefeat.report.tables import facts


def table(found: Comparison) -> RenderableType:
    """Lay out a comparison: the table, the verdict, and what a reader must know; at most 100 columns wide."""
    rate = verdicts.reported_rate(found)
    columns = [
        "accuracy",
        "95 % interval",
        "p",
        *([f"FNIR {100 * rate:.0f} %"] if rate else []),
        "ECE",
        "fit",
        "predict",
    ]
    if found.best.test:
        columns.insert(3, "test")
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 0), collapse_padding=True)
    for name in ("", "head", "layer"):
        grid.add_column(name, no_wrap=True)
    for name in columns:
        grid.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        sign, style = _mark(found, row)
        grid.add_row(sign, row.head, words.layer(row.layer), *_figures(found, row, rate), style=style)
    if found.baselines:
        grid.add_section()
    for row in found.baselines:
        grid.add_row("", row.head, "", *_figures(found, row, rate), style="italic dim")
    lines: list[RenderableType] = [
        grid,
        Text(verdicts.legend(found), style="dim"),
        Text(),
        Text(verdicts.verdict(found), style="bold"),
        Text(),
        facts([row for row in verdicts.remarks(found) if row[1]], margin=0),
    ]
    lines += [Text(left_out_sentence(found.left_out, "--heads"), style="yellow")] if found.left_out else []
    lines += [
        Text(f"{head} on {layer} could not be fitted: {why}", style="yellow") for head, layer, why in found.failed
    ]
    return Padding(Group(*lines), (0, 0, 0, 1))


def _mark(found: Comparison, row: Row) -> tuple[str, str]:
    """Return the sign and style of a row: the best, tied with it, or neither."""
    if row is found.best:
        return "★", "bold green"
    return ("≈", "") if row.tied else ("", "dim")


def _figures(found: Comparison, row: Row, rate: float | None) -> tuple[str, ...]:
    rates = row.open_set.rates.get(rate) if row.open_set and rate else None
    figures = [words.percent(row.accuracy.mean), words.interval(row.accuracy), verdicts.p_value(row)]
    if found.best.test:
        figures.append(words.percent(row.test.accuracy.mean) if row.test else "")
    if rate:
        figures.append(words.percent(rates.fnir.mean) if rates else "")
    figures.append(f"{row.calibration.ece:.3f}" if row.calibration else "")
    return (*figures, f"{row.fit_seconds:.2f} s", f"{row.predict_ms:.2f} ms")


def document(found: Comparison, file: FeatureFile) -> dict[str, Any]:
    """Describe a comparison; schema ``facefeat/compare/1``.

    Parameters
    ----------
    found : Comparison
    file : FeatureFile
        What was compared on; the names of people and pictures come from it.

    Returns
    -------
    dict
        With ``per_person`` and ``confusion`` of the best row, in its first repeat.
    """
    return {
        "schema": "facefeat/compare/1",
        "rows": [_row(row) for row in found.rows],
        "baselines": [{"name": row.head, "accuracy": share(row.accuracy)} for row in found.baselines],
        "failed": [{"head": head, "layer": layer, "message": text} for head, layer, text in found.failed],
        "left_out": [
            {"head": head, "layer": layer, "seconds": round(seconds)} for head, layer, seconds in found.left_out
        ],
        "best": {"head": found.best.head, "layer": found.best.layer},
        "verdict": verdicts.verdict(found),
        "protocol": {
            "text": verdicts.protocol(found),
            "folds": found.folds.n_folds,
            "repeats": found.folds.repeats,
            "random_state": found.folds.random_state,
            "people": found.n_people,
            "images": found.n_images,
            "tested": found.n_tested,
            "strangers": verdicts.strangers(found),
        },
        "leaks": {
            "copies": found.copies,
            "near_copies": found.near_copies,
            "accuracy_with": share(found.with_leaks) if found.with_leaks else None,
        },
        "test": asdict(found.test) if found.test else None,
        "augmentation": _augmentation(found),
        "per_person": [asdict(one) for one in per_person(found, file)],
        "confusion": [{"truth": a, "named": b, "images": n} for (a, b), n in confused(found, file).items()],
        "mistakes": [_mistake(one, file) for one in found.mistakes],
        "notes": list(found.folds.notes),
        **origin.document(file),
        "seconds": round(found.seconds, 3),
    }


def _mistake(one: Mistake, file: FeatureFile) -> dict[str, str | None]:
    """Name a mistake's people and pictures; null where there is no such picture."""
    near = {"nearest_named": one.nearest_named, "nearest_own": one.nearest_own}
    return {
        "path": file.paths[one.row],
        "truth": file.people[file.person[one.row]],
        "named": file.people[one.named],
        **{name: file.paths[row] if row >= 0 else None for name, row in near.items()},
    }


def _row(row: Row) -> dict[str, Any]:
    versus = row.versus
    return {
        "head": row.head,
        "layer": row.layer,
        "accuracy": share(row.accuracy),
        "balanced_accuracy": row.balanced_accuracy.mean,
        "balanced_accuracy_interval": share(row.balanced_accuracy),
        "macro_f1": row.macro_f1.mean,
        "macro_f1_interval": share(row.macro_f1),
        "cmc": list(row.cmc),
        "fnir": {str(rate): _rates(row.open_set, rate) for rate in FPIRS},
        "auroc_unknown": share(row.open_set.auroc) if row.open_set else None,
        "det": {"fpir": list(GRID), "fnir": list(row.open_set.det)} if row.open_set else None,
        "ece": row.calibration.ece if row.calibration else None,
        "brier": row.calibration.brier if row.calibration else None,
        "temperature": row.calibration.temperature if row.calibration else None,
        "reliability": [asdict(one) for one in row.calibration.bins] if row.calibration else None,
        "fit_seconds": row.fit_seconds,
        "predict_ms": row.predict_ms,
        "tied_with_best": row.tied,
        "p_value": versus.p_value if versus else None,
        "difference": asdict(versus.difference) if versus else None,
        "posterior": asdict(versus.posterior) if versus else None,
        "accuracy_by_fold": row.by_fold.tolist(),
        "test": _test(row),
        "without_copies": _benefit(row),
    }


def _augmentation(found: Comparison) -> dict[str, Any] | None:
    """Describe the augmented copies, and what they bring the best row; null where there are none."""
    if not found.n_augmented:
        return None
    return {"copies": found.n_augmented, "each": found.n_each, "verdict": verdicts.benefit(found) or None}


def _benefit(row: Row) -> dict[str, Any] | None:
    """Describe a row without augmented copies, and what they add to it; null where that was not measured."""
    if not row.benefit:
        return None
    return {"accuracy": share(row.benefit.without), "difference": asdict(row.benefit.difference)}


def _rates(open_set: OpenSet | None, rate: float) -> dict[str, Any] | None:
    found = open_set.rates[rate] if open_set else None
    return {"fnir": share(found.fnir), "fpir_reached": share(found.fpir)} if found else None


def _test(row: Row) -> dict[str, Any] | None:
    if not row.test:
        return None
    return {
        "accuracy": share(row.test.accuracy),
        "accuracy_without_leaks": share(row.test.without_leaks),
        "p_value": row.test.p_value,
    }
