"""Results as pages: one self-contained HTML file, which fetches nothing and runs no script."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import picture
from facefeat.data.folder import DataSet, escaped, printable
from facefeat.errors import PictureRefused
from facefeat.report import words
from facefeat.report.diagnosis import ADVICE, measured, title

if TYPE_CHECKING:
    from PIL.Image import Image

    from facefeat.curate.doctor import Diagnosis
    from facefeat.curate.findings import Finding

THUMBNAIL = 320  # pixels of the longer side
CARDS = 60  # of one kind, so that the page stays one that a telephone can show


def diagnosis(found: Diagnosis) -> str:
    """Show what was found in a data set, with pictures to look at."""
    sections = [
        {
            "kind": kind,
            "title": title(kind),
            "advice": ADVICE[kind],
            "count": len(findings),
            "cards": [_card(one, found) for one in findings[:CARDS]],
            "hidden": max(0, len(findings) - CARDS),
        }
        for kind in ADVICE
        if (findings := found.of(kind))
    ]
    return rendered(
        "diagnosis.html",
        name=printable(escaped(found.dataset.root.name or str(found.dataset.root))),
        subtitle=words.looked_at(found),
        sections=sections,
        notes=found.notes,
        colophon=f"Looked at by {found.file.recipe.backbone}, {found.file.ran_on}.",
    )


def _card(one: Finding, found: Diagnosis) -> dict[str, Any]:
    elsewhere = found.against if one.kind == "leak" and found.against else found.dataset
    person = one.kind == "few"
    return {
        "picture": _figure(_first_of(found.dataset, one.path) if person else one.path, found.dataset, one.path),
        "other": _figure(one.other, elsewhere, one.other) if one.other else None,
        "reason": printable(one.reason),
        "value": measured(one),
        "action": one.action,
    }


def _first_of(dataset: DataSet, person: str) -> str:
    return next((entry.path for entry in dataset.entries if dataset.people[entry.person] == person), "")


def _figure(path: str, dataset: DataSet, caption: str) -> dict[str, str]:
    return {"src": thumbnail(dataset.file(path)) if path else "", "caption": printable(caption)}


def thumbnail(file: Path) -> str:
    """Shrink a picture for a page, as a data URI; an empty text where it cannot be shown."""
    from PIL import Image

    try:
        decoded = picture.decode_for(picture.read(file), longer=THUMBNAIL)
    except PictureRefused:
        return ""
    image = Image.fromarray(decoded.pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return _data_uri(image, "jpeg", quality=80)


def grey(pixels: NDArray[np.uint8]) -> str:
    """Return a grey picture, of shape (height, width), as a data URI."""
    from PIL import Image

    return _data_uri(Image.fromarray(np.ascontiguousarray(pixels)), "png", optimize=True)


def _data_uri(image: Image, kind: str, **options: Any) -> str:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def rendered(template: str, **values: Any) -> str:
    """Fill in a template of this folder; every text is escaped, and its control characters are replaced."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("facefeat.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # what is drawn is no plain text
    )
    return pages.get_template(template).render(**values)
