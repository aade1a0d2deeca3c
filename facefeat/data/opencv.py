"""OpenCV, imported when it is first needed, and silent: what it has to say is said in facefeat's own sentences."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from facefeat.errors import MissingExtra


@cache
def cv2() -> Any:
    """Import OpenCV.

    Raises
    ------
    MissingExtra
        If it is not installed.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_VIDEOIO_DEBUG", "0")
    try:
        import cv2 as module
    except ImportError as error:
        raise MissingExtra("camera", "OpenCV, which reads videos and runs YuNet,") from error
    module.setNumThreads(1)  # facefeat's own threads keep the cores busy
    return module
