"""Whatever breaks a feature file or the work beside it is found, and what is whole is called whole."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefeat.errors import InputError
from facefeat.features.store import check as checking
from facefeat.features.store import sealed
from facefeat.features.store.check import check
from facefeat.features.store.columns import Columns, Skipped
from facefeat.features.store.publish import Contents, publish
from facefeat.features.store.shards import Shard, WorkFolder
from tests.features.store.contents import MADE_BY, MADE_BY_JSON, columns, recipe_of, skipped
from tests.features.store.test_file import crafted

RECIPE = recipe_of()
CHECKSUM = "its bytes do not match their checksum"


def whole_columns(n: int, seed: int = 0, width: int = 3) -> Columns:
    """Make rows as an extraction makes them: a score and points where a face was found, and only there."""
    made = columns(n, RECIPE, seed, width)
    found = made["faces/found"]
    made["faces/score"] = np.where(found, np.float32(0.99), np.float32(np.nan))
    made["faces/landmarks"] = (
        np.where(found[:, None, None], np.float32(7), np.float32(np.nan)).repeat(5, 1).repeat(2, 2)
    )
    return made


def whole_contents() -> Contents:
    """Make the contents of a file of three people, with a copy and two skipped pictures."""
    made = whole_columns(6)
    for column in made.values():
        column[5] = column[0]  # the same picture under another name
    rows = [(name, f"{name}/{i}.jpg", 0, i) for i, name in enumerate(("ada", "ada", "bob", "bob", "cleo", "cleo"))]
    return Contents.of(rows, [made], [skipped(1), skipped(2)], MADE_BY)


def problems_of(path: Path) -> list[str]:
    """Check a file; return the sentences."""
    return [one.message for one in check(path).problems]


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """Give a feature file in which nothing is wrong."""
    return publish(tmp_path / "features.h5", RECIPE, whole_contents()).path


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    """Give the unfinished work beside it: two shards."""
    folder = WorkFolder(tmp_path / "features.h5", RECIPE)
    with folder.held():
        folder.add(Shard(whole_columns(5, 1), (replace(skipped(1), path=""),), MADE_BY_JSON))
        refused = {name: column[:0] for name, column in whole_columns(1).items() if not name.startswith("features/")}
        folder.add(Shard(refused, (replace(skipped(2), path=""),), MADE_BY_JSON))
    return folder


def shards_of(work: WorkFolder) -> list[Path]:
    return sorted(work.path.glob("shard-*.h5"))


def test_a_file_that_is_whole(features: Path) -> None:
    found = check(features)
    assert (found.problems, found.notes, found.kind) == ((), (), "features")
    assert found.counts == {"rows": 6, "people": 3, "skipped": 2, "layers": 2, "copies": 0}
    assert found.bytes == len(features.read_bytes())
    assert found.sha256 == hashlib.sha256(features.read_bytes()).hexdigest()


def test_work_that_is_whole(features: Path, work: WorkFolder) -> None:
    found = check(features)
    assert (found.problems, found.notes) == ((), ())
    assert (found.counts["shards"], found.counts["shard_rows"]) == (2, 5)


def test_work_without_a_file_is_checked_alone(work: WorkFolder) -> None:
    found = check(work.output)
    assert (found.problems, found.counts, found.bytes, found.sha256) == ((), {"shards": 2, "shard_rows": 5}, 0, "")


def test_an_extracted_file_is_whole(thumb_file: Path) -> None:
    assert problems_of(thumb_file) == []


def test_neither_a_file_nor_work(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        check(tmp_path / "f.h5")
    assert str(caught.value).startswith(f"There is no feature file {tmp_path / 'f.h5'}; ")


def damaged(path: Path, flips: int = 300) -> list[tuple[str, bytes]]:
    """Make damaged versions of a file: flipped bits, also where its parts begin, cuts, lost blocks, a byte more."""
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    ends = [*range(90), 511, 512, 513, 4095, 4096, len(good) - 1]
    places = sorted({*rng.integers(0, len(good), flips).tolist(), *(end for end in ends if end < len(good))})
    made = []
    for place in places:
        flipped = bytearray(good)
        flipped[place] ^= 1 << int(rng.integers(8))
        made.append((f"bit at {place}", bytes(flipped)))
    made += [(f"cut at {place}", good[:place]) for place in (0, 1, 20, 511, 512, 600, len(good) // 2, len(good) - 1)]
    for start in range(0, len(good), 4096):
        lost = good[:start] + bytes(len(good[start : start + 4096])) + good[start + 4096 :]
        made += [(f"block lost at {start}", lost)] if lost != good else []
    return [*made, ("a byte more", good + b"\0")]


def test_any_damage_to_a_feature_file_is_found(features: Path) -> None:
    versions = damaged(features)
    assert len(versions) > 390
    for what, data in versions:
        features.write_bytes(data)
        (problem,) = check(features).problems
        assert problem.file == features and str(features) in problem.message, what


def test_any_damage_to_a_shard_is_found(work: WorkFolder) -> None:
    for path in shards_of(work):
        good = path.read_bytes()
        for what, data in damaged(path, 100):
            path.write_bytes(data)
            found = check(work.output)
            assert [one.file for one in found.problems] == [path], what
            assert found.counts["shards"] == 1, what
        path.write_bytes(good)
    assert problems_of(work.output) == []


def test_a_damaged_file_and_a_damaged_shard_are_both_named(features: Path, work: WorkFolder) -> None:
    shard = shards_of(work)[0]
    for path in (features, shard):
        path.write_bytes(path.read_bytes()[:-1])
    assert problems_of(features) == [f"{path} is damaged: {CHECKSUM}." for path in (features, shard)]


def piece(change: Callable[[Columns], None]) -> Callable[[Contents], Contents]:
    def changed(contents: Contents) -> Contents:
        change(contents.pieces[0])
        return contents

    return changed


def setting(name: str, row: int | slice, value: Any) -> Callable[[Contents], Contents]:
    """Change a number of the third row, or of others, which no other row shares."""
    return piece(lambda columns: columns[name].__setitem__(row, value))


def unfound(columns: Columns) -> None:
    columns["faces/found"][2] = not columns["faces/found"][2]


def paths(*names: str) -> Callable[[Contents], Contents]:
    return lambda contents: replace(contents, paths=names)


def refused(*pairs: tuple[str, str]) -> Callable[[Contents], Contents]:
    made = [Skipped(path, bytes([1] * 32), code, "") for path, code in pairs]
    return lambda contents: replace(contents, skipped=made)


LATE = "it has rows that are not sorted by person and path, or stand twice"
ASTRAY = "it has rows that do not lie in their person's folder"
UNFIT = "it has a score or points that do not fit whether a face was found: bob/2.jpg"
BROKEN: dict[str, tuple[Callable[[Contents], Contents], list[str]]] = {
    "rows out of order": (
        paths("ada/1.jpg", "ada/0.jpg", "bob/3.jpg", "bob/2.jpg", "cleo/4.jpg", "cleo/5.jpg"),
        [f"{LATE}: ada/0.jpg and 1 more"],
    ),
    "a row twice": (
        paths("ada/0.jpg", "ada/0.jpg", "bob/2.jpg", "bob/3.jpg", "cleo/4.jpg", "cleo/5.jpg"),
        [f"{LATE}: ada/0.jpg"],
    ),
    "a row in another's folder": (
        paths("ada/0.jpg", "bob/1.jpg", "bob/2.jpg", "bob/3.jpg", "cleo/4.jpg", "cleo/5.jpg"),
        [f"{ASTRAY}: bob/1.jpg"],
    ),
    "a row that is a folder": (
        paths("ada/", "ada/1.jpg", "bob/2.jpg", "bob/3.jpg", "cleo/4.jpg", "cleo/5.jpg"),
        [f"{ASTRAY}: ada/"],
    ),
    "people out of order": (
        lambda contents: replace(contents, people=("bob", "ada", "cleo")),
        ["its people are not sorted", f"{ASTRAY}: ada/0.jpg and 3 more"],
    ),
    "a person without a row": (
        lambda contents: replace(contents, people=(*contents.people, "dan")),
        ["it has people without a row: dan"],
    ),
    "skipped out of order": (
        refused(("b/1", "empty"), ("a/1", "empty"), ("a/1", "empty")),
        ["it has skipped pictures that are not sorted by path, or stand twice: a/1 and 1 more"],
    ),
    "a row that is skipped": (
        refused(("ada/1.jpg", "empty")),
        ["it has pictures that are skipped and are a row: ada/1.jpg"],
    ),
    "a code that is none": (
        refused(("ada/x", "ugly")),
        ["it has skipped pictures with a code that facefeat does not know: ada/x"],
    ),
    "no hash": (setting("images/sha256", 2, 0), ["it has rows without a SHA-256: bob/2.jpg"]),
    "a box of nowhere": (setting("faces/box", 2, np.inf), ["it has boxes that are not finite: bob/2.jpg"]),
    "a score of nothing": (setting("faces/score", 2, np.inf), [UNFIT]),
    "points of nothing": (setting("faces/landmarks", (2, 4, 1), np.inf), [UNFIT]),
    "a face that is not found": (piece(unfound), [UNFIT]),
    "vectors of nothing": (
        setting("features/grey16", (slice(1, 4), 0), np.nan),
        ["it has vectors of grey16 that are not finite: ada/1.jpg and 2 more"],
    ),
    "a copy with another vector": (
        setting("features/grey8", (5, 0), 9),
        ["it has rows whose features/grey8 is another than that of a row with the same bytes: cleo/5.jpg"],
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_rule_that_is_broken_under_a_good_checksum_is_named(tmp_path: Path, kind: str) -> None:
    change, sentences = BROKEN[kind]
    path = publish(tmp_path / "f.h5", RECIPE, change(whole_contents())).path
    assert problems_of(path) == [f"{path} is damaged: {sentence}." for sentence in sentences]


def test_a_record_of_what_made_it_that_lacks_something(tmp_path: Path, thumb_file: Path) -> None:
    path = tmp_path / "f.h5"
    for change, missing in (({"device": None}, "device"), ({"others": [{**MADE_BY, "versions": "1"}]}, "versions")):
        text = json.dumps({**MADE_BY, **change})
        crafted(path, thumb_file, lambda file, text=text: file.attrs.__setitem__("made_by", text))
        assert problems_of(path) == [f"{path} is damaged: what made it is not said in full, {missing} missing."]


def broken_shard(work: WorkFolder, change: Callable[[Columns], None], made_by: str = MADE_BY_JSON) -> Path:
    """Put a shard with something wrong in it in the place of the others."""
    made = whole_columns(3, 2)
    change(made)
    with work.held():
        work.clear()
        work.add(Shard(made, (), made_by))
    return shards_of(work)[0]


def boxless(made: Columns) -> None:
    del made["faces/box"]


def test_rules_that_are_broken_in_a_shard(work: WorkFolder) -> None:
    path = broken_shard(work, lambda made: made["features/grey8"].fill(np.nan))
    first = whole_columns(3, 2)["images/sha256"][0].tobytes().hex()[:12]
    assert problems_of(work.output) == [
        f"{path} is damaged: it has vectors of grey8 that are not finite: {first} and 2 more."
    ]
    path = broken_shard(work, boxless)
    assert problems_of(work.output) == [
        f"{path} is damaged: it lacks parts of the format, or they do not fit together."
    ]
    path = broken_shard(work, lambda made: made.update({"faces/box": made["faces/box"][:2]}))
    assert problems_of(work.output) == [f"{path} is damaged: faces/box has 2 rows, not 3."]
    path = broken_shard(work, lambda made: None, "{}")
    assert problems_of(work.output) == [
        f"{path} is damaged: what made it is not said in full, engine, device, precision, versions missing."
    ]


def test_a_shard_of_another_recipe(work: WorkFolder) -> None:
    (work.path / "recipe.json").write_text(recipe_of("grey4").to_json())
    assert problems_of(work.output) == [
        f"{path} was made by another recipe: layers is grey8+grey16 instead of grey4." for path in shards_of(work)
    ]


@pytest.mark.parametrize("text", [None, b"", b"{}", b"\xff"])
def test_shards_whose_recipe_is_lost(work: WorkFolder, text: bytes | None) -> None:
    note = work.path / "recipe.json"
    note.unlink() if text is None else note.write_bytes(text)
    assert problems_of(work.output) == [f"{note} is damaged: it does not say of which recipe the shards beside it are."]


def test_what_lies_beside_it_is_a_note_and_no_problem(features: Path, work: WorkFolder) -> None:
    first, second = shards_of(work)
    first.rename(first.with_suffix(".bad"))
    half = features.with_name(".features.h5.0f.tmp"), work.path / f".{second.name}.0f.tmp"
    for path in half:
        path.write_bytes(b"half")
    (features.parent / ".other.h5.0f.tmp").write_bytes(b"of another file")
    found = check(features)
    assert (found.problems, found.counts["shards"]) == ((), 1)
    assert [one.message for one in found.notes] == [
        f"{first.with_suffix('.bad')} was set aside by a run that found it damaged; its pictures are computed again.",
        *(f"{path} was left half written by a run that was killed, or is being written now." for path in half),
    ]


def test_a_shard_that_is_published_meanwhile_is_no_problem(
    features: Path, work: WorkFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = checking.unfinished(features)
    for path in shards_of(work):
        path.unlink()
    monkeypatch.setattr(checking, "unfinished", lambda output: listed)
    found = check(features)
    assert (found.problems, found.counts["shards"]) == ((), 0)


def test_what_cannot_be_read_is_a_problem_and_the_rest_is_still_checked(
    features: Path, work: WorkFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = shards_of(work)
    real = sealed.digest_of

    def failing(handle: int) -> str:
        if Path(f"/proc/self/fd/{handle}").resolve() in (features, first):
            raise OSError(5, "Input/output error")
        return real(handle)

    monkeypatch.setattr(sealed, "digest_of", failing)
    found = check(features)
    assert [one.message for one in found.problems] == [
        f"{path} cannot be read: Input/output error." for path in (features, first)
    ]
    assert found.counts == {"shards": 1, "shard_rows": found.counts["shard_rows"]}


def test_vectors_are_looked_at_a_block_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = whole_columns(600, width=8192)
    made["images/sha256"][300:] = made["images/sha256"][:300]
    for name in made:
        made[name][300:] = made[name][:300]
    rows = [("ada", f"ada/{i:03}.jpg", 0, i) for i in range(600)]
    path = publish(tmp_path / "f.h5", RECIPE, Contents.of(rows, [made], [], MADE_BY)).path
    del made
    assert path.stat().st_size > 39e6
    monkeypatch.setattr(checking, "BLOCK_BYTES", 2**20)
    assert peak_of(path) < 10e6
    monkeypatch.setattr(checking, "BLOCK_BYTES", 2**30)
    assert peak_of(path) > 20e6  # or the figure above says nothing


def peak_of(path: Path) -> int:
    """Check a file that is whole; return the most memory that took, bytes."""
    tracemalloc.start()
    try:
        assert problems_of(path) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
