"""What may be wrong with a data set: the kinds of findings, and what one of them is."""

from __future__ import annotations

from dataclasses import dataclass

from facefeat.errors import unknown_name

# Kind, what it means to a reader, in the order in which they are told.
KINDS = {
    "unusable": "Cannot be used",
    "leak": "Stands in the other data set too",
    "two_people": "One photograph under two names",
    "suspect": "Looks like somebody else",
    "duplicate": "A copy, byte for byte",
    "near_duplicate": "Nearly a copy",
    "no_face": "No face was found",
    "several_faces": "Several faces",
    "tiny": "A tiny face",
    "blurred": "A blurred face",
    "dark": "A dark face",
    "few": "Too few pictures",
}
ACTIONS = ("", "remove", "move")


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes
    ----------
    kind : str
        One of ``KINDS``.
    path : str
        The picture's, relative to the data set, escaped; of the kind ``'few'``, the person's folder.
    reason : str
        One sentence.
    other : str
        The picture that it is a copy of, or that it looks like; a leak's lies in the other data set. ``''`` where
        there is none.
    value : float or None
        What was measured: agreement of copies, by how much another person is nearer, pixels, sharpness, grey level,
        number of faces or of pictures.
    action : str
        What is proposed: one of ``ACTIONS``; ``''`` is to look at it.
    to : str
        The person whose folder it may belong into.
    """

    kind: str
    path: str
    reason: str
    other: str = ""
    value: float | None = None
    action: str = ""
    to: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("kind of finding", self.kind, KINDS)
