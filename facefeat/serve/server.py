"""One model behind one port: listening, answering, and ending without dropping what was accepted."""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from facefeat.data import isolated, regular
from facefeat.errors import InputError, MissingExtra, UsageError
from facefeat.features.encode import Encoder
from facefeat.learn.bundle import Bundle
from facefeat.learn.predict import Recogniser, encoder_of
from facefeat.serve.limits import Limits

MOST_REPORT = 64 * 1024**2


@dataclass(frozen=True)
class Opened:
    """A server that listens and answers once it is run.

    Attributes
    ----------
    address : str
        Of the page; with the token, if there is one.
    token : str or None
    port : int
    people : int
        That the model knows.
    run : callable
        Answers until the process is asked to end (SIGINT, SIGTERM), then finishes what was accepted, and raises
        what the signal would.
    stop : callable
        Ends it the same way, from another thread.
    close : callable
        Gives the port back without answering.
    """

    address: str
    token: str | None
    port: int
    people: int
    run: Callable[[], None]
    stop: Callable[[], None]
    close: Callable[[], None]


def open_server(
    model: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    allowed: Sequence[str] = (),
    report: Path | None = None,
    limits: Limits | None = None,
    workers: int = 1,
    encoder: Callable[[Bundle], Encoder] = encoder_of,
    tell: Callable[[str], None] = print,
) -> Opened:
    """Read a model, and listen.

    Parameters
    ----------
    model : Path
    host : str, default='127.0.0.1'
        Address to listen on; for any but a loopback address a token is made if none is given.
    port : int, default=8000
        0: any that is free.
    token : str or None
        What others must know: 16 characters or more.
    allowed : sequence of str
        Further names by which requests may call this server, such as a proxy's; for these too.
    report : Path or None
        A page to be shown beside, made by ``facefeat compare --html``.
    limits : Limits or None
    workers : int, default=1
        Threads that decode pictures and find faces.
    encoder : callable
        Makes ready what a model needs; see ``facefeat.learn.predict.encoder_of``.
    tell : callable
        Told in sentences what happens meanwhile.

    Returns
    -------
    Opened

    Raises
    ------
    MissingExtra
    UsageError
        If the port or the host cannot be had, or the token is no good one.
    InputError, FileFormatError
    """
    _check_extra()
    from facefeat.serve.app import Site
    from facefeat.serve.current import Current
    from facefeat.serve.draining import DrainingServer
    from facefeat.serve.guard import LOOPBACK, door_of
    from facefeat.serve.pipeline import Pipeline

    page = None if report is None else _report(report)
    token = _token(token, host not in LOOPBACK or bool(allowed))
    listening = _listen(host, port)  # before the model is read: a port in use is said at once
    try:
        isolated.begin()
        current = Current(model, _readier(encoder), tell)
        site = Site(current, Pipeline(workers), limits or Limits(), door_of(host, allowed, token), page)
    except BaseException:
        listening.close()
        raise
    bound, people = listening.getsockname()[1], len(current.model.bundle.people)
    address = f"http://{_shown(host)}:{bound}/" + (f"?token={quote(token)}" if token else "")
    server = DrainingServer(site, listening)
    return Opened(address, token, bound, people, server.answer, server.stop, server.close)


def _readier(encoder: Callable[[Bundle], Encoder]) -> Callable[[Bundle, Recogniser | None], Recogniser]:
    """Return what makes bundles ready; one of the same recipe as that before has its network already."""

    def ready(bundle: Bundle, before: Recogniser | None) -> Recogniser:
        if before is not None and before.bundle.recipe.sha256 == bundle.recipe.sha256:
            return Recogniser(bundle, before.encoder)
        return Recogniser(bundle, encoder(bundle))

    return ready


def _check_extra() -> None:
    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise MissingExtra("serve", "The web page") from error
    _ = starlette, uvicorn


def _token(given: str | None, needed: bool) -> str | None:
    """Make a token where one is needed; refuse one that could be guessed, or that a cookie cannot hold."""
    if given is None:
        return secrets.token_urlsafe(24) if needed else None
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,200}", given):
        said = "A token has 16 characters or more, of letters, digits, - and _; leave --token out to have one made."
        raise UsageError(said)
    return given


def _report(path: Path) -> bytes:
    try:
        handle = regular.opened(path)
    except (OSError, ValueError, regular.NotRegular) as error:
        reason = getattr(error, "strerror", None) or "it is no file"
        raise InputError(
            f"The report {path} cannot be read ({reason}); make it with: facefeat compare --html"
        ) from error
    with open(handle, "rb") as file:
        page = file.read(MOST_REPORT + 1)
    if len(page) > MOST_REPORT:
        raise InputError(f"The report {path} is larger than {MOST_REPORT // 1024**2} MB.")
    return page


def _listen(host: str, port: int) -> socket.socket:
    """Take the port.

    Raises
    ------
    UsageError
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"There is no address {host} to listen on; leave --host out for this machine alone."
        ) from error
    try:
        if os.name == "posix":  # else a port that was left a moment ago is still taken
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise UsageError(_why_not(host, port, error)) from error
    return listening


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use; choose another with --port, or --port 0 for any that is free."
    if error.errno == errno.EACCES:
        return f"Port {port} needs rights that you do not have; choose one from 1024 on, or --port 0."
    return f"facefeat cannot listen on {host}, port {port}: {error.strerror}."


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
