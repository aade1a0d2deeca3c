"""What is said of people who come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facefeat.data.folder import escaped, printable
from facefeat.learn.unknown import NO_THRESHOLD
from facefeat.report import words
from facefeat.report.tables import SHOWN, facts, shown

if TYPE_CHECKING:
    from facefeat.learn.bundle import Bundle
    from facefeat.learn.membership import Added, Forgotten, Member, Removal, Renamed

Facts = list[tuple[str, str]]


def added(made: Added, verbose: bool = False) -> RenderableType:
    """Lay out what was taken, what was refused and why, and what the model is now."""
    who = "who is new" if made.is_new else "who was there before"
    sharp = [one.quality for one in made.taken]
    taken = f"{words.counted(len(sharp), 'picture')} of {made.name}, {who}" if sharp else "none"
    rows: Facts = [("added", taken)]
    if sharp:
        rows.append(("sharpness", f"{min(sharp):.3f} to {max(sharp):.3f}"))
    if made.refused:
        rows.append(("refused", words.counted(len(made.refused), "picture")))
        rows += [("", f"{one.path}: {one.sentence}") for one in shown(made.refused, verbose)]
        if not verbose and len(made.refused) > SHOWN:
            rows.append(("", f"... and {len(made.refused) - SHOWN} more; -v lists them"))
        if any(one.code == "looks_like_another" for one in made.refused):
            rows.append(("", "If it is somebody else, --force takes it."))
    if sharp:
        pictures = words.counted(made.pictures, "picture")
        rows.append(("now", f"{words.counted(len(made.people), 'person', 'people')}; {made.name} with {pictures}"))
        rows += _unknown(made)
    return facts([*rows, ("time", f"{made.seconds:.1f} s"), ("model", escaped(str(made.output)))])


def added_document(made: Added) -> dict[str, Any]:
    """Describe what was added; schema ``facefeat/add/1``."""
    return {
        "schema": "facefeat/add/1",
        "name": made.name,
        "is_new": made.is_new,
        "pictures": made.pictures,
        "taken": [one._asdict() for one in made.taken],
        "refused": [one._asdict() for one in made.refused],
        "stored": list(made.stored),
        "people": list(made.people),
        "threshold": asdict(made.threshold),
        "output": escaped(str(made.output)),
        "seconds": round(made.seconds, 3),
    }


def forgotten(made: Forgotten) -> RenderableType:
    """Lay out a receipt: what was removed, from where, and what was not looked at."""
    rows: Facts = [("forgotten", made.name)]
    for one in made.removed:
        rows.append(("removed" if len(rows) == 1 else "", f"from {escaped(str(one.file))}: {_removed(one)}"))
        if one.shared:
            same = words.counted(one.shared, "picture")
            rows.append(("careful", f"{same} of these somebody else there has too, byte for byte, and keeps"))
    if made.noted:
        noted = f"path and hash of {words.counted(made.noted, 'picture')}"
        rows.append(("", f"from the cache folder: {noted}, under folders of this name"))
    rows.append(("fitted anew", f"on {words.counted(len(made.people), 'person', 'people')}"))
    rows += _unknown(made)
    rows += [("not reached" if number == 0 else "", one) for number, one in enumerate(made.not_looked_at)]
    return facts([*rows, ("time", f"{made.seconds:.1f} s"), ("model", escaped(str(made.output)))])


def forgotten_document(made: Forgotten) -> dict[str, Any]:
    """Describe what was removed; schema ``facefeat/forget/1``."""
    return {
        "schema": "facefeat/forget/1",
        "name": made.name,
        "removed": [{**asdict(one), "file": escaped(str(one.file))} for one in made.removed],
        "noted": made.noted,
        "not_looked_at": list(made.not_looked_at),
        "people": list(made.people),
        "threshold": asdict(made.threshold),
        "output": escaped(str(made.output)),
        "seconds": round(made.seconds, 3),
    }


def renamed(made: Renamed) -> RenderableType:
    """Lay out who is called what now."""
    pictures = words.counted(made.pictures, "picture")
    return facts(
        [
            ("renamed", f"{made.old} is {made.new} now, with the paths of {pictures}"),
            ("time", f"{made.seconds:.1f} s"),
            ("model", escaped(str(made.output))),
        ]
    )


def renamed_document(made: Renamed) -> dict[str, Any]:
    """Describe who is called what now; schema ``facefeat/rename/1``."""
    return {
        "schema": "facefeat/rename/1",
        "old": made.old,
        "new": made.new,
        "pictures": made.pictures,
        "people": list(made.people),
        "output": escaped(str(made.output)),
        "seconds": round(made.seconds, 3),
    }


def members(found: Sequence[Member], bundle: Bundle, verbose: bool = False) -> RenderableType:
    """Lay out people, with a line each; with ``verbose`` their pictures too."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("person", overflow="fold", max_width=32)
    for title in ("pictures", "sharpness", "least"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("most like", overflow="fold", max_width=32)
    table.add_column("score", justify="right", no_wrap=True)
    for one in found:
        sharp = ("-", "-") if one.sharpness is None else (f"{one.sharpness.median:.3f}", f"{one.sharpness.least:.3f}")
        near = Text(printable(one.nearest))
        table.add_row(Text(printable(one.name)), f"{one.pictures:,}", *sharp, near, f"{one.similarity:.3f}")
        for path in one.paths if verbose else ():
            table.add_row(Text(f"  {printable(path)}", "dim"))
    value = bundle.threshold.value
    limit = "This model has no threshold." if value <= NO_THRESHOLD else f"A face is unknown below {value:.3f}."
    return Group(Padding(table, (0, 0, 0, 1)), Text(f" Score: the mean of their pictures' own. {limit}", "dim"))


def members_document(found: Sequence[Member], bundle: Bundle, model: Path) -> dict[str, Any]:
    """Describe people; schema ``facefeat/people/1``."""
    return {
        "schema": "facefeat/people/1",
        "path": escaped(str(model)),
        "people": [{**asdict(one), "paths": list(one.paths)} for one in found],
        "threshold": bundle.threshold.value,
    }


def _unknown(made: Added | Forgotten) -> Facts:
    lines = words.threshold_sentences(made.threshold)
    return [("unknown" if number == 0 else "", line) for number, line in enumerate(lines)]


def _removed(one: Removal) -> str:
    said = [f"{words.counted(one.vectors, 'vector')} with path and hash"] if one.vectors else []
    said += [words.counted(one.faces, "grey face")] if one.faces else []
    said += [f"path and hash of {words.counted(one.skipped, 'skipped picture')}"] if one.skipped else []
    said += [f"{words.counted(one.unfinished, 'file')} of unfinished work, whosever it was"] if one.unfinished else []
    return words.listed(said) or "nothing; they were not in it"
