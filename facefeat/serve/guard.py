"""Who may ask: the name the server was called by, the token, and the page the request came from.

An ASGI middleware around everything. It looks at headers only, and adds its own to every answer.
"""

from __future__ import annotations

import ipaddress
import secrets
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facefeat.serve import problems
from facefeat.serve.problems import Problem

LOOPBACK = ("localhost", "127.0.0.1", "::1")
COOKIE = "facefeat"
SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = ("/healthz", "/page.css", "/icon.svg")  # hold nothing of anybody's

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Door:
    """By which names, and with which token, a server is reached.

    Attributes
    ----------
    names : tuple of str
        Host names and addresses, in lower case, that a request may be sent to.
    any_address : bool
        Any bare address may be, too: for servers on all of a machine's addresses. Only names can be made to
        lead here by others.
    token : str or None
    """

    names: tuple[str, ...] = LOOPBACK
    any_address: bool = False
    token: str | None = None

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server."""
        name = host_name(host)
        return name is not None and (name in self.names or (self.any_address and is_address(name)))

    def opens(self, given: str | None) -> bool:
        """Whether a token is the right one; how far it agrees changes nothing in the time it takes."""
        if self.token is None:
            return True
        return given is not None and secrets.compare_digest(given.encode("utf-8", "replace"), self.token.encode())


def host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case; ``None`` if it is malformed.

    Examples
    --------
    >>> host_name("LocalHost:8000"), host_name("[::1]:80"), host_name("a b")
    ('localhost', '::1', None)
    """
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment or any(c.isspace() for c in host):
        return None
    return parts.hostname


def is_address(name: str) -> bool:
    """Whether a host's name is a bare IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Refuse what does not come from this server's own page, or from a program with the token.

    Parameters
    ----------
    app : ASGIApp
    door : Door
    sign_in : bytes
        The page shown to a browser that has no token yet.

    Attributes
    ----------
    stopping : bool
        Whether the server is about to end: nothing new is taken.
    active : int
        Requests that are not answered yet.
    """

    def __init__(self, app: ASGIApp, door: Door, sign_in: bytes) -> None:
        self._app, self._door, self._sign_in = app, door, sign_in
        self.stopping, self.active = False, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.active += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self.active -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(message)
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, guarded)
        except Problem as problem:
            await self._refusal(problem, scope["path"])(scope, receive, guarded)
        except Exception:
            traceback.print_exc()
            if not started:
                await problems.bug().response()(scope, receive, guarded)

    def _refusal(self, problem: Problem, path: str) -> Response:
        if problem.code == "token" and path == "/":
            return Response(self._sign_in, problem.status, media_type="text/html")
        return problem.response()

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._door.knows(hosts[0]):
            raise Problem(421, "foreign_host", "This server is not called by that name; see --allow-host.")
        path = scope["path"]
        if path.startswith("/api/") or scope["method"] not in SAFE:
            _check_page(headers, hosts[0])
        if path not in OPEN and not self._door.opens(_token(scope, headers)):
            said = "This server needs its token: open the address it printed, or send Authorization: Bearer TOKEN."
            raise Problem(401, "token", said, {"WWW-Authenticate": "Bearer"})
        if self.stopping and path != "/healthz":
            raise Problem(503, "stopping", "The server is about to end.", {"Retry-After": "5", "Connection": "close"})


def _check_page(headers: Headers, host: str) -> None:
    """Refuse what another site's page asked for; programs that are no browsers send none of these headers."""
    came_from = headers.get("sec-fetch-site", "none")
    origin = headers.get("origin")
    if came_from not in ("same-origin", "none") or (origin is not None and not _same(origin, host)):
        raise Problem(403, "foreign_page", "Another site's page asked for this, and only this server's own may.")


def _same(origin: str, host: str) -> bool:
    scheme, _, rest = origin.partition("://")
    return scheme in ("http", "https") and rest.lower() == host.lower()


def _token(scope: Scope, headers: Headers) -> str | None:
    """Return the token of a request: of its header, of the page's address, or of the cookie that the page set."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return given.strip()
    if scope["path"] == "/" and (in_address := token_in_address(scope)) is not None:
        return in_address
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def token_in_address(scope: Scope) -> str | None:
    """Return the token that the page's address holds, if any."""
    values = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20).get("token")
    return values[0] if values else None


def cookie(token: str, secure: bool) -> str:
    """Return the header that has the browser keep the token, where no script can read it."""
    return f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


def _add_headers(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)


def door_of(host: str, allowed: Iterable[str], token: str | None) -> Door:
    """Say by which names a server on an address is reached.

    Parameters
    ----------
    host : str
        What it listens on.
    allowed : iterable of str
        Further names, such as that of a proxy before it.
    token : str or None

    Returns
    -------
    Door
    """
    everywhere = host in ("0.0.0.0", "::", "")
    own = () if everywhere else (host.lower(),)
    names = dict.fromkeys((*LOOPBACK, *own, *(name.lower() for name in allowed)))
    return Door(tuple(names), everywhere, token)
