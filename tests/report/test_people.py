"""Who was taken for whom, for few people and for many."""

from __future__ import annotations

from facefeat.learn.confusion import Recall
from facefeat.report import people


def test_few_people_have_a_matrix() -> None:
    found = people.section([Recall("ada", 4, 3), Recall("bob", 2, 2)], {("ada", "bob"): 1})
    assert found["matrix"] == [
        {"name": "ada", "cells": [{"n": 3, "share": 0.75, "right": True}, {"n": 1, "share": 0.25, "right": False}]},
        {"name": "bob", "cells": [{"n": 0, "share": 0.0, "right": False}, {"n": 2, "share": 1.0, "right": True}]},
    ]
    assert [one["name"] for one in found["people"]] == ["ada", "bob"] and found["few"]


def test_many_people_have_pairs_most_often_first() -> None:
    everybody = [Recall(f"p{n:02}", 4, 4 - (n < 3)) for n in range(16)]
    found = people.section(everybody, {("p00", "p01"): 2, ("p01", "p00"): 1})
    assert found["matrix"] is None and found["missed"] == 3 and not found["few"]
    assert found["pairs"] == [
        {"truth": "p00", "named": "p01", "n": 2, "of": 4},
        {"truth": "p01", "named": "p00", "n": 1, "of": 4},
    ]


def test_somebody_who_was_not_tested_has_no_matrix_of_others() -> None:
    found = people.section([Recall("ada", 4, 3)], {("ada", "zoe"): 1})
    assert found["matrix"] is None and found["pairs"][0]["named"] == "zoe"
    assert people.section([Recall("ada", 0, 0)], {})["untested"] == ["ada"]


def test_more_than_the_page_can_show() -> None:
    everybody = [Recall(f"p{n:04}", 2, 1) for n in range(people.LISTED + 5)]
    confusion = {(one.name, f"q{n}"): 1 for one in everybody[:8] for n in range(5)}
    found = people.section(everybody, confusion)
    assert len(found["people"]) == people.LISTED and found["n_people"] == people.LISTED + 5
    assert len(found["pairs"]) == people.PAIRS and found["more_pairs"] == 10
    assert found["people"][0]["taken_for"] == "q0 1, q1 1, q2 1, 2 more"
