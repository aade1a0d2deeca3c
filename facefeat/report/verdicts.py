"""Sentences about a comparison, that somebody new to all of it understands."""

from __future__ import annotations

import math

from facefeat import plugins
from facefeat.features.backbone import is_made_for_faces
from facefeat.learn.baselines import PIXELS
from facefeat.learn.comparison import Comparison, Row
from facefeat.learn.openset import FPIRS, Rates
from facefeat.learn.statistics import Difference
from facefeat.report.words import counted, interval, listed, percent

MANY_PEOPLE = 50  # as many as ORL has are told apart by an ImageNet network nearly without a mistake
POOR_FNIR = 0.1  # likewise: there it misses one known face in twenty-five for an FPIR of 1 %
FASTER = 2.0  # times as fast, from which on it is worth a word


def reported_rate(found: Comparison) -> float | None:
    """Return the lowest FPIR at which strangers could be measured; ``None`` where there is none."""
    for rate in FPIRS:
        if any(row.open_set and row.open_set.rates[rate] for row in found.rows):
            return rate
    return None


def p_value(row: Row) -> str:
    """Write how often chance alone makes such a difference from the best row.

    Examples
    --------
    >>> short(0.0004), short(0.2345)
    ('< .001', '.234')
    """
    return "" if row.versus is None else short(row.versus.p_value)


def short(p: float) -> str:
    """Write a p-value with three digits, see ``p_value``."""
    if p < 0.001:
        return "< .001"
    return "1" if p > 0.9994 else f"{p:.3f}".removeprefix("0")


def legend(found: Comparison) -> str:
    """Explain the signs and the columns of the table."""
    parts = ["★ best", "≈ cannot be told from it (p ≥ .05)"] if len(found.rows) > 1 else ["★ best"]
    rate = reported_rate(found)
    if rate:
        parts.append(f"FNIR: known faces not named where {100 * rate:.0f} % of strangers are")
    parts.append("ECE: how far probabilities are off")
    return " · ".join(parts)


def verdict(found: Comparison) -> str:
    """Say in words which head to take, and what the others are worth."""
    best = found.best
    sentence = (
        f"{_name(best)} names {percent(best.accuracy.mean)} of the pictures right "
        f"(95 % interval {interval(best.accuracy)})"
    )
    return f"{sentence}{_others(found)}.{_fastest(found)}{_pixels(found)}{_other_backbone(found)}"


def _name(row: Row) -> str:
    return f"{row.head} on {row.layer}"


def _others(found: Comparison) -> str:
    if len(found.rows) == 1:
        return ""
    ties = found.tied
    if not ties:
        return "; every other combination is worse, and not by chance"
    heads = list(dict.fromkeys(row.head for row in ties if row.head != found.best.head))
    if not heads:
        return "; no other head comes up to it, whatever the layer"
    least = min(row.versus.p_value for row in ties if row.versus)
    sign = "=" if short(least) == "1" else "≥"
    return f"; {listed(heads)} cannot be told from it on these pictures (p {sign} {short(least)})"


def _fastest(found: Comparison) -> str:
    ties = [row for row in found.tied if row.layer == found.best.layer]
    quickest = min(ties, key=lambda row: row.fit_seconds, default=None)
    if quickest is None or quickest.fit_seconds * FASTER > found.best.fit_seconds:
        return ""
    times = found.best.fit_seconds / max(quickest.fit_seconds, 1e-9)
    return f" {quickest.head} is fitted {times:,.0f} times as fast."


def _pixels(found: Comparison) -> str:
    rows = [row for row in found.baselines if row.head == PIXELS]
    return f" The bare pixels reach {percent(rows[0].accuracy.mean)}." if rows else ""


def _other_backbone(found: Comparison) -> str:
    """Name a network made for faces where this one is not and that is likely to matter."""
    if is_made_for_faces(found.backbone):
        return ""
    better = next((name for name in plugins.names("backbone") if is_made_for_faces(name)), None)
    why = _many_people(found) or _poor_fnir(found)
    if better is None or not why:
        return ""
    return f" {found.backbone} was not made for faces; {why}, try: facefeat extract DATA --backbone {better}."


def _many_people(found: Comparison) -> str:
    return f"for {_people(found.n_people)}" if found.n_people >= MANY_PEOPLE else ""


def _poor_fnir(found: Comparison) -> str:
    rate, open_set = reported_rate(found), found.best.open_set
    rates = open_set.rates[rate] if open_set and rate else None
    if rates is None or rates.fnir.mean <= POOR_FNIR:
        return ""
    return (
        f"as {percent(rates.fnir.mean)} of known faces are not named where {100 * (rate or 0):.0f} % of strangers are"
    )


def remarks(found: Comparison) -> list[tuple[str, str]]:
    """Say how the figures were made, what strangers do, and what was wrong with the pictures, each under its name."""
    pictures = "\n".join((*found.folds.notes, *filter(None, [with_leaks(found)])))
    return [
        ("how", protocol(found)),
        ("strangers", strangers(found)),
        ("test", test_set(found)),
        ("augmented", benefit(found)),
        ("pictures", pictures),
    ]


def protocol(found: Comparison) -> str:
    """Say how the figures were made."""
    folds = found.folds
    repeats = f", {folds.repeats} times" if folds.repeats > 1 else ""
    return (
        f"{counted(found.n_images, 'picture')} of {counted(found.n_people, 'person', 'people')}, "
        f"{_training_copies(found)}{folds.n_folds} stratified folds{repeats}, the same for every head; random_state {folds.random_state}. "
        "p: corrected resampled t-test (Nadeau and Bengio), adjusted by Holm."
    )


def _training_copies(found: Comparison) -> str:
    if not found.n_augmented:
        return ""
    return f"{counted(found.n_augmented, 'augmented copy', 'augmented copies')} of them that only train, "


def benefit(found: Comparison) -> str:
    """Say what augmented copies bring the best row, and whether without them another would be better; empty without any.

    The figure with copies is that without them and the mean difference over folds.
    """
    best = found.best
    if best.benefit is None:
        return ""
    its, without = best.benefit.difference, best.benefit.without
    each = counted(found.n_each, "copy", "copies")
    if found.n_augmented != found.n_each * found.n_images:
        each = f"Up to {each}"
    said = (
        f"{each} of each picture: {_name(best)} has {percent(without.mean)} without, {percent(best.accuracy.mean)} with "
        f"({_points(its.mean)} points, 95 % interval {_points(its.low)} to {_points(its.high)}): "
        f"{_worth(its)}."
    )
    other = max((row for row in found.rows if row.benefit), key=_without, default=best)
    if _without(other) > best.accuracy.mean:
        said += f" Without copies {_name(other)} has {percent(_without(other))}, more than any row with them."
    return said


def change(its: Difference) -> str:
    """Write a difference with its interval, in points."""
    return f"{_points(its.mean)} ({_points(its.low)} to {_points(its.high)})"


def _worth(its: Difference) -> str:
    """Say whether a difference is one, by its interval."""
    if its.low > 0:
        return "they pay"
    return "they cost" if its.high < 0 else "that cannot be told from chance"


def _without(row: Row) -> float:
    return row.benefit.without.mean if row.benefit else -1.0


def _points(share: float) -> str:
    """Write a difference of shares in percent.

    Examples
    --------
    >>> _points(0.0049), _points(-0.012), _points(0.0)
    ('+0.5', '-1.2', '0.0')
    """
    points = round(100 * share, 1) + 0.0
    return f"{points:+.1f}" if points else "0.0"


def strangers(found: Comparison) -> str:
    """Say how strangers were measured and how the best head does against them, or why they could not be."""
    trials, open_set = found.trials, found.best.open_set
    if trials is None or open_set is None:
        few = f": with {_people(found.n_people)} nobody could be held out" if found.n_people < 3 else ""
        return f"Not measured{few}."
    said = [
        f"{_people(trials.n_known_people)} known, {counted(trials.n_stranger_people, 'stranger')}, "
        f"{counted(len(trials.splits), 'time')} dealt anew; AUROC {open_set.auroc.mean:.4f}."
    ]
    said += [_rate_said(rate, its) for rate in FPIRS if (its := open_set.rates[rate])]
    if unsure := [f"{100 * rate:.0f} %" for rate in FPIRS if not open_set.rates[rate]]:
        said.append(f"An FPIR of {' or '.join(unsure)} is not measurable with {_strangers_there(found)}.")
    return "\n".join(said)


def _rate_said(rate: float, its: Rates) -> str:
    return (
        f"For an FPIR of {100 * rate:.0f} %: {percent(its.fnir.mean)} of known faces are not named "
        f"({interval(its.fnir)}); of strangers who did not choose the threshold, {percent(its.fpir.mean)} are "
        f"({interval(its.fpir)})."
    )


def _people(n: int) -> str:
    return counted(n, "person", "people")


def _strangers_there(found: Comparison) -> str:
    trials = found.trials
    if trials is None or trials.n_stranger_people > 1:
        return counted(trials.n_stranger_pictures if trials else 0, "picture of strangers", "pictures of strangers")
    return "1 stranger at a time, who cannot choose the threshold and be judged by it"


def test_set(found: Comparison) -> str:
    """Say what the test set is, and how the best head does on it with and without leaks; empty without one."""
    test, its = found.test, found.best.test
    if test and not test.n_images:
        return f"{test.path} has no person of these, as far as names tell; nothing was tested."
    if not test or not its:
        return ""
    said = (
        f"{counted(test.n_images, 'picture')} of {counted(test.n_people, 'person', 'people')} in {test.path}; "
        f"{_name(found.best)} has {percent(its.accuracy.mean)} ({interval(its.accuracy)})"
    )
    if n := test.leaks + test.near_leaks:
        rest = its.without_leaks.mean
        left = percent(rest) if math.isfinite(rest) else "none is left"
        said += f"; without the {counted(n, 'picture')} that trained as well, or nearly, {left}"
    if test.n_others:
        said += f"; {counted(test.n_others, 'picture')} of people who do not train left out"
    if test.n_failures:
        said += f"; {counted(test.n_failures, 'picture')} could not be read and count as wrong"
    different = [row for row in found.rows[1:] if row.test and row.test.p_value < 0.05]
    ties = (
        "McNemar's exact test tells no other row from it"
        if not different
        else (f"McNemar's exact test tells {counted(len(different), 'row')} from it")
    )
    return f"{said}. {ties}."


def with_leaks(found: Comparison) -> str:
    """Say what copies on both sides of the folds would have made of the best figure."""
    if found.with_leaks is None:
        return ""
    return (
        f"With copies dealt to any folds, which are others then, {_name(found.best)} has "
        f"{percent(found.with_leaks.mean)}."
    )
