"""What is said of a model that was scored on other pictures."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facefeat.data.folder import escaped, printable
from facefeat.report import words
from facefeat.report.documents import finite, share
from facefeat.report.predicted import dim, naming_document, nearest, runner_up, scored
from facefeat.report.tables import SHOWN, facts, shown

if TYPE_CHECKING:
    from facefeat.learn.evaluation import Evaluation, Mistake
    from facefeat.learn.metrics import Share

RANKS = (2, 5, 10)  # of which the table tells
NAMES = 5  # listed of people

Facts = list[tuple[str, str]]


def table(found: Evaluation, verbose: bool = False) -> RenderableType:
    """Lay out an evaluation: the figures, person by person, and every mistake with its reasons."""
    rows = remarks(found)
    failures = (*found.failures, *found.stranger_failures)
    rows += [("failed", f"{one.path}: {one.message}") for one in shown(failures, verbose)]
    rows += [("note", note) for note in found.notes]
    rows.append(("made by", found.ran_on))
    parts: list[RenderableType] = [facts(rows), _people(found, verbose) if found.per_person else Text()]
    for title, mistakes in (("Mistakes", found.mistakes), ("Strangers given a name", found.stranger_mistakes)):
        if mistakes:
            parts.append(_mistakes(title, mistakes, verbose))
    return Group(*parts)


def remarks(found: Evaluation) -> Facts:
    """Say every figure in a sentence under its name."""
    return [*_enrolled(found), *_known(found), *_strangers(found), *_leaks(found)]


def document(found: Evaluation) -> dict[str, Any]:
    """Describe an evaluation; schema ``facefeat/evaluate/1``."""
    return {
        "schema": "facefeat/evaluate/1",
        "images": found.images,
        "accuracy": share(found.accuracy),
        "balanced_accuracy": finite(found.balanced_accuracy),
        "top5": finite(found.rank5.mean) if found.rank5 else None,
        "top5_interval": [found.rank5.low, found.rank5.high] if found.rank5 else None,
        "cmc": [{"rank": rank, **share(one)} for rank, one in enumerate(found.cmc, 1)],
        "accepted_right": share(found.accepted_right),
        "rejected": found.rejected,
        "threshold": asdict(found.threshold),
        "fnir": share(found.fnir),
        "fpir": {**share(found.fpir), "measurable": found.fpir_measurable},
        "auroc": finite(found.auroc),
        "per_person": [asdict(person) for person in found.per_person],
        "confusion": [{"truth": a, "named": b, "images": n} for (a, b), n in found.confusion.items()],
        "mistakes": [_mistake(one) for one in found.mistakes],
        "failures": [{"path": one.path, "code": one.code, "message": one.message} for one in found.failures],
        "strangers": {
            "people": list(found.stranger_people),
            "images": found.strangers,
            "named": found.strangers_named,
            "mistakes": [_mistake(one) for one in found.stranger_mistakes],
            "failures": [
                {"path": one.path, "code": one.code, "message": one.message} for one in found.stranger_failures
            ],
        },
        "missing_people": list(found.missing_people),
        "leaks": {
            "images": found.leaks,
            "near": found.near_leaks,
            "accuracy_without": share(found.accuracy_without_leaks),
        },
        "enrolled": {
            "folder": escaped(str(found.enrolled.root)),
            "people": found.enrolled.people,
            "images": found.enrolled.images,
            "skipped": found.enrolled.skipped,
        }
        if found.enrolled
        else None,
        "ran_on": found.ran_on,
        "notes": list(found.notes),
    }


def _mistake(one: Mistake) -> dict[str, Any]:
    return {
        "path": one.path,
        "truth": one.truth,
        "rank": one.rank,
        "missed": asdict(one.missed) if one.missed else None,
        **naming_document(one.naming),
    }


def _enrolled(found: Evaluation) -> Facts:
    if found.enrolled is None:
        return []
    people, n = words.counted(found.enrolled.people, "person", "people"), found.enrolled
    unread = f" ({n.skipped:,} more not read)" if n.skipped else ""
    text = f"anew from {n.root.name}/: {people}, {words.counted(n.images, 'picture')}{unread}"
    lines = [f"{text}, in place of the model's own", *words.threshold_sentences(found.threshold)]
    return [("enrolled", "\n".join(lines))]


def _known(found: Evaluation) -> Facts:
    if not found.images:
        return [("accuracy", "not measurable: there is no picture of anybody whom the model knows")]
    accuracy = f"{words.percent(found.accuracy.mean)} of {words.counted(found.images, 'picture')}"
    rows = [
        ("accuracy", f"{accuracy} ({_interval(found.accuracy)})"),
        ("balanced", f"{words.percent(found.balanced_accuracy)}, where every person counts alike"),
    ]
    everybody = len(found.per_person) + len(found.missing_people)
    ranks = [
        f"{rank}: {words.percent(one.mean)} ({words.interval(one)})"
        for rank, one in enumerate(found.cmc, 1)
        if rank in RANKS and rank < everybody  # among all of them everybody is
    ]
    if ranks:
        rows.append(("rank", f"up to {', '.join(ranks)}"))
    line = f" of {found.threshold.value:.3f}" if found.threshold.n_pictures else ""
    rows.append(("unknown", f"{found.rejected:,} of them are under the threshold{line}; named and right: "
                            f"{words.percent(found.accepted_right.mean)}"))  # fmt: skip
    rows.append(("FNIR", f"{words.percent(found.fnir.mean)} are not given their own name ({_interval(found.fnir)})"))
    if found.missing_people:
        rows.append(("missing", f"in the model, but not here: {_some(found.missing_people)}"))
    return rows


def _strangers(found: Evaluation) -> Facts:
    if not found.strangers:
        return []
    who = f"; not in the model: {_some(found.stranger_people)}" if found.stranger_people else ""
    n = words.counted(found.strangers, "picture")
    rows = [
        ("strangers", f"{found.strangers_named:,} of {n} were given a name{who}"),
        ("FPIR", f"{words.percent(found.fpir.mean)} are given a name ({_interval(found.fpir)})"),
    ]
    if found.threshold.n_pictures and not found.fpir_measurable:
        aim = f"an FPIR of {words.percent(found.threshold.fpir)}, as chosen, is"
        rows.append(("", f"{aim} not measurable with {n} of strangers"))
    if math.isfinite(found.auroc):
        rows.append(
            ("AUROC", f"{found.auroc:.3f}: how often a known face scores over a stranger, whatever the threshold")
        )
    return rows


def _leaks(found: Evaluation) -> Facts:
    n = found.leaks + found.near_leaks
    if not n:
        return []
    rest, without = found.accuracy_without_leaks.mean, "it" if n == 1 else "them"
    left = f"{without} {words.percent(rest)}" if math.isfinite(rest) else f"{without} none is left"
    near = f"near copies of {words.counted(found.near_leaks, 'picture')}" if found.near_leaks else ""
    same = words.counted(found.leaks, "picture") if found.leaks else ""
    return [("leaks", f"{' and '.join(filter(None, (same, near)))} trained the model too; without {left}")]


def _people(found: Evaluation, verbose: bool) -> RenderableType:
    worst = sorted(found.per_person, key=lambda person: (person.right / person.images, -person.rejected))
    listed = worst if verbose else [one for one in worst if one.right < one.images or one.rejected][:SHOWN]
    if not listed:
        return Padding(Text("Everybody's pictures were all named right, and none called unknown."), (1, 0, 1, 1))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("person", overflow="fold", max_width=40)
    for name in ("pictures", "right", "share", "unknown"):
        table.add_column(name, justify="right")
    for person in listed:
        part = words.percent(person.right / person.images)
        table.add_row(Text(printable(person.name)), f"{person.images}", f"{person.right}", part, f"{person.rejected}")
    left = len(worst) - len(listed)
    others = f"{words.counted(left, 'other person', 'other people')}: -v lists them.\n"
    rest = [Text(others, style="dim")] if left else []
    return Padding(Group(table, *rest), (0, 0, 0, 1))


def _mistakes(title: str, mistakes: tuple[Mistake, ...], verbose: bool) -> RenderableType:
    """List mistakes: the picture, what it was taken for, how close that was, and the training pictures behind it."""
    lines: list[RenderableType] = [Text(title, style="bold")]
    listed = list(shown(mistakes, verbose))
    for one in listed:
        lines.append(_line(one))
        lines.append(dim([scored(one.naming), runner_up(one.naming)]))
        lines.append(dim([nearest(one.naming.nearest), _missed(one)]))
    if len(listed) < len(mistakes):
        lines.append(Text(f"{len(listed)} of {len(mistakes):,}; -v shows all.", style="dim"))
    return Padding(Group(*lines), (0, 0, 1, 1))


def _line(one: Mistake) -> Text:
    truth = f"is {one.truth}" if one.rank else f"is a stranger, {one.truth}" if one.truth else "is a stranger"
    said = f"named {one.naming.best}" if one.naming.name else f"unknown, most like {one.naming.best}"
    return Text.assemble((printable(one.path), "bold"), printable(f"  {truth}, {said}"), overflow="fold")


def _missed(one: Mistake) -> str:
    if one.missed is None:
        return ""
    return f"nearest of the right person {one.missed.path} {one.missed.similarity:.2f}"


def _some(names: tuple[str, ...]) -> str:
    left = len(names) - NAMES
    return words.listed([*names[:NAMES], words.counted(left, "other")]) if left > 0 else words.listed(names)


def _interval(found: Share) -> str:
    return f"95 % interval {words.interval(found)}"
