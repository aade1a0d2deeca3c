"""The body of a request, counted while it comes: never more of it in memory than is allowed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request

from facefeat.serve.limits import Limits
from facefeat.serve.problems import Problem

JSON_BYTES = 64 * 1024
LINGER = 1.0  # seconds
BINARY = "application/octet-stream"


async def picture(request: Request, limits: Limits, take: Callable[[int], None]) -> bytes:
    """Read the bytes of one picture.

    Parameters
    ----------
    request : Request
    limits : Limits
    take : callable
        Told of every piece's length before it is kept; may raise.

    Returns
    -------
    bytes

    Raises
    ------
    Problem
        413 ``too_many_bytes``, 408 ``slow_body``, 415 ``media_type``.
    """
    kind = media_type(request)
    if not kind.startswith("image/") and kind != BINARY:
        raise Problem(
            415, "media_type", f"A picture is sent as image/* or {BINARY}, but this came as {kind or 'nothing'}."
        )
    return await _read(request, limits.picture_bytes, limits.body_seconds, take)


async def document(request: Request, limits: Limits) -> Any:
    """Read a small JSON document.

    Raises
    ------
    Problem
        400 ``bad_request``, 413 ``too_many_bytes``, 408 ``slow_body``, 415 ``media_type``.
    """
    kind = media_type(request)
    if kind != "application/json":
        raise Problem(415, "media_type", f"The body is sent as application/json, but this came as {kind or 'nothing'}.")
    data = await _read(request, JSON_BYTES, limits.body_seconds, lambda n: None)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "bad_request", "The body is no JSON document.") from error


def media_type(request: Request) -> str:
    """Return what the body is said to be, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read(request: Request, most: int, seconds: float, take: Callable[[int], None]) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        await _linger(request)
        raise _too_large(most)
    parts, n = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                n += len(part)
                if n > most:
                    break
                take(len(part))
                parts.append(part)
    except TimeoutError:
        said = f"The body did not arrive within {seconds:g} s."
        raise Problem(408, "slow_body", said, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem(400, "bad_request", "The body was cut off.") from None
    if n > most:
        await _linger(request)
        raise _too_large(most)
    return b"".join(parts)


async def _linger(request: Request) -> None:
    """Let what is under way come in, for a moment: whoever is cut off while sending never reads why."""
    if "expect" in request.headers:
        return
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(LINGER):
            async for _ in request.stream():
                pass


def _too_large(most: int) -> Problem:
    size = f"{most / 1024**2:.0f} MB" if most >= 1024**2 else f"{most / 1024:.0f} kB"
    return Problem(
        413, "too_many_bytes", f"The body is larger than {size}, and no more is read.", {"Connection": "close"}
    )
