"""Where the output cannot be written, that is said in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FACEFEAT = [sys.executable, "-m", "facefeat"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", [["heads"], ["heads", "--json"], ["--version"], ["--help"], ["fit", "--help"]])
def test_a_full_disk_behind_the_output(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*FACEFEAT, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (6, "The output cannot be written: No space left on device.\n")


def test_a_program_that_was_started_without_an_output_does_its_work() -> None:
    command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *FACEFEAT, "heads"]
    assert subprocess.run(command, check=False).returncode == 0


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen([*FACEFEAT, "heads"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 0)
    process.stderr.close()
