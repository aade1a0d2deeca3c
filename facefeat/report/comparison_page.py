"""A comparison as a page: its table, plots, people and mistakes, from the same record as the text and the JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from facefeat.data.folder import escaped
from facefeat.features.store.file import FeatureFile
from facefeat.learn.compare import left_out_sentence
from facefeat.learn.comparison import Comparison, Mistake, Row
from facefeat.learn.confusion import confused, per_person
from facefeat.learn.metrics import Share
from facefeat.learn.openset import FPIRS
from facefeat.report import origin, pages, people, plots, verdicts, words
from facefeat.report.drawing import Plot

CARDS = 60  # mistakes that are shown with their faces

Column = tuple[str, str, Callable[[Row], tuple[str, str]]]  # name, meaning, and a row's figure with its interval


def page(found: Comparison, file: FeatureFile) -> str:
    """Show a comparison; on one machine, the same record gives the same page.

    Parameters
    ----------
    found : Comparison
    file : FeatureFile
        What was compared on; the names of people and pictures, and the faces of mistakes, come from it.

    Returns
    -------
    str
        HTML that fetches nothing and runs no script.
    """
    columns = _columns(found)
    return pages.rendered(
        "comparison.html",
        name=escaped(file.path.name),
        verdict=verdicts.verdict(found),
        tiles=_tiles(found),
        remarks=[(name, text.split("\n")) for name, text in verdicts.remarks(found) if text],
        warnings=_warnings(found),
        legend=verdicts.legend(found),
        columns=columns,
        rows=[_row(found, row, columns) for row in found.rows],
        baselines=[_row(found, row, columns) for row in found.baselines],
        plots=[shown(plot) for plot in plots.of_comparison(found)],
        best=f"{found.best.head} on {words.layer(found.best.layer)}",
        people=people.section(per_person(found, file), confused(found, file)),
        mistakes=[_mistake(one, file) for one in found.mistakes[:CARDS]],
        n_mistakes=len(found.mistakes),
        origin=_origin(found, file),
    )


def shown(plot: Plot) -> dict[str, Any]:
    """Lay out a plot; its drawing is put into the page as it is."""
    svg = Markup(plot.svg)  # every text in it was escaped when it was drawn
    return {"name": plot.name, "title": plot.title, "reading": plot.reading, "svg": svg, "tall": plot.tall}


def _tiles(found: Comparison) -> list[dict[str, str]]:
    best, rate = found.best, verdicts.reported_rate(found)
    tiles = [_tile("Accuracy", words.percent(best.accuracy.mean), best.accuracy, "of pictures named right")]
    rates = best.open_set.rates[rate] if best.open_set and rate else None
    if rates and rate:
        name = f"FNIR at {100 * rate:.0f} % FPIR"
        tiles.append(_tile(name, words.percent(rates.fnir.mean), rates.fnir, "of known faces not named"))
    if best.open_set:
        area = best.open_set.auroc
        tiles.append(
            {"name": "AUROC", "value": f"{area.mean:.4f}", "interval": _area(area), "meaning": "known from strangers"}
        )
    if best.calibration:
        said = f"Brier {best.calibration.brier:.3f}"
        ece = f"{best.calibration.ece:.3f}"
        tiles.append({"name": "ECE", "value": ece, "interval": said, "meaning": "how far probabilities are off"})
    return tiles


def _tile(name: str, value: str, share: Share, meaning: str) -> dict[str, str]:
    return {"name": name, "value": value, "interval": words.interval(share), "meaning": meaning}


def _area(share: Share) -> str:
    return f"{share.low:.3f} to {share.high:.3f}"


def _warnings(found: Comparison) -> list[str]:
    left_out = left_out_sentence(found.left_out, "--heads")
    failed = [f"{head} on {layer} could not be fitted: {why}" for head, layer, why in found.failed]
    return [line for line in (left_out, *failed) if line]


def _columns(found: Comparison) -> list[Column]:
    """Return the columns that have a figure in any row."""
    columns: list[Column] = [
        ("accuracy", "Share of pictures named right, each by a head that did not see it; 95 % interval.",
         lambda row: _percent(row.accuracy)),
        ("p", "How often chance alone makes such a difference from the best row.", lambda row: (verdicts.p_value(row), "")),
        ("same", "How likely it is that the row and the best differ by less than a point.",
         lambda row: (words.percent(row.versus.posterior.same) if row.versus else "", "")),
        ("test", "Accuracy on the test set, after training on all pictures.",
         lambda row: _percent(row.test.accuracy) if row.test else ("", "")),
        ("without copies", "Accuracy where augmented copies do not train, and what they add, in points with its interval.",
         _without_copies),
        ("balanced", "Accuracy where every person counts alike.", lambda row: _percent(row.balanced_accuracy)),
        ("macro F1", "Mean over people of the harmonic mean of precision and recall.", lambda row: _percent(row.macro_f1)),
        *(_missed(rate) for rate in FPIRS),
        ("AUROC", "How often a known face scores over a stranger, whatever the threshold.",
         lambda row: (f"{row.open_set.auroc.mean:.4f}", _area(row.open_set.auroc)) if row.open_set else ("", "")),
        ("ECE", "How far probabilities are off, on average.",
         lambda row: (f"{row.calibration.ece:.3f}" if row.calibration else "", "")),
        ("Brier", "Squared distance of probabilities to the truth, from 0 to 2.",
         lambda row: (f"{row.calibration.brier:.3f}" if row.calibration else "", "")),
        ("fit", "Time to fit on a fold.", lambda row: (f"{row.fit_seconds:.2f} s", "")),
        ("predict", "Time for the vector of one picture.", lambda row: (f"{row.predict_ms:.2f} ms", "")),
    ]  # fmt: skip
    return [column for column in columns if any(column[2](row)[0] for row in found.rows)]


def _without_copies(row: Row) -> tuple[str, str]:
    if row.benefit is None:
        return "", ""
    return words.percent(row.benefit.without.mean), verdicts.change(row.benefit.difference)


def _missed(rate: float) -> Column:
    def figure(row: Row) -> tuple[str, str]:
        its = row.open_set.rates.get(rate) if row.open_set else None
        return _percent(its.fnir) if its else ("", "")

    meaning = f"Share of known faces not given their own name, where {100 * rate:.0f} % of strangers are given one."
    return f"FNIR {100 * rate:.0f} %", meaning, figure


def _percent(share: Share) -> tuple[str, str]:
    return words.percent(share.mean), words.interval(share)


def _row(found: Comparison, row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    ours = bool(row.layer)
    sign = "★" if row is found.best else "≈" if ours and row.tied else ""
    return {
        "sign": sign,
        "kind": {"★": "best", "≈": "tied"}.get(sign, "worse" if ours else "baseline"),
        "head": row.head,
        "layer": words.layer(row.layer) if ours else "",
        "cells": [dict(zip(("value", "interval"), figure(row), strict=True)) for _, _, figure in columns],
        "bar": _bar(row.accuracy, min(one.accuracy.low for one in found.rows)),
    }


def _bar(share: Share, left: float) -> dict[str, float]:
    """Place an interval between the worst row's lower end and all right, in percent of the width."""
    low, mean, high = (
        round(100 * max(0.0, (end - left) / max(1 - left, 1e-9)), 1) for end in (share.low, share.mean, share.high)
    )
    return {"low": low, "width": round(high - low, 1), "mean": mean}


def _mistake(one: Mistake, file: FeatureFile) -> dict[str, Any]:
    truth, named = file.people[file.person[one.row]], file.people[one.named]
    pictures = [
        _face(file, one.row, "this picture"),
        _face(file, one.nearest_named, f"most alike of {named}"),
        _face(file, one.nearest_own, f"most alike of {truth}"),
    ]
    return {"truth": truth, "verb": ", named ", "named": named, "reason": "", "pictures": pictures}


def _face(file: FeatureFile, row: int, role: str) -> dict[str, str]:
    known = row >= 0
    return {
        "src": pages.grey(file.columns["faces/pixels"][row]) if known else "",
        "path": file.paths[row] if known else "",
        "role": role,
    }


def _origin(found: Comparison, file: FeatureFile) -> list[tuple[str, str, str]]:
    """Say what made the figures: name, text, and what is too long to be read."""
    recipe, cut, where = file.recipe, found.folds, origin.machine()
    flip = ", mirrored mean" if recipe.flip else ""
    packages = ", ".join(f"{name} {number}" for name, number in origin.versions().items())
    made_with = ", ".join(f"{name} {number}" for name, number in file.made_by["versions"].items())
    return [
        ("folds", f"{cut.n_folds}, {words.counted(cut.repeats, 'repeat')}; random_state {cut.random_state}", ""),
        ("pictures", f"{found.n_images:,} of {words.counted(found.n_people, 'person', 'people')}, "
                     f"{found.n_tested:,} tested"
                     f"{f', {found.n_augmented:,} augmented copies' if found.n_augmented else ''}", ""),
        ("network", f"{recipe.backbone} ({words.weights(recipe)}), {recipe.input_size} px, {recipe.pooling}{flip}", ""),
        ("faces", recipe.faces.detector, ""),
        ("recipe", recipe.sha256[:12], recipe.sha256),
        ("vectors by", file.ran_on, ""),
        ("made with", made_with, ""),
        ("fitted with", packages, ""),
        ("machine", f"{where['platform']}, {words.counted(where['cores'], 'core')}", ""),
        ("time", f"{found.seconds:.1f} s", ""),
    ]  # fmt: skip
