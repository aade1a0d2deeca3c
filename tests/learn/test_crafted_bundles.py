"""Bundles that somebody made to do harm, all hashes right: refused in one sentence, and nothing runs.

``tests.fuzz_bundles`` looks for what nobody thought of; here is what somebody did.
"""

from __future__ import annotations

import io
import os
import pickle
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from facefeat import plugins
from facefeat.learn import bundle as bundles
from facefeat.learn import head as heads
from tests.crafted import (
    DEEP,
    INNER,
    Canary,
    Change,
    Whole,
    canary_of,
    header,
    node,
    npy,
    refusal,
    text_of,
    value,
    with_node,
)

HEAD, UNKNOWN, GALLERY = INNER


def test_untouched_parts_make_the_same_model(models: dict[str, Path], wholes: dict[str, Whole], tmp_path: Path) -> None:
    for head, whole in wholes.items():
        (tmp_path / "m").write_bytes(whole.packed())
        again, before = bundles.read(tmp_path / "m"), bundles.read(models[head])
        X = before.gallery.vectors.astype(np.float32)
        assert np.array_equal(heads.decision_scores(again.estimator, X), heads.decision_scores(before.estimator, X))


# Archives within the archive.


def linked(whole: Whole) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in whole.inner[HEAD]:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if name == "schema.json" else 0
            archive.writestr(info, data)
    whole.members[HEAD] = buffer.getvalue()


NAMES = "head.skops in M is refused: it has a member of a name that does not belong there, or twice."
WITHIN: dict[str, tuple[Change, str]] = {
    "a path upwards": (lambda whole: whole.inner[HEAD].append(("../x.npy", npy(np.zeros(1)))), NAMES),
    "a path from the root": (lambda whole: whole.inner[HEAD].append(("/etc/x.npy", npy(np.zeros(1)))), NAMES),
    "a name twice": (lambda whole: whole.inner[HEAD].append(whole.inner[HEAD][0]), NAMES),
    "a link": (linked, "head.skops in M is refused: 'schema.json' is a link."),
    "an array that nobody asked for": (
        lambda whole: whole.inner[HEAD].append(("1.npy", npy(np.zeros(1)))),
        "head.skops in M is refused: its arrays are not those of its schema.json.",
    ),
    "a bomb": (
        lambda whole: (whole.inner[GALLERY].append(("x.npy", bytes(4000))), setattr(whole, "method", 8)),
        "gallery.npz in M is refused: it unpacks to more than it has.",
    ),
    "a larger bomb": (
        lambda whole: (whole.inner[GALLERY].append(("x.npy", bytes(10**6))), setattr(whole, "method", 8)),
        "gallery.npz in M is refused: 'x.npy' unpacks to 200 times its size or more.",
    ),
    "a pickle": (
        lambda whole: whole.members.update({HEAD: pickle.dumps(Canary(Path("x")))}),
        "head.skops in M is damaged: it is no archive.",
    ),
    "a directory that never ends": (
        lambda whole: whole.members.update({HEAD: b"".join(b"PK\1\2" + os.urandom(9) for _ in range(10_001))}),
        "head.skops in M is refused: it has more than 10,000 members.",
    ),
    "an array missing": (
        lambda whole: whole.inner[GALLERY].pop(),
        "gallery.npz in M is damaged: it does not hold the arrays vectors, person, paths, sha256, pixels.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WITHIN)
def test_archives_within(wholes: dict[str, Whole], tmp_path: Path, kind: str) -> None:
    change, sentence = WITHIN[kind]
    assert refusal(wholes["lda"], tmp_path, change) == sentence


def peak(run: Callable[[], Any]) -> int:
    """Return how many bytes were taken at once while something ran."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_nothing_stands_before_a_model(wholes: dict[str, Whole], tmp_path: Path) -> None:
    data = wholes["knn"].data + wholes["lda"].data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None  # what this is about: the second is found, and looks whole
    assert refusal(wholes["lda"], tmp_path, data=data) == "M is damaged: something stands before its first member."


def test_a_member_that_lies_about_its_size_is_unpacked_no_further(wholes: dict[str, Whole], tmp_path: Path) -> None:
    whole = wholes["lda"].copy()
    whole.members["MODEL_CARD.md"] = bytes(30_000_000)
    data = bytearray(whole.packed())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        local = archive.getinfo("MODEL_CARD.md").header_offset
    for at in (local + 22, data.rindex(b"PK\1\2") + 24):
        struct.pack_into("<I", data, at, 1000)
    sentences = []
    taken = peak(lambda: sentences.append(refusal(whole, tmp_path, data=bytes(data))))
    assert sentences == ["M is damaged: 'MODEL_CARD.md' cannot be unpacked."] and taken < 3_000_000

    def plainly() -> None:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, pytest.raises(zipfile.BadZipFile):
            archive.read("MODEL_CARD.md")

    assert peak(plainly) > 30_000_000  # what this is about


# Arrays.

FLOATS = bytes(64 * 8)
LIES = "vectors.npy in gallery.npz in M is refused: its header claims other sizes than it has."
PLAIN = "vectors.npy in gallery.npz in M is refused: it is no plain array."
HEADERS: dict[str, tuple[bytes, str]] = {
    "more numbers than any machine holds": (header("<f2", (10**15,), body=FLOATS), LIES),
    "sides whose product overflows": (header("<f2", (2**33, 2**33), body=FLOATS), LIES),
    "no rows of endless width": (header("<f2", (0, 10**18)), LIES),
    "fewer numbers than there are": (header("<f2", (3, 4), body=FLOATS), LIES),
    "strings of a gigabyte": (header(f"|S{10**9}", (1,), body=FLOATS), PLAIN),
    "an array in each element": (header(("<f8", (10**9,)), (1,), body=FLOATS), PLAIN),
    "fields": (header([("a", "<f8")], (64,), body=FLOATS), PLAIN),
    "objects": (header("|O", (1,), body=pickle.dumps([1])), PLAIN),
    "a negative side": (header("<f2", (-1, 4), body=FLOATS), PLAIN),
    "an expression for a header": (header("<f2", (3,)).replace(b"(3,)", b"3 * 4"), PLAIN),
    "nothing": (b"", PLAIN),
    "half a header": (header("<f2", (3, 4))[:30], PLAIN),
    "the other byte order": (
        npy(np.zeros((11, 16), ">f2")),
        "vectors.npy in gallery.npz in M is refused: its numbers are stored in a way that is not read.",
    ),
    "not a number": (
        npy(np.full((11, 16), np.nan, np.float16)),
        "vectors.npy in gallery.npz in M is damaged: it holds numbers that are not finite.",
    ),
    "numbers of another kind": (
        npy(np.zeros((11, 16))),
        "gallery.npz in M is damaged: vectors has another type or length than the format says.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADERS)
def test_arrays_are_not_made_before_their_headers_are_checked(
    wholes: dict[str, Whole], tmp_path: Path, kind: str
) -> None:
    data, sentence = HEADERS[kind]
    said = []
    taken = peak(
        lambda: said.append(refusal(wholes["lda"], tmp_path, lambda whole: whole.set(GALLERY, "vectors.npy", data)))
    )
    assert said == [sentence] and taken < 3_000_000


def test_a_pickle_among_the_numbers_is_not_opened(wholes: dict[str, Whole], tmp_path: Path) -> None:
    objects = np.empty(1, object)
    objects[0] = Canary(canary_of(tmp_path))
    hostile = npy(objects)
    for member, name in ((GALLERY, "vectors.npy"), (HEAD, wholes["svm"].attribute(HEAD, 2, "support_")["file"])):
        said = refusal(wholes["svm"], tmp_path, lambda whole, at=(member, name): whole.set(*at, hostile))
        assert said == f"{name} in {member} in M is refused: it is no plain array."
    np.load(io.BytesIO(hostile), allow_pickle=True)
    assert canary_of(tmp_path).is_dir()  # the canary can be set off


@pytest.mark.parametrize("head", plugins.names("head"))
def test_every_weight_is_finite(wholes: dict[str, Whole], tmp_path: Path, head: str) -> None:
    whole, tried = wholes[head], 0
    for member in (HEAD, UNKNOWN):
        for name, _ in whole.inner[member]:
            array = whole.array(member, name) if name.endswith(".npy") else np.zeros(1, int)
            if array.dtype.kind == "f" and array.size:
                bad = np.nan if tried % 2 else np.inf
                array.reshape(-1)[-1] = bad  # not among what the first rows would show
                said = refusal(whole, tmp_path, lambda w, at=(member, name, array): w.set(*at))
                assert said == f"{name} in {member} in M is damaged: it holds numbers that are not finite."
                tried += 1
    assert tried >= 10


# Schemas and what is constructed from them.


class Touched:
    """Makes a folder when it is constructed, which skops does if it is told to trust it."""

    def __init__(self, folder: str) -> None:
        os.mkdir(folder)
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Touched, (self.folder,)


def test_what_skops_would_construct_is_not_constructed(wholes: dict[str, Whole], tmp_path: Path) -> None:
    touched = Touched(str(canary_of(tmp_path)))
    data = skops.io.dumps(touched)
    os.rmdir(touched.folder)
    said = refusal(wholes["knn"], tmp_path, lambda whole: whole.members.update({HEAD: data}))
    assert said == f"head.skops in M is refused: it holds '{__name__}.Touched', which its head does not have."
    skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))
    assert canary_of(tmp_path).is_dir()  # the canary can be set off


EMPTY = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}


def wrapped(found: dict[str, Any], depth: int) -> None:
    inner = dict(found)
    for _ in range(depth):
        inner = EMPTY | {"content": [inner]}
    found.clear()
    found.update(inner)


MALFORMED = "head.skops in M is damaged: its schema.json is malformed."
NO_TREE = "head.skops in M is refused: its schema.json is no tree."
SCHEMAS: dict[str, tuple[Change, str]] = {
    "objects that hold themselves": (
        lambda whole: with_node(HEAD, "classes_", to=lambda found: found.update(EMPTY, __id__=whole.schema(HEAD)["__id__"]))(whole),
        NO_TREE,
    ),
    "lists in lists": (with_node(HEAD, "classes_", to=lambda found: wrapped(found, 60)), NO_TREE),
    "an array that is another's": (
        with_node(HEAD, "classes_", to=lambda found: found.update(__id__=found["__id__"] + 1)),
        NO_TREE,
    ),
    "one number for two objects": (
        lambda whole: with_node(HEAD, "weights", to=lambda f: f.update(__id__=node(whole, HEAD, "metric")[1]["__id__"]))(whole),
        NO_TREE,
    ),
    "a list for a value": (
        with_node(HEAD, "weights", to=value([1])),
        "head.skops in M is refused: it holds 'builtins.str', which its head does not have.",
    ),
    "infinity for a value": (with_node(HEAD, "n_samples_fit_", to=lambda found: found.update(content="1e999")), MALFORMED),
    "a number without end": (with_node(HEAD, "n_samples_fit_", to=lambda found: found.update(content="9" * 4000)), MALFORMED),
    "an object without a class": (with_node(HEAD, "classes_", to=lambda found: found.pop("__class__")), MALFORMED),
    "a reference": (
        with_node(HEAD, "classes_", to=lambda found: found.update(__loader__="CachedNode")),
        "head.skops in M is refused: it holds 'numpy.ndarray', which its head does not have.",
    ),
    "a random state": (
        with_node(HEAD, "n_jobs", to=lambda found: found.update(
            __loader__="RandomStateNode", __module__="numpy.random.mtrand", __class__="RandomState")),
        "head.skops in M is refused: it holds 'numpy.random.mtrand.RandomState', which its head does not have.",
    ),
    "no schema": (
        lambda whole: whole.inner.update({HEAD: whole.inner[HEAD][:1]}), "head.skops in M is damaged: it has no schema.json.",
    ),
    "a key twice": (
        lambda whole: whole.set(HEAD, "schema.json", b'{"a": 1, "a": 2}'),
        "schema.json in head.skops in M is damaged: its JSON cannot be read (a key comes twice).",
    ),
    "a schema that is too long": (
        lambda whole: whole.set(HEAD, "schema.json", bytes(17 * 2**20)),
        "M is refused: 'head.skops' unpacks to 200 times its size or more.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schemas(wholes: dict[str, Whole], tmp_path: Path, kind: str) -> None:
    change, sentence = SCHEMAS[kind]
    assert refusal(wholes["knn"], tmp_path, change) == sentence


@pytest.mark.parametrize("where", ["the schema", "a value"])
def test_depth_does_no_harm(wholes: dict[str, Whole], tmp_path: Path, where: str) -> None:
    deep = text_of(DEEP)
    if where == "the schema":
        said = refusal(wholes["knn"], tmp_path, lambda whole: whole.set(HEAD, "schema.json", deep))
        assert said.startswith("schema.json in head.skops in M is damaged: its JSON cannot be read (")
    else:
        content = with_node(HEAD, "weights", to=lambda found: found.update(content=deep.decode()))
        assert refusal(wholes["knn"], tmp_path, content) == MALFORMED
