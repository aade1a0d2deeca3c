"""What trains: pictures and their augmented copies, as pixels or as what the frozen part of a network makes of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facefeat.data.augment import augmented
from facefeat.errors import StorageError
from facefeat.features.store import durable
from facefeat.tune.face_table import FaceTable

_LARGEST = float(np.finfo(np.float16).max)


class Source(Protocol):
    """Inputs of the part of a network that is trained.

    Attributes
    ----------
    n_copies : int
        Augmented ones that there are of each picture.
    """

    n_copies: int

    def take(self, rows: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the inputs of some pictures, of each one copy; copy 0 is the picture itself."""


class Pixels:
    """Faces, and copies that are made when they are asked for.

    Parameters
    ----------
    faces : FaceTable
    n_copies : int
    """

    def __init__(self, faces: FaceTable, n_copies: int) -> None:
        self.faces, self.n_copies = faces, n_copies

    def take(self, rows: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return raw RGB of shape (n, size, size, 3); see ``Source``."""
        return np.stack([self._one(int(row), int(copy)) for row, copy in zip(rows, copies, strict=True)])

    def _one(self, row: int, copy: int) -> NDArray[np.float32]:
        return augmented(self.faces.squares[row], self.faces.sha256[row].tobytes(), copy).astype(np.float32)


class Activations:
    """Feature maps of all pictures and copies, in float16: one memory map a copy number.

    Parameters
    ----------
    maps : list of ndarray of shape (n_images, height, width, channels), float16
        The pictures themselves, then their first copies, and so on.
    """

    def __init__(self, maps: list[NDArray[np.float16]]) -> None:
        self.maps, self.n_copies = maps, len(maps) - 1

    def take(self, rows: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return feature maps; see ``Source``."""
        found = np.empty((len(rows), *self.maps[0].shape[1:]), np.float32)
        for place, (row, copy) in enumerate(zip(rows, copies, strict=True)):
            found[place] = self.maps[copy][row]
        return found


def activations(
    pixels: Pixels, frozen: Any, folder: Path, batch_size: int, tell: Callable[[int, int], None]
) -> Activations:
    """Run the frozen part once over all pictures and copies, but for what lies in a folder already.

    Parameters
    ----------
    pixels : Pixels
    frozen : keras.Model
        Raw RGB to a feature map.
    folder : Path
    batch_size : int
    tell : callable
        Told how many inputs are done, of how many.

    Returns
    -------
    Activations

    Raises
    ------
    StorageError
        If there is no room for them.
    """
    n, shape = len(pixels.faces), tuple(frozen.output.shape[1:])
    paths = [folder / f"activations-{copy}.npy" for copy in range(pixels.n_copies + 1)]
    missing = [copy for copy, path in enumerate(paths) if not path.exists()]
    _require_space(folder, len(missing) * n * int(np.prod(shape)) * 2)
    for done, copy in enumerate(missing):
        with durable.storage_errors(paths[copy]), durable.beside(paths[copy]) as (handle, _):
            durable.write_all(handle, _header((n, *shape)))
            for start, block in _computed(pixels, frozen, copy, batch_size):
                durable.write_all(handle, block.tobytes())
                tell(done * n + start + len(block), len(missing) * n)
    return Activations([np.load(path, mmap_mode="r", allow_pickle=False) for path in paths])


def _computed(pixels: Pixels, frozen: Any, copy: int, batch_size: int) -> Iterator[tuple[int, NDArray[np.float16]]]:
    """Yield the feature maps of one copy of every picture, batch by batch; short batches are padded, as one shape is compiled."""
    n = len(pixels.faces)
    for start in range(0, n, batch_size):
        rows = np.arange(start, min(start + batch_size, n))
        inputs = pixels.take(np.resize(rows, batch_size), np.full(batch_size, copy))
        found = np.asarray(frozen.predict_on_batch(inputs))[: len(rows)]
        yield start, np.ascontiguousarray(np.clip(found, -_LARGEST, _LARGEST), np.float16)


def _header(shape: tuple[int, ...]) -> bytes:
    """Return the beginning of a .npy file of float16."""
    start = BytesIO()
    np.lib.format.write_array_header_1_0(start, {"descr": "<f2", "fortran_order": False, "shape": shape})
    return start.getvalue()


def _require_space(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise StorageError(
            f"Activations need {n_bytes / 1e6:,.0f} MB in {folder}, and {free / 1e6:,.0f} MB are free; free some, or "
            "lower --augment."
        )
