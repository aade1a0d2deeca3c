"""What a page says of people: how many of each one's pictures were named right, and who was taken for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from facefeat.report import words

MATRIX = 15  # people whose confusion is shown whole
PAIRS = 30  # that are shown of more people
LISTED = 1000  # people, so that the page stays one that a telephone can show


class Counted(Protocol):
    """Somebody's pictures, and those of them that were named right."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def images(self) -> int: ...  # noqa: D102
    @property
    def right(self) -> int: ...  # noqa: D102


Confusion = Mapping[tuple[str, str], int]


def section(people: Sequence[Counted], confusion: Confusion) -> dict[str, Any]:
    """Lay out everybody, worst first, and who was taken for whom.

    Parameters
    ----------
    people : sequence of (name, images, right)
    confusion : dict of (truth, named) to int
        Without the diagonal, most often first.

    Returns
    -------
    dict
        Of what the macros of ``parts.html`` show.
    """
    tested = [one for one in people if one.images]
    worst = sorted(tested, key=lambda one: (one.right / one.images, -one.images, one.name))
    names = [one.name for one in people]
    whole = len(names) <= MATRIX and {name for pair in confusion for name in pair} <= set(names)
    pairs = list(confusion.items())
    taken: dict[str, list[str]] = {}
    for (truth, named), n in pairs:
        taken.setdefault(truth, []).append(f"{named} {n:,}")
    return {
        "people": [_person(one, taken.get(one.name, [])) for one in worst[:LISTED]],
        "n_people": len(tested),
        "missed": sum(one.right < one.images for one in tested),
        "untested": [one.name for one in people if not one.images],
        "names": names,
        "matrix": [_row(one, names, confusion) for one in people] if whole else None,
        "pairs": [_pair(truth, named, n, people) for (truth, named), n in pairs[:PAIRS]],
        "more_pairs": max(0, len(pairs) - PAIRS),
        "few": len(tested) <= MATRIX,
    }


def _person(one: Counted, taken: Sequence[str]) -> dict[str, Any]:
    more = [f"{len(taken) - 3:,} more"] if len(taken) > 4 else list(taken[3:])
    share = one.right / one.images
    return {
        "name": one.name,
        "images": f"{one.images:,}",
        "right": f"{one.right:,}",
        "share": share,
        "percent": words.percent(share),
        "taken_for": ", ".join([*taken[:3], *more]),
        "rejected": getattr(one, "rejected", None),
    }


def _row(one: Counted, names: Sequence[str], confusion: Confusion) -> dict[str, Any]:
    counts = [one.right if name == one.name else confusion.get((one.name, name), 0) for name in names]
    cells = [
        {"n": n, "share": round(n / one.images, 3) if one.images else 0, "right": name == one.name}
        for name, n in zip(names, counts, strict=True)
    ]
    return {"name": one.name, "cells": cells}


def _pair(truth: str, named: str, n: int, people: Sequence[Counted]) -> dict[str, Any]:
    of = next((one.images for one in people if one.name == truth), n)
    return {"truth": truth, "named": named, "n": n, "of": of}
