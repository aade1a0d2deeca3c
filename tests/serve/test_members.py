"""People who are added and forgotten through the API, and a model's file that changes."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from facefeat.learn import bundle as bundles
from facefeat.learn import membership
from facefeat.serve.limits import Limits
from facefeat.serve.problems import Problem
from facefeat.serve.staging import Staging
from tests.making import encoded as encode
from tests.making import random_pixels
from tests.serve.conftest import PEOPLE
from tests.serve.serving import PATIENCE, Asker, picture_of, serving


def until(ask: Asker, names: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while ask.names() != names:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_somebody_is_added_named_and_forgotten(model: Path) -> None:
    with serving(model) as ask:
        assert ask("POST", "/api/predict", picture_of("eve")).document["faces"][0]["name"] is None
        kept = ask.keep(*(picture_of("eve", i) for i in (1, 2, 3)))
        added = ask.json("POST", "/api/people/eve", {"pictures": kept})
        assert (added.status, added.document["taken"], added.document["is_new"]) == (200, 3, True)
        assert ask.names() == [*PEOPLE, "eve"] and "eve" in bundles.read(model).people
        assert ask("POST", "/api/predict", picture_of("eve")).document["faces"][0]["name"] == "eve"
        assert ask.json("POST", "/api/people/eve", {"pictures": kept}).refusal == (404, "not_found")  # used up
        forgotten = ask("DELETE", "/api/people/eve")
        assert (forgotten.status, forgotten.document["pictures"]) == (200, 3) and forgotten.document["not_looked_at"]
        assert ask.names() == [*PEOPLE] and "eve" not in bundles.read(model).people
        assert ask("POST", "/api/predict", picture_of("eve")).document["faces"][0]["name"] is None


def test_pictures_that_are_not_taken_leave_the_file_as_it_is(model: Path) -> None:
    before = model.read_bytes()
    with serving(model) as ask:
        kept = ask.keep(picture_of("ada"), picture_of("ada", 51))
        refused = ask.json("POST", "/api/people/eve", {"pictures": kept})
        assert (refused.status, refused.document["taken"]) == (200, 0)
        assert [one["picture"] for one in refused.document["refused"]] == [1, 2]
        assert {one["code"] for one in refused.document["refused"]} == {"looks_like_another"}
        assert model.read_bytes() == before
        forced = ask.json("POST", "/api/people/eve", {"pictures": kept, "force": True})
        assert (forced.status, forced.document["taken"], ask.names()) == (200, 2, [*PEOPLE, "eve"])


def test_a_name_that_no_folder_can_have_is_refused(model: Path) -> None:
    with serving(model) as ask:
        (kept,) = ask.keep(picture_of("eve"))
        found = ask.json("POST", "/api/people/.eve", {"pictures": [kept]})
        assert found.refusal == (400, "bad_request")
        assert ask("DELETE", f"/api/pictures/{kept}").status == 204


def test_of_two_people_none_can_be_forgotten(model: Path) -> None:
    with serving(model) as ask:
        assert [ask("DELETE", f"/api/people/{name}").status for name in ("ada", "bob")] == [200, 200]
        found = ask("DELETE", "/api/people/cleo")
        assert found.refusal == (422, "refused") and "Only dan would be left" in found.document["message"]
        assert ask.names() == ["cleo", "dan"]


def test_a_model_that_another_run_changes_is_locked(model: Path) -> None:
    with serving(model) as ask, membership.writing(model):
        assert ask("DELETE", "/api/people/ada").refusal == (409, "locked")


def test_a_file_that_changes_is_taken_up_and_no_request_dropped(model: Path) -> None:
    with serving(model) as ask:
        statuses: list[int] = []
        ended = threading.Event()

        def go_on() -> None:
            while not ended.is_set():
                statuses.append(ask("POST", "/api/predict", picture_of("bob")).status)

        threads = [threading.Thread(target=go_on) for _ in range(3)]
        for thread in threads:
            thread.start()
        membership.forget(model, "ada")
        until(ask, ["bob", "cleo", "dan"])
        ended.set()
        for thread in threads:
            thread.join(PATIENCE)
        assert set(statuses) == {200}
        assert ask.said == ["model.facefeat has changed; its new state answers from now on."]


def test_a_file_that_is_damaged_leaves_the_model_as_it_was(model: Path, tmp_path: Path) -> None:
    good = shutil.copy(model, tmp_path / "good.facefeat")
    with serving(model) as ask:
        model.write_bytes(b"PK\x03\x04 no more")
        deadline = time.monotonic() + PATIENCE
        while not ask.said:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert ask.said[0].startswith("The model stays as it was: ")
        assert ask("GET", "/api/model").document["problem"] in ask.said[0]
        assert ask("POST", "/api/predict", picture_of("ada")).document["faces"][0]["name"] == "ada"
        os.replace(good, model)
        deadline = time.monotonic() + PATIENCE
        while ask("GET", "/api/model").document["problem"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_kept_pictures_are_bounded_and_forgotten() -> None:
    now = 0.0
    staging = Staging(Limits(staged_pictures=2, staged_bytes=10, staged_seconds=60), lambda: now)
    first = staging.put(b"12345")
    with pytest.raises(Problem, match=r"^Too many pictures wait to be added; add those first\.$"):
        staging.put(b"123456")
    second = staging.put(b"1")
    with pytest.raises(Problem):
        staging.put(b"1")
    assert staging.get([second, first]) == [b"1", b"12345"] and len({first, second}) == 2
    now = 61.0
    assert len(staging) == 0
    with pytest.raises(Problem, match=r"^A picture is no longer kept: they wait for 1 minutes\. Send it again\.$"):
        staging.get([first])


def test_what_cannot_be_read_is_not_kept(model: Path) -> None:
    with serving(model) as ask:
        assert ask("POST", "/api/pictures", b"no picture").refusal == (422, "not_a_picture")
        assert ask("POST", "/api/pictures", encode(random_pixels(32, 32))).status == 201
