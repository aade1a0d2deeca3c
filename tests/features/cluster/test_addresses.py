"""The nodes of a cluster read a data set wherever it lies, and shards may go by a store."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from facefeat.errors import FacefeatError, InputError, StorageError, Unreachable
from facefeat.features.cluster import driver
from facefeat.features.cluster.scratch import Scratch
from facefeat.features.encode import plan
from facefeat.features.extract import Extraction, extract
from facefeat.features.store.shards import WorkFolder, work_folder
from tests.features.cluster.conftest import Cluster
from tests.making import write_people
from tests.stores import closed_port, contents, put, tarred

THUMB = plan("thumb", faces_mode="none")
NODE = r"\(on the node [\d.]+ \(\w{6}\)\)\."


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give people with a few pictures each, and files that are none. Not to be changed."""
    folder = write_people(tmp_path_factory.mktemp("crowd"), {"ada": 12, "bob": 12, "Zoë b%41": 12})
    (folder / "bob" / "empty.png").write_bytes(b"")
    (folder / "bob" / "text.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(autouse=True)
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut few pictures into several lists."""
    monkeypatch.setattr(driver, "FEWEST", 6)


@pytest.fixture
def store(cluster: Cluster, s3: str, s3_server: str) -> str:
    """Give the address of an empty bucket that all nodes and this process reach, each with credentials of its own."""
    cluster.tell_of_s3(s3_server)
    return s3


def run(data: str | Path, output: Path, cluster: Cluster | None = None, **options: Any) -> Extraction:
    return extract(data, output, THUMB, cluster=cluster and cluster.address, workers=1, **options)


def keys(address: str) -> list[str]:
    """Return what lies at an address, without its folders."""
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    return sorted(key.removeprefix("s3://") for key in files.find(address))


def when(what: str, do: Callable[[], object]) -> Callable[[str, int, int], None]:
    """Do something once, when half of something else is done."""
    waiting = [do]

    def tell(told: str, done: int, total: int) -> None:
        if told.startswith(what) and done >= total / 2 and waiting:
            waiting.pop()()

    return tell


def test_objects_one_of_which_changes_and_one_vanishes(
    crowd: Path, tmp_path: Path, cluster: Cluster, store: str
) -> None:
    def changing(output: Path, address: str, **options: Any) -> bytes:
        put(crowd, address)
        files = fsspec.filesystem("s3", skip_instance_cache=True)

        def change() -> None:
            files.pipe_file(f"{address}/ada/01.png", b"other bytes")
            files.rm(f"{address}/bob/02.png")

        made = run(address, output, progress=when("Vectors are computed by", change), **options)
        assert [one.code for one in made.file.skipped if one.path in ("ada/01.png", "bob/02.png")] == [
            "changed",
            "unreadable",
        ]
        return made.file.path.read_bytes()

    here = changing(tmp_path / "here.h5", f"{store}/people")
    there = changing(tmp_path / "there.h5", f"{store}/people", cluster=cluster, shards=f"{store}/scratch")
    assert there == here
    assert keys(f"{store}/scratch") == [] != keys(f"{store}/people")


def test_a_run_over_a_tar_goes_on_from_the_store_alone(
    crowd: Path, tmp_path: Path, cluster: Cluster, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, scratch = tmp_path / "there.h5", f"{store}/scratch"
    (tmp_path / "people.tar").write_bytes(tarred(contents(crowd)))
    monkeypatch.chdir(tmp_path)

    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        run("people.tar", output, cluster, shards=scratch, progress=when("faces and vectors", stop))
    shutil.rmtree(work_folder(output))
    damaged, *whole = left = keys(scratch)
    assert whole and all(
        re.fullmatch(rf"photographs/scratch/{THUMB.recipe.sha256[:16]}/shard-\w{{16}}\.h5", key) for key in left
    )
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.pipe_file(damaged, files.cat_file(damaged)[:-1])
    rows = len(rows_of(scratch, tmp_path))

    said: list[str] = []
    made = run("people.tar", output, cluster, shards=scratch, progress=lambda what, done, total: said.append(what))
    assert (made.reused, made.computed) == (rows, 36 - rows) and 0 < rows < 36
    assert made.file.path.read_bytes() == run(crowd, tmp_path / "here.h5").file.path.read_bytes()
    assert keys(scratch) == []
    shards = f"{len(whole)} shard{'s' if len(whole) > 1 else ''}"
    assert f"{shards} of an earlier run taken over from {scratch}" in said
    assert f"Damaged shards left out at {scratch}: 1; what was in them is computed again" in said


def rows_of(scratch: str, tmp_path: Path) -> set[bytes]:
    """Return the SHA-256 of the pictures whose rows lie at an address, whole."""
    folder = WorkFolder(tmp_path / "counted.h5", THUMB.recipe)
    folder.path.mkdir()
    Scratch(scratch, THUMB.recipe).take_over(folder)
    return {digest.tobytes() for shard in folder.shards() for digest in shard.columns["images/sha256"]}


def refusal(kind: type[FacefeatError], data: str | Path, output: Path, cluster: Cluster, **options: Any) -> str:
    """Return the sentence; nothing was computed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver.Cluster, "compute", None)
        with pytest.raises(kind) as caught:
            run(data, output, cluster, **options)
    assert type(caught.value) is kind
    assert not output.exists() and not work_folder(output).exists()
    return str(caught.value)


def test_nodes_that_do_not_reach_the_store_of_shards(
    people: Path, tmp_path: Path, cluster: Cluster, store: str
) -> None:
    endpoint = f"http://127.0.0.1:{closed_port()}"
    cluster.tell_of_s3(endpoint)
    said = refusal(Unreachable, people, tmp_path / "f.h5", cluster, shards=f"{store}/scratch")
    assert re.fullmatch(
        rf's3://photographs/scratch cannot be written now: Could not connect to the endpoint URL: "{endpoint}/\S+"\. What is '
        rf"done is kept; try the same again {NODE}", said,
    )  # fmt: skip


def test_nodes_without_credentials(people: Path, tmp_path: Path, cluster: Cluster, store: str, s3_server: str) -> None:
    put(people, f"{store}/people")
    cluster.tell_of_s3(s3_server, credentials=False)
    said = refusal(InputError, f"{store}/people", tmp_path / "f.h5", cluster)
    assert re.fullmatch(
        r"There are no credentials for s3://photographs/people; give them as its own tools take them, in the environment or a "
        rf"file {NODE}", said,
    )  # fmt: skip


def test_a_store_of_each_node_alone(people: Path, tmp_path: Path, cluster: Cluster, memory: str) -> None:
    said = refusal(StorageError, people, tmp_path / "f.h5", cluster, shards=memory)
    assert re.fullmatch(
        rf"What the node [\d.]+ \(\w{{6}}\) writes to {memory} is not there as seen from here; give an address that all nodes "
        r"and this machine reach, or leave --shards out\.", said,
    )  # fmt: skip
    said = refusal(InputError, put(people, memory), tmp_path / "f.h5", cluster)
    assert re.fullmatch(rf"There is nothing at {memory}; check its spelling and the endpoint {NODE}", said)
