from __future__ import annotations

import numpy as np
import pytest

from facefeat.data import picture, pixels
from facefeat.errors import PictureRefused
from tests.fuzz_pictures import fuzz_pictures, mutated, seeds
from tests.making import Odd, odd_pictures


def test_damaged_pictures_are_pixels_or_refusals_in_time_and_kill_nothing() -> None:
    found = fuzz_pictures(1500, seed=0)
    assert (found.mutations, found.unlisted) == (1500, [])
    assert found.outcomes["crashed"] == found.outcomes["timeout"] == 0
    assert found.slowest < 5
    assert all(found.outcomes[outcome] >= 50 for outcome in ("read", "damaged", "not_a_picture"))


def test_what_should_not_happen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(
        [ValueError("no"), PictureRefused("odd", "Odd."), PictureRefused("crashed", "Dead."), np.zeros((20, 20))]
    )

    def wrong(data: bytes) -> np.ndarray:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(picture, "decode", wrong)
    monkeypatch.setattr("tests.fuzz_pictures.WORKERS", 1)
    found = fuzz_pictures(4, seed=0)
    assert found.unlisted == [
        "mutation 0: ValueError: no", "mutation 1: Odd.", "mutation 3: an array of float64 of (20, 20)",
    ]  # fmt: skip
    assert found.outcomes["crashed"] == 1


def test_a_mutation_is_a_function_of_its_number() -> None:
    begin = seeds()
    one, same, other = (mutated(begin[0], np.random.default_rng([5, n]), begin) for n in (7, 7, 8))
    assert one == same != other


@pytest.mark.parametrize("odd", [pytest.param(odd, id=odd[0]) for odd in odd_pictures()])
def test_the_process_that_decodes_says_what_this_one_would(odd: Odd) -> None:
    _, data, code = odd
    if code is None:
        np.testing.assert_array_equal(picture.decode(data), pixels.decode(data).pixels, strict=True)
        return
    with pytest.raises(PictureRefused) as there:
        picture.decode(data or b" ")
    with pytest.raises(PictureRefused) as here:
        pixels.decode(data or b" ")
    assert (there.value.code, there.value.message) == (here.value.code, here.value.message)
