"""The window is there where it can be, and never an error."""

from __future__ import annotations

import io
import sys
from types import ModuleType
from typing import Any

import numpy as np
import PIL
import pytest

from facefeat.data import preview

PIXELS = np.zeros((48, 64, 3), np.uint8)
BOX = np.array([10, 10, 20, 20], np.float32)


class Toolkit(ModuleType):
    """A toolkit that notes what is done with it, or fails."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__("tkinter")
        self.done: list[str] = []
        self.fails = fails

    def Tk(self) -> Any:
        if self.fails:
            raise RuntimeError("couldn't connect to display")
        return self

    def Label(self, root: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self.done.append(name)


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch) -> Toolkit:
    found, pictures = Toolkit(), ModuleType("PIL.ImageTk")
    monkeypatch.setattr(pictures, "PhotoImage", lambda picture: picture.size, raising=False)
    monkeypatch.setitem(sys.modules, "tkinter", found)
    monkeypatch.setitem(
        sys.modules, "PIL.ImageTk", pictures
    )  # the real one wants the real toolkit, which may not be there
    monkeypatch.setattr(PIL, "ImageTk", pictures, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    return found


def test_a_frame_is_shown_and_the_window_closed(toolkit: Toolkit) -> None:
    with preview.window("0", True) as show:
        assert show is not None
        show(PIXELS, BOX)
        show(PIXELS, None)
    assert toolkit.done == ["title", "pack", "configure", "update", "configure", "update", "destroy"]


def test_a_window_that_was_closed_is_no_error(toolkit: Toolkit, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*given: Any, **named: Any) -> None:
        raise RuntimeError("application has been destroyed")

    with preview.window("0", True) as show:
        assert show is not None
        monkeypatch.setattr(toolkit, "configure", gone, raising=False)
        monkeypatch.setattr(toolkit, "destroy", gone, raising=False)
        show(PIXELS, BOX)


@pytest.mark.parametrize("why", ["not wanted", "no display", "no toolkit", "no connection"])
def test_without_a_display_there_is_none(toolkit: Toolkit, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    if why == "no display":
        monkeypatch.delenv("DISPLAY")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if why == "no toolkit":
        monkeypatch.setitem(sys.modules, "tkinter", None)
    toolkit.fails = why == "no connection"
    with preview.window("0", why != "not wanted") as show:
        assert show is None


@pytest.mark.parametrize(("source", "terminal", "there"), [
    ("0", True, True), ("0", False, False), ("clip.avi", True, False), ("rtsp://host/live", True, False),
])  # fmt: skip
def test_by_itself_it_is_for_a_camera_at_a_terminal(
    toolkit: Toolkit, monkeypatch: pytest.MonkeyPatch, source: str, terminal: bool, there: bool
) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stderr)
    with preview.window(source) as show:
        assert (show is not None) is there
