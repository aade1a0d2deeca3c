"""A disk that is really full, and one that is really read-only: a small tmpfs, through the program itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import read
from facefeat.learn.fit import fit
from tests.making import write_people

THUMB = plan("thumb", faces_mode="none")
WORDS = ("--backbone", "thumb", "--faces", "none", "-q")
QUIET = ("--workers", 1, "-q")
SIZE = 2 * 1024**2
PAGE = 4096
AGAIN = "TESTED_IN_A_NAMESPACE"


@dataclass(frozen=True)
class Disk:
    """A file system of two megabytes, with something on it that takes the rest."""

    root: Path

    @property
    def ballast(self) -> Path:
        return self.root / "ballast"

    def leave(self, free: int) -> None:
        """Fill it up, but for so many bytes."""
        with self.ballast.open("wb", buffering=0) as file:
            status = os.statvfs(self.root)
            os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_bsize - free)
        assert os.statvfs(self.root).f_bavail * PAGE == free

    def make_room(self) -> None:
        self.ballast.unlink()

    def protect(self, how: str) -> None:
        """Make it read-only (ro), or writable again (rw)."""
        subprocess.run(["mount", "-o", f"remount,{how},size={SIZE}", self.root], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a disk, and take it down afterwards."""
    root = tmp_path / "disk"
    if why := _mounted(root):
        pytest.skip(f"this user may not mount a file system here ({why})")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", root], check=True)


def _mounted(root: Path) -> str:
    """Mount a disk; return nothing, or why that failed."""
    root.mkdir()
    return _tried(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(root)])


def _tried(command: list[str]) -> str:
    """Run a command; return nothing, or why it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return f"{done.stderr.partition(chr(10))[0]}, exit {done.returncode}" if done.returncode else ""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give pictures whose vectors take about 400 kB."""
    return write_people(tmp_path / "people", {"ada": 40, "bob": 40}, size=16)


def run(*words: object) -> tuple[int, str]:
    """Run the program; return its exit code and what it said on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "facefeat", *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# Where the disk is full, by how much is left: what cannot be written then.
LEVELS = {0: ".work/lock", PAGE: ".work/recipe.json", 16 * PAGE: ".work/shard-", 80 * PAGE: ""}


@pytest.mark.parametrize("free", LEVELS)
def test_extract_onto_a_full_disk(disk: Disk, data: Path, tmp_path: Path, free: int) -> None:
    output = disk.root / "features.h5"
    extract(data, output, THUMB, engine="openvino")
    before = output.read_bytes()
    write_people(data, {"cleo": 40}, size=16)
    disk.leave(free)
    code, said = run("extract", data, "-o", output, *WORDS)
    assert code == 6
    assert said.startswith(f"There is no space left to write {output}{LEVELS[free]}"), said
    assert said.endswith("; free some and run the same again.\n"), said
    assert said.count("\n") == 1
    assert output.read_bytes() == before
    assert not list(disk.root.rglob("*.tmp"))
    assert len(list(disk.root.rglob("shard-*.h5"))) == (LEVELS[free] == "")
    disk.make_room()
    assert run("extract", data, "-o", output, *WORDS) == (0, "")
    clean = extract(data, tmp_path / "clean.h5", THUMB, engine="openvino").file.path
    assert output.read_bytes() == clean.read_bytes()
    assert list(disk.root.iterdir()) == [output]


def test_extract_onto_a_read_only_disk(disk: Disk, data: Path) -> None:
    output = disk.root / "features.h5"
    extract(data, output, THUMB, engine="openvino")
    before = files_of(disk.root)
    write_people(data, {"cleo": 1}, size=16)
    disk.protect("ro")
    refusal = f"{output}.work/lock cannot be written here (Read-only file system); choose another place.\n"
    assert run("extract", data, "-o", output, *WORDS) == (6, refusal)
    assert files_of(disk.root) == before
    disk.protect("rw")
    assert run("extract", data, "-o", output, *WORDS) == (0, "")
    assert files_of(disk.root) != before


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_fit_and_compare_write_nothing_or_all(disk: Disk, thumb_file: Path, how: str) -> None:
    model, report, page = (disk.root / name for name in ("model.facefeat", "report.txt", "report.html"))
    fit(read(thumb_file), model, head="lda")
    report.write_text("an old report\n")
    page.write_text("an old page\n")
    if how == "full":
        disk.leave(0)
    else:
        disk.protect("ro")
    before = files_of(disk.root)
    ending = {
        "full": "There is no space left to write {}; free some and run the same again.\n",
        "read-only": "{} cannot be written here (Read-only file system); choose another place.\n",
    }[how]
    commands = (
        (model, ("fit", thumb_file, "--head", "lda", "--layer", "grey16", "-o", model, *QUIET)),
        (
            report,
            ("compare", thumb_file, "--heads", "lda", "--layers", "grey8", "--folds", 2, "--report", report, *QUIET),
        ),
        (page, ("compare", thumb_file, "--heads", "lda", "--layers", "grey8", "--folds", 2, "--html", page, *QUIET)),
    )
    for path, words in commands:
        assert run(*words) == (6, ending.format(path))
    assert files_of(disk.root) == before
    if how == "read-only":
        return
    disk.make_room()
    for path, words in commands:
        assert run(*words) == (0, "")
        assert path.read_bytes() != before[path.name]


def test_all_of_this_in_a_namespace_of_its_own(tmp_path: Path) -> None:
    """Where this user may not mount, the kernel may still allow it among processes that see no one else's files."""
    if AGAIN in os.environ:
        pytest.skip("this is the namespace")
    if not _mounted(tmp_path / "disk"):
        subprocess.run(["umount", tmp_path / "disk"], check=True)
        pytest.skip("this user may mount a file system here")
    if why := _tried(["unshare", "--map-root-user", "--mount", "true"]):
        pytest.skip(f"this user may not have a namespace here ({why})")
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'tests'}", __file__],
        env={**os.environ, AGAIN: "yes"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.fullmatch(r"7 passed, 1 skipped in .*", done.stdout.splitlines()[-1]), done.stdout
