"""Extraction under faults: at every single call that writes, it is killed, refused, cut short, or loses power."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from facefeat.errors import StorageError
from facefeat.features.store import durable
from tests.faulty import HALVES, KILL, ONCE, POWER, SHARD_ROWS, Call, Machine
from tests.trials import OUTPUT, Scenario, scenarios, trial, work_of

NAMES = ("nothing before", "pictures added", "another recipe replaced")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Give the fault machine, for two runs at a time."""
    with Machine(2) as machine:
        yield machine


@pytest.fixture(scope="module")
def cases(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scenario]:
    """Give the scenarios by name."""
    return {one.name: one for one in scenarios(machine, tmp_path_factory.mktemp("scenarios"))}


@pytest.fixture(scope="module")
def seen() -> dict[Any, list[str]]:
    """Give what is known of the states that runs are resumed from."""
    return {}


def test_the_scenarios_are_what_they_say(cases: dict[str, Scenario]) -> None:
    assert tuple(cases) == NAMES
    counts = {name: one.undisturbed.counts for name, one in cases.items()}
    assert counts == {NAMES[0]: (7, 5, 0, 1), NAMES[1]: (7, 2, 3, 1), NAMES[2]: (7, 5, 0, 1)}
    for one in cases.values():
        assert {call.name for call in one.undisturbed.calls} == {
            "mkdir", "open", "write", "ftruncate", "posix_fallocate", "lseek", "fsync", "close", "replace", "unlink", "rmdir",
        }  # fmt: skip
        assert len(one.undisturbed.calls) > 60
    assert cases[NAMES[0]].wanted == cases[NAMES[1]].wanted == cases[NAMES[2]].wanted
    assert any("shard-" in name and "tmp" not in name for name in cases[NAMES[2]].left)
    assert sum(".tmp" in name for name in cases[NAMES[1]].left) == 2


@pytest.mark.parametrize("kind", [KILL, *ONCE, *HALVES, *POWER])
@pytest.mark.parametrize("name", NAMES)
def test_at_every_call_nothing_is_lost_and_the_next_run_ends_as_if_nothing_had_been(
    machine: Machine, cases: dict[str, Scenario], seen: dict[Any, list[str]], name: str, kind: str, tmp_path: Path
) -> None:
    scenario = cases[name]
    with ThreadPoolExecutor(2) as pool:
        tried = list(pool.map(lambda n: trial(machine, scenario, kind, n, tmp_path, seen), scenario.points(kind)))
    assert [broken for _, promises in tried for broken in promises] == []
    unharmed = [scenario.undisturbed.calls[n] for n, (run, _) in enumerate(tried) if run.how == "done"]
    assert all(_is_dispensable(call) for call in unharmed if kind in ONCE)
    assert len(unharmed) < len(tried) / 4


def _is_dispensable(call: Call) -> bool:
    """Tell whether a run may do without: it is about a lock that is given back, an end that nobody needs, or a try."""
    tidying = call.name in ("unlink", "rmdir") and "shard-" not in call.path
    return tidying or call.name == "mkdir" or (call.name == "close" and call.path.endswith("lock"))


# What would go wrong if the store did less: each must be found, or the trials above prove nothing.
WEAKENED = {
    "names are not synced": (
        "power, early",
        "from facefeat.features.store import durable\ndurable.sync_folder = lambda folder: None",
    ),
    "contents are not synced": ("power, late", "import os\nos.fsync = lambda handle: None"),
    "the good name is written to": (
        KILL,
        """
import os
from contextlib import contextmanager
from facefeat.features.store import durable
@contextmanager
def beside(path):
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    yield handle, path
    os.close(handle)
durable.beside = beside
""",
    ),
    "shards go before the file is there": (
        KILL,
        """
from facefeat.features import extract
publish = extract.publish
def hasty(path, *rest):
    for shard in path.with_name(path.name + ".work").glob("shard-*"):
        shard.unlink()
    return publish(path, *rest)
extract.publish = hasty
""",
    ),
    "errors are passed on as they come": (
        "EIO",
        "import contextlib\nfrom facefeat.features.store import durable\n"
        "durable.storage_errors = lambda path: contextlib.nullcontext()",
    ),
    "one call is taken to write all": (
        "half, ENOSPC",
        "import os\nfrom facefeat.features.store import durable\n"
        "durable.write_all = lambda handle, data: os.write(handle, data)",
    ),
    "something is left over": (
        KILL,
        "from facefeat.features.store import durable\n"
        "durable.clear_leftovers = durable.remove = lambda path: None",
    ),
}  # fmt: skip


@pytest.mark.parametrize("weakness", WEAKENED)
def test_the_trials_find_a_store_that_does_less(
    machine: Machine, cases: dict[str, Scenario], weakness: str, tmp_path: Path
) -> None:
    kind, code = WEAKENED[weakness]
    scenario = cases["pictures added"]
    assert any(trial(machine, scenario, kind, n, tmp_path, code=code)[1] for n in scenario.points(kind))


def test_the_machine_finds_what_is_written_past_it(
    machine: Machine, cases: dict[str, Scenario], tmp_path: Path
) -> None:
    code = """
from facefeat.features.store import durable
sync = durable.sync_folder
def noisy(folder):
    (folder / "x").write_bytes(b"")
    (folder / "x").unlink()
    sync(folder)
durable.sync_folder = noisy
"""
    with cases["nothing before"].laid_out(tmp_path) as (folder, _):
        unseen = cases["nothing before"].run(machine, folder, code=code).unseen
        assert f"open {folder / 'new' / 'x'}" in unseen


@pytest.mark.parametrize("name", NAMES)
def test_a_good_name_is_given_to_what_is_on_the_disk_and_synced_at_once(cases: dict[str, Scenario], name: str) -> None:
    calls = cases[name].undisturbed.calls
    renamed = [at for at, call in enumerate(calls) if call.name == "replace"]
    assert len(renamed) >= 3
    for at in renamed:
        temporary, folder = calls[at].path, str(Path(calls[at].path).parent)
        before = [call.name for call in calls if call.path == temporary]
        assert before.index("fsync") == len(before) - 3
        assert before[-3:] == ["fsync", "close", "replace"]
        after = calls[at + 1 : at + 4]
        assert [(call.name, call.path) for call in after] == [("open", folder), ("fsync", folder), ("close", folder)]
    written = {call.path for call in calls if call.name in ("write", "posix_fallocate", "ftruncate")}
    lock = cases[name].place + ".work/lock"
    assert written == {calls[at].path for at in renamed} | {lock}


def _killed_at(machine: Machine, scenario: Scenario, folder: Path, name: str, path: str) -> None:
    """Kill a run at the first call of a name on a path, after it has given its first good name."""
    calls = scenario.undisturbed.calls
    published = max(n for n, call in enumerate(calls, 1) if call.name == "replace" and "shard-" in call.path)
    at = next(n for n, call in enumerate(calls, 1) if n > published and (call.name, call.path) == (name, path))
    assert scenario.run(machine, folder, KILL, at).how == "killed"


def test_shards_stay_until_the_file_made_of_them_has_its_name_for_good(
    machine: Machine, cases: dict[str, Scenario], tmp_path: Path
) -> None:
    scenario = cases["pictures added"]
    with scenario.laid_out(tmp_path) as (folder, output):
        _killed_at(machine, scenario, folder, "fsync", ".")
        assert output.read_bytes() == scenario.wanted
        calls = scenario.run(machine, folder).calls
    first = next(at for at, call in enumerate(calls) if call.name == "unlink" and "shard-" in call.path)
    assert any((call.name, call.path) == ("fsync", ".") for call in calls[:first])


def _flipped(data: bytes, share: float) -> bytes:
    at = min(int(len(data) * share), len(data) - 1)
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


DAMAGES = {
    "a bit of the first line": lambda data: _flipped(data, 0),
    "a bit of the structure": lambda data: _flipped(data, 0.05),
    "a bit in the middle": lambda data: _flipped(data, 0.5),
    "the last bit": lambda data: _flipped(data, 1),
    "the end": lambda data: data[:-1],
    "the second half": lambda data: data[: len(data) // 2],
    "everything": lambda data: b"",
    "the first block": lambda data: bytes(512) + data[512:],
    "a block in the middle": lambda data: data[:4096] + bytes(4096) + data[8192:],
    "all zeros": lambda data: bytes(len(data)),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_set_aside_and_its_pictures_are_computed_again(
    machine: Machine, cases: dict[str, Scenario], damage: str, tmp_path: Path
) -> None:
    scenario = cases["nothing before"]
    for number, computed in enumerate([SHARD_ROWS, 2]):  # the second holds the refusal, too
        with scenario.laid_out(tmp_path) as (folder, output):
            _killed_at(machine, scenario, folder, "posix_fallocate", _temporary(scenario))
            shard = _shards(work_of(output))[number]
            shard.write_bytes(DAMAGES[damage](shard.read_bytes()))
            run = scenario.run(machine, folder)
            assert run.counts == (7, computed, 5 - computed, 1)
            assert Call("replace", str(shard.relative_to(folder))) in run.calls
            assert output.read_bytes() == scenario.wanted
            assert list(folder.rglob("*")) == [output.parent, output]


def _temporary(scenario: Scenario) -> str:
    return next(call.path for call in scenario.undisturbed.calls if call.name == "posix_fallocate")


def _shards(work: Path) -> list[Path]:
    """List shards, the fullest first."""
    return sorted(work.glob("shard-*.h5"), key=lambda path: -path.stat().st_size)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_feature_file_is_refused_and_left_as_it_is(
    machine: Machine, cases: dict[str, Scenario], damage: str, tmp_path: Path
) -> None:
    scenario = cases["pictures added"]
    with scenario.laid_out(tmp_path) as (folder, output):
        damaged = DAMAGES[damage](output.read_bytes())
        output.write_bytes(damaged)
        run = scenario.run(machine, folder)
        assert output.read_bytes() == damaged
        assert list(folder.iterdir()) == [output]
        if damage == "a bit of the first line":
            assert (run.error, run.sentence) == (
                "ForeignFile", f"{output} is not a feature file; facefeat extract makes one."
            )  # fmt: skip
            return
        assert run.error == "DamagedFile"
        assert run.sentence in (
            f"{output} is damaged: its bytes do not match their checksum.",
            f"{output} is damaged: it is empty, or its start was lost.",
        )


@pytest.mark.parametrize(("what", "size"), [("shard-", 22_000), (OUTPUT, 512)])
def test_a_disk_that_does_not_keep_what_is_written_is_found_at_once(
    machine: Machine, cases: dict[str, Scenario], what: str, size: int, tmp_path: Path
) -> None:
    code = f"""
import os
write = os.write
def altered(handle, data):
    path = os.readlink(f"/proc/self/fd/{{handle}}")
    if os.path.basename(path).startswith(".{what}") and abs(len(data) - {size}) < 2000:
        data = bytes(data[:-1]) + bytes([data[-1] ^ 1])
    return write(handle, data)
os.write = altered
"""
    scenario = cases["pictures added"]
    with scenario.laid_out(tmp_path) as (folder, output):
        run = scenario.run(machine, folder, code=code)
        assert run.error == "StorageError"
        assert run.sentence.startswith(str(folder / what) if what == OUTPUT else f"{work_of(output)}/shard-")
        assert run.sentence.endswith(" could not be written: what was read back is not what was written.")
        assert output.read_bytes() == scenario.left[OUTPUT]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_file_system_that_does_not_sync_folders_is_no_failure(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "new" / "f"
    if number != errno.EIO:
        durable.write(path, b"whole")
        assert path.read_bytes() == b"whole"
        return
    with pytest.raises(StorageError) as caught:
        durable.write(path, b"whole")
    assert str(caught.value) == f"{path} cannot be written: Input/output error."
