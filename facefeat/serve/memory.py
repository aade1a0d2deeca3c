"""What the C library keeps of memory that is given back to it."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

LARGE = 1024**2  # bytes; a picture's pixels are more

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def return_large() -> None:
    """Have large blocks go back to the system as soon as they are let go of, where the C library is glibc.

    It raises its limit for that to 32 MB with the first such blocks, and then keeps holes of that size: a server that sees
    a few large photographs stays a hundred MB larger. A limit that is set stays.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
