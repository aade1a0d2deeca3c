"""A file is looked at by what it is, and no changed bit of a bundle goes by."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefeat.errors import DamagedFile, FacefeatError, ForeignFile, InputError
from facefeat.features.store.file import FeatureFile
from facefeat.features.store.file import read as read_features
from facefeat.features.store.shards import WorkFolder
from facefeat.learn import bundle as bundles
from facefeat.learn import check as checking
from facefeat.learn.assemble import model_card
from facefeat.learn.bundle import Bundle
from facefeat.learn.check import check, look
from facefeat.learn.fit import fit
from tests.features.store.contents import recipe_of, shard


@pytest.fixture(scope="module")
def made(thumb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model of four people. Not to be changed."""
    return fit(read_features(thumb_file), tmp_path_factory.mktemp("model") / "m.facefeat", head="lda").output


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """Give a copy of it, to be changed at will."""
    return Path(shutil.copy(made, tmp_path / "m.facefeat"))


def test_a_model_that_is_whole(model: Path) -> None:
    found = check(model)
    assert (found.problems, found.notes, found.kind) == ((), (), "bundle")
    assert found.counts == {"people": 4, "gallery": 24, "gallery_right": 24}
    assert found.bytes == len(model.read_bytes())
    assert found.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()


def test_pictures_that_the_head_names_wrong_are_counted(thumb_file: Path, model: Path) -> None:
    bundle = fit(read_features(thumb_file), model, head="lda").bundle
    person = bundle.gallery.person.copy()
    person[0], person[6] = 1, 0  # two pictures that belong to each other's person
    paths = list(bundle.gallery.paths)
    paths[0], paths[6] = "bob/x.png", "ada/x.png"
    bundle = replace(bundle, gallery=replace(bundle.gallery, person=person, paths=tuple(paths)))
    bundles.write(bundle, model, model_card(bundle))
    found = check(model)
    assert (found.problems, found.counts["gallery_right"]) == ((), 22)


def changed(good: bytes, place: int, bit: int) -> bytes:
    return good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]


def test_any_damage_to_a_model_is_found(model: Path) -> None:
    good, rng = model.read_bytes(), np.random.default_rng(0)
    places = {*range(60), *range(len(good) - 320, len(good)), *rng.integers(0, len(good), 300).tolist()}
    versions = [(f"bit at {place}", changed(good, place, int(rng.integers(8)))) for place in sorted(places)]
    versions += [(f"cut at {place}", good[:place]) for place in (0, 1, 30, len(good) // 2, len(good) - 1)]
    for start in range(0, len(good), 2048):
        lost = good[:start] + bytes(len(good[start : start + 2048])) + good[start + 2048 :]
        versions.append((f"block lost at {start}", lost))
    versions += [("a byte more", good + b"\0"), ("a byte before", b"\0" + good)]
    for what, data in versions:
        model.write_bytes(data)
        problems = check(model).problems
        assert problems and all(one.file == model and str(model) in one.message for one in problems), what


@pytest.fixture
def deflated(model: Path) -> Path:
    """Give a model as it was written before: its members compressed."""
    with zipfile.ZipFile(model) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in members:
            archive.writestr(zipfile.ZipInfo(info.filename, info.date_time), data, zipfile.ZIP_DEFLATED, 1)
    return model


def bits_without_meaning(good: bytes) -> list[tuple[int, int]]:
    """Return bits of the packed members that can be flipped without changing what is unpacked."""
    start, end = good.index(b"head.skops") + len(b"head.skops"), good.index(b"PK\3\4", 2000)
    packed = good[start:end]
    content = zlib.decompress(packed, -15)
    found = []
    for place in range(0, len(packed), 7):
        for bit in range(8):
            try:
                unpacked = zlib.decompressobj(-15)
                if unpacked.decompress(changed(packed, place, bit)) == content and unpacked.eof:
                    found.append((start + place, bit))
            except zlib.error:
                pass
    return found


def test_bits_that_change_no_content_are_found_too(deflated: Path) -> None:
    good = deflated.read_bytes()
    bits = bits_without_meaning(good)
    assert bits
    for place, bit in bits:
        deflated.write_bytes(changed(good, place, bit))
        assert bundles.read(deflated).people == ("ada", "bob", "cleo", "dan")
        assert [one.message for one in check(deflated).problems] == [
            f"{deflated} is damaged: head.skops is not packed as it was written, though it has its checksum."
        ]


def test_a_date_in_the_archive_is_found_too(model: Path) -> None:
    good = model.read_bytes()
    model.write_bytes(changed(good, 10, 3))
    assert bundles.read(model).people == ("ada", "bob", "cleo", "dan")
    assert [one.message for one in check(model).problems] == [
        f"{model} is damaged: its archive is not as it was written, though what is in it has its checksums."
    ]


def test_a_model_that_another_library_packed_is_whole(deflated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(deflated).problems == ()
    monkeypatch.setattr(checking, "_deflated", lambda content: zlib.compress(content, 9, -15))
    assert check(deflated).problems == ()


def test_a_head_that_fails_is_a_problem(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise FloatingPointError("overflow")

    monkeypatch.setattr(checking, "namings", broken)
    assert [one.message for one in check(model).problems] == [
        f"{model} is damaged: its head cannot name its own pictures (overflow)."
    ]


def test_what_lies_beside_a_model_is_a_note(model: Path) -> None:
    half = model.with_name(".m.facefeat.0f.tmp")
    half.write_bytes(b"")
    assert [one.message for one in check(model).notes] == [
        f"{half} was left half written by a run that was killed, or is being written now."
    ]


def test_the_content_decides_what_a_file_is_and_not_its_name(model: Path, thumb_file: Path, tmp_path: Path) -> None:
    swapped = shutil.copy(model, tmp_path / "features.h5"), shutil.copy(thumb_file, tmp_path / "a.facefeat")
    assert [check(path).kind for path in swapped] == ["bundle", "features"]
    assert [type(look(path).contents) for path in swapped] == [Bundle, FeatureFile]


def test_a_file_whose_start_is_lost_is_still_known(model: Path, thumb_file: Path, tmp_path: Path) -> None:
    features = Path(shutil.copy(thumb_file, tmp_path / "f.h5"))
    for path, kind in ((model, "bundle"), (features, "features")):
        path.write_bytes(bytes(500) + path.read_bytes()[500:])
        found = check(path)
        assert (found.kind, len(found.problems)) == (kind, 1)


def test_files_of_others(tmp_path: Path) -> None:
    for data, kind, error, sentence in (
        (b"hello", "unknown", ForeignFile, "{} is neither a feature file nor a model of facefeat."),
        (b"", "unknown", DamagedFile, "{} is damaged: it is empty, or its start was lost."),
        (bytes(9000), "unknown", DamagedFile, "{} is damaged: it is empty, or its start was lost."),
        (b"\x89HDF\r\n\x1a\n" + bytes(900), "features", ForeignFile, "{} is an HDF5 file that facefeat did not make."),
        (b"PK\3\4" + bytes(900), "bundle", DamagedFile, "{} is damaged: it is cut off or overwritten."),
    ):
        path = tmp_path / "f"
        path.write_bytes(data)
        found = check(path)
        assert (found.kind, [one.message for one in found.problems]) == (kind, [sentence.format(path)])
        assert complaint(path, error) == sentence.format(path)


def complaint(path: Path, error: type[FacefeatError]) -> str:
    with pytest.raises(error) as caught:
        look(path)
    return str(caught.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    missing, pipe = tmp_path / "no.h5", tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, sentence in (
        (missing, f"There is no file {missing}; facefeat extract makes a feature file, facefeat fit a model."),
        (tmp_path, f"{tmp_path} is a folder; a feature file or a model is expected."),
        (pipe, f"{pipe} is no regular file; a feature file or a model is expected."),
    ):
        assert complaint(path, InputError) == sentence
        with pytest.raises(InputError) as caught:
            check(path)
        assert str(caught.value) == sentence


@pytest.mark.parametrize("data", [None, b"", b"hello"])
def test_unfinished_work_is_checked_whatever_lies_in_the_place_of_its_file(tmp_path: Path, data: bytes | None) -> None:
    output, recipe = tmp_path / "f.h5", recipe_of()
    work = WorkFolder(output, recipe)
    with work.held():
        path = work.path / "shard-0.h5"
        work.add(shard(2, recipe))
        path.write_bytes(b"x")
    if data is not None:
        output.write_bytes(data)
    found = check(output)
    assert found.kind == "features" and found.counts["shards"] == 1
    assert str(path) in {str(one.file) for one in found.problems}


def test_what_is_seen_of_a_file_and_its_work(thumb_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(thumb_file, tmp_path / "f.h5"))
    work = WorkFolder(path, recipe_of())
    with work.held():
        work.add(shard(2, recipe_of()))
        work.add(shard(3, recipe_of(), seed=1))
    seen = look(path)
    assert (seen.path, seen.bytes, len(seen.work.shards), seen.work_rows) == (path, path.stat().st_size, 2, 5)
