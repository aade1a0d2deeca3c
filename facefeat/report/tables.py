"""Results as tables and lines for a terminal, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facefeat.data.folder import escaped, printable
from facefeat.learn.search import search_of
from facefeat.report import words

if TYPE_CHECKING:
    from facefeat.features.extract import Extraction
    from facefeat.features.store.file import FeatureFile
    from facefeat.learn.fit import Fitted

WIDTH = 100
SHOWN = 12  # rows of a list that may be long; -v shows all


def extraction(made: Extraction, verbose: bool = False) -> RenderableType:
    """Lay out what an extraction did."""
    file = made.file
    rows: list[tuple[str, str]] = [
        ("pictures", f"{made.images:,} found, of {words.counted(len(file.people), 'person', 'people')}"),
        (
            "rows",
            f"{len(file):,}: {made.computed:,} computed, {made.reused:,} known already, "
            f"{made.duplicates:,} {'duplicates' if made.copies else 'copies'}",
        ),
    ]
    if made.copies:
        rows.append(("augmented", words.augmented(file, made.lacking)))
    if made.whole:
        rows.append(("no face", f"in {made.whole:,}; there the whole picture was taken"))
        if verbose:
            rows += [("", file.paths[i]) for i in (~file.found & file.original).nonzero()[0]]
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
    rows += [("nodes" if not i else "", words.node_share(one)) for i, one in enumerate(made.nodes)]
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
        ("trained on", words.trained_on(bundle)),
        *[("unknown" if i == 0 else "", line) for i, line in enumerate(words.threshold_sentences(bundle.threshold))],
        *[("sure", line) for line in filter(None, [words.confidence_sentence(bundle.confidence)])],
        *[
            ("search", words.search_sentence(found))
            for found in filter(None, [search_of(bundle.head, bundle.estimator)])
        ],
        ("time", f"{made.seconds:.1f} s"),
        ("output", escaped(str(made.output))),
    ]
    return facts(rows)


def plugins(kind: str, rows: list[tuple[str, str]]) -> RenderableType:
    """Lay out heads or backbones with their one line."""
    return facts([(name, summary) for name, summary in rows]) if rows else Text(f"There are no {kind}s.")


def facts(rows: list[tuple[str, str]], margin: int = 1) -> RenderableType:
    """Lay out names and what is to be said of each; an empty name goes on with the one before."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, Text("\n".join(printable(line) for line in text.split("\n"))))
    return Padding(table, (0, 0, 0, margin))


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
    return f"{spent.total:.1f} s, {made.pictures / spent.total:.1f} pictures a second ({parts})"


def shown(items: Any, verbose: bool) -> Iterator[Any]:
    """Yield the first items of a list that may be long, or all."""
    yield from items if verbose else items[:SHOWN]
