"""What is said of a folder of photographs whose faces were cut out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from facefeat.data.folder import escaped
from facefeat.report import words
from facefeat.report.tables import facts, shown

if TYPE_CHECKING:
    from facefeat.curate.crop import Cropped

Facts = list[tuple[str, str]]


def cropped(made: Cropped, verbose: bool = False) -> RenderableType:
    """Lay out what became of the photographs."""
    dataset = made.dataset
    people = words.counted(len(dataset.people), "person", "people")
    rows: Facts = [
        ("photographs", f"{made.photographs:,} found, of {people}"),
        ("faces", f"{made.written:,} written, {made.known:,} known already"),
    ]
    policy = made.step.faces.policy
    several = [f"{row.source}: {row.faces}" for row in made.several]
    rows += _listed("several", f"faces in {len(several):,}; one of each by the policy '{policy}'", several, verbose)
    rows += _listed("no face", f"in {len(made.no_face):,}", [row.source for row in made.no_face], verbose)
    skipped = [f"{row.source}: {row.message}" for row in made.skipped]
    codes = Counter(row.code for row in made.skipped)
    summary = ", ".join(f"{code} {n}" for code, n in sorted(codes.items()))
    rows += _listed("skipped", f"{len(skipped):,}: {summary}", skipped, verbose)
    orphaned = [row.output for row in made.orphaned]
    rows += _listed("orphaned", f"{words.counted(len(orphaned), 'face')} without a photograph now", orphaned, verbose)
    if dataset.loose:
        rows.append(("left out", f"{words.counted(len(dataset.loose), 'picture')} beside the folders, of nobody"))
    if dataset.linked:
        rows.append(("left out", f"folders that are links: {words.listed(dataset.linked[:5])}"))
    rows += [("table", escaped(str(made.table))), ("time", f"{made.seconds:.1f} s"), ("output", escaped(str(made.out)))]
    return facts(rows)


def document(made: Cropped) -> dict[str, Any]:
    """Describe it as JSON; schema ``facefeat/crop/1``."""
    return {
        "schema": "facefeat/crop/1",
        "photographs": made.photographs,
        "people": len(made.dataset.people),
        "written": made.written,
        "known": made.known,
        "several": [{"path": row.source, "faces": row.faces} for row in made.several],
        "no_face": [row.source for row in made.no_face],
        "skipped": [{"path": row.source, "code": row.code, "message": row.message} for row in made.skipped],
        "orphaned": [row.output for row in made.orphaned],
        "output": escaped(str(made.out)),
        "table": escaped(str(made.table)),
        "step": {"name": made.step.name, **made.step.as_dict()},
        "seconds": round(made.seconds, 3),
    }


def _listed(name: str, summary: str, lines: Sequence[str], verbose: bool) -> Facts:
    """Say how many there are and list them; nothing where there are none."""
    if not lines:
        return []
    some = [("", line) for line in shown(lines, verbose)]
    left = len(lines) - len(some)
    return [(name, summary), *some, *([("", f"... and {left:,} more; -v lists them")] if left else [])]
