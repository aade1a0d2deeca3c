"""Near copies: which are found, and the groups that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from facefeat.data.quality import SIDE
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import FeatureFile, read
from facefeat.learn import copies
from facefeat.learn.copies import Faces, groups_of, joined, near_copies, near_copies_between
from tests.making import encoded

PEOPLE, EACH = 40, 5  # of ORL

ALTERED: list[tuple[str, Callable[[Image.Image], bytes]]] = [
    ("larger.png", lambda picture: encoded(picture.resize((138, 168), Image.Resampling.BICUBIC))),
    ("smaller.png", lambda picture: encoded(picture.resize((78, 95), Image.Resampling.BILINEAR))),
    ("again.png", encoded),
    ("compressed.jpg", lambda picture: encoded(picture, "JPEG", quality=60)),
    ("cut.png", lambda picture: encoded(picture.crop((0, 2, 92, 112)))),
    ("turned.png", lambda picture: encoded(picture.rotate(3, Image.Resampling.BICUBIC, fillcolor=90))),
    ("mirrored.png", lambda picture: encoded(ImageOps.mirror(picture))),
    ("mirrored.jpg", lambda picture: encoded(ImageOps.mirror(picture.resize((120, 146))), "JPEG", quality=80)),
    ("lighter.png", lambda picture: encoded(ImageEnhance.Brightness(picture).enhance(1.15))),
    ("grey.png", lambda picture: encoded(ImageEnhance.Contrast(picture).enhance(0.7))),
]


@pytest.fixture(scope="module")
def file(orl: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> FeatureFile:
    """Give the vectors of five ORL pictures of each person, and of an altered copy of the first. Not to be changed."""
    root = tmp_path_factory.mktemp("copies")
    for person in range(PEOPLE):
        folder = root / "people" / f"s{person + 1:02}"
        folder.mkdir(parents=True)
        for number in range(1, EACH + 1):
            path = orl / folder.name / f"{number:02}.pgm"
            (folder / path.name).write_bytes(path.read_bytes())
        name, altered = ALTERED[person % len(ALTERED)]
        (folder / name).write_bytes(altered(Image.open(orl / folder.name / "01.pgm").convert("L")))
    return extract(root / "people", root / "f.h5", plan(layers=["block4_pool"])).file


def twins_of(file: FeatureFile) -> set[tuple[int, int]]:
    """Return the rows of each first picture and its altered copy."""
    rows = {path: row for row, path in enumerate(file.paths)}
    names = [(f"s{person + 1:02}", ALTERED[person % len(ALTERED)][0]) for person in range(PEOPLE)]
    return {(rows[f"{who}/01.pgm"], rows[f"{who}/{name}"]) for who, name in names}


def pairs_of(found: list[copies.Near]) -> set[tuple[int, int]]:
    return {(one.first, one.second) for one in found}


def test_every_altered_copy_is_found_and_nothing_else(file: FeatureFile) -> None:
    found = near_copies(Faces.of(file))
    missed = [file.paths[j] for _, j in sorted(twins_of(file) - pairs_of(found))]
    assert pairs_of(found) - twins_of(file) == set() and missed == []
    assert all(copies.AGREEMENT <= one.agreement <= 1 and one.first < one.second for one in found)
    assert [(one.first, one.second) for one in found] == sorted((one.first, one.second) for one in found)


def test_copies_are_a_group_each(file: FeatureFile) -> None:
    groups = groups_of(file)
    assert len(np.unique(groups)) == PEOPLE * EACH
    assert all(groups[i] == groups[j] for i, j in twins_of(file))
    assert np.array_equal(np.unique(groups), np.arange(PEOPLE * EACH))
    assert len(np.unique(file.sha256, axis=0)) == len(file)


def test_only_the_rows_asked_for_are_looked_at(file: FeatureFile) -> None:
    twins = sorted(twins_of(file))
    rows = np.array([twins[0][0], twins[0][1], twins[1][0], twins[2][1]], np.int64)
    assert pairs_of(near_copies(Faces.of(file), np.sort(rows))) == {twins[0]}
    assert near_copies(Faces.of(file), rows[:1]) == near_copies(Faces.of(file), rows[:0]) == []


def test_two_tables_are_compared_with_each_other(file: FeatureFile) -> None:
    faces = Faces.of(file)
    last = np.array([j for _, j in sorted(twins_of(file))])
    others = Faces(faces.vectors[last], faces.pixels[last], faces.person[last])
    found = {(one.first, int(last[one.second])) for one in near_copies_between(faces, others)}
    expected = twins_of(file) | {(j, j) for j in last.tolist()}
    assert found <= expected and len(expected - found) <= 2  # less another mean, a few are less alike


def test_the_order_of_a_table_changes_nothing(file: FeatureFile) -> None:
    faces, order = Faces.of(file), np.random.default_rng(0).permutation(len(file))
    mixed = Faces(faces.vectors[order], faces.pixels[order], faces.person[order])
    found = {tuple(sorted((int(order[i]), int(order[j])))) for i, j in pairs_of(near_copies(mixed))}
    assert found == twins_of(file)


def test_small_blocks_find_the_same(file: FeatureFile, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(60)
    before = near_copies(Faces.of(file), rows)
    monkeypatch.setattr(copies, "_BLOCK_BYTES", 4 * len(rows) * 7)
    monkeypatch.setattr(copies, "_PAIRS", 9)
    assert pairs_of(near_copies(Faces.of(file), rows)) == pairs_of(before) and len(before) >= 9


def test_very_large_tables_are_compared_within_persons_only(file: FeatureFile, monkeypatch: pytest.MonkeyPatch) -> None:
    person = np.array(file.person)
    i, j = sorted(twins_of(file))[0]
    person[j] = 7  # somebody else's
    faces = replace(Faces.of(file), person=person)
    assert pairs_of(near_copies(faces)) == twins_of(file)
    monkeypatch.setattr(copies, "EVERYBODY", len(file) - 1)
    assert pairs_of(near_copies(faces)) == twins_of(file) - {(i, j)}


def test_numbers_that_are_none_do_no_harm(file: FeatureFile) -> None:
    faces, twins = Faces.of(file), sorted(twins_of(file))
    vectors = np.array(faces.vectors)
    vectors[twins[0][0]] = np.nan
    vectors[twins[1][0], ::2] = np.inf
    vectors[twins[2][0], 5] = -np.inf
    assert set(twins[3:]) <= pairs_of(near_copies(replace(faces, vectors=vectors))) <= set(twins)
    assert near_copies(replace(faces, vectors=np.full_like(vectors, np.nan))) == []


def synthetic(n: int, seed: int = 0) -> Faces:
    """Make faces that have nothing in common."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 9, 9), dtype=np.uint8)
    smooth = [Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for one in pixels]
    return Faces(
        rng.normal(size=(n, 64)).astype(np.float32), np.stack([np.asarray(one) for one in smooth]), np.arange(n)
    )


def repeated(faces: Faces, rows: list[int]) -> Faces:
    return Faces(faces.vectors[rows], faces.pixels[rows], faces.person[rows])


def test_faces_that_have_nothing_in_common_are_no_copies() -> None:
    assert near_copies(synthetic(50)) == [] and near_copies_between(synthetic(20), synthetic(30, seed=1)) == []


def test_vectors_alone_make_no_copy() -> None:
    faces = repeated(synthetic(30), [*range(30), *range(30)])
    other = synthetic(60, seed=2)
    assert len(near_copies(faces)) == 30
    assert near_copies(replace(faces, pixels=other.pixels)) == []
    assert near_copies(replace(faces, vectors=other.vectors)) == []


def test_a_flat_table_has_no_copies() -> None:
    vectors = np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32).repeat(12, axis=0)
    for pixels in (np.zeros((12, SIDE, SIDE), np.uint8), np.full((12, SIDE, SIDE), 130, np.uint8)):
        person = np.arange(12) // 6
        assert near_copies(Faces(vectors, pixels, person)) == []
        varied = vectors + np.random.default_rng(1).normal(0, 1e-3, vectors.shape)
        assert near_copies(Faces(varied, pixels, person)) == []


def test_each_face_is_compared_with_a_few_at_most_and_all_are_one_group() -> None:
    one_often = repeated(synthetic(60), [*range(60), *[3] * 40])
    rows = np.arange(100)
    pairs, alike = copies._alike(one_often, one_often, rows, rows, one_often.vectors.mean(axis=0))
    assert len(alike) == len(pairs) and (alike >= copies.ALIKE).all()
    assert np.bincount(pairs[:, 0]).max() == copies.NEAREST
    groups = joined(rows, [(one.first, one.second) for one in near_copies(one_often)])
    assert len(np.unique(groups)) == 60 and len({*groups[60:].tolist(), int(groups[3])}) == 1


def test_without_near_copies_the_groups_are_those_of_the_bytes(thumb_file: Path) -> None:
    file = read(thumb_file)
    exact = np.unique(file.sha256, axis=0, return_inverse=True)[1].reshape(-1)
    assert groups_of(file).tolist() == exact.tolist()
    twice = replace(file, columns={**file.columns, "images/sha256": file.sha256[np.arange(24) // 2 * 2]})
    exact = np.unique(twice.sha256, axis=0, return_inverse=True)[1].reshape(-1)
    assert groups_of(twice).tolist() == exact.tolist() and len(np.unique(exact)) == 12


@pytest.mark.parametrize(
    ("groups", "pairs", "expected"),
    [
        ([], [], []),
        ([2, 0, 1], [], [2, 0, 1]),
        ([0, 1, 2, 3], [(0, 1), (1, 2)], [0, 0, 0, 1]),  # a chain
        ([3, 2, 1, 0], [(0, 3)], [0, 2, 1, 0]),
        ([0, 0, 1, 2], [(1, 3)], [0, 0, 1, 0]),  # exact copies come along
        ([5, 5, 9], [], [0, 0, 1]),
    ],
)
def test_joined_groups(groups: list[int], pairs: list[tuple[int, int]], expected: list[int]) -> None:
    assert joined(np.array(groups, np.int64), pairs).tolist() == expected


def by_union(groups: list[int], pairs: list[tuple[int, int]]) -> list[int]:
    """Unite groups one pair after the other."""
    parent = {group: group for group in groups}
    for i, j in pairs:
        low, high = sorted((parent[groups[i]], parent[groups[j]]))
        parent = {group: low if root == high else root for group, root in parent.items()}
    order = sorted(set(parent.values()))
    return [order.index(parent[group]) for group in groups]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_joined_groups_are_those_of_a_simple_union(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 15))
    row = st.integers(0, n - 1)
    groups = data.draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    pairs = data.draw(st.lists(st.tuples(row, row), max_size=12))
    found: NDArray[np.int64] = joined(np.array(groups, np.int64), pairs)
    assert found.tolist() == by_union(groups, pairs)
