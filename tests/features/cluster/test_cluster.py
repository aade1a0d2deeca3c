"""A cluster makes the file that this machine makes, whatever is lost on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefeat.data.listing import Where
from facefeat.errors import StorageError
from facefeat.features.cluster import driver
from facefeat.features.cluster.job import list_from_json, list_to_json
from facefeat.features.compute import Task
from facefeat.features.encode import Plan, plan
from facefeat.features.extract import Extraction, extract
from facefeat.features.store.shards import work_folder
from tests.features.cluster.conftest import Cluster
from tests.making import odd_pictures, write_people

ON_CLUSTER = driver.Cluster
TOY = plan("thumb", faces_mode="none")
SLOW = plan("vgg16", size=32, faces_mode="none")  # lists take a while


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give four people with 64 pictures each, copies among them, and all kinds of odd files. Not to be changed."""
    folder = write_people(tmp_path_factory.mktemp("crowd"), dict.fromkeys(["ada", "bob", "cleo", "dan"], 64))
    for name, data, _ in odd_pictures():
        (folder / "bob" / name).write_bytes(data)
    (folder / "dan" / "again.png").write_bytes((folder / "dan" / "01.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def locally(crowd: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Give the files that this machine makes."""
    folder = tmp_path_factory.mktemp("locally")
    return {name: extract(crowd, folder / name, made).file.path.read_bytes() for name, made in PLANS.items()}


PLANS: dict[str, Plan] = {"toy": TOY, "slow": SLOW}


def run(crowd: Path, output: Path, made: Plan, cluster: Cluster, **options: Any) -> Extraction:
    found = extract(crowd, output, made, cluster=cluster.address, **options)
    assert not work_folder(output).exists()
    return found


@pytest.mark.parametrize("shards", ["shared", "returned"])
def test_the_file_is_that_of_this_machine(
    crowd: Path, tmp_path: Path, locally: dict[str, bytes], cluster: Cluster, shards: str
) -> None:
    found = run(crowd, tmp_path / "f.h5", TOY, cluster, shards=shards)
    assert (tmp_path / "f.h5").read_bytes() == locally["toy"]
    assert sum(one.pictures for one in found.nodes) == found.pictures + sum(
        one.code not in ("empty", "not_a_file", "unreadable") for one in found.file.skipped
    )
    assert [one.lost for one in found.nodes] == [False, False] and all(one.seconds > 0 for one in found.nodes)
    assert found.ran_on.startswith("openvino on ") and found.ran_on.endswith(", 2 nodes")


def when_first_done(do: Callable[[], None]) -> Callable[[str, int, int], None]:
    """Do something once, when the first list is done and others are not."""
    waiting = [do]

    def tell(what: str, done: int, total: int) -> None:
        if what == "faces and vectors" and waiting:
            assert done < total
            waiting.pop()()

    return tell


def test_a_node_that_is_lost_costs_nothing(
    crowd: Path, tmp_path: Path, locally: dict[str, bytes], cluster: Cluster
) -> None:
    try:
        found = run(crowd, tmp_path / "f.h5", SLOW, cluster, progress=when_first_done(cluster.lose))
    finally:
        cluster.mend()
    assert (tmp_path / "f.h5").read_bytes() == locally["slow"]
    assert sorted(one.lost for one in found.nodes) == [False, True]


def actors() -> list[int]:
    """Find the processes of the actors that compute."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and b"MapWorker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are found by /proc")
def test_an_actor_that_dies_is_replaced(
    crowd: Path, tmp_path: Path, locally: dict[str, bytes], cluster: Cluster
) -> None:
    killed = []

    def kill() -> None:
        killed.append(actors()[0])
        os.kill(killed[0], signal.SIGKILL)

    found = run(crowd, tmp_path / "f.h5", SLOW, cluster, progress=when_first_done(kill))
    assert killed and (tmp_path / "f.h5").read_bytes() == locally["slow"]
    assert [one.lost for one in found.nodes] == [False, False]


class Doomed:
    """Counts as if every list's actor had been lost again and again."""

    def begin(self, which: bytes) -> int:
        return 5


def test_a_list_that_actors_die_of_ends_the_run(
    crowd: Path, tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "Attempts", Doomed)
    with pytest.raises(StorageError) as caught:
        run(crowd, tmp_path / "f.h5", TOY, cluster)
    assert re.fullmatch(
        r"The process that computes was lost 5 times at the pictures from (ada|bob|cleo|dan)/\S+ on; it may lack memory "
        r"\(on the node [\d.]+ \(\w{6}\)\)\.", str(caught.value),
    )  # fmt: skip


def test_lists_are_cut_by_rows_in_their_order() -> None:
    tasks = [Task(str(i), bytes([i]), tuple(range(n))) for i, n in enumerate((2, 2, 1, 9, 1, 1))]
    cut = [[task.path for task in some] for some in driver._lists(tasks, 4)]
    assert cut == [["0", "1"], ["2"], ["3"], ["4", "5"]]


def command(crowd: Path, output: Path, cluster: Cluster) -> list[str]:
    options = ["-o", str(output), "--size", "32", "--faces", "none", "--cluster", cluster.address, "-q"]
    return [sys.executable, "-m", "facefeat", "extract", str(crowd), *options]


def test_a_driver_that_is_killed_goes_on(
    crowd: Path, tmp_path: Path, locally: dict[str, bytes], cluster: Cluster
) -> None:
    output = tmp_path / "f.h5"
    with subprocess.Popen(command(crowd, output, cluster), stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while not list(work_folder(output).glob("shard-*.h5")) and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
    assert not output.exists()
    made = run(crowd, output, SLOW, cluster)
    assert 0 < made.computed < len(made.file) and made.reused > 0
    assert output.read_bytes() == locally["slow"]


def test_nothing_of_a_picture_goes_through_the_object_store(crowd: Path, tmp_path: Path, cluster: Cluster) -> None:
    seen: list[driver.Cluster] = []

    def made(*given: Any) -> driver.Cluster:
        seen.append(ON_CLUSTER(*given))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "Cluster", made)
        run(crowd, tmp_path / "f.h5", TOY, cluster, shards="shared")
    n = sum(one.pictures for one in seen[0].nodes)
    assert 0 < seen[0].bytes_moved < 250 * n < sum(file.stat().st_size for file in crowd.glob("*/*")) / 10


WHERES = st.none() | st.lists(st.none() | st.text() | st.integers(0), max_size=2)


@given(
    st.dictionaries(st.text(), st.tuples(st.binary(min_size=32, max_size=32), st.lists(st.integers(0, 100)), WHERES))
)
def test_lists_come_back_as_they_were(rows: dict[str, tuple[bytes, list[int], Where]]) -> None:
    tasks = [Task(path, digest, tuple(copies)) for path, (digest, copies, _) in rows.items()]
    where = {path: where for path, (_, _, where) in rows.items()}
    assert list_from_json(list_to_json(tasks, where.__getitem__)) == (tasks, where)
