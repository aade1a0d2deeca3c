"""A fitted recogniser on disk: ``NAME.facefeat``, a ZIP that holds no code.

Reading is three steps: the archive and its manifest are read, every member is checked, and only then is
anything constructed. No pickle is ever loaded.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.errors import DamagedFile, FacefeatError, ForeignFile, InputError, NewerFile, StorageError
from facefeat.features.recipe import Recipe, canonical_json
from facefeat.features.store import durable
from facefeat.learn import head as heads
from facefeat.learn.unknown import Threshold

FORMAT = "facefeat-bundle"
VERSION = 1
MANIFEST = "manifest.json"
MEMBERS = ("head.skops", "unknown.skops", "gallery.npz", "MODEL_CARD.md")
MAX_BYTES = 8 * 1024**3
MAX_RATIO = 200  # of a member's size to its size in the archive

_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Gallery:
    """The pictures a head was fitted on.

    Attributes
    ----------
    vectors : ndarray of shape (n_images, n_features), float16
    person : ndarray of shape (n_images,), int32
        Index into the bundle's people.
    paths : tuple of str, length n_images
    sha256 : ndarray of shape (n_images, 32), uint8
    """

    vectors: NDArray[np.float16]
    person: NDArray[np.int32]
    paths: tuple[str, ...]
    sha256: NDArray[np.uint8]


@dataclass(frozen=True)
class Bundle:
    """A fitted recogniser.

    Attributes
    ----------
    recipe : Recipe
        Of the vectors it takes.
    head : str
        Name of the head.
    params : dict
        Knobs that were set.
    layer : str
    people : tuple of str
        Class i is ``people[i]``.
    threshold : Threshold
    scores : dict
        What is known of its accuracy; may be empty.
    versions : dict
        Of the libraries it was fitted with.
    estimator : fitted classifier
        Over classes 0.. .
    unknown : Pipeline
        See ``facefeat.learn.unknown``.
    gallery : Gallery
    """

    recipe: Recipe
    head: str
    params: dict[str, Any]
    layer: str
    people: tuple[str, ...]
    threshold: Threshold
    scores: dict[str, Any]
    versions: dict[str, str]
    estimator: Any
    unknown: Any
    gallery: Gallery


def write(bundle: Bundle, path: Path, card: str) -> None:
    """Write a bundle beside its place and rename it.

    Parameters
    ----------
    bundle : Bundle
    path : Path
    card : str
        The text of ``MODEL_CARD.md``.

    Raises
    ------
    StorageError
    """
    import skops.io

    members = {
        "head.skops": skops.io.dumps(bundle.estimator),
        "unknown.skops": skops.io.dumps(bundle.unknown),
        "gallery.npz": _gallery_bytes(bundle.gallery),
        "MODEL_CARD.md": card.encode(),
    }
    manifest = {
        "format": f"{FORMAT}/{VERSION}",
        "recipe": bundle.recipe.as_dict(),
        "recipe_sha256": bundle.recipe.sha256,
        "head": bundle.head,
        "params": bundle.params,
        "layer": bundle.layer,
        "people": list(bundle.people),
        "threshold": asdict(bundle.threshold),
        "scores": bundle.scores,
        "versions": bundle.versions,
        "members": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
        },
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {MANIFEST: json.dumps(manifest, indent=1, ensure_ascii=False).encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED, 1)
    durable.write(path, buffer.getvalue())


def read(path: str | Path) -> Bundle:
    """Read, check, then construct a bundle.

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
    except FacefeatError:
        raise
    except Exception as error:  # a file from a stranger may fail any expectation
        raise DamagedFile(f"{path} is damaged: its parts do not fit together ({_one_line(error)}).") from error


def _members(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the archive, checking names, kinds, sizes and hashes; nothing is parsed but the manifest."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_directory(path, archive)
            manifest = json.loads(archive.read(MANIFEST))
            _check_format(path, manifest)
            members = {name: archive.read(name) for name in MEMBERS}
    except FileNotFoundError:
        raise InputError(f"There is no model {path}; make one with: facefeat fit -o {path}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; a model made by facefeat fit is expected.") from None
    except zipfile.BadZipFile as error:
        if path.read_bytes()[:2] == b"PK":
            raise DamagedFile(f"{path} is damaged: it is cut off or overwritten.") from error
        raise ForeignFile(f"{path} is not a facefeat model; facefeat fit makes one.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, EOFError, zipfile.zlib.error, NotImplementedError, RuntimeError) as error:  # type: ignore[attr-defined]
        if isinstance(error, (DamagedFile, NewerFile, ForeignFile)):
            raise
        raise DamagedFile(f"{path} is damaged: {_one_line(error)}.") from error
    listed = manifest.get("members")
    for name, data in members.items():
        entry = listed.get(name) if isinstance(listed, dict) else None
        if not isinstance(entry, dict) or entry.get("sha256") != hashlib.sha256(data).hexdigest():
            raise DamagedFile(f"{path} is damaged: {name} does not match its checksum.")
    return manifest, members


def _check_directory(path: Path, archive: zipfile.ZipFile) -> None:
    infos = archive.infolist()
    if MANIFEST not in {info.filename for info in infos}:
        raise ForeignFile(f"{path} is a ZIP file that facefeat did not make.")
    names = sorted(info.filename for info in infos)
    if names != sorted((MANIFEST, *MEMBERS)):
        odd = sorted(set(names) ^ {MANIFEST, *MEMBERS}) or ["a member twice"]
        raise DamagedFile(f"{path} is not a whole facefeat model: {odd[0]!r} is missing or does not belong there.")
    for info in infos:
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DamagedFile(f"{path} is refused: {info.filename} is a link.")
        if info.file_size > MAX_RATIO * max(info.compress_size, 1) + 4096:
            raise DamagedFile(f"{path} is refused: {info.filename} unpacks to {MAX_RATIO} times its size or more.")
    if sum(info.file_size for info in infos) > MAX_BYTES:
        raise DamagedFile(f"{path} is refused: it unpacks to more than {MAX_BYTES // 1024**3} GB.")


def _check_format(path: Path, manifest: Any) -> None:
    name, _, number = str(manifest.get("format", "") if isinstance(manifest, dict) else "").partition("/")
    if name != FORMAT or not number.isdecimal() or int(number) < 1:
        raise ForeignFile(f"{path} is a ZIP file that facefeat did not make.")
    if int(number) > VERSION:
        raise NewerFile(f"{path} has format {number}; this facefeat reads up to {VERSION}. Install a newer facefeat.")


def _constructed(path: Path, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> Bundle:
    record = canonical_json(manifest["recipe"])
    recipe = Recipe.from_json(record)
    if hashlib.sha256(record.encode()).hexdigest() != manifest["recipe_sha256"]:
        raise DamagedFile(f"{path} is damaged: its recipe does not match its hash.")
    people = tuple(str(person) for person in manifest["people"])
    gallery = _gallery(members["gallery.npz"])
    threshold = Threshold(**manifest["threshold"])
    if manifest["layer"] not in recipe.layers or len(set(people)) != len(people):
        raise DamagedFile(f"{path} is damaged: its layer or people do not fit its recipe.")
    if not isinstance(threshold.value, float) or not np.isfinite(threshold.value):
        raise DamagedFile(f"{path} is damaged: its threshold is no number.")
    if len(gallery.person) and not 0 <= gallery.person.min() <= gallery.person.max() < len(people):
        raise DamagedFile(f"{path} is damaged: its gallery has people it does not know.")
    from facefeat.heads import prototype

    if manifest["head"] not in plugins.names("head"):
        raise ForeignFile(f"{path} needs the head '{manifest['head']}', which is not installed.")
    estimator = _unpacked(path, members["head.skops"], heads.trusted(manifest["head"]))
    unknown = _unpacked(path, members["unknown.skops"], prototype.TRUSTED)
    for fitted in (estimator, unknown):
        if list(fitted.classes_) != list(range(len(people))) or fitted.n_features_in_ != gallery.vectors.shape[1]:
            raise DamagedFile(f"{path} is damaged: its head knows other people or vectors than its manifest.")
    if not isinstance(unknown[-1], prototype.PrototypeClassifier):
        raise DamagedFile(f"{path} is damaged: its score for strangers is of another kind.")
    sample = gallery.vectors[:8].astype(np.float32)
    for scores in (heads.decision_scores(estimator, sample), unknown[-1].similarities(unknown[:-1].transform(sample))):
        if scores.shape != (len(sample), len(people)) or not np.isfinite(scores).all():
            raise DamagedFile(f"{path} is damaged: its head does not give one number a person.")
    return Bundle(
        recipe, manifest["head"], manifest["params"], manifest["layer"], people, threshold,
        manifest["scores"], manifest["versions"], estimator, unknown, gallery,
    )  # fmt: skip


def _unpacked(path: Path, data: bytes, trusted: tuple[str, ...]) -> Any:
    """Construct an estimator, if it holds nothing but scikit-learn's own types and the head's."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(data, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        raise DamagedFile(
            f"{path} is refused: it holds types that no head of facefeat has ({_one_line(error)})."
        ) from error
    except Exception as error:  # skops raises many kinds on a malformed file
        raise DamagedFile(f"{path} is damaged: its head cannot be read ({_one_line(error)}).") from error


def _gallery_bytes(gallery: Gallery) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        vectors=gallery.vectors,
        person=gallery.person,
        paths=np.array([path.encode() for path in gallery.paths]) if gallery.paths else np.empty(0, "S1"),
        sha256=gallery.sha256,
    )
    return buffer.getvalue()


def _gallery(data: bytes) -> Gallery:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        vectors, person, sha256 = arrays["vectors"], arrays["person"], arrays["sha256"]
        paths = tuple(path.decode() for path in arrays["paths"].tolist())
    if not len(vectors) == len(person) == len(paths) == len(sha256) or vectors.ndim != 2:
        raise DamagedFile("The gallery's columns have different lengths.")
    if not np.isfinite(vectors).all():
        raise DamagedFile("The gallery holds numbers that are not finite.")
    return Gallery(vectors, person, paths, sha256)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
