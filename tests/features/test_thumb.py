from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from facefeat.errors import UsageError
from facefeat.features.backbones import thumb
from facefeat.features.encode import Encoder, plan
from tests.making import person_pixels, random_pixels

LUMA = np.array([0.299, 0.587, 0.114])


def vectors(squares: list[np.ndarray], **choices: object) -> dict[str, np.ndarray]:
    """Run the toy; it asks nothing of its engine."""
    made = plan("thumb", faces_mode="none", flip=False, size=len(squares[0]), **choices)  # type: ignore[arg-type]
    return Encoder(made, SimpleNamespace(batch_size=8)).vectors(squares)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [32, 48, 80])
def test_cells_are_means_of_grey(size: int) -> None:
    square = random_pixels(size, size)
    grey = square @ LUMA / 255
    for layer, array in vectors([square], layers=thumb.LAYERS).items():
        n = int(layer.removeprefix("grey"))
        wanted = grey.reshape(n, size // n, n, size // n).mean(axis=(1, 3)).ravel()
        np.testing.assert_allclose(array[0], wanted, rtol=1e-5)


def test_cells_cover_sizes_that_do_not_divide() -> None:
    white = np.full((50, 50, 3), 255, np.uint8)
    np.testing.assert_allclose(vectors([white])["grey16"], 1, rtol=1e-5)


def test_cells_may_be_maxima() -> None:
    square = random_pixels(32, 32)
    wanted = (square @ LUMA / 255).reshape(4, 8, 4, 8).max(axis=(1, 3)).ravel()
    np.testing.assert_allclose(vectors([square], layers=["grey4"], pooling="max")["grey4"][0], wanted, rtol=1e-5)


def test_it_tells_synthetic_people_apart() -> None:
    squares = [person_pixels(name, i) for name in ("ada", "bob", "cleo") for i in range(5)]
    rows = vectors(squares)["grey8"]
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    same = np.repeat(np.arange(3), 5)[:, None] == np.repeat(np.arange(3), 5)[None]
    assert 0 < distances[same & ~np.eye(15, dtype=bool)].max() < distances[~same].min() / 2


def test_it_has_no_weights() -> None:
    assert (thumb.weights().name, thumb.weights().sha256, thumb.weights().read()) == ("none", "", {})
    with pytest.raises(UsageError) as caught:
        thumb.weights("imagenet")
    assert str(caught.value) == "The backbone thumb has no weights; 'imagenet' was given."
