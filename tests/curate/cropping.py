"""What the tests that crop faces share: scenes, and words for what they do again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefeat.curate.crop import Cropped, crop
from facefeat.curate.crop_table import Row
from facefeat.errors import UsageError
from tests.making import Pixels

SIZE = 80


def scene(*faces: Pixels) -> Pixels:
    """Paste faces side by side on grey, the first one larger than the others."""
    picture = Image.new("RGB", (360, 240), (120, 130, 125))
    for place, face in enumerate(faces):
        picture.paste(Image.fromarray(face).resize((110, 134) if place else (138, 168)), (20 + 190 * place, 40))
    return np.asarray(picture)


class Stop(Exception):
    pass


def stopping(after: int) -> Callable[[str, int, int], None]:
    def tell(what: str, done: int, total: int) -> None:
        if (what, done) == ("faces", after):
            raise Stop

    return tell


def cut(raw: Path, **options: Any) -> Cropped:
    return crop(raw, raw.parent / "out", **{"size": SIZE, **options})


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def paths(rows: Sequence[Row]) -> list[str]:
    return [row.source for row in rows]


def row_of(made: Cropped, source: str) -> Row:
    (row,) = (row for row in made.rows if row.source == source and row.code != "orphaned")
    return row


def refused(raw: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        cut(raw, **options)
    return str(caught.value)
