"""What is said of how many photographs a person are needed: table, sentences, people, and the JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facefeat.data.folder import escaped
from facefeat.learn.compare import left_out_sentence
from facefeat.learn.curves import Curve, Curves, PersonGain, Point, Step
from facefeat.learn.openset import FPIRS, Rates
from facefeat.report.documents import finite, share
from facefeat.report.tables import facts
from facefeat.report.words import counted, interval, layer, percent

SHOWN = 10  # people; -v shows all
ACROSS = 7  # numbers of photographs beside each other
NAMED = 5  # people in a sentence


def table(found: Curves, verbose: bool = False) -> RenderableType:
    """Lay out curves, what they say, and people; at most 100 columns wide."""
    rate, counts = reported_rate(found), found.draws.counts
    blocks = [counts[start : start + ACROSS] for start in range(0, len(counts), ACROSS)]
    lines: list[RenderableType] = [_grid(found, block, rate, verbose) for block in blocks]
    lines += [Text(_legend(found, rate), style="dim"), Text()]
    lines += [Text(sentence, style="bold") for sentence in sentences(found)]
    lines += [Text(), facts([row for row in remarks(found) if row[1]], margin=0)]
    lines += [Text(), Text("Who would gain most", style="bold"), facts(list(_people(found, verbose)), margin=0)]
    lines += [Text(left_out_sentence(found.left_out, "--heads"), style="yellow")] if found.left_out else []
    lines += [Text(one, style="yellow") for one in failures(found)]
    return Padding(Group(*lines), (0, 0, 0, 1))


def _grid(found: Curves, counts: Sequence[int], rate: float | None, verbose: bool) -> Table:
    """Lay out some of the numbers of photographs: accuracies, then FNIR."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 0), collapse_padding=True)
    for name in ("", "photographs a person"):
        grid.add_column(name, no_wrap=True)
    for n in counts:
        grid.add_column(str(n), justify="right", no_wrap=True, min_width=7)

    def add(curve: Curve, sign: str, name: str, figure: Callable[[Point], str], style: str) -> None:
        points = {point.n: point for point in curve.points}
        grid.add_row(sign, name, *(figure(points[n]) if n in points else "" for n in counts), style=style)

    for curve in found.curves:
        best = curve is found.best
        add(curve, "★" if best else "", curve.head, lambda point: percent(point.accuracy.mean), "bold" if best else "")
        if best or verbose:
            add(curve, "", "  95 %", lambda point: interval(point.accuracy).replace(" to ", "–"), "dim")
    if rate:
        grid.add_section()
        grid.add_row("", f"FNIR {100 * rate:.0f} %", style="bold")
        for curve in found.curves:
            add(curve, "", curve.head, lambda point: _fnir(point.rates[rate]), "")
    return grid


def _fnir(rates: Rates | None) -> str:
    return percent(rates.fnir.mean) if rates else ""


def _legend(found: Curves, rate: float | None) -> str:
    parts = [f"★ best, on {layer(found.best.layer)}"]
    if rate:
        parts.append(f"FNIR: known faces not named where {100 * rate:.0f} % of strangers are")
    return " · ".join(parts)


def reported_rate(found: Curves) -> float | None:
    """Return the lowest FPIR at which strangers could be measured; ``None`` where there is none."""
    points = [point for curve in found.curves for point in curve.points]
    return next((rate for rate in FPIRS if any(point.rates[rate] for point in points)), None)


def sentences(found: Curves) -> list[str]:
    """Say how far the best head comes, and where its curve flattens."""
    best = found.best
    last = best.points[-1]
    said = [
        f"{best.head} on {best.layer} names {percent(last.accuracy.mean)} of the pictures right with "
        f"{_photographs(last.n)} a person (95 % interval {interval(last.accuracy)})."
    ]
    if not best.steps:
        return [*said, "One number of photographs makes no curve."]
    flat, untold, step = best.flat, best.untold, best.steps[-1]
    if flat:
        said.append(f"From {_photographs(flat.n)} a person on, more bring less than a point.{_strangers(found, flat)}")
    elif step.told:
        said.append(
            f"More photographs would help: from {step.n} to {step.to} it still gains {_points(step.difference.mean)}."
        )
    if untold and (flat is None or untold.n < flat.n):
        said.append(_untold(untold))
    return said


def _strangers(found: Curves, flat: Step) -> str:
    """Say what more photographs bring against strangers where they bring nothing to naming."""
    rate = reported_rate(found)
    fnir = found.best.still_missed(rate) if rate else None
    if rate is None or fnir is None:
        return ""
    return (
        f" Against strangers they still help: of known faces {percent(fnir[0])} are not named with {flat.n} and "
        f"{percent(fnir[1])} with {flat.to}, where {100 * rate:.0f} % of strangers are."
    )


def _untold(step: Step) -> str:
    its = step.difference
    return (
        f"From {_photographs(step.n)} a person on, more cannot be told from no gain on these pictures: "
        f"to {step.to} it is {_points(its.mean)} (95 % interval {100 * its.low:.1f} to {100 * its.high:.1f}, "
        f"p = {its.p_value:.2f})."
    )


def _photographs(n: int) -> str:
    return counted(n, "photograph")


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0} points"  # no minus before a zero


def remarks(found: Curves) -> list[tuple[str, str]]:
    """Say how the figures were made, what strangers do, and what was wrong with the pictures, each under its name."""
    return [("how", protocol(found)), ("strangers", strangers(found)), ("pictures", "\n".join(notes(found)))]


def protocol(found: Curves) -> str:
    """Say how the figures were made."""
    draws = found.draws
    return (
        f"{counted(found.n_images, 'picture')} of {_people_of(found.n_people)}, drawn "
        f"{counted(len(draws.repeats), 'time')}: a fifth of each person's photographs are tested, at least one, the same "
        f"whatever trains; of the others the first n train. random_state {draws.random_state}. p and intervals: corrected "
        "resampled t-test (Nadeau and Bengio)."
    )


def _people_of(n: int) -> str:
    return counted(n, "person", "people")


def strangers(found: Curves) -> str:
    """Say how strangers were measured and how the best head does against them, or why they could not be."""
    draws, last = found.draws, found.best.points[-1]
    if not draws.n_strangers:
        return f"FNIR is not measurable with {_people_of(found.n_people)}: nobody was held out, for which 5 are needed."
    said = ["A fifth of the people, others each time; their threshold is chosen on other strangers, of all times."]
    for rate in FPIRS:
        if its := last.rates[rate]:
            said.append(
                f"For an FPIR of {100 * rate:.0f} %, with {_photographs(last.n)}: {percent(its.fnir.mean)} of known faces "
                f"are not named ({interval(its.fnir)}); of strangers {percent(its.fpir.mean)} are ({interval(its.fpir)})."
            )
        else:
            pictures = counted(draws.n_stranger_pictures, "picture of strangers", "pictures of strangers")
            said.append(f"An FPIR of {100 * rate:.0f} % is not measurable with {pictures}.")
    return "\n".join(said)


def notes(found: Curves) -> list[str]:
    """Say what a reader must know of the pictures."""
    said = [
        f"With {_photographs(n)}, {few} of {_people_of(found.n_people)} train with all they have, which is fewer."
        for n, few in zip(found.draws.counts, found.draws.few, strict=True)
        if few
    ]
    if single := [escaped(person) for person in found.single]:
        more = f" and {len(single) - NAMED} more" if len(single) > NAMED else ""
        said.append(f"One photograph only, so it trains and is never tested: {', '.join(single[:NAMED])}{more}.")
    if found.copies:
        said.append(f"{counted(found.copies, 'picture is a copy', 'pictures are copies')} or near copies of another; "
                    "a photograph and its copies count as one.")  # fmt: skip
    return said


def failures(found: Curves) -> list[str]:
    """Say what could not be fitted."""
    return [
        f"{head} could not be fitted {f'with {_photographs(n)} a person' if n else 'on the folds'}: {why}"
        for head, n, why in found.failed
    ]


def _people(found: Curves, verbose: bool) -> Iterator[tuple[str, str]]:
    """Yield people with what is to be said of each: those of whom something is missing, or all."""
    rows = [one for one in found.people if verbose or (one.recall is not None and one.recall < 1)]
    for one in rows if verbose else rows[:SHOWN]:
        yield escaped(one.person), _person(found, one)
    if not verbose and len(rows) > SHOWN:
        yield "", f"... and {len(rows) - SHOWN} more; -v lists everybody"
    if not rows and any(one.recall is not None for one in found.people):
        yield "nobody", f"every picture that could be tested is named right in {found.n_folds} folds; -v lists all"
    elif not rows:
        yield "unknown", "nobody could be tested on the folds; -v lists how people did in the draws"


def _person(found: Curves, one: PersonGain) -> str:
    has = _photographs(one.photographs)
    if one.pictures > one.photographs:
        has += f" ({counted(one.pictures, 'picture')})"
    if one.photographs < 2:
        return f"{has}; cannot be tested"
    said = has if one.recall is None else f"{has}; {percent(one.recall)} named right"
    half, most = found.half, found.best.points[-1].n
    if one.slope is not None and one.at_half is not None and one.at_most is not None and one.at_half != one.at_most:
        said += f"; {percent(one.at_half)} with {half}, {percent(one.at_most)} with {most}"
        said += "" if one.told else ", which may be chance"
    return said


def document(found: Curves) -> dict[str, Any]:
    """Describe curves; schema ``facefeat/howmany/1``."""
    draws = found.draws
    return {
        "schema": "facefeat/howmany/1",
        "curve": [_point(curve, point) for curve in found.curves for point in curve.points],
        "best": {"head": found.best.head, "layer": found.best.layer},
        "flat_from": {curve.head: curve.flat.n if curve.flat else None for curve in found.curves},
        "untold_from": {curve.head: curve.untold.n if curve.untold else None for curve in found.curves},
        "steps": [_step(curve, step) for curve in found.curves for step in curve.steps],
        "people": [_described(one) for one in found.people],
        "sentences": sentences(found),
        "protocol": {
            "text": protocol(found),
            "strangers": strangers(found),
            "counts": list(draws.counts),
            "few": list(draws.few),
            "repeats": len(draws.repeats),
            "random_state": draws.random_state,
            "people": found.n_people,
            "images": found.n_images,
            "tested": draws.n_tested,
            "test_share": draws.test_share,
            "stranger_people": draws.n_strangers,
            "folds": found.n_folds,
        },
        "failed": [{"head": head, "n": n or None, "message": why} for head, n, why in found.failed],
        "left_out": [{"head": head, "layer": on, "seconds": round(seconds)} for head, on, seconds in found.left_out],
        "notes": notes(found),
        "seconds": round(found.seconds, 3),
    }


def _point(curve: Curve, point: Point) -> dict[str, Any]:
    return {
        "head": curve.head,
        "layer": curve.layer,
        "n": point.n,
        "accuracy": share(point.accuracy),
        "accuracy_by_repeat": point.by_repeat.tolist(),
        "fnir": {str(rate): share(its.fnir) if its else None for rate, its in point.rates.items()},
        "fpir_reached": {str(rate): share(its.fpir) if its else None for rate, its in point.rates.items()},
    }


def _step(curve: Curve, step: Step) -> dict[str, Any]:
    its = step.difference
    difference = {"mean": its.mean, "low": its.low, "high": its.high}
    return {"head": curve.head, "n": step.n, "to": step.to, "gain": difference, "p_value": finite(its.p_value)}


def _described(one: PersonGain) -> dict[str, Any]:
    its = one.slope
    return {
        "person": escaped(one.person),
        "pictures": one.pictures,
        "photographs": one.photographs,
        "recall": one.recall,
        "recall_at_half": one.at_half,
        "recall_at_most": one.at_most,
        "slope": {"mean": its.mean, "low": its.low, "high": its.high, "p_value": its.p_value} if its else None,
    }
