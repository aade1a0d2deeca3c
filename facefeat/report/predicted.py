"""What is said of photographs: who is in them, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from facefeat.data.folder import escaped, printable
from facefeat.report.documents import finite
from facefeat.report.tables import WIDTH

if TYPE_CHECKING:
    from facefeat.learn.naming import Naming
    from facefeat.learn.nearest import Nearest
    from facefeat.learn.predict import Photo

NEAREST = 2  # training pictures on a line
_INDENT = "    "


def table(photos: list[Photo], ran_on: str) -> RenderableType:
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
            parts.append(dim([_ranking(naming), nearest(naming.nearest)]))
    parts.append(Text(f"made by {ran_on}", style="dim"))
    return Padding(Group(*parts), (0, 0, 0, 1))


def document(photos: list[Photo], ran_on: str) -> dict[str, Any]:
    """Describe photographs and who is in them; schema ``facefeat/predict/1``."""
    return {
        "schema": "facefeat/predict/1",
        "photos": [
            {
                "path": escaped(photo.path),
                "faces": [
                    {
                        "box": [round(float(side), 1) for side in face.box],
                        "found": face.found,
                        **naming_document(naming),
                    }
                    for face, naming in photo.faces
                ],
                "error": {"code": photo.error.code, "message": photo.error.message} if photo.error else None,
            }
            for photo in photos
        ],
        "ran_on": ran_on,
    }


def naming_document(naming: Naming) -> dict[str, Any]:
    """Describe what a model says of one face."""
    return {
        "name": naming.name,
        "best": naming.best,
        "score": finite(naming.score),
        "probability": naming.probability,
        "margin": finite(naming.margin),
        "runner_up": asdict(naming.runner_up) if naming.runner_up else None,
        "threshold": naming.threshold,
        "over_threshold": naming.over_threshold,
        "candidates": [asdict(candidate) for candidate in naming.candidates],
        "nearest": [asdict(picture) for picture in naming.nearest],
    }


def scored(naming: Naming) -> str:
    """Say the score and on which side of the threshold it lies.

    Examples
    --------
    >>> from facefeat.learn.naming import Naming
    >>> scored(Naming("Ada", "Ada", 0.612, 0.379, 0.4, (), ()))
    'score 0.612, 0.212 over the threshold of 0.400'
    """
    over = naming.over_threshold
    if over is None:
        return f"score {naming.score:.3f}, no threshold"
    side = "under" if over < 0 else "over"
    return f"score {naming.score:.3f}, {abs(over):.3f} {side} the threshold of {naming.threshold:.3f}"


def sure(naming: Naming) -> str:
    """Say how likely a name is, for a face that was given one.

    Examples
    --------
    >>> from facefeat.learn.naming import Naming
    >>> sure(Naming("Ada", "Ada", 0.612, 0.379, 0.4, (), (), probability=0.968))
    ', 97 % sure'
    """
    if naming.name is None or naming.probability is None:
        return ""
    said = 100 * naming.probability
    return ", over 99 % sure" if said > 99 else f", {said:.0f} % sure"


def runner_up(naming: Naming) -> str:
    """Say who comes next, and how far behind; or who has a higher score though the head decided otherwise.

    Examples
    --------
    >>> from facefeat.learn.naming import Candidate, Naming
    >>> runner_up(Naming("Ada", "Ada", 0.612, 0.379, 0.4, (), (), Candidate("Bob", 0.233)))
    'then Bob 0.233 (0.379 behind)'
    """
    second = naming.runner_up
    if second is None:
        return ""
    if naming.margin < 0:
        return f"though {second.name} {second.score:.3f} is {abs(naming.margin):.3f} ahead"
    return f"then {second.name} {second.score:.3f} ({naming.margin:.3f} behind)"


def nearest(pictures: tuple[Nearest, ...]) -> str:
    """Name the training pictures that are most alike."""
    listed = ", ".join(f"{one.path} {one.similarity:.2f}" for one in pictures[:NEAREST])
    return f"nearest picture{'s' if len(pictures) > 1 else ''} {listed}" if pictures else ""


def dim(clauses: list[str]) -> Text:
    """Lay out clauses under a name: on one line where they fit, else on a line each."""
    clauses = [printable(clause) for clause in clauses if clause]
    line = _INDENT + "; ".join(clauses)
    return Text(line if len(line) < WIDTH else "\n".join(_INDENT + clause for clause in clauses), style="dim")


def _name_line(naming: Naming, where: str) -> Text:
    text = Text("  ")
    if naming.name:
        text.append(printable(naming.name), style="bold green")
    else:
        text.append("unknown", style="bold yellow")
    text.append(f"{sure(naming)}  {scored(naming)}")
    text.append(f"  at {where}", style="dim")
    return text


def _ranking(naming: Naming) -> str:
    """Say who it is most like, if that is not said yet, and who comes next."""
    first = "" if naming.name else f"most like {naming.best} {naming.score:.3f}"
    second = naming.runner_up.name if naming.runner_up else ""
    rest = [f"{one.name} {one.score:.3f}" for one in naming.candidates[1:] if one.name != second]
    return ", ".join(filter(None, (first, runner_up(naming), *rest)))
