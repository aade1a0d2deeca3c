"""What is said of a model that was written for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from facefeat.data.folder import escaped
from facefeat.learn.unknown import NO_THRESHOLD
from facefeat.report import words
from facefeat.report.tables import facts

if TYPE_CHECKING:
    from facefeat.tune.agreement import Agreement
    from facefeat.tune.export import Exported


def table(made: Exported) -> RenderableType:
    """Lay out what was written, what goes in and comes out, and how far it agrees with the model."""
    bundle, size = made.bundle, made.bundle.recipe.input_size
    n_people = len(bundle.people)
    threshold = bundle.threshold.value
    unknown = f"where the best's similarity is below {threshold:.3f}" if threshold > NO_THRESHOLD else "never"
    rows = [
        ("model", f"{bundle.head} on {bundle.layer} of {bundle.recipe.backbone}, {words.counted(n_people, 'person', 'people')}"),
        ("format", made.format.title),
        ("input", f"rgb, uint8, (n, {size}, {size}, 3): aligned faces"),
        *[("outputs" if i == 0 else "", f"{name}, {shape}") for i, (name, shape) in enumerate(_shapes(made, n_people))],
        ("unknown", unknown),
        *_names(made),
        ("scores", _differences(made.agreement)),
        *[("output" if i == 0 else "", escaped(str(file))) for i, file in enumerate(made.files)],
        ("size", f"{made.bytes / 1e6:.1f} MB"),
        ("time", f"{made.seconds:.1f} s"),
    ]  # fmt: skip
    return facts(rows)


def document(made: Exported) -> dict[str, Any]:
    """Describe it as JSON; schema ``facefeat/export/1``."""
    found = made.agreement
    return {
        "schema": "facefeat/export/1",
        "output": escaped(str(made.files[0])),
        "files": [escaped(str(file)) for file in made.files],
        "format": made.format.name,
        "bytes": made.bytes,
        "max_difference": found.max_difference,
        "differences": found.differences,
        "tolerance": found.tolerance,
        "faces": found.n_faces,
        "trained": made.n_trained,
        "pictures": made.n_pictures,
        "skipped": made.skipped,
        "undecided": found.undecided,
        "description": made.document,
        "seconds": round(made.seconds, 3),
    }


def _shapes(made: Exported, n_people: int) -> list[tuple[str, str]]:
    outputs: Any = made.document["outputs"]
    return [(name, "int32, (n,)" if name == "best" else f"float32, (n, {n_people:,})") for name in outputs]


def _names(made: Exported) -> list[tuple[str, str]]:
    found = made.agreement
    kinds = [words.counted(found.n_faces - made.n_pictures - made.n_trained, "made-up square")]
    if made.n_trained:
        kinds.append(f"{made.n_trained} of its own faces")
    if made.n_pictures:
        kinds.append(f"{made.n_pictures:,} of photographs")
    rows = [("names", f"the same, on {words.listed(kinds)}")]
    if found.undecided:
        rows.append(("", f"but for {words.counted(found.undecided, 'face')} nearer to a border than scores may differ"))
    if made.skipped:
        rows.append(("skipped", f"{words.counted(made.skipped, 'photograph')} without a face that can be compared"))
    return rows


def _differences(found: Agreement) -> str:
    each = ", ".join(f"{name} {largest:.1e}" for name, largest in sorted(found.differences.items()))
    return f"differ by at most: {each} (allowed: {found.tolerance:.0e})"
