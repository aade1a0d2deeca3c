"""How many pictures are taken at once: the rest are sent away at once, rather than kept waiting."""

from __future__ import annotations

import threading
from typing import Any

from facefeat.serve.limits import Limits
from facefeat.serve.problems import Problem


class Gate:
    """Count the pictures that are accepted and not answered yet, and their bytes.

    Parameters
    ----------
    limits : Limits
    """

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock = limits, threading.Lock()
        self.pictures = self.bytes = 0

    def enter(self) -> Ticket:
        """Accept one picture more.

        Raises
        ------
        Problem
            503 ``busy``.
        """
        with self._lock:
            if self.pictures >= self._limits.waiting_pictures:
                raise busy()
            self.pictures += 1
        return Ticket(self)

    def take(self, n: int) -> None:
        """Accept so many bytes more; raises as ``enter``."""
        with self._lock:
            if self.bytes + n > self._limits.waiting_bytes:
                raise busy()
            self.bytes += n

    def leave(self, n: int) -> None:
        """Let go of a picture and its bytes."""
        with self._lock:
            self.pictures -= 1
            self.bytes -= n


class Ticket:
    """One accepted picture; given back once, when the last who holds it lets go.

    Parameters
    ----------
    gate : Gate
    """

    def __init__(self, gate: Gate) -> None:
        self._gate, self._held, self._bytes = gate, True, 0

    def take(self, n: int) -> None:
        """Count bytes that came; raises ``Problem``."""
        self._gate.take(n)
        self._bytes += n

    def leave(self, *_: Any) -> None:
        """Give it back; a second time does nothing."""
        if self._held:
            self._held = False
            self._gate.leave(self._bytes)


def busy() -> Problem:
    """Build the answer to one who comes when too many wait."""
    return Problem(503, "busy", "Too many pictures wait already; try again in a second.", {"Retry-After": "1"})
