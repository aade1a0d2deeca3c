"""What a person types to capture, and what comes back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from facefeat.cli.app import app
from facefeat.curate import capture as room
from facefeat.data import detectors
from facefeat.data import opencv as library
from tests.making import Pixels
from tests.videos import FakeDetector, FakeFrames, marked, scene, write_video

LOOKS: list[Pixels] = [scene([(marked(number), 100, 80)]) for number in (0, 0, 1, 2)]


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["capture", *map(str, words)])


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> FakeFrames:
    """Let a source of four frames, of which three are kept, be read whatever is asked for."""
    frames = FakeFrames([scene(), *LOOKS])
    monkeypatch.setattr(room, "Frames", lambda given, every: frames)
    monkeypatch.setattr(detectors, "load", lambda *given: FakeDetector())
    return frames


def test_it_says_what_it_kept_and_what_comes_next(source: FakeFrames, tmp_path: Path) -> None:
    data = tmp_path / "data"
    found = run("anna", "--source", "clip.avi", "--data", data)
    assert found.exit_code == 0
    assert lines(found.stdout) == [
        "kept 3 faces, 0001.png to 0003.png",
        "looked at 5 frames of clip.avi",
        "passed over 1 without a face, 1 like one kept before",
        "ended The end of clip.avi was reached.",
        f"folder {data / 'anna'}",
    ]
    assert found.stderr.splitlines() == [f"Next: facefeat extract {data}"]


def test_a_second_run_says_that_nothing_is_new(source: FakeFrames, tmp_path: Path) -> None:
    words = ("anna", "--source", "clip.avi", "--data", tmp_path)
    assert run(*words, "--count", 1).exit_code == 0
    found = run(*words, "--count", 1, "--quiet")
    assert lines(found.stdout)[:1] == ["kept 1 face, 0002.png"] and found.stderr == ""
    assert run(*words).exit_code == 0
    found = run(*words)
    assert lines(found.stdout)[0] == "kept none that is new" and "known before 3 faces" in lines(found.stdout)


def test_a_truncated_video_is_a_warning(source: FakeFrames, tmp_path: Path) -> None:
    source._ended, source.announced = "truncated", 900
    found = run("anna", "--source", "clip.avi", "--data", tmp_path)
    assert found.exit_code == 0
    assert "careful 5 of the 900 frames of clip.avi could be read: it is cut off." in lines(found.stdout)


def test_the_document(source: FakeFrames, tmp_path: Path) -> None:
    found = run("anna", "--source", "clip.avi", "--data", tmp_path, "--json")
    assert found.exit_code == 0 and found.stderr == ""
    assert json.loads(found.stdout) == {
        "schema": "facefeat/capture/1",
        "person": "anna",
        "folder": str(tmp_path / "anna"),
        "source": "clip.avi",
        "kept": ["0001.png", "0002.png", "0003.png"],
        "frames": 5,
        "skipped": {"no_face": 1, "several_faces": 0, "tiny": 0, "lost": 0, "blurred": 0, "alike": 1},
        "known_before": 0,
        "complete": True,
        "ended": "end",
        "why": "The end of clip.avi was reached.",
    }


def test_knobs_reach_the_rules(source: FakeFrames, tmp_path: Path) -> None:
    knobs = ("--likeness", 1, "--min-pixels", 20, "--sharpness", 0, "--policy", "largest")
    found = run("anna", "--source", "0", "--data", tmp_path, "--every", 0, "--no-preview", *knobs)
    assert lines(found.stdout)[0] == "kept 4 faces, 0001.png to 0004.png"


@pytest.mark.parametrize(
    ("code", "words", "sentence"),
    [
        (2, ["a/b", "--source", "0"], "The name must be that of a folder, without a slash and not beginning with a dot; "
                                      "'a/b' was given."),
        (2, ["anna", "--source", "0", "--policy", "skip-one"], "There is no policy of capture 'skip-one'; did you mean "
                                                               "'skip'? There are: central, largest, skip."),
        (2, ["anna", "--source", "0", "--every", "-1"], "Frames can be 0 to 3600 seconds apart; -1 was given."),
        (3, ["anna", "--source", "nothing.mp4"], "There is no file nothing.mp4; a video file, the number of a camera or "
                                                 "the address of a stream is expected."),
        (3, ["anna", "--source", "99"], "The camera 99 cannot be opened: there is none of this number, or another program "
                                        "uses it."),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run(*words)
    assert (found.exit_code, found.stdout, found.stderr) == (code, "", f"{sentence}\n")
    assert list(tmp_path.iterdir()) == []


def test_without_opencv_it_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library.cv2.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    try:
        found = run("anna", "--source", "0", "--data", tmp_path)
    finally:
        library.cv2.cache_clear()
    assert found.exit_code == 7 and found.stdout == ""
    assert found.stderr == (
        "OpenCV, which reads videos and runs YuNet, needs the extra 'camera'; install it with: "
        "pip install 'facefeat[camera]'\n"
    )


def program(*words: object) -> list[str]:
    return [sys.executable, "-m", "facefeat", "capture", *map(str, words)]


@pytest.mark.parametrize("kind", ["text", "half"])
def test_neither_opencv_nor_ffmpeg_prints_anything(tmp_path: Path, kind: str) -> None:
    path = write_video(tmp_path / "clip.mp4", [scene()] * 20)
    whole = path.read_bytes()
    path.write_bytes(b"no video\n" * 50 if kind == "text" else whole[: len(whole) // 2])
    done = subprocess.run(
        program("anna", "--source", path, "--data", tmp_path / "data"), capture_output=True, text=True, check=False
    )
    sentence = f"{path} cannot be opened: it is no video that OpenCV reads, or it is cut off.\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", sentence)
    assert not (tmp_path / "data").exists()


def test_a_damaged_video_without_a_face_is_one_sentence(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", [scene(seed=seed) for seed in range(30)])
    data = bytearray(path.read_bytes()[: path.stat().st_size // 2])
    data[len(data) // 2 :: 11] = b"\xff" * len(data[len(data) // 2 :: 11])
    path.write_bytes(data)
    words = program("anna", "--source", path, "--data", tmp_path / "data", "--every", 0.5)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"No face was kept from {path}: ")
    assert done.stderr.endswith(f" of the 30 frames of {path} could be read: it is cut off.\n")


SLOW = """
import itertools, sys, time
from facefeat.curate import capture
from facefeat.data import detectors
from tests.videos import FakeDetector, FakeFrames, marked, scene
def slowly():
    for number in itertools.count():
        time.sleep(0.05)
        yield scene([(marked(number), 100, 80)])
capture.Frames = lambda given, every: FakeFrames(slowly())
detectors.load = lambda *given: FakeDetector()
from facefeat.cli.app import app
app(sys.argv[1:])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_leaves_whole_pictures_and_says_so(tmp_path: Path, number: signal.Signals, code: int) -> None:
    root, folder = Path(__file__).parents[2], tmp_path / "data" / "anna"
    words = ["capture", "anna", "--source", "0", "--data", str(tmp_path / "data")]
    process = subprocess.Popen([sys.executable, "-c", SLOW, *words], stderr=subprocess.PIPE, text=True, cwd=root)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("0*.png"))) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code and said.splitlines()[-1].startswith("Stopped")
    left = sorted(path.name for path in folder.iterdir())
    assert left == [f"{number:04}.png" for number in range(1, len(left) + 1)]
    assert all((folder / name).read_bytes().endswith(b"IEND\xaeB`\x82") for name in left)
