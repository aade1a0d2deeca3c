"""The table of what became of photographs: it reads back as it was written, torn or whole."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefeat.curate import crop_table
from facefeat.curate.crop_table import FACE, Row

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["=1", "./=1", "././", "-", "@a", "\r\n", '"']
)
NUMBERS = st.lists(st.floats(width=32, allow_nan=False), min_size=len(FACE), max_size=len(FACE)).map(tuple)
ROWS = st.lists(
    st.builds(
        Row,
        TEXT,
        TEXT,
        st.just("00ff"),
        st.none() | st.integers(0, 99),
        st.just(()) | NUMBERS,
        TEXT,
        TEXT,
        st.just("1a"),
    )
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("table") / "faces.csv"


@given(ROWS)
def test_a_table_reads_back_as_it_was_written(place: Path, rows: list[Row]) -> None:
    place.write_bytes(crop_table.table(rows[:2]))
    crop_table.append(place, rows[2:])
    assert place.read_bytes() == crop_table.table(rows)
    assert crop_table.read(place) == crop_table.read(place, torn=True) == rows


@given(ROWS, st.data())
def test_of_a_torn_table_the_whole_rows_are_left(place: Path, rows: list[Row], data: st.DataObject) -> None:
    whole = crop_table.table(rows)
    start = len(crop_table.table([]))
    end = data.draw(st.integers(start, len(whole)))
    place.write_bytes(whole[:end])
    kept = crop_table.read(place, torn=True)
    assert kept == rows[: len(kept)] and len(crop_table.table(rows[: len(kept) + 1])) > end - 2 * (kept == rows)


@given(st.builds(Row, TEXT, TEXT, st.just(""), st.none(), st.just(()), TEXT, TEXT, st.just("")))
def test_no_cell_is_a_formula(row: Row) -> None:
    (cells,) = list(csv.reader(io.StringIO(crop_table.table([row]).decode(), newline="")))[1:]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in cells)


def test_numbers_have_few_digits_and_paths_still_lead_to_their_files(place: Path) -> None:
    face = (float(np.float32(0.1)), -3.5, *[0.0] * (len(FACE) - 2))
    place.write_bytes(crop_table.table([Row("=a/1.jpg", "=a/1.png", "00", 1, face, "", "", "1a")]))
    line = place.read_text().splitlines()[1]
    assert line == "./=a/1.jpg,./=a/1.png,00,1,0.1,-3.5," + "0.0," * 13 + ",,1a"
