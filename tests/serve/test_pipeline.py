"""Many pictures at once: each gets its own answer, and one that fails fails alone."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from facefeat.errors import DamagedFile, PictureRefused
from facefeat.learn.naming import Naming
from facefeat.learn.predict import Recogniser, load
from facefeat.serve.pipeline import Answer, Pipeline
from tests.serve.conftest import PEOPLE
from tests.serve.serving import PATIENCE, picture_of


@pytest.fixture(scope="module")
def recogniser(fitted: Path) -> Recogniser:
    return load(fitted)


def test_pictures_that_are_named_together_get_their_own_answers(recogniser: Recogniser) -> None:
    pipeline, wanted = Pipeline(3), [(name, number) for number in range(60, 70) for name in (*PEOPLE, "mallory")]
    given: list[Future[Answer]] = [
        pipeline.submit(recogniser, picture_of(name, number), 1 + i % 4) for i, (name, number) in enumerate(wanted)
    ]
    bad = pipeline.submit(recogniser, b"no picture", 1)
    found = [one.result(PATIENCE) for one in given]
    with pytest.raises(PictureRefused):
        bad.result(PATIENCE)
    pipeline.close()
    for i, ((name, number), answer) in enumerate(zip(wanted, found, strict=True)):
        ((_, naming),) = answer.faces
        ((_, alone),) = recogniser.predict([picture_of(name, number)], 1 + i % 4)[0].faces
        assert naming.name == alone.name == (name if name in PEOPLE else None)
        assert [one.name for one in naming.candidates] == [one.name for one in alone.candidates]
        assert naming.score == pytest.approx(alone.score, rel=1e-9) and len(naming.candidates) == 1 + i % 4


def test_faces_that_wait_go_through_the_network_together(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, before = [], Recogniser.name

    def name(mine: Recogniser, X: np.ndarray, top: int) -> list[Naming]:
        sizes.append(len(X))
        return before(mine, X, top)

    monkeypatch.setattr(Recogniser, "name", name)
    pipeline = Pipeline(2)
    given = [pipeline.submit(recogniser, picture_of("ada", number), 1) for number in range(60, 100)]
    assert [one.result(PATIENCE).faces[0][1].name for one in given] == ["ada"] * 40
    pipeline.close()
    assert sum(sizes) == 40 and len(sizes) < 40


def test_a_face_that_cannot_be_named_fails_alone(recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    before, poison = (
        Recogniser.name,
        recogniser.vectors([f for f, _ in recogniser.predict([picture_of("bob", 60)])[0].faces])[0],
    )

    def name(mine: Recogniser, X: np.ndarray, top: int) -> list[Naming]:
        if any(np.array_equal(row, poison) for row in X):
            raise DamagedFile("The model gives no number for a face.")
        return before(mine, X, top)

    monkeypatch.setattr(Recogniser, "name", name)
    pipeline = Pipeline(2)
    given = {number: pipeline.submit(recogniser, picture_of("bob", number), 1) for number in range(60, 70)}
    pipeline.close()
    with pytest.raises(DamagedFile):
        given.pop(60).result(PATIENCE)
    assert {one.result(PATIENCE).faces[0][1].name for one in given.values()} == {"bob"}


def test_what_was_cancelled_before_it_began_costs_nothing(recogniser: Recogniser) -> None:
    pipeline = Pipeline(1)
    given = [pipeline.submit(recogniser, picture_of("ada", number), 1) for number in range(60, 70)]
    cancelled = [one for one in given if one.cancel()]
    pipeline.close()
    assert cancelled and all(one.done() for one in given)
