"""Several runs that write the same feature file: one does, the others say who."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from tests.making import write_people

THUMB = plan("thumb", faces_mode="none")
N = 8

# The program with small shards; with a number, it stands still once it has finished so many of them.
PROGRAM = """
import sys, time
from facefeat.features import compute
from facefeat.features.store.shards import WorkFolder
compute.SHARD_ROWS = 4
add, done, hold = WorkFolder.add, [], int(sys.argv.pop(1))
def slow(folder, shard):
    kept = add(folder, shard)
    done.append(kept)
    time.sleep(600 if len(done) == hold else 0)
    return kept
WorkFolder.add = slow
from facefeat.cli.app import app
app(sys.argv[1:])
"""

# Takes and gives back the lock again and again; prints how often it had it, and how often it was not alone.
CROWD = """
import sys
from pathlib import Path
from facefeat.errors import LockedError
from facefeat.features.store.shards import writing
output, token, held, shared = Path(sys.argv[1]), Path(sys.argv[1] + ".token"), 0, 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(2000):
    try:
        with writing(output):
            held += 1
            try:
                token.touch(exist_ok=False)
                token.unlink()
            except OSError:
                shared += 1
    except LockedError:
        pass
print(held, shared)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give twenty pictures: five shards."""
    return write_people(tmp_path / "people", {"ada": 10, "bob": 10}, size=16)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Give the place of the feature file."""
    return tmp_path / "features.h5"


def start(data: Path, output: Path, hold: int = 0) -> subprocess.Popen[str]:
    """Start the program on a data set."""
    words = [data, "-o", output, "--backbone", "thumb", "--faces", "none", "--json"]
    command = [sys.executable, "-c", PROGRAM, hold, "extract", *words]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def first(data: Path, output: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a run that stands still when two of its shards are done."""
    process = start(data, output, hold=2)
    deadline = time.monotonic() + 60
    while len(shards(output)) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate()


def shards(output: Path) -> list[Path]:
    """List the finished shards of a feature file that is being made."""
    return sorted(output.with_name(f"{output.name}.work").glob("shard-*.h5"))


def clean(data: Path, tmp_path: Path) -> bytes:
    """Give the bytes of a file that one undisturbed run makes."""
    return extract(data, tmp_path / "clean" / "features.h5", THUMB, engine="openvino").file.path.read_bytes()


def test_the_second_leaves_at_once_and_says_who_the_first_is(
    data: Path, output: Path, first: subprocess.Popen[str]
) -> None:
    kept = {path: path.read_bytes() for path in shards(output)}
    started = time.monotonic()
    second = start(data, output)
    said, complaint = second.communicate(timeout=60)
    assert time.monotonic() - started < 5
    assert second.returncode == 5
    who = rf"process {first.pid} on {re.escape(socket.gethostname())}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    sentence = rf"{re.escape(str(output))} is being written by another run \({who}\); wait for it, or stop it\."
    assert re.fullmatch(sentence + "\n", complaint)
    document = json.loads(said)
    assert (document["error"], document["exit_code"]) == ("LockedError", 5)
    assert document["message"] == complaint.strip()
    assert {path: path.read_bytes() for path in shards(output)} == kept
    assert first.poll() is None and not output.exists()


def test_when_the_first_is_killed_the_third_goes_on_from_its_shards(
    data: Path, output: Path, first: subprocess.Popen[str], tmp_path: Path
) -> None:
    first.send_signal(signal.SIGKILL)
    first.wait()
    third = start(data, output)
    said, complaint = third.communicate(timeout=60)
    assert third.returncode == 0, complaint
    document = json.loads(said)
    assert (document["images"], document["computed"], document["reused"]) == (20, 12, 8)
    assert output.read_bytes() == clean(data, tmp_path)
    assert not shards(output) and not output.with_name("features.h5.work").exists()


def test_of_many_that_start_at_once_one_computes_or_each_in_its_turn(data: Path, output: Path, tmp_path: Path) -> None:
    processes = [start(data, output) for _ in range(N)]
    ended = [(process, *process.communicate(timeout=120)) for process in processes]
    documents = [json.loads(said) for process, said, _ in ended if process.returncode == 0]
    refused = [json.loads(said) for process, said, _ in ended if process.returncode == 5]
    assert len(documents) + len(refused) == N, [complaint for _, _, complaint in ended]
    assert sorted(document["computed"] for document in documents) == [0] * (len(documents) - 1) + [20]
    assert all("is being written by " in document["message"] for document in refused)
    assert output.read_bytes() == clean(data, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "features.h5", "people"]


def test_a_lock_that_comes_and_goes_is_never_held_twice_and_never_an_error(output: Path) -> None:
    command = [sys.executable, "-c", CROWD, str(output)]
    crowd = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in crowd:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=120) for process in crowd]
    assert [complaint for _, complaint in ended] == [""] * 4
    counts = [tuple(map(int, said.split())) for said, _ in ended]
    assert all(held > 0 and shared == 0 for held, shared in counts)
    assert not list(output.parent.iterdir())
