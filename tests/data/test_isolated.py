"""Decoding happens elsewhere: what kills or stops the decoder costs one picture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facefeat.data import isolated, picture
from facefeat.errors import PictureRefused, StorageError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from tests.making import encoded, halves, write_people

GOOD = encoded(halves())

# A decoder with weaknesses: some bytes make it do what crafted pictures make real ones do.
WEAK = """
import ctypes, os, sys, time
sys.path[:] = sys.argv[1:]
import numpy as np
from facefeat.data import isolated, pixels
def spin():
    while True: pass
def noise():
    for _ in range(100): print("not an answer")
    os.write(2, b"warning: not an answer")
    return whole(good)
good = bytes.fromhex(os.environ["GOOD"])
whole = pixels.decode
weak = {
    b"spin": spin,
    b"sleep": lambda: time.sleep(1000),
    b"abort": os.abort,
    b"read nowhere": lambda: ctypes.string_at(0),
    b"leave": lambda: os._exit(0),
    b"raise": lambda: 1 / 0,
    b"noise": noise,
    b"write a file": lambda: open(os.environ["CANARY"], "w").write("x"),
    b"fill the memory": lambda: np.ones(isolated.MEMORY, np.uint8),
    b"huge": lambda: pixels.Decoded(np.broadcast_to(np.uint8(0), (90_000, 90_000, 3)), 90_000, 90_000),
}
pixels.decode = lambda data, longer, shorter: weak[data]() if data in weak else whole(data)
isolated.serve()
"""


@pytest.fixture(autouse=True)
def only_mine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no process of one test to the next."""
    isolated._end_all()
    yield
    isolated._end_all()


@pytest.fixture
def weak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Start decoders that some bytes stop or kill; give the file that one of them tries to write."""
    monkeypatch.setattr(isolated, "_START", WEAK)
    monkeypatch.setattr(isolated, "SECONDS", 0.5)
    monkeypatch.setenv("GOOD", GOOD.hex())
    monkeypatch.setenv("CANARY", str(tmp_path / "canary"))
    return tmp_path / "canary"


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(PictureRefused) as caught:
        picture.decode(data)
    return caught.value.code, caught.value.message


def process_of_next() -> int:
    """Give the number of the process that decodes the next picture."""
    return isolated._idle[-1].process.pid


def test_a_process_is_begun_ahead_of_the_first_picture() -> None:
    isolated.begin()
    [begun] = isolated._idle
    isolated.begin()
    np.testing.assert_array_equal(picture.decode(GOOD), halves())
    assert isolated._idle == [begun]


def test_a_process_that_cannot_be_begun_is_told_of_with_the_first_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    isolated.begin()
    with pytest.raises(StorageError, match=r"^The process that decodes pictures cannot be started: No such file"):
        picture.decode(GOOD)


CRASHED = ("crashed", "The decoder dies of it.")


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"spin", ("timeout", "Decoding it takes more than 1 s.")),
        (b"abort", CRASHED),
        (b"read nowhere", CRASHED),
        (b"leave", CRASHED),
        (b"raise", CRASHED),
        (b"write a file", CRASHED),
        (b"fill the memory", CRASHED),
        (b"huge", CRASHED),
    ],
)
def test_what_stops_or_kills_the_decoder_is_a_refusal(
    weak: Path, data: bytes, wanted: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    assert refusal(data) == wanted
    assert time.monotonic() - started < 10
    np.testing.assert_array_equal(picture.decode(GOOD), halves())
    assert not weak.exists() or weak.read_bytes() == b""
    capfd.readouterr()


def test_a_decoder_that_sleeps_is_ended_by_the_clock(weak: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "SECONDS", 0.1)
    started = time.monotonic()
    assert refusal(b"sleep")[0] == "timeout"
    assert time.monotonic() - started < 10


def test_what_a_library_prints_is_no_answer(weak: Path, capfd: pytest.CaptureFixture[str]) -> None:
    np.testing.assert_array_equal(picture.decode(b"noise"), halves())
    assert capfd.readouterr() == ("", "")


def test_one_process_decodes_picture_after_picture() -> None:
    picture.decode(GOOD)
    first = process_of_next()
    for _ in range(5):
        picture.decode(GOOD)
    refusal(b"no picture")
    assert process_of_next() == first and len(isolated._idle) == 1


def test_a_process_that_somebody_ended_is_replaced() -> None:
    picture.decode(GOOD)
    for number in (signal.SIGKILL, signal.SIGSEGV):
        os.kill(process_of_next(), number)
        np.testing.assert_array_equal(picture.decode(GOOD), halves())


def test_stopping_the_run_does_not_stop_the_decoder() -> None:
    picture.decode(GOOD)
    first = process_of_next()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(first, number)
    np.testing.assert_array_equal(picture.decode(GOOD), halves())
    assert process_of_next() == first


def test_an_interrupted_question_is_not_answered_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    picture.decode(GOOD)
    first = process_of_next()

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(isolated, "_receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            picture.decode(encoded(halves((1, 2, 3))))
    np.testing.assert_array_equal(picture.decode(GOOD), halves())
    assert process_of_next() != first


def test_threads_decode_side_by_side() -> None:
    wanted = [halves((i, i, i)) for i in range(8)]
    found: dict[int, np.ndarray] = {}

    def decode(i: int) -> None:
        for _ in range(5):
            found[i] = picture.decode(encoded(wanted[i]))

    threads = [threading.Thread(target=decode, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[i], wanted[i]) for i in range(8))
    assert len(isolated._idle) <= 8


def test_a_decoder_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(StorageError) as caught:
        picture.decode(GOOD)
    assert str(caught.value) == "The process that decodes pictures cannot be started: No such file or directory."


def test_a_decoder_that_does_not_come_up_says_nothing_about_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_START", "import no_such_module")
    with pytest.raises(StorageError) as caught:
        picture.decode(GOOD)
    assert str(caught.value) == (
        "The process that decodes pictures ended as it began: ModuleNotFoundError: No module named 'no_such_module'."
    )
    monkeypatch.setattr(isolated, "_START", "import os; os.abort()")
    with pytest.raises(StorageError) as caught:
        picture.decode(GOOD)
    assert str(caught.value) == "The process that decodes pictures ended as it began: it said nothing."


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux shows processes as files")
@pytest.mark.parametrize("end", ["pass", "import os; os._exit(1)", "import os; os.kill(os.getpid(), 9)"])
def test_no_decoder_outlives_its_run(end: str) -> None:
    code = f"""
import sys
from facefeat.data import isolated, picture
picture.decode(bytes.fromhex(sys.argv[1]))
print(isolated._idle[-1].process.pid, flush=True)
{end}
"""
    done = subprocess.run([sys.executable, "-c", code, GOOD.hex()], capture_output=True, text=True, check=False)
    deadline = time.monotonic() + 10
    while alive(int(done.stdout)):
        assert time.monotonic() < deadline, "the decoder is still there"
        time.sleep(0.05)
    assert done.stderr == ""


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_hanging_and_one_deadly_picture_cost_themselves(weak: Path, tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 3})
    (data / "ada" / "a.jpg").write_bytes(b"spin")
    (data / "ada" / "b.jpg").write_bytes(b"abort")
    made = extract(data, tmp_path / "f.h5", plan("thumb", faces_mode="none"), engine="openvino")
    assert [(one.path, one.code) for one in made.file.skipped] == [("ada/a.jpg", "timeout"), ("ada/b.jpg", "crashed")]
    assert made.computed == 3
