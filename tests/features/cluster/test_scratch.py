"""Shards at an address: taken over where they are what they say, left out where not."""

from __future__ import annotations

import hashlib
import pickle
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.data.augment import AUGMENTATION
from facefeat.data.listing import Where
from facefeat.data.objects import AT_ONCE
from facefeat.data.remote import list_data
from facefeat.errors import FileFormatError, InputError, PictureRefused, StorageError
from facefeat.features.cluster import driver, nodes, worker
from facefeat.features.cluster.job import Job, Node
from facefeat.features.cluster.scratch import SOON, Scratch, Taken, ahead
from facefeat.features.cluster.worker import look, raised, told
from facefeat.features.encode import plan
from facefeat.features.store.shards import WorkFolder, packed
from tests.features.store.contents import recipe_of, shard

RECIPE = recipe_of()
UNDER = RECIPE.sha256[:16]
NAME, DATA = packed(shard(5, RECIPE, n_skipped=1), RECIPE)
OTHER, OF_OTHER = packed(shard(3, recipe_of("grey4"), seed=1), recipe_of("grey4"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[WorkFolder]:
    """Give the work folder of a feature file, which is held."""
    made = WorkFolder(tmp_path / "features.h5", RECIPE)
    with made.held():
        yield made


@pytest.fixture(params=["memory", "file"])
def scratch(request: pytest.FixtureRequest, tmp_path: Path) -> Scratch:
    """Give an address where there is nothing."""
    if request.param == "file":
        return Scratch(f"file://{tmp_path}/scratch", RECIPE)
    return Scratch(f"{request.getfixturevalue('memory')}/scratch", RECIPE)


def test_what_is_whole_is_taken_over_and_deleted(scratch: Scratch, folder: WorkFolder) -> None:
    assert (scratch.names(), scratch.take_over(folder)) == ([], Taken((), (), 0))
    again, more = packed(shard(2, RECIPE, seed=2), RECIPE)
    unlike = f"shard-{'0' * 16}.h5"
    cut, wrong = packed(shard(2, RECIPE, seed=3), RECIPE)
    for name, data in {
        NAME: DATA,
        again: more,
        OTHER: OF_OTHER,
        unlike: DATA,
        cut: wrong[:-1],
        "shard-0.h5": DATA,
        "notes.txt": b"",
        f".{NAME}.tmp": b"half",
    }.items():
        scratch.put(name, data)
    folder.put(again, more)
    taken = scratch.take_over(folder)
    assert (set(taken.ours), set(taken.damaged), taken.others) == ({NAME, again}, {unlike, cut}, 1)
    assert {path.name: path.read_bytes() for path in folder.path.glob("*shard*")} == {NAME: DATA, again: more}
    scratch.remove([*taken.ours, *taken.ours, *taken.damaged])
    assert scratch.names() == [OTHER]


def test_runs_of_several_recipes_share_an_address(memory: str, tmp_path: Path) -> None:
    one, other = Scratch(memory, RECIPE), Scratch(f"{memory}/", recipe_of("grey4"))
    one.put(NAME, DATA)
    other.put(OTHER, OF_OTHER)
    assert (one.names(), other.names()) == ([NAME], [OTHER])
    assert set(fsspec.filesystem("memory").store) == {
        f"/photographs/{UNDER}/{NAME}",
        f"/photographs/{recipe_of('grey4').sha256[:16]}/{OTHER}",
    }


def test_what_a_node_wrote_is_what_is_taken(scratch: Scratch) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    for data in (None, DATA[:-1]):
        if data is not None:
            scratch.put(NAME, data)
        with pytest.raises(StorageError) as caught:
            scratch.fetch(NAME, digest, "10.0.0.2")
        assert str(caught.value) == (
            f"{scratch.address} has not what the node 10.0.0.2 wrote, {NAME}; run the same again."
        )
    scratch.put(NAME, DATA)
    assert scratch.fetch(NAME, digest, "10.0.0.2") == DATA


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_byte_of_a_shard_may_be_another(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    work = WorkFolder(tmp_path_factory.getbasetemp() / "any.h5", RECIPE)
    work.path.mkdir(exist_ok=True)
    changed, at = bytearray(DATA), data.draw(st.integers(0, len(DATA) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    for one in (bytes(changed), DATA[:at]):
        with pytest.raises(FileFormatError):
            work.take(NAME, one)
    assert list(work.path.iterdir()) == []


def test_what_cannot_be_deleted_is_a_message(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch, said = Scratch(memory, RECIPE), list[str]()
    scratch.put(NAME, DATA)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "rm_file", refuse)
    made: Any = object.__new__(driver.Cluster)
    made._job, made._lie_there = SimpleNamespace(scratch=scratch), [NAME]
    made.clear(lambda what, done, total: said.append(what))
    assert said == [
        f"The file is complete, but its shards at {memory} could not all be deleted: {memory} may not be deleted with these "
        "credentials: [Errno 13] Access Denied."
    ]
    scratch.forget([NAME])  # says nothing


@pytest.fixture
def job(s3: str, tmp_path: Path) -> Job:
    """Give what a node is told of a data set of one picture."""
    fsspec.filesystem("s3", skip_instance_cache=True).pipe_file(f"{s3}/ada/1.png", b"12345")
    recipe, output = plan("thumb", faces_mode="none").recipe, str(tmp_path / "f.h5")
    return Job(list_data(s3).bare(), output, recipe, None, None, "openvino", "float32", None, ranges=AUGMENTATION)


ONE: dict[str, tuple[Where, bytes]] = {"ada/1.png": (["photographs/ada/1.png", 5], hashlib.sha256(b"12345").digest())}


def sent(job: Job) -> Job:
    """Send a job as Ray does."""
    again: Job = pickle.loads(pickle.dumps(job))
    return again


def test_a_node_that_sees_other_pictures(job: Job) -> None:
    assert look(sent(job), ONE, "token") == (None, [], False)
    assert look(sent(job), {}, "token") == (None, [], False)
    (other,) = ({path: (where, bytes(32))} for path, (where, _) in ONE.items())
    assert look(sent(job), other, "token") == (None, ["ada/1.png"], False)
    with pytest.raises(InputError) as caught:
        nodes._require(Node("id", "10.0.0.2", 1, 0), job, "token", ["ada/1.png"], True)
    assert str(caught.value) == (
        "The node 10.0.0.2 does not see s3://photographs as it is here (ada/1.png is missing or another); every node has to "
        "reach the same store."
    )


def test_a_node_that_reads_nothing_any_more_does_not_skip_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.pipe_file("photographs/ada/2.png", b"12345")
    files.rm("photographs/ada/1.png")
    where, _ = ONE["ada/1.png"]
    with pytest.raises(PictureRefused, match="there no longer"):
        worker._read(sent(job).dataset, "ada/1.png", where)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    with pytest.raises(InputError, match="There are no credentials for s3://photographs;") as caught:
        worker._read(sent(job).dataset, "ada/1.png", where)
    assert type(caught.value) is InputError


def test_a_node_without_the_package(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    error, *_ = look(sent(job), ONE, "token")
    assert error is not None
    that = raised(error, "10.0.0.2")
    assert (str(that), that.exit_code) == (
        "s3:// needs the extra 'cluster'; install it with: pip install 'facefeat[cluster]' (on the node 10.0.0.2).",
        7,
    )


def test_an_error_keeps_the_kind_that_callers_know(memory: str) -> None:
    with pytest.raises(InputError) as caught:
        list_data(memory)
    assert type(caught.value) is not InputError and told(caught.value)[0] == "InputError"


@pytest.mark.parametrize("name", ["../features.h5", "shard-0123456789abcdef.h5/x", "shard-xyz.h5", ""])
@pytest.mark.parametrize("returned", [True, False])
def test_a_node_that_names_another_file_has_none_read_or_written(
    folder: WorkFolder, tmp_path: Path, name: str, returned: bool
) -> None:
    scratch = Scratch(f"file://{tmp_path}/scratch", RECIPE)
    made: Any = object.__new__(driver.Cluster)
    made._job = SimpleNamespace(scratch=None if returned else scratch, shared=False)
    made._names, made._lie_there = {"id": "10.0.0.2"}, []
    digest = hashlib.sha256(b"harm").hexdigest()
    result = {"node": "id", "error": None, "data": b"harm", "shards": [(name, digest, 4)]}
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError) as caught:
        [list(made._shards(one, folder)) for one in made._fetched([result])]
    assert str(caught.value) == f"The node 10.0.0.2 calls a shard {name!r}, which is no name of one."
    assert sorted(tmp_path.rglob("*")) == before


def test_what_comes_at_once_is_fetched_side_by_side_and_handed_over_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefeat.features.cluster.scratch.SOON", 60.0)  # however slow this machine
    together = Barrier(AT_ONCE)

    def fetch(item: int) -> int:
        together.wait(timeout=30)
        return item

    assert list(ahead(range(2 * AT_ONCE), fetch)) == list(range(2 * AT_ONCE))


def test_what_was_waited_for_is_handed_over_before_the_next_is() -> None:
    told_: list[str] = []

    def items() -> Iterator[int]:
        for item in range(3):
            time.sleep(2 * SOON)
            told_.append(f"{item} comes")
            yield item

    told_.extend(f"{item} is there" for item in ahead(items(), lambda item: item))
    assert told_ == [f"{item} {what}" for item in range(3) for what in ("comes", "is there")]


def test_what_cannot_be_fetched_is_raised_at_its_turn() -> None:
    def fetch(item: int) -> int:
        if item == 2:
            raise StorageError("two")
        return item

    found = list[int]()
    with pytest.raises(StorageError, match="two"):
        found.extend(ahead(range(5), fetch))
    assert found == [0, 1]
