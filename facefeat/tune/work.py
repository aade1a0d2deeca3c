"""The work folder of a fine-tuning: whose work it is, one run at a time, and gone when the output is there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.errors import UsageError
from facefeat.features.recipe import canonical_json
from facefeat.features.store import durable
from facefeat.features.store.lock import locked
from facefeat.features.store.shards import work_folder
from facefeat.tune.checkpoint import packed, unpacked

NOTE = "settings.json"
RECORD = "facefeat"  # the array of a weights file that says how it was made; no tensor is called so

Tables = dict[str, NDArray[np.float32]]


@contextmanager
def held(output: Path) -> Iterator[Path]:
    """Hold the lock of an output, and yield its work folder.

    Raises
    ------
    LockedError
        If another run is writing the same output.
    StorageError
    """
    folder = work_folder(output)
    with locked(folder / "lock"):
        try:
            yield folder
        finally:
            if not (folder / NOTE).exists():
                with suppress(OSError):
                    shutil.rmtree(folder)


def claim(folder: Path, output: Path, settings: dict[str, Any], overwrite: bool) -> None:
    """Take the folder for these settings: go on with their work, or begin.

    Parameters
    ----------
    folder, output : Path
    settings : dict
        All that decides the weights, as plain JSON values.
    overwrite : bool
        Delete the unfinished work of other settings, and replace a finished output.

    Raises
    ------
    UsageError
        If there is an output, or unfinished work of other settings, and they are not to be replaced.
    StorageError
    """
    durable.clear_leftovers(output)
    for leftover in folder.glob(".*.tmp"):
        durable.remove(leftover)
    before = _noted(folder)
    if before is not None and before != settings:
        if not overwrite:
            raise UsageError(
                f"An unfinished run left its work in {folder} ({difference(before, settings)}); finish that run, write to "
                "another file, or use --overwrite."
            )
        clear(folder)
    if before != settings and output.exists() and not overwrite:
        raise UsageError(_exists(output, settings))
    durable.write(folder / NOTE, canonical_json(settings).encode())


def clear(folder: Path) -> None:
    """Delete what was computed, the note last; faces stay, since they depend on no setting but their own."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == NOTE):
        if path.name != "lock" and not path.name.startswith("faces-"):
            durable.remove(path)


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Name the settings that differ: ``'epochs is 20 there and 40 now'``."""
    told = [
        "the pictures are others"
        if name == "data"
        else f"{name} is {_short(before.get(name))} there and {_short(now.get(name))} now"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    return ", ".join(told)


def kept_tables(path: Path, make: Callable[[], Tables]) -> Tables:
    """Return tables by name that lie in a file, or make them and keep them there."""
    found = unpacked(path)
    if found is not None and len(found[0]) == len(found[1]["names"]):
        return dict(zip(found[1]["names"], found[0], strict=True))
    made = make()
    durable.write(path, packed(list(made.values()), {"names": list(made)}))
    return made


def _noted(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / NOTE).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _exists(output: Path, settings: dict[str, Any]) -> str:
    made = None
    # Whatever it is that cannot be read so, it is not ours.
    with suppress(Exception), output.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        made = json.loads(str(arrays[RECORD]))["settings"]
    if not isinstance(made, dict):
        return f"There is already a file {output}, which no fine-tuning made; choose another name with -o."
    if made == settings:
        return f"{output} is the network of these pictures and settings already; --overwrite trains it again."
    return (
        f"{output} holds a network that was tuned otherwise ({difference(made, settings)}); write to another file with -o, "
        "or replace it with --overwrite."
    )


def _short(value: Any) -> str:
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)
