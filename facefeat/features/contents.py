"""What a feature file is to hold: a row for every picture that is known, and a refusal for every other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facefeat.data import picture
from facefeat.data.listing import Entry, Listing
from facefeat.errors import InputError, PictureRefused
from facefeat.features.known import Known
from facefeat.features.store.columns import Skipped
from facefeat.features.store.publish import Contents


def contents_of(dataset: Listing, digests: Sequence[bytes], known: Known, each: int) -> Contents:
    """Decide for each entry: a row with those of its copies, or skipped.

    Parameters
    ----------
    dataset : Listing
    digests : sequence of bytes
        SHA-256 of each entry's file; see ``facefeat.features.hashes.of_all``.
    known : Known
    each : int
        Augmented copies of a picture.

    Returns
    -------
    Contents

    Raises
    ------
    InputError
        If no entry is a row.
    Unreachable
    """
    skipped = [
        _skipped(dataset, entry, digest, known)
        for entry, digest in zip(dataset.entries, digests, strict=True)
        if digest not in known
    ]
    if len(skipped) == len(digests):
        first = skipped[0]
        raise InputError(
            f"None of the {len(skipped)} files in {dataset.root} is a usable picture; the first, {first.path}: {first.message}"
        )
    rows = (
        (dataset.people[entry.person], entry.path, *place)
        for entry, digest in zip(dataset.entries, digests, strict=True)
        for place in known.rows_of(digest, each)
    )
    return Contents.of(rows, known.pieces, skipped, joined(known.makers), known.augmentation)


def _skipped(dataset: Listing, entry: Entry, digest: bytes, known: Known) -> Skipped:
    """Say why an entry is no row."""
    if entry.refusal:
        return Skipped(entry.path, digest, entry.refusal, picture.CODES[entry.refusal].capitalize() + ".")
    if digest in known.refused:
        one = known.refused[digest]
        return Skipped(entry.path, digest, one.code, one.message)
    try:
        dataset.read(entry.path)
    except PictureRefused as refused:
        return Skipped(entry.path, digest, refused.code, refused.message)
    return Skipped(entry.path, digest, "changed", "The file changed while it was read.")


def joined(makers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Describe all that made the rows of one file: the last, with whatever others there were beside it."""
    flat: list[dict[str, Any]] = []
    for maker in makers:
        for one in (*maker.get("others", ()), {name: value for name, value in maker.items() if name != "others"}):
            flat = [known for known in flat if known != one] + [one]
    return {**flat[-1], "others": flat[:-1]} if flat[1:] else flat[0]
