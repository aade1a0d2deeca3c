"""The structure of a file is small, whatever the file holds, and is what HDF5 would have written."""

from __future__ import annotations

import io
import os
from pathlib import Path

import h5py
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.features.store.skeleton import _Sparse, skeleton

COLUMNS = {
    "people": ("S7", (3,)),
    "images/sha256": ("u1", (1000, 32)),
    "features/a": ("<f4", (1000, 70)),
    "faces/found": ("?", (1000,)),
    "skipped/path": ("S1", (0,)),
}


def test_each_dataset_lies_where_it_is_said_to(tmp_path: Path) -> None:
    empty = skeleton(COLUMNS, {"format": "x", "recipe": "é" * 900})
    with (tmp_path / "f.h5").open("wb") as file:
        os.truncate(file.fileno(), empty.size)
        for offset, part in empty.parts:
            os.pwrite(file.fileno(), part, offset)
        for value, (offset, dtype, shape) in enumerate(empty.datasets.values(), 1):
            if offset is not None:
                os.pwrite(file.fileno(), np.full(shape, value, dtype).tobytes(), offset)
    with h5py.File(tmp_path / "f.h5") as file:
        assert dict(file.attrs) == {"format": "x", "recipe": "é" * 900}
        for value, (name, (_, dtype, shape)) in enumerate(empty.datasets.items(), 1):
            np.testing.assert_array_equal(file[name][()], np.full(shape, value, dtype))
    assert sorted(empty.datasets) == sorted(COLUMNS)


def test_two_terabytes_of_rows_take_a_few_kilobytes() -> None:
    empty = skeleton({"features/a": ("<f4", (10**9, 512))}, {})
    assert empty.size > 4 * 512 * 10**9
    assert sum(len(part) for _, part in empty.parts) < 16_384


writes = st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=9000)), max_size=12)


@settings(deadline=None)
@given(before=writes, cut=st.integers(0, 25_000), after=writes)
def test_a_sparse_file_reads_as_a_whole_one(
    before: list[tuple[int, bytes]], cut: int, after: list[tuple[int, bytes]]
) -> None:
    sparse, whole = _Sparse(), io.BytesIO()

    def write(pieces: list[tuple[int, bytes]]) -> None:
        for offset, data in pieces:
            for file in (sparse, whole):
                file.seek(offset)
                assert file.write(data) == len(data)

    write(before)
    if cut < sparse.size:
        sparse.truncate(cut)
        whole.truncate(cut)
    write(after)
    assert sparse.seek(0, io.SEEK_END) == whole.seek(0, io.SEEK_END) == sparse.size
    sparse.seek(0)
    assert sparse.read() == whole.getvalue()
    image = bytearray(sparse.size)
    for offset, part in sparse.parts():
        image[offset : offset + len(part)] = part
    assert bytes(image) == whole.getvalue()
