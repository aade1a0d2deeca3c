"""Who is sent away: other sites' pages, other names, and those without the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefeat.serve.guard import HEADERS, Door, door_of, host_name
from tests.serve.serving import Asker, picture_of, serving

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def locked(fitted: Path) -> Iterator[Asker]:
    with serving(fitted, token=TOKEN, allowed=["faces.example.org"]) as asker:
        yield asker


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/people", "/healthz", "/nothing", "/openapi.json"])
def test_every_answer_says_what_a_browser_may_do(ask: Asker, path: str) -> None:
    found = ask("GET", path)
    for name, value in HEADERS.items():
        assert found.headers[name.lower()] == value
    assert "access-control-allow-origin" not in found.headers and "server" not in found.headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost@evil.example", "169.254.169.254", ""],
)
def test_a_request_that_was_sent_to_another_name_is_refused(ask: Asker, host: str) -> None:
    assert ask("GET", "/api/people", headers={"Host": host}).refusal == (421, "foreign_host")


@pytest.mark.parametrize("host", ["localhost:9", "LOCALHOST", "127.0.0.1", "[::1]:80"])
def test_a_request_to_this_computer_is_answered(ask: Asker, host: str) -> None:
    assert ask("GET", "/api/people", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "none"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/predict"), ("DELETE", "/api/people/ada"), ("GET", "/api/people")]
)
def test_what_another_sites_page_asks_for_is_refused(
    ask: Asker, method: str, path: str, headers: dict[str, str]
) -> None:
    assert ask(method, path, b"x" if method == "POST" else None, headers=headers).refusal == (403, "foreign_page")
    assert "ada" in ask.names()


def test_the_pages_own_requests_are_answered(ask: Asker) -> None:
    own = {"Origin": f"http://127.0.0.1:{ask.port}", "Sec-Fetch-Site": "same-origin"}
    assert ask("POST", "/api/predict", picture_of("ada"), headers=own).status == 200
    assert ask("GET", "/", headers={"Sec-Fetch-Site": "cross-site"}).status == 200  # a link to the page


@pytest.mark.parametrize(
    "path", ["/api/people", "/api/model", "/openapi.json", "/page.js", "/nothing", "/api/people?token=" + TOKEN]
)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Cookie": "facefeat=wrong"}, {"Cookie": '"'}],
)  # fmt: skip
def test_without_the_token_nothing_is_told(locked: Asker, path: str, headers: dict[str, str]) -> None:
    found = locked("GET", path, headers=headers)
    assert found.refusal == (401, "token") and found.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {TOKEN}"}, {"Cookie": f"a=b; facefeat={TOKEN}"}])
def test_with_the_token_everything_is(locked: Asker, headers: dict[str, str]) -> None:
    assert locked("POST", "/api/predict", picture_of("ada"), headers=headers).status == 200
    assert locked("GET", "/api/people", headers={**headers, "Host": "faces.example.org"}).status == 200


def test_the_address_gives_the_browser_a_cookie_that_no_script_reads(locked: Asker) -> None:
    signed_out = locked("GET", "/")
    assert signed_out.status == 401 and b"needs its token" in signed_out.body and "set-cookie" not in signed_out.headers
    assert locked("GET", "/?token=wrong").status == 401
    found = locked("GET", f"/?token={TOKEN}")
    assert found.status == 200
    assert found.headers["set-cookie"] == f"facefeat={TOKEN}; Path=/; HttpOnly; SameSite=Strict"


def test_health_needs_no_token_and_tells_nothing(locked: Asker) -> None:
    assert locked("GET", "/healthz").document == {"status": "ok"}


def test_a_token_is_made_wherever_others_could_ask(fitted: Path) -> None:
    from facefeat.serve.server import open_server

    tokens = set()
    for options in ({"host": "0.0.0.0"}, {"allowed": ["faces.example.org"]}):
        opened = open_server(fitted, port=0, **options)  # type: ignore[arg-type]
        opened.close()
        assert (
            opened.token is not None and len(opened.token) >= 32 and opened.address.endswith(f"?token={opened.token}")
        )
        tokens.add(opened.token)
    assert len(tokens) == 2


def test_a_server_on_all_addresses_knows_bare_ones_but_no_names() -> None:
    door = door_of("0.0.0.0", ["Faces.example.org"], TOKEN)
    for host in ("192.168.1.7:8000", "[fe80::1]:80", "faces.example.org", "localhost"):
        assert door.knows(host)
    assert not door.knows("evil.example:8000")
    assert not Door().knows("192.168.1.7")


@given(st.text(max_size=60))
def test_whatever_a_host_is_called_it_is_known_or_not(host: str) -> None:
    assert not Door().knows(host) or host_name(host) in ("localhost", "127.0.0.1", "::1")


@given(st.text(max_size=60))
def test_only_the_token_opens(token: str) -> None:
    assert Door(token=TOKEN).opens(token) == (token == TOKEN)
    assert not Door(token=TOKEN).opens(None)
