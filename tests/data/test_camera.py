"""Frames come at their times, upright, and every end of a source is told apart."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from facefeat.data import camera
from facefeat.data.camera import Frames
from facefeat.data.opencv import cv2
from facefeat.errors import InputError, UsageError
from tests.making import Pixels
from tests.videos import FakeCamera, turned_in_its_header, with_header_first, write_video

KINDS = ("clip.avi", "clip.mp4")


def numbered(n: int = 30) -> list[Pixels]:
    """Make frames whose left half is as light as their number says, and whose right half is blue."""
    frames = []
    for number in range(n):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[:, :32] = 20 + 7 * number
        frame[:, 32:] = (0, 0, 200)
        frames.append(frame)
    return frames


def looked_at(path: Path, every: float = 0.0) -> tuple[list[float], list[int], str]:
    """Return the times of the frames, their numbers, and how it ended."""
    with Frames(str(path), every) as frames:
        found = list(frames)
        return (
            [seconds for seconds, _ in found],
            [round(f[10:-10, 8:24, 0].mean() / 7 - 20 / 7) for _, f in found],
            frames.ended,
        )


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("every", "numbers"),
    [
        (0, list(range(30))),
        (0.1, list(range(30))),
        (0.3, list(range(0, 30, 3))),
        (0.25, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]),
        (1, [0, 10, 20]),
        (3600, [0]),
    ],
)
def test_frames_of_a_file_are_so_many_seconds_of_video_apart(
    tmp_path: Path, name: str, every: float, numbers: list[int]
) -> None:
    times, found, ended = looked_at(write_video(tmp_path / name, numbered()), every)
    assert (found, ended) == (numbers, "end")
    assert times == pytest.approx([number / 10 for number in numbers])


def test_seconds_are_those_of_the_video(tmp_path: Path) -> None:
    times, numbers, _ = looked_at(write_video(tmp_path / "slow.avi", numbered(6), fps=2), 1.0)
    assert (times, numbers) == ([0.0, 1.0, 2.0], [0, 2, 4])


@pytest.mark.parametrize("name", KINDS)
def test_pixels_are_rgb(tmp_path: Path, name: str) -> None:
    with Frames(str(write_video(tmp_path / name, numbered())), 0) as frames:
        pixels = [frame for _, frame in frames][25]
    assert pixels.shape == (48, 64, 3) and pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[24, 12], (195, 195, 195), atol=12)
    np.testing.assert_allclose(pixels[24, 50], (0, 0, 200), atol=12)


def test_a_video_of_a_turned_phone_is_upright(tmp_path: Path) -> None:
    stored = write_video(tmp_path / "stored.mp4", numbered())
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(turned_in_its_header(stored.read_bytes()))
    with Frames(str(stored), 0) as straight, Frames(str(turned), 0) as upright:
        for (_, before), (_, after) in zip(straight, upright, strict=True):
            np.testing.assert_array_equal(np.rot90(before, -1), after)


def test_a_video_that_is_cut_off_says_so(tmp_path: Path) -> None:
    avi = write_video(tmp_path / "clip.avi", numbered())
    mp4 = write_video(tmp_path / "clip.mp4", numbered())
    (tmp_path / "half.avi").write_bytes(avi.read_bytes()[: avi.stat().st_size // 2])
    whole = with_header_first(mp4.read_bytes())
    (tmp_path / "first.mp4").write_bytes(whole)
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    assert looked_at(tmp_path / "first.mp4")[1:] == (list(range(30)), "end")
    for name in ("half.avi", "half.mp4"):
        with Frames(str(tmp_path / name), 0) as frames:
            found = list(frames)
            assert (frames.ended, frames.announced, frames.read) == ("truncated", 30, len(found))
            assert 0 < len(found) < 25


def test_a_header_that_guessed_the_number_of_frames_by_a_wrong_rate_is_no_sign_of_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, get = write_video(tmp_path / "clip.avi", numbered()), Frames._get
    wrong = {"FPS": 30.0, "FRAME_COUNT": 90.0}
    monkeypatch.setattr(Frames, "_get", lambda frames, name: wrong.get(name) or get(frames, name))
    with Frames(str(path), 0) as frames:
        assert len(list(frames)) == 30 and (frames.announced, frames.ended) == (90, "end")


def test_no_end_is_told_before_it_is_reached(tmp_path: Path) -> None:
    with Frames(str(write_video(tmp_path / "clip.avi", numbered())), 0) as frames:
        next(iter(frames))
        assert (frames.ended, frames.read, frames.announced, frames.is_live) == ("", 1, 30, False)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    mp4 = write_video(tmp_path / "clip.mp4", numbered()).read_bytes()
    for name, data in {"text.mp4": b"no video\n" * 99, "empty.avi": b"", "headless.mp4": mp4[: len(mp4) // 2]}.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError) as refused:
            Frames(str(path))
        assert str(refused.value) == f"{path} cannot be opened: it is no video that OpenCV reads, or it is cut off."


def test_a_video_whose_frames_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    data = bytearray(write_video(tmp_path / "clip.avi", numbered()).read_bytes())
    start = data.index(b"movi")
    data[start + 4 :] = bytes(len(data) - start - 4)
    path = tmp_path / "zeros.avi"
    path.write_bytes(data)
    with pytest.raises(InputError) as refused, Frames(str(path)) as frames:
        list(frames)
    assert str(refused.value) in (
        f"{path} holds no frame that can be decoded; it seems to be cut off, damaged or no video.",
        f"{path} cannot be opened: it is no video that OpenCV reads, or it is cut off.",
    )


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    missing = tmp_path / "nothing.mp4"
    sentences = {
        tmp_path: f"{tmp_path} is a folder; a video file is expected.",
        tmp_path / "pipe.mp4": f"{tmp_path / 'pipe.mp4'} is no regular file; a video file is expected.",
        missing: f"There is no file {missing}; a video file, the number of a camera or the address of a stream is "
        "expected.",
    }
    for path, sentence in sentences.items():
        with pytest.raises(InputError) as refused:
            Frames(str(path))
        assert str(refused.value) == sentence


@pytest.mark.parametrize("source", ["", "no\0name.mp4"])
def test_a_name_that_no_file_can_have_is_refused(source: str) -> None:
    with pytest.raises(InputError, match=r"^There is no file "):
        Frames(source)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", numbered())
    odd = path.rename(tmp_path / "caf\udce9.avi")
    with pytest.raises(InputError) as refused:
        Frames(str(odd))
    assert str(refused.value) == (
        f"{tmp_path}/caf%E9.avi has a name that is not UTF-8, which OpenCV cannot open; rename it."
    )


def test_a_name_that_looks_like_a_pattern_or_an_address_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_video(tmp_path / "clip.avi", numbered(5))
    for name in ("clip%03d.avi", "http:clip.avi", "Zoë 1.avi"):
        path = path.rename(tmp_path / name)
        assert looked_at(Path(name))[1] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("limit", "least", "end"), [
    (3071, 16, "64 x 48 pixels; at most 3,071 in all are decoded."),
    (3072, 49, "64 x 48 pixels; each side needs at least 49."),
])  # fmt: skip
def test_frames_that_are_too_large_or_too_small_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, least: int, end: str
) -> None:
    path = write_video(tmp_path / "clip.avi", numbered(5))
    assert len(looked_at(path)[1]) == 5
    monkeypatch.setattr(camera, "MAX_PIXELS", limit)
    monkeypatch.setattr(camera, "MIN_SIDE", least)
    with pytest.raises(InputError) as refused:
        Frames(str(path))
    assert str(refused.value) == f"The frames of {path} have {end}"


@pytest.mark.parametrize("every", [-0.1, 3601, float("nan"), float("inf")])
def test_seconds_out_of_range_are_refused(every: float) -> None:
    with pytest.raises(UsageError) as refused:
        Frames("clip.avi", every)
    assert str(refused.value) == f"Frames can be 0 to 3600 seconds apart; {every:g} was given."


@pytest.mark.parametrize(("source", "number"), [("99", "99"), ("0099", "99"), ("12345678901234567890", None)])
def test_a_camera_that_is_not_there(source: str, number: str | None) -> None:
    with pytest.raises(InputError) as refused:
        Frames(source)
    assert str(refused.value) == (
        f"The camera {number or source} cannot be opened: there is none of this number, or another program uses it."
    )


def test_a_stream_that_cannot_be_reached_is_named_without_its_password() -> None:
    with pytest.raises(InputError) as refused:
        Frames("rtsp://anna:sec@ret@127.0.0.1:9/live")
    assert str(refused.value) == (
        "rtsp://127.0.0.1:9/live cannot be opened: the stream cannot be reached, or is none that OpenCV reads."
    )


def test_the_address_of_a_whole_video_is_read_by_its_own_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", numbered(10))
    with Frames(f"file://{path}", 0.5) as frames:
        assert [seconds for seconds, _ in frames] == [0.0, 0.5] and frames.ended == "end"


def plugged_in(monkeypatch: pytest.MonkeyPatch, video: FakeCamera) -> FakeCamera:
    monkeypatch.setattr(cv2(), "VideoCapture", video)
    return video


def test_a_camera_gives_its_newest_frame_and_the_clock_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    video = plugged_in(monkeypatch, FakeCamera(10**6))
    asked, times = [], []
    take = camera._Newest.take

    def noted(newest: camera._Newest) -> Pixels | None:
        asked.append(video.grabbed)
        return take(newest)

    monkeypatch.setattr(camera._Newest, "take", noted)
    with Frames("0", 0.05) as frames:
        assert frames.is_camera and frames.is_live and frames.name == "camera 0"
        for seconds, pixels in frames:
            times.append(seconds)
            assert int(pixels[0, 0, 2]) * 256 + int(pixels[0, 0, 1]) >= asked[-1]  # nothing from a buffer
            if len(times) == 4:
                break
    assert video.released and all(seconds >= 0.05 * i - 1e-3 for i, seconds in enumerate(times))
    assert video.retrieved <= 5 < video.grabbed  # what nobody asked for is not turned into pixels


def test_a_camera_that_is_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    video = plugged_in(monkeypatch, FakeCamera(20))
    with Frames("0", 0) as frames:
        found = list(frames)
        assert frames.ended == "lost" and 0 < len(found) <= frames.read == video.grabbed
    assert video.released


def test_a_camera_that_is_unplugged_while_nothing_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged_in(monkeypatch, FakeCamera(5))
    with Frames("0", 60) as frames:
        assert len(list(frames)) == 1 and frames.ended == "lost"


def test_a_camera_that_sends_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "TIMEOUT", 0.1)
    plugged_in(monkeypatch, FakeCamera(5, hang=0.15))
    with Frames("0", 0) as frames:
        assert list(frames) and frames.ended == "stalled"


def test_a_stream_without_an_end_goes_by_the_clock_and_may_end(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged_in(monkeypatch, FakeCamera(5))
    with Frames("rtsp://anna:secret@host/live", 0) as frames:
        assert (frames.is_live, frames.is_camera, frames.name) == (True, False, "rtsp://host/live")
        assert list(frames) and frames.ended == "end"


def test_a_recording_that_begins_again_at_0_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "clip.avi", numbered(10))
    told = iter([5.0, 5.1, 5.2, 5.3, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    monkeypatch.setattr(Frames, "_time", lambda frames: next(told))
    times, numbers, _ = looked_at(path, 0.3)
    assert numbers == [0, 3, 6, 9] and times == pytest.approx([0.0, 0.3, 0.6, 0.9])


@pytest.mark.parametrize("told", [float("nan"), float("inf"), 0.0, -5.0])
def test_without_usable_times_the_rate_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: float) -> None:
    path = write_video(tmp_path / "clip.avi", numbered(10))
    get = Frames._get
    monkeypatch.setattr(Frames, "_get", lambda frames, name: told if name == "POS_MSEC" else get(frames, name))
    times, numbers, _ = looked_at(path, 0.3)
    assert numbers == [0, 3, 6, 9] and times == pytest.approx([0.0, 0.3, 0.6, 0.9], abs=0.01)


def test_a_camera_is_given_back_when_the_reader_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    video = plugged_in(monkeypatch, FakeCamera(10**6))
    with pytest.raises(KeyboardInterrupt), Frames("0", 0) as frames:
        for _ in frames:
            raise KeyboardInterrupt
    assert video.released and "camera" not in {thread.name for thread in threading.enumerate()}


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(write_video(tmp_path / "clip.mp4", numbered()).read_bytes())
    start, end = data.index(b"mdat") + 200, data.index(b"moov") - 4
    data[start:end:7] = b"\xff" * len(data[start:end:7])
    (tmp_path / "broken.mp4").write_bytes(data)
    with Frames(str(tmp_path / "broken.mp4"), 0) as frames:
        list(frames)
    assert capfd.readouterr() == ("", "")
