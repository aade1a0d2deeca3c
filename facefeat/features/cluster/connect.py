"""A Ray cluster: found, joined, and left again."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facefeat.engines.keras import silent_stderr
from facefeat.errors import MissingExtra, UsageError

REACH_SECONDS = 5.0  # to be answered at all


def address_of(cluster: str) -> tuple[str, int] | None:
    """Read what ``--cluster`` was given.

    Parameters
    ----------
    cluster : str
        ``'ray'`` or ``'ray:HOST:PORT'``.

    Returns
    -------
    tuple of (str, int) or None
        ``None``: the cluster that Ray finds on this machine.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> address_of("ray"), address_of("ray:10.0.0.1:6379"), address_of("ray:[::1]:6379")
    (None, ('10.0.0.1', 6379), ('::1', 6379))
    """
    engine, _, place = cluster.partition(":")
    host, _, port = place.rpartition(":")
    if engine == "ray" and not place:
        return None
    if engine == "ray" and host and "/" not in host and port.isdecimal() and 0 < int(port) < 2**16:
        return host.strip("[]"), int(port)
    raise UsageError(
        f"--cluster takes ray, or ray:HOST:PORT of a cluster's head, such as ray:10.0.0.1:6379; '{cluster}' was given."
    )


@contextmanager
def joined(cluster: str) -> Iterator[Any]:
    """Join a cluster as its driver, and leave it in the end with all that was started there.

    A program that has joined one already stays in that.

    Parameters
    ----------
    cluster : str
        See ``address_of``.

    Yields
    ------
    module
        ``ray``.

    Raises
    ------
    UsageError
        If there is no such cluster, or it cannot be joined.
    MissingExtra
    """
    address = address_of(cluster)
    ray = _imported()
    if ray.is_initialized():
        yield ray
        return
    if address:
        _reach(*address)
    with silent_stderr():  # what Ray says of a failure is in the error
        failure = _join(ray, address)
    if failure is not None:
        raise _cannot(address, failure) from failure
    try:
        yield ray
    finally:
        ray.shutdown()


def _cannot(address: tuple[str, int] | None, failure: Exception) -> UsageError:
    if address is None and isinstance(failure, ConnectionError):
        # None is started unasked: it would listen on all of this machine's addresses.
        return UsageError(
            "No Ray cluster runs on this machine; start one with: ray start --head, or give the address of one: "
            "--cluster ray:HOST:PORT"
        )
    reason = " ".join(str(failure).split()) or type(failure).__name__
    where = ":".join(map(str, address)) if address else "this machine"
    return UsageError(f"The Ray cluster of {where} cannot be joined: {reason[:300].rstrip('.')}.")


def _imported() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # facefeat sends nothing anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of what Ray Data itself does
    try:
        with silent_stderr():
            import ray
            import ray.data
    except ImportError as error:
        raise MissingExtra("cluster", "--cluster") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _reach(host: str, port: int) -> None:
    """Ask before Ray does, which takes a minute to say no."""
    try:
        socket.create_connection((host, port), REACH_SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"No cluster answers at {host}:{port} ({error.strerror or error}); start one with: ray start --head"
        ) from error


def _join(ray: Any, address: tuple[str, int] | None) -> Exception | None:
    """Join, or return why not."""
    host = f"[{address[0]}]" if address and ":" in address[0] else address and address[0]
    where = f"{host}:{address[1]}" if address else "auto"
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises many kinds
        return error
    return None
