"""What is said of a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from facefeat.curate.capture_judge import REASONS, counts_in_words
from facefeat.data.folder import escaped
from facefeat.report import words
from facefeat.report.tables import facts

if TYPE_CHECKING:
    from facefeat.curate.capture import Captured


def table(made: Captured) -> RenderableType:
    """Lay out what was kept, what was not, and why it ended."""
    looked = f"{words.counted(made.seen, 'frame')} of {made.source}"
    rows = [
        ("kept", words.counted(len(made.written), "face") + _names(made) if made.written else "none that is new"),
        ("looked at", looked),
    ]
    if skipped := counts_in_words(made.skipped):
        rows.append(("passed over", skipped))
    if made.known:
        rows.append(("known before", words.counted(made.known, "face")))
    rows.append(("ended" if made.complete else "careful", f"{made.why}."))
    rows.append(("folder", escaped(str(made.folder))))
    return facts(rows)


def document(made: Captured) -> dict[str, Any]:
    """Describe a capture; schema ``facefeat/capture/1``."""
    return {
        "schema": "facefeat/capture/1",
        "person": escaped(made.folder.name),
        "folder": escaped(str(made.folder)),
        "source": made.source,
        "kept": [path.name for path in made.written],
        "frames": made.seen,
        "skipped": {reason: made.skipped.get(reason, 0) for reason in REASONS},
        "known_before": made.known,
        "complete": made.complete,
        "ended": made.ended,
        "why": f"{made.why}.",
    }


def _names(made: Captured) -> str:
    first, last = made.written[0].name, made.written[-1].name
    return f", {first}" if first == last else f", {first} to {last}"
