"""Results as tables and lines for a terminal, at most 100 columns wide."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facefeat.data.folder import escaped, printable
from facefeat.report import words

if TYPE_CHECKING:
    from facefeat.features.extract import Extraction
    from facefeat.features.store.file import FeatureFile
    from facefeat.learn.evaluate import Evaluation
    from facefeat.learn.fit import Fitted
    from facefeat.learn.predict import Naming, Photo

WIDTH = 100
SHOWN = 12  # rows of a list that may be long; -v shows all


def extraction(made: Extraction, verbose: bool = False) -> RenderableType:
    """Lay out what an extraction did."""
    file = made.file
    rows: list[tuple[str, str]] = [
        ("pictures", f"{made.images:,} found, of {words.counted(len(file.people), 'person', 'people')}"),
        (
            "rows",
            f"{len(file):,}: {made.computed:,} computed, {made.reused:,} known already, {made.duplicates:,} copies",
        ),
    ]
    if made.whole:
        rows.append(("no face", f"in {made.whole:,}; there the whole picture was taken"))
        if verbose:
            rows += [("", file.paths[i]) for i in (~file.found).nonzero()[0]]
    if file.skipped:
        rows += skipped(file, verbose)
    if made.dataset.empty:
        rows.append(("empty", f"folders without a picture: {words.listed(made.dataset.empty[:5])}"))
    if made.dataset.loose:
        rows.append(("left out", f"{words.counted(len(made.dataset.loose), 'picture')} beside the folders, of nobody"))
    if made.dataset.linked:
        rows.append(("left out", f"folders that are links: {words.listed(made.dataset.linked[:5])}"))
    rows.append(("vectors", _layers(file)))
    rows.append(("made by", made.ran_on))
    rows += [("int8", line) for line in words.rounding(file.recipe)]
    rows.append(("time", _time(made)))
    rows.append(("output", escaped(str(file.path))))
    return facts(rows)


def fitted(made: Fitted) -> RenderableType:
    """Lay out what was fitted."""
    bundle = made.bundle
    knobs = ", ".join(f"{knob}={value}" for knob, value in bundle.params.items()) or "its defaults"
    rows = [
        ("head", f"{bundle.head} on {bundle.layer}, {knobs}"),
        *([("chosen", made.how)] if made.how else []),
        ("trained on", f"{made.rows:,} pictures of {words.counted(len(bundle.people), 'person', 'people')}"),
        *[("unknown" if i == 0 else "", line) for i, line in enumerate(words.threshold_sentences(bundle.threshold))],
        ("time", f"{made.seconds:.1f} s"),
        ("output", escaped(str(made.output))),
    ]
    return facts(rows)


def evaluation(found: Evaluation, verbose: bool = False) -> RenderableType:
    """Lay out an evaluation: the figures, person by person, and every mistake."""
    rows = [
        ("accuracy", f"{words.percent(found.accuracy.mean)} of {found.images:,} pictures ({_interval(found.accuracy)})"),
        *([("top 5", words.percent(found.top5))] if found.top5 is not None else []),
        ("unknown", f"{found.rejected:,} of them are under the threshold; named and right: "
                    f"{words.percent(found.accepted_right.mean)}"),
    ]  # fmt: skip
    if found.strangers:
        rows.append(
            ("strangers", f"{found.strangers_named:,} of {found.strangers:,} pictures were given a name; "
                          f"not in the model: {words.listed(found.stranger_people[:5])}")
        )  # fmt: skip
    if found.missing_people:
        rows.append(("missing", f"in the model, but not here: {words.listed(found.missing_people[:5])}"))
    if n := found.leaks + found.near_leaks:
        rest, without = found.accuracy_without_leaks.mean, "it" if n == 1 else "them"
        left = f"{without} {words.percent(rest)}" if math.isfinite(rest) else f"{without} none is left"
        near = f"near copies of {words.counted(found.near_leaks, 'picture')}" if found.near_leaks else ""
        same = words.counted(found.leaks, "picture") if found.leaks else ""
        rows.append(("leaks", f"{' and '.join(filter(None, (same, near)))} trained the model too; without {left}"))
    rows += [("failed", f"{one.path}: {one.message}") for one in shown(found.failures, verbose)]
    rows.append(("made by", found.ran_on))
    parts: list[RenderableType] = [facts(rows), _people(found, verbose)]
    if found.mistakes:
        parts.append(_mistakes(found, verbose))
    return Group(*parts)


def _people(found: Evaluation, verbose: bool) -> RenderableType:
    worst = sorted(found.per_person, key=lambda person: (person.right / person.images, -person.rejected))
    listed = worst if verbose else [one for one in worst if one.right < one.images or one.rejected][:SHOWN]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("person", overflow="fold", max_width=40)
    for name in ("pictures", "right", "share", "unknown"):
        table.add_column(name, justify="right")
    for person in listed:
        share = words.percent(person.right / person.images)
        table.add_row(Text(printable(person.name)), f"{person.images}", f"{person.right}", share, f"{person.rejected}")
    left = len(worst) - len(listed)
    rest = [Text(f"{words.counted(left, 'other person', 'other people')}: -v lists them.", style="dim")] if left else []
    if not listed:
        return Padding(Text("Everybody's pictures were all named right, and none called unknown."), (1, 0, 0, 1))
    return Padding(Group(table, *rest), (0, 0, 0, 1))


def _mistakes(found: Evaluation, verbose: bool) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", title="Mistakes", title_justify="left")
    table.add_column("picture", overflow="fold", max_width=48)
    table.add_column("is", overflow="fold")
    table.add_column("taken for", overflow="fold")
    table.add_column("score", justify="right")
    mistakes = list(shown(found.mistakes, verbose))
    for one in mistakes:
        sure = "" if one.naming.name else " (unknown)"
        table.add_row(
            Text(printable(one.path)),
            Text(printable(one.truth)),
            Text(printable(one.naming.best) + sure),
            f"{one.naming.score:.3f}",
        )
    if len(mistakes) < len(found.mistakes):
        table.caption = f"{len(mistakes)} of {len(found.mistakes)}; -v shows all."
    return Padding(table, (0, 0, 0, 1))


def prediction(photos: list[Photo], ran_on: str) -> RenderableType:
    """Lay out who is in each photograph, and why."""
    parts: list[RenderableType] = []
    for photo in photos:
        parts.append(Text(printable(escaped(photo.path)), style="bold", overflow="fold"))
        if photo.error:
            parts.append(Text(f"  not read ({photo.error.code}): {photo.error.message}", style="yellow"))
        if photo.faces and not photo.faces[0][0].found:
            parts.append(Text("  no face was looked for or found; this is the whole picture", style="yellow"))
        for face, naming in photo.faces:
            parts.append(_name_line(naming, ", ".join(f"{side:.0f}" for side in face.box)))
            parts.append(Text(printable(f"      {_why(naming)}"), style="dim"))
    parts.append(Text(f"made by {ran_on}", style="dim"))
    return Padding(Group(*parts), (0, 0, 0, 1))


def _name_line(naming: Naming, where: str) -> Text:
    text = Text("  ")
    if naming.name:
        text.append(printable(naming.name), style="bold green")
    else:
        text.append("unknown", style="bold yellow")
    threshold = f"threshold {naming.threshold:.3f}" if naming.threshold > -1 else "no threshold"
    text.append(f"  score {naming.score:.3f}, {threshold}")
    text.append(f"  at {where}", style="dim")
    return text


def _why(naming: Naming) -> str:
    ranked = [f"{candidate.name} {candidate.score:.3f}" for candidate in naming.candidates]
    like = f"most like {', '.join(ranked)}"
    if naming.nearest:
        like += f"; nearest picture {naming.nearest[0].path}"
    return like


def plugins(kind: str, rows: list[tuple[str, str]]) -> RenderableType:
    """Lay out heads or backbones with their one line."""
    return facts([(name, summary) for name, summary in rows]) if rows else Text(f"There are no {kind}s.")


def facts(rows: list[tuple[str, str]]) -> RenderableType:
    """Lay out names and what is to be said of each; an empty name goes on with the one before."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, Text("\n".join(printable(line) for line in text.split("\n"))))
    return Padding(table, (0, 0, 0, 1))


def skipped(file: FeatureFile, verbose: bool) -> list[tuple[str, str]]:
    """Say what was skipped and why, as rows of ``facts``."""
    rows = [("skipped", f"{len(file.skipped):,}: {words.skipped_summary(file.skipped)}")]
    rows += [("", f"{one.path}: {one.message}") for one in shown(file.skipped, verbose)]
    if len(rows) <= len(file.skipped):
        rows.append(("", f"... and {len(file.skipped) + 1 - len(rows)} more; -v lists them"))
    return rows


def _layers(file: FeatureFile) -> str:
    return ", ".join(f"{layer} {file.vectors(layer).shape[1]:,}" for layer in file.layers)


def _time(made: Extraction) -> str:
    spent = made.seconds
    if not made.computed:
        return f"{spent.total:.1f} s; nothing had to be computed"
    parts = (
        f"reading {spent.decode:.1f}, faces {spent.faces:.1f}, network {spent.network:.1f}, writing {spent.write:.1f}"
    )
    return f"{spent.total:.1f} s, {made.computed / spent.total:.1f} pictures a second ({parts})"


def _interval(share: Any) -> str:
    return f"95 % interval {words.interval(share)}"


def shown(items: Any, verbose: bool) -> Iterator[Any]:
    """Yield the first items of a list that may be long, or all."""
    yield from items if verbose else items[:SHOWN]
