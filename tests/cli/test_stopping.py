"""A run that is stopped says how to go on, and the next one does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from tests.making import write_people

SLOW = """
import sys, time
from facefeat.features import compute
compute.SHARD_ROWS = 4
decode = compute._Work._open
def slow(*given):
    time.sleep(0.05)
    return decode(*given)
compute._Work._open = slow
from facefeat.cli.app import app
app(sys.argv[1:])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_extraction_goes_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    data = write_people(tmp_path / "people", {"ada": 30, "bob": 30})
    output = tmp_path / "f.h5"
    words = ["extract", str(data), "-o", str(output), "--backbone", "thumb", "--faces", "none", "--workers", "1"]
    process = subprocess.Popen([sys.executable, "-c", SLOW, *words], stderr=subprocess.PIPE, text=True)
    work = tmp_path / "f.h5.work"
    deadline = time.monotonic() + 60
    while not list(work.glob("shard-*.h5")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert said.splitlines()[-1] == "Stopped; what is computed is kept; the same command goes on from there."
    assert list(work.glob("shard-*.h5")) and not output.exists()
    resumed = extract(data, output, plan("thumb", faces_mode="none"))
    assert 0 < resumed.computed < 60 and resumed.reused == 60 - resumed.computed and not work.exists()
    clean = extract(data, tmp_path / "clean.h5", plan("thumb", faces_mode="none")).file.path
    assert output.read_bytes() == clean.read_bytes()
