"""When a verdict names a network made for faces."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facefeat.learn.comparison import Comparison
from facefeat.learn.metrics import Share
from facefeat.learn.openset import FPIRS, Rates
from facefeat.report.verdicts import MANY_PEOPLE, POOR_FNIR, verdict
from tests.report.conftest import Compared

NAMED = "try: facefeat extract DATA --backbone dlib."


@pytest.fixture
def found(compared_people: Compared) -> Comparison:
    return compared_people.found


def missing(found: Comparison, fnir: float) -> Comparison:
    """Give the same comparison, of which the best row misses that share of known faces among strangers."""
    best = found.best
    assert best.open_set
    share = Rates(Share(fnir, fnir, fnir), Share(0.01, 0.0, 0.02))
    open_set = replace(best.open_set, rates=dict.fromkeys(FPIRS, share))
    return replace(found, rows=(replace(best, open_set=open_set), *found.rows[1:]))


def test_many_people_want_a_network_made_for_faces(found: Comparison) -> None:
    few = replace(missing(found, 0.0), n_people=MANY_PEOPLE - 1)
    assert "--backbone" not in verdict(few)
    many = verdict(replace(few, n_people=MANY_PEOPLE))
    assert many == f"{verdict(few)} thumb was not made for faces; for {MANY_PEOPLE} people, {NAMED}"


def test_so_do_strangers_who_hide_known_faces(found: Comparison) -> None:
    assert "--backbone" not in verdict(missing(found, POOR_FNIR))
    said = verdict(missing(found, 0.35))
    why = "as 35.0 % of known faces are not named where 1 % of strangers are"
    assert said == f"{verdict(missing(found, 0.0))} thumb was not made for faces; {why}, {NAMED}"


def test_nothing_is_said_of_a_network_that_was_made_for_faces(found: Comparison) -> None:
    many = replace(missing(found, 0.9), n_people=10_000, backbone="dlib")
    assert "--backbone" not in verdict(many)


def test_strangers_that_were_not_measured_give_no_reason(found: Comparison) -> None:
    rows = tuple(replace(row, open_set=None) for row in found.rows)
    assert "--backbone" not in verdict(replace(found, rows=rows))
