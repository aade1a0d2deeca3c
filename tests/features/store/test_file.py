from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.errors import DamagedFile, FacefeatError, FileFormatError, ForeignFile, InputError, NewerFile, UsageError
from facefeat.features.store import columns, sealed
from facefeat.features.store.file import read
from tests.features.store.contents import recipe_of


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for a file that is written again and again."""
    return tmp_path_factory.mktemp("scratch") / "f.h5"


def complaint(path: Path, error: type[FacefeatError]) -> str:
    """Read a file that is not what it should be; return the sentence."""
    with pytest.raises(error) as caught:
        read(path)
    assert type(caught.value) is error
    return str(caught.value)


def test_a_whole_file(thumb_file: Path) -> None:
    file = read(thumb_file)
    assert file.people == ("ada", "bob", "cleo", "dan")
    assert (len(file), file.layers, file.skipped) == (24, ("grey8", "grey16"), ())
    assert file.paths[:2] == ("ada/01.png", "ada/02.png")
    np.testing.assert_array_equal(file.person, np.repeat(range(4), 6))
    assert (file.copy == 0).all()
    assert not file.found.any()
    assert file.sha256.shape == (24, 32)
    assert file.vectors("grey8").shape == (24, 64)
    with pytest.raises(ValueError, match="read-only"):
        file.vectors("grey8")[0] = 0
    with pytest.raises(UsageError) as caught:
        file.vectors("grey4")
    assert str(caught.value) == "There is no layer 'grey4'; did you mean 'grey8'? There are: grey16, grey8."


def test_what_is_no_file(tmp_path: Path) -> None:
    lost = tmp_path / "none.h5"
    assert complaint(lost, InputError) == (
        f"There is no feature file {lost}; make it with: facefeat extract DATA -o {lost}"
    )
    assert complaint(tmp_path, InputError) == (
        f"{tmp_path} is a folder; a feature file is expected. Make one with: facefeat extract {tmp_path}"
    )


def test_files_of_others(tmp_path: Path, thumb_file: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
    assert complaint(path, ForeignFile) == f"{path} is an HDF5 file that facefeat did not make."
    foreign = f"{path} is not a feature file; facefeat extract makes one."
    for data in (b"a text\n", b"facefeat", b"other-features/1\n", b"PK\3\4", thumb_file.read_bytes()[512:][8:]):
        path.write_bytes(data)
        assert complaint(path, ForeignFile) == foreign


def test_empty_files_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    for data in (b"", bytes(100), bytes(5000)):
        path.write_bytes(data)
        assert complaint(path, DamagedFile) == f"{path} is damaged: it is empty, or its start was lost."


@pytest.mark.parametrize("version", [4, 10, 999_999_999])
def test_newer_files(tmp_path: Path, thumb_file: Path, version: int) -> None:
    path = tmp_path / "f.h5"
    path.write_bytes(b"facefeat-features/%d\nwhatever comes then" % version)
    assert complaint(path, NewerFile) == (
        f"{path} has format {version}; this facefeat reads up to 3. Install a newer facefeat."
    )


def test_there_never_was_a_version_0(tmp_path: Path, thumb_file: Path) -> None:
    path = tmp_path / "f.h5"
    path.write_bytes(thumb_file.read_bytes().replace(b"features/2", b"features/0", 1))
    assert complaint(path, ForeignFile) == f"{path} is not a feature file; facefeat extract makes one."


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_flipped_bit_behind_the_first_block_is_found(data: st.DataObject, thumb_file: Path, scratch: Path) -> None:
    good = thumb_file.read_bytes()
    position = data.draw(st.integers(sealed.BLOCK, len(good) - 1))
    scratch.write_bytes(_flipped(good, position, data.draw(st.integers(0, 7))))
    assert complaint(scratch, DamagedFile) == f"{scratch} is damaged: its bytes do not match their checksum."


def _flipped(good: bytes, position: int, bit: int) -> bytes:
    return good[:position] + bytes([good[position] ^ 1 << bit]) + good[position + 1 :]


def test_a_flipped_bit_in_the_lines_at_the_start_is_found(thumb_file: Path, scratch: Path) -> None:
    good = thumb_file.read_bytes()
    end = good.index(b"\0")
    for position in range(end):
        scratch.write_bytes(_flipped(good, position, position % 6))
        with pytest.raises(FileFormatError):
            read(scratch)


def test_a_flipped_bit_in_the_rest_of_the_first_block_is_found(thumb_file: Path, scratch: Path) -> None:
    good = thumb_file.read_bytes()
    for position in (good.index(b"\0"), 300, sealed.BLOCK - 1):
        scratch.write_bytes(_flipped(good, position, 3))
        complaint(scratch, DamagedFile)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_file_that_is_cut_off_is_damaged(data: st.DataObject, thumb_file: Path, scratch: Path) -> None:
    good = thumb_file.read_bytes()
    scratch.write_bytes(good[: data.draw(st.integers(len(b"facefeat-features/1\n"), len(good) - 1))])
    assert complaint(scratch, DamagedFile).startswith(f"{scratch} is damaged: ")


def test_bytes_after_the_end_are_damage(thumb_file: Path, scratch: Path) -> None:
    scratch.write_bytes(thumb_file.read_bytes() + b"\0")
    complaint(scratch, DamagedFile)


def _as_vlen(file: Any) -> None:
    del file["people"]
    file.create_dataset("people", data=["ada"] * 4, dtype=h5py.string_dtype())


def _as_null(file: Any) -> None:
    del file["people"]
    file["people"] = h5py.Empty("S3")


def _replaced(name: str, value: Any, **options: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        if isinstance(value, (h5py.SoftLink, h5py.ExternalLink)):
            file[name] = value
        else:
            file.create_dataset(name, data=value, **options)

    return change


def _claiming(file: Any) -> None:
    del file["faces/score"]
    file.create_dataset("faces/score", (10**15,), "<f4")


def _virtual(file: Any) -> None:
    del file["faces/score"]
    layout = h5py.VirtualLayout((24,), "<f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (24,))
    file.create_virtual_dataset("faces/score", layout)


def _external(file: Any) -> None:
    del file["images/person"]
    file.create_dataset("images/person", (24,), "<i4", external=[("/etc/passwd", 0, 96)])


def _deleted(name: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]

    return change


def _attribute(name: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file.attrs[name] = value

    return change


CRAFTED: dict[str, Callable[[Any], None]] = {
    "soft link": _replaced("images/path", h5py.SoftLink("/people")),
    "external link": _replaced("images/path", h5py.ExternalLink("/etc/passwd", "/x")),
    "linked group": _replaced("features", h5py.SoftLink("/faces")),
    "chunked": _replaced("faces/score", np.zeros(24, "<f4"), chunks=(4,)),
    "virtual": _virtual,
    "external storage": _external,
    "claims too much": _claiming,
    "texts elsewhere": _as_vlen,
    "no space": _as_null,
    "scalar": _replaced("images/path", np.bytes_(b"ada")),
    "dataset for a group": _replaced("faces", np.zeros(3)),
    "no people": _deleted("people"),
    "no faces": _deleted("faces"),
    "no layer": _deleted("features/grey8"),
    "no skipped": _deleted("skipped"),
    "short layer": _replaced("features/grey8", np.zeros((23, 64), "<f4")),
    "layer of texts": _replaced("features/grey8", np.array([b"ab"] * 24)),
    "layer without width": _replaced("features/grey8", np.zeros(24, "<f4")),
    "wide boxes": _replaced("faces/box", np.zeros((24, 5), "<f4")),
    "double boxes": _replaced("faces/box", np.zeros((24, 4), "<f8")),
    "nobody's row": _replaced("images/person", np.full(24, 4, "<i4")),
    "negative person": _replaced("images/person", np.full(24, -1, "<i4")),
    "no utf8": _replaced("people", np.array([b"\xff", b"b", b"c", b"d"])),
    "nonsense made_by": _attribute("made_by", "{"),
    "nonsense recipe": _attribute("recipe", "{}"),
    "another recipe": _attribute("recipe", recipe_of().to_json()),
    "number for recipe": _attribute("recipe", 3),
}


def crafted(path: Path, thumb_file: Path, change: Callable[[Any], None]) -> None:
    """Change a good feature file with HDF5's own means, and seal it as if facefeat had written it."""
    shutil.copyfile(thumb_file, path)
    with h5py.File(path, "r+") as file:
        change(file)
    path.write_bytes(sealed.seal(path.read_bytes()))


def test_a_file_that_is_only_sealed_again_is_read(tmp_path: Path, thumb_file: Path) -> None:
    crafted(tmp_path / "f.h5", thumb_file, lambda file: None)
    assert len(read(tmp_path / "f.h5")) == 24


@pytest.mark.parametrize("kind", CRAFTED)
def test_a_file_crafted_under_a_good_checksum_is_refused(tmp_path: Path, thumb_file: Path, kind: str) -> None:
    crafted(tmp_path / "f.h5", thumb_file, CRAFTED[kind])
    complaint(tmp_path / "f.h5", DamagedFile)


def test_a_recipe_of_a_newer_format(tmp_path: Path, thumb_file: Path) -> None:
    newer = read(thumb_file).recipe.to_json().replace('"format":1', '"format":2')
    crafted(tmp_path / "f.h5", thumb_file, _attribute("recipe", newer))
    complaint(tmp_path / "f.h5", NewerFile)


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "pipe")
    assert str(caught.value) == f"{tmp_path / 'pipe'} is no regular file; a feature file is expected."


def test_the_columns_of_format_2(thumb_file: Path) -> None:
    assert thumb_file.read_bytes().startswith(b"facefeat-features/2\n")
    with h5py.File(thumb_file, "r") as file:
        assert (file["faces/count"].dtype, file["faces/count"].shape) == (np.dtype("<i2"), (24,))
        assert (file["faces/pixels"].dtype, file["faces/pixels"].shape) == (np.dtype("u1"), (24, 64, 64))
        np.testing.assert_array_equal(file["faces/count"][:], read(thumb_file).columns["faces/count"])
    assert read(thumb_file).columns["faces/count"].tolist() == [-1] * 24


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.integers(0, 99))
def test_rows_of_format_1_are_lifted_and_those_of_format_2_stay(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 32, 32), dtype=np.uint8)
    other = rng.normal(size=(n, 4)).astype(np.float32)
    lifted = columns.lifted({"faces/pixels": small, "faces/box": other}, 1)
    assert lifted["faces/box"] is other and set(lifted) == {"faces/pixels", "faces/box", "faces/count"}
    assert (lifted["faces/count"].tolist(), lifted["faces/count"].dtype) == ([-1] * n, np.dtype("<i2"))
    assert lifted["faces/pixels"].shape == (n, 64, 64) and lifted["faces/pixels"].dtype == np.uint8
    for down in (0, 1):
        for right in (0, 1):
            np.testing.assert_array_equal(lifted["faces/pixels"][:, down::2, right::2], small)
    assert columns.lifted(lifted, 2) is lifted
