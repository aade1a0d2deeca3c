"""What is wrong with a data set, in lines and tables, and what was moved to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facefeat.curate.findings import KINDS
from facefeat.data.folder import escaped, printable
from facefeat.report import words
from facefeat.report.tables import SHOWN, facts

if TYPE_CHECKING:
    from facefeat.curate.doctor import Diagnosis
    from facefeat.curate.findings import Finding
    from facefeat.curate.mend import Mended

ADVICE = {
    "unusable": "They are left out. Those that can never be read are proposed for removal.",
    "leak": "A model is tested on what it has learned, and looks better than it is. Take them out of one of the two.",
    "two_people": "One of the two names is wrong, and teaches the wrong person.",
    "suspect": "The most suspicious first: look whether the name is right. Move those that lie in the wrong folder.",
    "duplicate": "They teach nothing new. All but one are proposed for removal; folds never part them.",
    "near_duplicate": "The same photograph in another size, cut or compression. Harmless in training; folds never part them.",
    "no_face": "The whole picture is taken instead, which tells little of a person.",
    "several_faces": "Look whether the right face was taken; --policy chooses another.",
    "tiny": "There is little to see in a face of so few pixels.",
    "blurred": "What a face is known by is gone.",
    "dark": "There is little to see in the dark.",
    "few": "With two pictures a person is named right less often than with five.",
}
LONG = ("duplicate", "near_duplicate", "no_face", "several_faces")
FIRST = 4  # shown of those kinds, of which there may be many and which do no harm
_MEASURES = {
    "leak": "agreement {:.3f}",
    "two_people": "agreement {:.3f}",
    "near_duplicate": "agreement {:.3f}",
    "suspect": "nearer by {:.3f}",
}


def title(kind: str) -> str:
    """Return what a kind of finding is called."""
    return KINDS[kind]


def measured(one: Finding) -> str:
    """Write what was measured, where the reason does not say it already."""
    return _MEASURES[one.kind].format(one.value) if one.kind in _MEASURES and one.value is not None else ""


def table(found: Diagnosis, verbose: bool = False) -> RenderableType:
    """Lay out what was found: how much of each kind, and the first of each."""
    lines: list[RenderableType] = [Text(words.looked_at(found), style="bold")]
    if not found.findings:
        lines.append(Text("Nothing is wrong with them, as far as this can be seen.", style="green"))
    lines += [_kind(kind, findings, verbose) for kind in KINDS if (findings := found.of(kind))]
    lines += [Text(note, style="dim") for note in found.notes]
    if found.kept:
        lines.append(Text(f"The vectors were kept in {escaped(str(found.kept))}.", style="dim"))
    lines.append(Text(f"\n{found.seconds:.1f} s", style="dim"))
    return Padding(Group(*lines), (0, 0, 0, 1))


def _kind(kind: str, findings: tuple[Finding, ...], verbose: bool) -> RenderableType:
    listed = findings if verbose else findings[: FIRST if kind in LONG else SHOWN]
    lines = Table.grid(padding=(0, 2))
    lines.add_column(overflow="fold", max_width=44)
    lines.add_column(overflow="fold")
    for one in listed:
        lines.add_row(Text(printable(f"  {one.path}")), Text(printable(brief(one))))
    pictures = len({one.other for one in findings})
    of = f", of {words.counted(pictures, 'picture')}" if kind == "duplicate" else ""
    head = Text(f"\n{title(kind)}: {len(findings):,}{of}", style="bold cyan")
    rest = [Text(f"  ... and {len(findings) - len(listed):,} more; -v lists them.", style="dim")]
    advice = Text(ADVICE[kind], style="dim")
    return Group(head, advice, lines, *(rest if len(listed) < len(findings) else []))


def brief(one: Finding) -> str:
    """Say in a few words what is wrong with a picture."""
    if one.kind in ("leak", "two_people", "duplicate", "near_duplicate"):
        return f"= {one.other}" if one.value == 1 else f"≈ {one.other}  {measured(one)}"
    if one.kind == "suspect":
        return f"{one.to}?  {measured(one)}; such as {one.other}"
    return one.reason


def mended(made: Mended, data: Path) -> RenderableType:
    """Lay out what was moved."""
    name = escaped(str(made.folder))
    rows = []
    if made.removed:
        rows.append(("removed", f"{words.counted(made.removed, 'picture')}, which now lie in {name}"))
    if made.moved:
        rows.append(("moved", f"{words.counted(made.moved, 'picture')} to other people"))
    if made.restored:
        rows.append(("put back", words.counted(made.restored, "picture")))
    rows += [("left", one) for one in made.left]
    return facts(rows or [("done", "there was nothing to move")])


def document(found: Diagnosis) -> dict[str, object]:
    """Describe a diagnosis; schema ``facefeat/doctor/1``."""
    names = {
        "duplicate": "duplicates", "near_duplicate": "near_duplicates", "leak": "leaks", "suspect": "suspects",
    }  # fmt: skip
    return {
        "schema": "facefeat/doctor/1",
        "data": escaped(str(found.dataset.root)),
        "against": escaped(str(found.against.root)) if found.against else None,
        "images": len(found.dataset.entries),
        "people": len(found.dataset.people),
        **{names.get(kind, kind): [_finding(one) for one in found.of(kind)] for kind in KINDS},
        "notes": list(found.notes),
        "recipe_sha256": found.file.recipe.sha256,
        "seconds": round(found.seconds, 3),
    }


def _finding(one: Finding) -> dict[str, object]:
    return {
        "path": one.path,
        "reason": one.reason,
        "other": one.other or None,
        "value": one.value,
        "action": one.action or None,
        "to": one.to or None,
    }


def mended_document(made: Mended) -> dict[str, object]:
    """Describe what was moved; schema ``facefeat/doctor/1``."""
    return {
        "schema": "facefeat/doctor/1",
        "removed": made.removed,
        "moved": made.moved,
        "restored": made.restored,
        "folder": escaped(str(made.folder)),
        "left": list(made.left),
    }
