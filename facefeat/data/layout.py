"""A test set in three folders: who is enrolled, who is to be found again, and who is a stranger.

::

    DATA/
      gallery/   folders of people; may be left out
      probe/     folders of people, other pictures of them
      unknown/   folders of strangers, or loose pictures of them; may be left out

A folder is read so only if ``probe`` is there and no folder beside these three, in exactly these letters. In any other
folder they are people like all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facefeat.data.folder import DataSet, list_people, list_strangers, top_level
from facefeat.errors import InputError

GALLERY, PROBE, UNKNOWN = "gallery", "probe", "unknown"
_NAMES = {GALLERY, PROBE, UNKNOWN}


@dataclass(frozen=True)
class Layout:
    """A test set in three folders.

    Attributes
    ----------
    gallery : DataSet or None
        People to be enrolled.
    probe : DataSet
        Other pictures of them.
    unknown : DataSet or None
        Strangers; see ``list_strangers``.
    """

    gallery: DataSet | None
    probe: DataSet
    unknown: DataSet | None


def read_layout(root: str | Path) -> Layout | None:
    """List the folders of a test set; nothing is opened.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    Layout or None
        ``None`` where the folder is not laid out so.

    Raises
    ------
    InputError
        If the folder cannot be read, one of the three is a link, one of them is empty, or the gallery holds one person only.
    """
    root = Path(root)
    folders, _, linked = top_level(root)
    if PROBE not in {*folders, *linked} or {*folders, *linked} - _NAMES:
        return None
    if linked:
        raise InputError(f"{root / linked[0]} is a link, and links are not followed; put the folder itself there.")
    gallery = list_people(root / GALLERY) if GALLERY in folders else None
    if gallery and len(gallery.people) < 2:
        only = gallery.people[0]
        raise InputError(f"{gallery.root} holds only one person, {only}; at least two are needed to tell apart.")
    return Layout(
        gallery=gallery,
        probe=list_people(root / PROBE),
        unknown=list_strangers(root / UNKNOWN) if UNKNOWN in folders else None,
    )
