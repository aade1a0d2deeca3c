"""People who are added and forgotten: the file is changed by ``facefeat.learn.membership``, then read anew."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from facefeat.errors import DamagedFile
from facefeat.learn import membership
from facefeat.serve.current import Current


def add(current: Current, name: str, pictures: Sequence[bytes], force: bool) -> dict[str, Any]:
    """Add pictures to somebody, or somebody new; schema ``facefeat/serve-add/1``.

    Parameters
    ----------
    current : Current
    name : str
    pictures : sequence of bytes
        The model calls each by its number and the beginning of its SHA-256: it had no name when it came.
    force : bool
        Take faces that look like somebody else too.

    Returns
    -------
    dict

    Raises
    ------
    FacefeatError
        As ``facefeat.learn.membership.add``.
    """
    current.refresh()  # the recogniser goes with the file as it is
    given = {f"{i:03}-{hashlib.sha256(data).hexdigest()[:12]}": data for i, data in enumerate(pictures, 1)}
    made = membership.add(current.path, name, list(given.items()), recogniser=current.model.recogniser, force=force)
    _take_up(current)
    numbers = {path: number for number, path in enumerate(given, 1)}
    refused = [{"picture": numbers[one.path], "code": one.code, "message": one.sentence} for one in made.refused]
    return {
        "schema": "facefeat/serve-add/1",
        "name": made.name,
        "is_new": made.is_new,
        "taken": len(made.taken),
        "refused": refused,
        "people": len(made.people),
        "threshold": made.threshold.value,
    }


def forget(current: Current, name: str) -> dict[str, Any]:
    """Forget somebody; schema ``facefeat/serve-forget/1``.

    Raises
    ------
    FacefeatError
        As ``facefeat.learn.membership.forget``.
    """
    before = len(current.model.pictures[name])
    made = membership.forget(current.path, name)
    _take_up(current)
    return {
        "schema": "facefeat/serve-forget/1",
        "name": made.name,
        "pictures": before,
        "people": len(made.people),
        "threshold": made.threshold.value,
        "not_looked_at": list(made.not_looked_at),
    }


def _take_up(current: Current) -> None:
    """Have the changed file answer; whoever was forgotten must not be named on."""
    current.refresh()
    if current.problem:
        raise DamagedFile(f"The file was changed, but cannot be read, and its old state answers: {current.problem}")
