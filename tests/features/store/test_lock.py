from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facefeat.errors import LockedError, StorageError
from facefeat.features.store.lock import locked


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Give the place of a lock in its work folder."""
    (tmp_path / "features.h5.work").mkdir()
    return tmp_path / "features.h5.work" / "lock"


def refused(lock: Path) -> str:
    """Ask for a lock that is held; return the sentence."""
    with pytest.raises(LockedError) as caught, locked(lock):
        pytest.fail("the lock was given twice")
    return str(caught.value)


def test_the_second_is_told_who_holds_it(lock: Path) -> None:
    with locked(lock):
        sentence = refused(lock)
    target = re.escape(str(lock.parent.with_suffix("")))
    who = rf"process {os.getpid()} on {re.escape(socket.gethostname())}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"{target} is being written by another run \({who}\); wait for it, or stop it\.", sentence)


def test_it_is_free_again_afterwards_and_after_an_error(lock: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(lock):
        raise KeyboardInterrupt
    with locked(lock):
        pass
    assert lock.exists()


def test_a_holder_that_has_written_nothing_yet(lock: Path) -> None:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "(a process that has just started)" in refused(lock)


def test_a_process_that_is_killed_frees_it(lock: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom facefeat.features.store.lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[3]
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True, cwd=root)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert f"process {holder.pid} on " in refused(lock)
    finally:
        holder.kill()
        holder.communicate()
    with locked(lock):
        pass


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = fcntl.flock, []

    def flock(handle: int, how: int) -> None:
        if not seen:
            lock.unlink()
        seen.append(handle)
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(lock):
        assert lock.exists()
        monkeypatch.setattr(fcntl, "flock", real)
        refused(lock)
    assert len(seen) == 2


def test_a_file_system_without_locks_is_not_another_run(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StorageError) as caught, locked(lock):
        pass
    assert str(caught.value) == f"{lock} cannot be written: No locks available."


def test_a_full_disk_is_a_storage_error(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*args: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StorageError) as caught, locked(lock):
        pass
    assert str(caught.value) == f"There is no space left to write {lock}; free some and run the same again."


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    with locked(tmp_path / "none" / "lock"):
        assert (tmp_path / "none" / "lock").exists()
