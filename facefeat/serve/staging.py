"""Pictures that wait in memory until they are added to somebody; never on the disk."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facefeat.serve.limits import Limits
from facefeat.serve.problems import Problem


@dataclass(frozen=True)
class _Staged:
    data: bytes
    until: float


class Staging:
    """Pictures by names that nobody guesses, for a while.

    Parameters
    ----------
    limits : Limits
    clock : callable
        Seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._held: dict[str, _Staged] = {}

    def __len__(self) -> int:
        self._forget_old()
        return len(self._held)

    def put(self, data: bytes) -> str:
        """Keep a picture, and return the name it is kept by.

        Raises
        ------
        Problem
            503 ``busy``, where too many wait.
        """
        self._forget_old()
        size = sum(len(one.data) for one in self._held.values())
        if len(self._held) >= self._limits.staged_pictures or size + len(data) > self._limits.staged_bytes:
            said = "Too many pictures wait to be added; add those first."
            raise Problem(503, "busy", said, {"Retry-After": f"{self._limits.staged_seconds:.0f}"})
        name = secrets.token_urlsafe(12)
        self._held[name] = _Staged(data, self._clock() + self._limits.staged_seconds)
        return name

    def get(self, names: Sequence[str]) -> list[bytes]:
        """Return pictures that are kept.

        Raises
        ------
        Problem
            404 ``not_found``.
        """
        self._forget_old()
        for name in names:
            if name not in self._held:
                said = f"A picture is no longer kept: they wait for {self._limits.staged_seconds / 60:.0f} minutes. Send it again."
                raise Problem(404, "not_found", said)
        return [self._held[name].data for name in names]

    def drop(self, names: Sequence[str]) -> None:
        """Forget pictures; names that are not known do nothing."""
        for name in names:
            self._held.pop(name, None)

    def _forget_old(self) -> None:
        now = self._clock()
        self.drop([name for name, one in self._held.items() if one.until <= now])
