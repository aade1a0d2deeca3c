from __future__ import annotations

from tests.fuzz_serving import fuzz_server
from tests.serve.serving import Asker


def test_damaged_pictures_are_named_or_refused_and_end_nothing(ask: Asker) -> None:
    found = fuzz_server(ask.port, 0, 400, seed=0)
    assert (found.requests, found.unlisted) == (400, [])
    assert found.outcomes["crashed"] == found.outcomes["timeout"] == 0
    assert all(found.outcomes[outcome] >= 10 for outcome in ("named", "damaged", "not_a_picture", "media_type"))
    assert ask("GET", "/healthz").document == {"status": "ok"}


def test_what_should_not_happen_is_found() -> None:
    found = fuzz_server(1, 0, 2, seed=0)
    assert sorted(found.unlisted) == [
        f"request {i}: ConnectionRefusedError: [Errno 111] Connection refused" for i in (0, 1)
    ]
