"""What is kept of a source, what is not, how it ends, and that nothing is lost or written twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from facefeat.curate import capture as room
from facefeat.curate import capture_judge
from facefeat.curate.capture import Captured, capture, folder_of
from facefeat.curate.capture_judge import Rules, counts_in_words
from facefeat.data.detections import Detections
from facefeat.data.picture import load
from facefeat.errors import InputError, LockedError, StorageError, UsageError
from facefeat.features.store.lock import locked
from tests.making import Pixels
from tests.videos import FakeDetector, FakeFrames, marked, scene

Given = Iterable[Pixels | BaseException]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that captures frames into ``tmp_path / "data" / "anna"``."""

    def of(frames: Given, *, ended: str = "end", announced: int = 0, **options: Any) -> Captured:
        source = FakeFrames(frames, ended, announced)
        monkeypatch.setattr(room, "Frames", lambda given, every: source)
        options = {"data": tmp_path / "data", "detector": FakeDetector(), **options}
        try:
            return capture(options.pop("name", "anna"), "clip.avi", **options)
        finally:
            assert source.closed

    return of


def looks(*numbers: int) -> list[Pixels]:
    """Make a frame for each look of one person."""
    return [scene([(marked(number), 100, 80)]) for number in numbers]


def opened(path: Path) -> Pixels:
    return load(path).pixels


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_as_many_are_kept_as_were_asked_for(run: Any, tmp_path: Path) -> None:
    made = run(looks(*range(10)), count=3)
    assert made.written == tuple(tmp_path / "data" / "anna" / f"000{n}.png" for n in (1, 2, 3))
    assert names(made.folder) == ["0001.png", "0002.png", "0003.png"]
    assert (made.seen, made.skipped, made.ended, made.complete, made.known) == (3, {}, "count", True, 0)
    assert made.why == "As many are kept as were asked for"


def test_the_end_of_the_source_is_an_end_too(run: Any) -> None:
    made = run(looks(*range(4)))
    assert (len(made.written), made.ended, made.complete) == (4, "end", True)
    assert made.why == "The end of clip.avi was reached"


def test_a_picture_has_the_pixels_of_its_frame_with_half_a_side_of_room(run: Any) -> None:
    frame, *_ = frames = looks(0)
    kept = opened(run(frames).written[0])
    np.testing.assert_array_equal(kept, frame[40:200, 60:220])


def test_the_room_ends_with_the_frame(run: Any) -> None:
    frame = scene([(marked(0), 10, 150)])
    kept = opened(run([frame]).written[0])
    np.testing.assert_array_equal(kept, frame[110:240, 0:130])


def test_every_frame_that_is_not_kept_has_its_reason(run: Any) -> None:
    frames = [
        scene(),
        scene([(marked(0), 20, 80), (marked(1, mark=1), 200, 80)]),
        scene([(marked(0, side=63), 100, 80)]),
        scene([(marked(0, blur=2), 100, 80)]),
        *looks(0, 0, 0, 1),
    ]
    made = run(frames, rules=Rules(sharpness=0.35))
    assert made.skipped == {"no_face": 1, "several_faces": 1, "tiny": 1, "blurred": 1, "alike": 2}
    assert (len(made.written), made.seen) == (2, 8)


def test_still_stretches_give_one_picture_each(run: Any) -> None:
    frames = [scene([(marked(look), 100 + seed % 3, 80)], seed) for look in range(3) for seed in range(8)]
    made = run(frames)
    assert (len(made.written), made.skipped) == (3, {"alike": 21})


@pytest.mark.parametrize(("policy", "where"), [("largest", np.s_[38:206, 0:136]), ("central", np.s_[50:190, 105:245])])
def test_a_policy_takes_one_of_several_faces(run: Any, policy: str, where: Any) -> None:
    frame = scene([(marked(0, side=84), 10, 80), (marked(1, side=70, mark=1), 140, 85)])
    made = run([frame], rules=Rules(policy=policy))
    np.testing.assert_array_equal(opened(made.written[0]), frame[where])


def test_faces_that_are_too_small_do_not_count_as_several(run: Any) -> None:
    made = run([scene([(marked(0), 20, 80), (marked(1, side=40, mark=1), 250, 80)])])
    assert (len(made.written), made.skipped) == (1, {})


class LargePictures(FakeDetector):
    """A detector that finds nothing in what was cut out."""

    def detect_all(self, pictures: Sequence[Pixels]) -> list[Detections]:
        return [self._in(pixels) if pixels.shape[1] == 320 else Detections.none() for pixels in pictures]


def test_a_face_that_extract_would_not_find_is_not_kept(run: Any) -> None:
    with pytest.raises(InputError) as refused:
        run(looks(0, 1), detector=LargePictures())
    assert str(refused.value) == (
        "No face was kept from clip.avi: 2 frames were looked at, 2 not found again in the cut-out."
    )


class Swapping(FakeDetector):
    """A detector that finds another face in what was cut out."""

    def detect_all(self, pictures: Sequence[Pixels]) -> list[Detections]:
        found = super().detect_all(pictures)
        return [one if p.shape[1] == 320 else Detections(one.boxes + 90, one.landmarks, one.scores)
                for one, p in zip(found, pictures, strict=True)]  # fmt: skip


def test_a_cut_out_with_another_larger_face_is_not_kept(run: Any) -> None:
    with pytest.raises(InputError, match="1 not found again in the cut-out"):
        run(looks(0), detector=Swapping())


def test_rules_decide(run: Any) -> None:
    frames = [scene([(marked(0, side=40), 100, 80)]), scene([(marked(0, blur=2), 100, 80)]), *looks(1, 1)]
    made = run(frames, rules=Rules(min_pixels=16, sharpness=0, likeness=1))
    assert (len(made.written), made.skipped) == (4, {})


def test_numbers_go_on_after_the_highest_there(run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "anna"
    folder.mkdir(parents=True)
    for name in ("0007.jpg", "12.txt", "photo.png", "9000x.png"):
        (folder / name).write_bytes(b"mine")
    made = run(looks(0, 1))
    assert [path.name for path in made.written] == ["0013.png", "0014.png"]
    assert all((folder / name).read_bytes() == b"mine" for name in ("0007.jpg", "12.txt", "photo.png", "9000x.png"))


def test_a_second_run_adds_only_what_is_new(run: Any) -> None:
    first = run(looks(0, 1, 2))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in first.folder.iterdir()}
    again = run(looks(0, 1, 2))
    assert (again.written, again.known, again.skipped, again.complete) == ((), 3, {"alike": 3}, True)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in first.folder.iterdir()} == before
    more = run(looks(2, 3, 0, 4))
    assert [path.name for path in more.written] == ["0004.png", "0005.png"] and more.skipped == {"alike": 2}


def test_pictures_of_any_kind_that_lie_there_are_known(run: Any, tmp_path: Path) -> None:
    deeper = tmp_path / "data" / "anna" / "from before"
    deeper.mkdir(parents=True)
    Image.fromarray(looks(5)[0]).save(deeper / "holiday.bmp")
    (deeper / "broken.png").write_bytes(b"no picture")
    told: list[tuple[str, int, int]] = []
    made = run(looks(5, 6), progress=lambda *given: told.append(given))
    assert (len(made.written), made.known, made.skipped) == (1, 1, {"alike": 1})
    assert told == [
        ("known faces looked at", 1, 2),
        ("known faces looked at", 2, 2),
        ("kept; 1 like one kept before", 0, 100),
        ("kept; 1 like one kept before", 1, 100),
    ]


def test_a_source_without_a_face_is_an_error_and_leaves_nothing(run: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        run([scene()] * 40)
    assert str(refused.value) == ("No face was kept from clip.avi: 40 frames were looked at, 40 without a face.")
    assert not (tmp_path / "data").exists()


def test_one_frame_and_none_are_counted_right(run: Any) -> None:
    with pytest.raises(InputError) as refused:
        run([scene()])
    assert str(refused.value) == "No face was kept from clip.avi: 1 frame was looked at, 1 without a face."
    with pytest.raises(InputError) as refused:
        run([])
    assert str(refused.value) == "No face was kept from clip.avi: 0 frames were looked at."


def test_a_truncated_video_keeps_its_faces_and_says_so(run: Any) -> None:
    made = run(looks(0, 1), ended="truncated", announced=1200)
    assert (len(made.written), made.complete, made.ended) == (2, False, "truncated")
    assert made.why == "2 of the 1,200 frames of clip.avi could be read: it is cut off"


def test_a_truncated_video_without_a_face_is_an_error(run: Any) -> None:
    with pytest.raises(InputError) as refused:
        run([scene(), scene()], ended="truncated", announced=30)
    assert str(refused.value) == (
        "No face was kept from clip.avi: 2 frames were looked at, 2 without a face. "
        "2 of the 30 frames of clip.avi could be read: it is cut off."
    )


@pytest.mark.parametrize(("ended", "sentence"), [
    ("lost", "No more frames come from clip.avi: it was unplugged, or its driver failed"),
    ("stalled", "No frame came from clip.avi for 10 seconds"),
])  # fmt: skip
def test_what_was_kept_until_a_source_broke_off_stays(run: Any, tmp_path: Path, ended: str, sentence: str) -> None:
    folder = tmp_path / "data" / "anna"
    for frames, kept in (
        ([scene()], "no face was kept"),
        (looks(0), f"the 1 face that was kept is in {folder}"),
        (looks(1, 2), f"the 2 faces that were kept are in {folder}"),
    ):
        with pytest.raises(InputError) as refused:
            run(frames, ended=ended)
        assert str(refused.value) == f"{sentence}; {kept}."
    assert names(folder) == ["0001.png", "0002.png", "0003.png"]


def test_a_camera_that_was_unplugged_after_the_last_picture_is_no_error(run: Any) -> None:
    assert run(looks(0, 1), ended="lost", count=2).ended == "count"


def test_a_stop_leaves_whole_pictures_only(run: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run([*looks(0, 1), KeyboardInterrupt()])
    folder = tmp_path / "data" / "anna"
    assert names(folder) == ["0001.png", "0002.png"]
    assert [opened(folder / name).shape for name in names(folder)] == [(160, 160, 3)] * 2
    assert len(run(looks(0, 1, 2)).written) == 1


def test_two_captures_do_not_write_into_one_folder(run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "anna"
    with locked(folder / ".capture.lock"), pytest.raises(LockedError) as refused:
        run(looks(0))
    assert str(refused.value) == f"Another capture is writing into {folder}; wait for it, or stop it."
    assert run(looks(0)).written and names(folder) == ["0001.png"]


def test_a_folder_that_was_there_stays_though_nothing_was_kept(run: Any, tmp_path: Path) -> None:
    (tmp_path / "data" / "anna").mkdir(parents=True)
    with pytest.raises(InputError):
        run([scene()])
    assert names(tmp_path / "data" / "anna") == []


def test_every_frame_is_shown_with_its_face(run: Any) -> None:
    shown: list[Any] = []
    run([scene(), *looks(0)], show=lambda pixels, box: shown.append(None if box is None else box.tolist()))
    assert shown == [None, [100, 80, 180, 160]]


def test_the_name_is_text_as_facefeat_writes_it(tmp_path: Path) -> None:
    assert folder_of("Zoë 100%", tmp_path) == tmp_path / "Zoë 100%"
    assert folder_of("caf%E9", tmp_path) == tmp_path / "caf\udce9"
    assert folder_of("J. Smith", tmp_path) == tmp_path / "J. Smith"


@given(st.text(st.characters(exclude_categories=()), max_size=12))
def test_no_name_leads_out_of_the_data_set(name: str) -> None:
    data = Path("nowhere")
    with suppress(UsageError):
        assert folder_of(name, data).parent == data


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refused:
        folder_of("a" * 300, tmp_path)
    assert str(refused.value) == f"{tmp_path / ('a' * 300)} cannot be written: File name too long."


@pytest.mark.parametrize("name", ["", " ", "..", ".hidden", "a/b", "/a", "a\\b", "%2E%2E", "a%2Fb"])
def test_a_name_that_is_no_plain_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as refused:
        folder_of(name, tmp_path)
    assert str(refused.value) == (
        f"The name must be that of a folder, without a slash and not beginning with a dot; '{name}' was given."
    )


@pytest.mark.parametrize("name", ["a\nb", " anna", "anna ", "a\x1b[31m", "a%00"])
def test_a_name_that_misleads_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as refused:
        folder_of(name, tmp_path)
    assert str(refused.value) == (
        f"The name must have no blanks around it and no control characters; '{name}' was given."
    )


def test_a_name_that_is_a_file_or_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for name, kind in (("file", "a file"), ("link", "a link, which extract does not enter")):
        with pytest.raises(UsageError) as refused:
            folder_of(name, tmp_path)
        assert str(refused.value) == f"{tmp_path / name} is {kind}; choose another name."


@pytest.mark.parametrize(("given", "sentence"), [
    ({"policy": "first"}, "There is no policy of capture 'first'; did you mean 'largest'? There are: central, largest, skip."),
    ({"min_pixels": 15}, "The narrowest face must be from 16 to 10,000; 15 was given."),
    ({"sharpness": -1}, "The lowest sharpness must be from 0 to 100; -1 was given."),
    ({"likeness": 1.5}, "The highest likeness must be from 0 to 1; 1.5 was given."),
    ({"likeness": float("nan")}, "The highest likeness must be from 0 to 1; nan was given."),
])  # fmt: skip
def test_rules_out_of_range_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        capture_judge.rules_of(**given)
    assert str(refused.value) == sentence


def test_nothing_asked_for_is_refused(run: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        capture("anna", "clip.avi", data=tmp_path, count=0)
    assert str(refused.value) == "At least 1 picture must be asked for; 0 was given."


def test_without_a_detector_nothing_can_be_captured(run: Any) -> None:
    with pytest.raises(UsageError) as refused:
        run(looks(0), detector=None, faces_mode="none")
    assert str(refused.value) == (
        "Capturing needs a way to find faces; 'none' was given. There are: auto, mtcnn, yunet:FILE."
    )


def test_counts_in_words() -> None:
    assert counts_in_words({}) == "" and counts_in_words({"tiny": 0}) == ""
    assert counts_in_words({"no_face": 1, "alike": 1200, "tiny": 0}) == "1,200 like one kept before, 1 without a face"


@given(
    st.tuples(*[st.floats(0, 1, width=32)] * 4),
    st.integers(1, 2000),
    st.integers(1, 2000),
)
@example((0.0, 0.0, 0.05999999865889549, 0.05999999865889549), 1, 50)  # a box whose side is rounded up
def test_the_room_holds_the_face_and_lies_in_the_frame(share: tuple[float, ...], width: int, height: int) -> None:
    (left, right), (top, bottom) = (
        sorted([share[0] * width, share[1] * width]),
        sorted([share[2] * height, share[3] * height]),
    )
    box = np.array([left, top, right, bottom], np.float32)
    left, top, right, bottom = box.tolist()  # as they were rounded
    x0, y0, x1, y1 = capture_judge._room(box, np.empty((height, width, 3), np.uint8))
    assert 0 <= x0 <= left and right <= x1 <= width and 0 <= y0 <= top and bottom <= y1 <= height
    side = max(right - left, bottom - top)
    assert x1 - x0 <= 2 * side + 2 and y1 - y0 <= 2 * side + 2
