"""The columns of a feature file, and reading them out of HDF5 without trusting it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.quality import SIDE
from facefeat.errors import DamagedFile
from facefeat.features.recipe import Recipe
from facefeat.features.store.sealed import BLOCK, FORMAT, version_of
from facefeat.features.store.skeleton import Place, n_bytes

THUMBNAIL = SIDE  # of the grey picture kept of every face, pixels

# What is kept of each picture that was computed, whatever its name: dtype and the shape of one row.
ROW = {
    "images/sha256": ("u1", (32,)),
    "images/copy": ("<i2", ()),
    "faces/box": ("<f4", (4,)),
    "faces/landmarks": ("<f4", (5, 2)),
    "faces/score": ("<f4", ()),
    "faces/found": ("?", ()),
    "faces/count": ("<i2", ()),
    "faces/pixels": ("u1", (THUMBNAIL, THUMBNAIL)),
}
FEATURES = "features/"

_TEXTS = 4096  # that are decoded together

Columns = dict[str, NDArray[Any]]
Kept = Mapping[str, NDArray[Any]]  # columns that may be mapped from a disk


def number_columns(layers: Sequence[str]) -> tuple[str, ...]:
    """Name the columns of a row that do not depend on the picture's name."""
    return (*ROW, *(FEATURES + layer for layer in layers))


def attributes(recipe: Recipe, version: int, made_by: str, augmentation: str) -> dict[str, str]:
    """Return the attributes of the root group; how copies were made is said only where there are any."""
    said = {
        "format": f"{FORMAT}/{version}",
        "recipe": recipe.to_json(),
        "recipe_sha256": recipe.sha256,
        "made_by": made_by,
    }
    return said | ({"augmentation": augmentation} if augmentation else {})


def version_in(raw: NDArray[np.uint8], attrs: dict[str, str], source: Path) -> int:
    """Return the number of the format of a file that was checked; its first line is not under the checksum.

    Raises
    ------
    DamagedFile
        If the attribute, which is, says otherwise.
    """
    version = version_of(raw)
    if attrs.get("format") != f"{FORMAT}/{version}":
        raise DamagedFile(f"{source} is damaged: its first line does not name its format.")
    return version


def lifted(columns: Columns, version: int) -> Columns:
    """Return the columns of a file of any format as those of the newest.

    Format 1 did not count the faces of a picture, and kept half as many pixels along each side.
    """
    if version >= 2:
        return columns
    small = columns["faces/pixels"]
    counts = np.broadcast_to(np.array(-1, "<i2"), len(small))
    return columns | {"faces/count": counts, "faces/pixels": small.repeat(2, axis=1).repeat(2, axis=2)}


@dataclass(frozen=True)
class Skipped:
    """One picture that is no row.

    Attributes
    ----------
    path : str
        Relative to the data set, escaped; ``''`` inside a shard.
    sha256 : bytes
        32 bytes; zeros where the file could not be read.
    code : str
        One of ``facefeat.data.picture.CODES``.
    message : str
    """

    path: str
    sha256: bytes
    code: str
    message: str


def text_column(texts: Sequence[str]) -> NDArray[np.bytes_]:
    """Encode texts as fixed-length UTF-8, so that the column lies in one piece."""
    width = max((len(text.encode()) for text in texts), default=1) or 1
    return np.fromiter((text.encode() for text in texts), f"S{width}", len(texts))


def texts_of(column: NDArray[Any]) -> tuple[str, ...]:
    """Decode what ``text_column`` made."""
    blocks = (column[start : start + _TEXTS] for start in range(0, len(column), _TEXTS))
    return tuple(value.decode() for block in blocks for value in block.tolist())


def skipped_columns(skipped: Sequence[Skipped]) -> Columns:
    """Lay out skipped pictures as columns."""
    return {
        "skipped/path": text_column([one.path for one in skipped]),
        "skipped/sha256": np.array([list(one.sha256) for one in skipped], "u1").reshape(-1, 32),
        "skipped/code": text_column([one.code for one in skipped]),
        "skipped/message": text_column([one.message for one in skipped]),
    }


def skipped_of(columns: Columns) -> tuple[Skipped, ...]:
    """Read skipped pictures back from columns."""
    return tuple(
        Skipped(path, digest.tobytes(), code, message)
        for path, digest, code, message in zip(
            texts_of(columns["skipped/path"]),
            columns["skipped/sha256"],
            texts_of(columns["skipped/code"]),
            texts_of(columns["skipped/message"]),
            strict=True,
        )
    )


def places(source: Path) -> tuple[dict[str, Place], dict[str, str]]:
    """Find where each dataset of a file lies, refusing everything that leads elsewhere.

    Parameters
    ----------
    source : Path

    Returns
    -------
    datasets : dict of str to (offset, dtype, shape)
        Offset in bytes from the file's start; ``None`` for a dataset without rows.
    attrs : dict of str to str

    Raises
    ------
    DamagedFile
        Links, external, virtual or chunked storage, or anything HDF5 cannot read.
    """
    import h5py

    try:
        with h5py.File(source, "r") as file:
            attrs = {key: value for key, value in file.attrs.items() if isinstance(value, str)}
            found: dict[str, Place] = {}
            for group in ("", "images", "faces", "features", "skipped"):
                _collect(file, group, found)
    except DamagedFile:
        raise
    except Exception as error:  # HDF5 raises several kinds on a malformed file
        raise DamagedFile(f"{source} is damaged: HDF5 cannot read it.") from error
    return found, attrs


def _collect(file: Any, group: str, found: dict[str, Place]) -> None:
    import h5py

    if group and group not in file:
        return
    parent = file[group] if group else file
    for leaf in parent:
        link = parent.get(leaf, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise DamagedFile(f"The feature file holds a link, {group}/{leaf}; it is not read.")
        item = parent[leaf]
        if not isinstance(item, h5py.Dataset):
            continue
        if item.external or item.is_virtual or item.chunks is not None:
            raise DamagedFile(f"The feature file keeps {group}/{leaf} elsewhere or in pieces; it is not read.")
        found[f"{group}/{leaf}".lstrip("/")] = (item.id.get_offset(), item.dtype, item.shape)


def view(raw: NDArray[np.uint8], where: Place, name: str) -> NDArray[Any]:
    """Look at one dataset inside a file's bytes.

    Raises
    ------
    DamagedFile
        If it would reach beyond the file.
    """
    offset, dtype, shape = where
    if shape is None or dtype.kind not in "biufS":
        raise DamagedFile(f"{name} is no plain table of numbers or text.")
    size = n_bytes(dtype, shape)
    if size == 0:
        return np.empty(shape, dtype)
    # Before the first block nothing can lie: HDF5 gives such an offset for what was never written.
    if offset is None or offset < BLOCK or offset + size > len(raw):
        raise DamagedFile(f"{name} claims more numbers than the file holds.")
    plain = f"S{dtype.itemsize}" if dtype.kind == "S" else dtype
    return raw[offset : offset + size].view(plain).reshape(shape)
