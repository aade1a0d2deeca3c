"""What one who asks may cost: bytes, seconds, and how many are heard at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is allowed.

    Attributes
    ----------
    picture_bytes : int
        Of one picture.
    waiting_pictures, waiting_bytes : int
        That are accepted and not answered yet; whoever comes then is sent away with 503.
    body_seconds : float
        For the whole of a body to arrive.
    head_seconds : float
        For the first line and the headers to arrive.
    picture_seconds : float
        From the last byte of a picture to its answer.
    connections : int
        At once.
    staged_pictures, staged_bytes : int
        That wait in memory to be added to somebody.
    staged_seconds : float
        How long they wait.
    drain_seconds : float
        For what is accepted to be answered once the server is to end.
    """

    picture_bytes: int = 20 * 1024**2
    waiting_pictures: int = 128
    waiting_bytes: int = 256 * 1024**2
    body_seconds: float = 30.0
    head_seconds: float = 10.0
    picture_seconds: float = 30.0
    connections: int = 1024
    staged_pictures: int = 200
    staged_bytes: int = 256 * 1024**2
    staged_seconds: float = 900.0
    drain_seconds: float = 30.0
