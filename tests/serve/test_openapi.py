"""The description is true: whatever is asked, the answer is one that it lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facefeat.serve.limits import Limits
from tests.serve.serving import Asker, picture_of, serving

schemathesis = pytest.importorskip("schemathesis", reason="made-up requests need the package schemathesis")

OPERATIONS = [
    ("POST", "/api/predict"), ("GET", "/api/model"), ("GET", "/api/people"), ("POST", "/api/people/{name}"),
    ("DELETE", "/api/people/{name}"), ("GET", "/api/people/{name}/pictures/{number}"), ("POST", "/api/pictures"),
    ("DELETE", "/api/pictures/{picture}"), ("GET", "/healthz"), ("GET", "/openapi.json"),
]  # fmt: skip
# Those of which something can be wrong: elsewhere every text is one that might be a name.
NARROW = [("POST", "/api/predict"), ("POST", "/api/people/{name}"), ("GET", "/api/people/{name}/pictures/{number}")]


@pytest.fixture(scope="module")
def described(fitted: Path) -> Iterator[tuple[Asker, Any]]:
    pictures = st.one_of(st.sampled_from([picture_of("ada"), picture_of("mallory"), b"GIF89a"]), st.binary(max_size=99))
    for kind in ("image/*", "application/octet-stream"):
        schemathesis.openapi.media_type(kind, pictures)
    with serving(fitted, Limits(staged_pictures=10_000)) as ask:
        yield ask, schemathesis.openapi.from_dict(ask("GET", "/openapi.json").document)


def test_every_operation_is_described(described: tuple[Asker, Any]) -> None:
    paths = described[0]("GET", "/openapi.json").document["paths"]
    found = {(method.upper(), path) for path, item in paths.items() for method in item if method != "parameters"}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(
    ("method", "path", "mode"), [*((*one, "positive") for one in OPERATIONS), *((*one, "negative") for one in NARROW)]
)
def test_every_answer_is_one_that_is_described(described: tuple[Asker, Any], method: str, path: str, mode: str) -> None:
    ask, schema = described
    cases = schema[path][method].as_strategy(generation_mode=schemathesis.GenerationMode(mode))
    # A good request may still be about a picture that is none, or about nobody.
    others = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")]

    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def answered(case: Any) -> None:
        case.call_and_validate(base_url=f"http://127.0.0.1:{ask.port}", excluded_checks=others)

    answered()
