"""A window that shows what the camera sees, where there is a display; nowhere an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.camera import is_number

Show = Callable[[NDArray[np.uint8], NDArray[np.float32] | None], None]

SIDE = 640  # pixels of the window's longer side, at most


class Window:
    """Show frames; once its user closed it, nothing is shown."""

    def __init__(self, title: str) -> None:
        import tkinter

        from PIL import ImageTk

        self._picture_of: Any = ImageTk.PhotoImage
        self._root: Any = tkinter.Tk()
        self._root.title(title)
        self._label: Any = tkinter.Label(self._root)
        self._label.pack()

    def show(self, pixels: NDArray[np.uint8], box: NDArray[np.float32] | None) -> None:
        """Show a frame of shape (height, width, 3) and the face in it: left, top, right, bottom in pixels."""
        from PIL import Image, ImageDraw

        frame = Image.fromarray(pixels)
        if box is not None:
            ImageDraw.Draw(frame).rectangle([float(side) for side in box], outline=(0, 220, 90), width=3)
        frame.thumbnail((SIDE, SIDE))
        with suppress(Exception):  # closed, or the display is gone
            self._label.image = self._picture_of(frame)  # kept, or it would vanish at once
            self._label.configure(image=self._label.image)
            self._root.update()

    def close(self) -> None:
        """Close the window."""
        with suppress(Exception):  # closed already
            self._root.destroy()


@contextmanager
def window(source: str, wanted: bool | None = None) -> Iterator[Show | None]:
    """Give a function that shows frames in a window; ``None`` where there is no display or no toolkit.

    Parameters
    ----------
    source : str
        What the frames are of.
    wanted : bool or None
        ``None``: for a camera, where stderr is a terminal.
    """
    if wanted is None:
        wanted = is_number(source) and sys.stderr is not None and sys.stderr.isatty()
    has_display = sys.platform in ("win32", "darwin") or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    opened = None
    if wanted and has_display:
        with suppress(Exception):
            opened = Window(f"facefeat: {source}")
    try:
        yield opened.show if opened else None
    finally:
        if opened:
            opened.close()
