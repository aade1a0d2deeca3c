"""A fitted recogniser on disk: ``NAME.facefeat``, a ZIP that holds no code.

Reading is three steps: the archive and its manifest are read, every member is checked, and only then is
anything constructed. What was constructed is checked again before anything is computed with it. No pickle is
ever loaded. ``facefeat.learn.archive`` checks bytes, ``facefeat.learn.manifest`` fields, and
``facefeat.learn.head`` estimators.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facefeat.errors import DamagedFile, FileFormatError, ForeignFile, MissingExtra
from facefeat.features.store import durable
from facefeat.learn import archive
from facefeat.learn import head as heads
from facefeat.learn import manifest as manifests
from facefeat.learn.construct import constructed
from facefeat.learn.gallery import Gallery, read_gallery
from facefeat.learn.manifest import FORMAT, MANIFEST, VERSION, Manifest
from facefeat.learn.pieces import Pieces
from facefeat.learn.pieces import archive as packed_from
from facefeat.learn.unknown import SCORE
from facefeat.learn.unknown import similarities as cosines_of

MEMBERS = ("head.skops", "unknown.skops", "gallery.npz", "MODEL_CARD.md")
SAMPLE = 8  # rows of the gallery that are tried

_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle(Manifest):
    """A fitted recogniser: what its manifest says, and what it computes with.

    Attributes
    ----------
    estimator : fitted classifier
        Over classes 0.. . Of a bundle that was read it can be applied, and no more, unless its head has no ``APPLIED``.
    unknown : Pipeline
        See ``facefeat.learn.unknown``; of a bundle that was read it can be applied, and no more.
    gallery : Gallery
    """

    estimator: Any
    unknown: Any
    gallery: Gallery


def write(bundle: Bundle, path: Path, card: str) -> None:
    """Write a bundle beside its place and rename it.

    Parameters
    ----------
    bundle : Bundle
        One that was fitted here.
    path : Path
    card : str
        The text of ``MODEL_CARD.md``.

    Raises
    ------
    TypeError
        If the bundle was read.
    StorageError
    """
    import skops.io

    if not hasattr(bundle.unknown, "fit"):
        raise TypeError("what was read from a bundle can be applied, not written")

    members = {
        "head.skops": Pieces(skops.io.dumps(bundle.estimator)),
        "unknown.skops": Pieces(skops.io.dumps(bundle.unknown)),
        "gallery.npz": bundle.gallery.to_pieces(),
        "MODEL_CARD.md": Pieces(card.encode()),
    }
    durable.write(path, *_packed(bundle, members))


def write_labels(bundle: Bundle, path: Path) -> None:
    """Write the people and the gallery of a bundle that was read; every other member stays byte for byte.

    Parameters
    ----------
    bundle : Bundle
        As it was read from ``path``, but for names and paths.
    path : Path
        Replaced as a whole.

    Raises
    ------
    ForeignFile, NewerFile, DamagedFile, StorageError
    """
    members = {name: Pieces(data) for name, data in _members(path)[1].items()}
    durable.write(path, *_packed(bundle, {**members, "gallery.npz": bundle.gallery.to_pieces()}))


def _packed(bundle: Bundle, members: Mapping[str, Pieces]) -> Pieces:
    """Return the archive of some members, with a manifest of them."""
    manifest = {
        "format": f"{FORMAT}/{VERSION}",
        "recipe": bundle.recipe.as_dict(),
        "recipe_sha256": bundle.recipe.sha256,
        "head": bundle.head,
        "params": bundle.params,
        "layer": bundle.layer,
        "people": list(bundle.people),
        "threshold": asdict(bundle.threshold),
        "confidence": asdict(bundle.confidence) if bundle.confidence else None,
        "scores": bundle.scores,
        "versions": bundle.versions,
        "members": {name: {"bytes": one.size, "sha256": one.sha256()} for name, one in members.items()},
    }
    first = Pieces(json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    # Deflate would save a fifteenth of such numbers, and take a quarter of the time of adding somebody.
    return packed_from({MANIFEST: first, **members}.items(), _TIME)


def read(path: str | Path) -> Bundle:
    """Read, check, then construct a bundle, which may come from anybody.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Bundle

    Raises
    ------
    InputError
        If there is no such file.
    ForeignFile, NewerFile, DamagedFile
    """
    path = Path(path)
    manifest, members = _members(path)
    try:
        return _constructed(path, manifest, members)
    except (FileFormatError, MissingExtra):
        raise
    except Exception as error:  # a file from a stranger may fail any expectation
        reason = archive.one_line(error)
        raise DamagedFile(f"{path} is damaged: its parts do not fit together ({reason}).") from error


def _members(path: Path) -> tuple[dict[str, Any], dict[str, bytes | memoryview]]:
    """Read the archive, checking names, kinds, sizes and hashes; nothing is parsed but the manifest."""
    packed = archive.opened(archive.contents(path), str(path))
    names = sorted(info.filename for info in packed.infolist())
    if MANIFEST not in names:
        raise ForeignFile(f"{path} is a ZIP file that facefeat did not make.")
    if names != sorted((MANIFEST, *MEMBERS)):
        odd = sorted(set(names) ^ {MANIFEST, *MEMBERS}) or ["a member twice"]
        reason = f"{archive.shown(odd[0])} is missing or does not belong there"
        raise DamagedFile(f"{path} is not a whole facefeat model: {reason}.")
    manifest = archive.parsed(archive.member(packed, MANIFEST, str(path)), f"{MANIFEST} in {path}")
    manifests.check_format(path, manifest)
    members: dict[str, bytes | memoryview] = {}
    listed = manifest.get("members")
    for name in MEMBERS:
        data = archive.member(packed, name, str(path))
        entry = listed.get(name) if isinstance(listed, dict) else None
        if not isinstance(entry, dict) or entry.get("sha256") != hashlib.sha256(data).hexdigest():
            raise DamagedFile(f"{path} is damaged: {name} does not match its checksum.")
        members[name] = data
    return manifest, members


def _constructed(path: Path, values: Mapping[str, Any], members: Mapping[str, bytes | memoryview]) -> Bundle:
    manifest = manifests.checked(path, values)
    version = manifests.check_format(path, values)
    gallery = read_gallery(members["gallery.npz"], manifest.people, f"gallery.npz in {path}", version)
    estimator = _fitted(members["head.skops"], manifest.head, manifest.params, gallery, f"head.skops in {path}")
    unknown = _fitted(members["unknown.skops"], *SCORE, gallery, f"unknown.skops in {path}")
    sample = gallery.vectors[:SAMPLE].astype(np.float32)
    with np.errstate(all="ignore"):  # numbers from a file may be of any size
        for scores in (heads.decision_scores(estimator, sample), cosines_of(unknown, sample)):
            if scores.shape != (len(sample), len(manifest.people)) or not np.isfinite(scores).all():
                raise DamagedFile(f"{path} is damaged: its head does not give one number a person.")
    return Bundle(**vars(manifest), estimator=estimator, unknown=unknown, gallery=gallery)


def _fitted(data: bytes | memoryview, head: str, params: Mapping[str, Any], gallery: Gallery, whose: str) -> Any:
    """Construct an estimator, if it holds nothing but what the head makes."""
    schema, arrays = archive.checked_skops(data, heads.held_types(head, params), whose)
    types = heads.applied_types(head, params)
    try:
        estimator = _loaded(data, head, whose) if types is None else constructed(schema, arrays, types)
        heads.check_fitted(head, params, estimator, gallery.vectors, gallery.person)
    except DamagedFile:
        raise
    except Exception as error:  # of many kinds, on a malformed file
        reason = archive.one_line(error)
        raise DamagedFile(f"{whose} is damaged: it is no fitted {head} of this gallery ({reason}).") from error
    return estimator


def _loaded(data: bytes | memoryview, head: str, whose: str) -> Any:
    """Construct the estimator of a head without ``APPLIED``."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(bytes(data), trusted=list(heads.trusted(head)))
    except UntrustedTypesFoundException as error:
        reason = archive.one_line(error)
        raise DamagedFile(f"{whose} is refused: it holds types that nobody vouches for ({reason}).") from error
