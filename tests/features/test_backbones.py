"""What every backbone promises, whoever wrote it."""

from __future__ import annotations

from copy import copy
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.engines.choose import choose
from facefeat.engines.network import Engine
from facefeat.engines.openvino import cache_folder
from facefeat.errors import MissingExtra, UsageError
from facefeat.features.backbone import Backbone, check_layers, check_size, get, mirrored_mean
from facefeat.features.encode import Encoder, Plan, plan
from facefeat.features.layers import within
from facefeat.features.recipe import POOLINGS, SIZES
from tests.making import random_pixels
from tests.networks import weights_for

NAMES = plugins.names("backbone")
# Those whose weights are fetched are deep: exporting takes seconds, so Keras runs them, built once, up to one layer.
LARGE = {name for name in NAMES if get(name).WEIGHTS == ("keras",)}
SIZE, BATCH, N = 48, 4, 7


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Give each backbone's name in turn."""
    return str(request.param)


@cache
def _encoder(name: str, engine: Engine, flip: bool = False) -> Encoder:
    if name not in LARGE:
        return Encoder(_plan(name, flip=flip), engine, BATCH)
    if not flip:
        return Encoder(_plan(name), choose("keras", "float32"), BATCH)
    made = copy(_encoder(name, engine))
    made._run = mirrored_mean(made._run)
    return made


@cache
def _plan(name: str, pooling: str | None = None, flip: bool = False) -> Plan:
    weights, layers = weights_for(name, cache_folder()), get(name).DEFAULT_LAYERS[: 1 if name in LARGE else None]
    try:
        return plan(
            name, size=_size(name), faces_mode="none", flip=flip, pooling=pooling, weights=weights, layers=layers
        )
    except MissingExtra as error:
        pytest.skip(str(error))


def _size(name: str) -> int:
    """Give a small size that a backbone takes."""
    return int(getattr(get(name), "SIZES", (SIZE,))[0])


@cache
def _squares(name: str) -> list[NDArray[np.uint8]]:
    return [random_pixels(_size(name), _size(name), seed) for seed in range(N)]


@cache
def _vectors(name: str, engine: Engine) -> dict[str, NDArray[np.float32]]:
    return _encoder(name, engine).vectors(_squares(name))


def test_it_declares_what_the_contract_asks_for(name: str) -> None:
    network = get(name)
    assert {attribute for attribute in Backbone.__annotations__ if not hasattr(network, attribute)} == set()
    for text in (network.SUMMARY, network.LICENCE):
        assert text
        assert "\n" not in text
    assert len(set(network.LAYERS)) == len(network.LAYERS) > 0
    assert tuple(layer for layer in network.LAYERS if layer in network.DEFAULT_LAYERS) == network.DEFAULT_LAYERS
    assert within(network.HEAD_LAYER, network.DEFAULT_LAYERS)
    assert set(network.POOLINGS) <= set(POOLINGS)
    assert SIZES[0] <= network.DEFAULT_SIZE <= SIZES[1]
    assert network.WEIGHTS


def test_layers_are_put_into_the_networks_order_and_unknown_ones_refused(name: str) -> None:
    network = get(name)
    assert check_layers(network, network.LAYERS[::-1]) == network.LAYERS
    assert check_layers(network, network.LAYERS[-1:] * 2) == network.LAYERS[-1:]
    with pytest.raises(UsageError, match=r"^There is no layer 'nowhere'"):
        check_layers(network, ("nowhere",))


def test_its_weights_have_one_hash(name: str) -> None:
    made, source = _plan(name), weights_for(name, cache_folder())
    again = get(name).weights(source or get(name).WEIGHTS[0])
    assert (made.recipe.weights, made.recipe.weights_sha256) == (again.name, again.sha256)
    assert again.name in ((*get(name).WEIGHTS, "file") if source else get(name).WEIGHTS)


def test_it_takes_its_own_size_and_refuses_others_where_it_says_so(name: str) -> None:
    sizes = getattr(get(name), "SIZES", None)
    assert sizes is None or get(name).DEFAULT_SIZE in sizes
    check_size(name, get(name).DEFAULT_SIZE)
    if sizes is None:
        check_size(name, SIZE)
    else:
        with pytest.raises(UsageError, match=rf"^The backbone {name} takes faces of .* pixels only; 33 was given\.$"):
            check_size(name, 33)


def test_raw_pixels_become_one_finite_float32_row_a_layer(name: str, engine: Engine) -> None:
    vectors = _vectors(name, engine)
    assert tuple(vectors) == _plan(name).recipe.layers
    for array in vectors.values():
        assert (array.dtype, array.ndim, len(array)) == (np.float32, 2, N)
        assert np.isfinite(array).all()
        assert array.std(axis=0).max() > 0  # different pictures give different vectors


def test_it_is_deterministic(name: str, engine: Engine) -> None:
    once, twice = _vectors(name, engine), _encoder(name, engine).vectors(_squares(name))
    for layer in once:
        np.testing.assert_array_equal(once[layer], twice[layer])


@pytest.mark.parametrize("rows", [[0], [6, 5], [3, 1, 4, 1, 5], [6, 5, 4, 3, 2, 1, 0]])
def test_a_row_depends_neither_on_its_neighbours_nor_on_its_place(name: str, engine: Engine, rows: list[int]) -> None:
    all_ = _vectors(name, engine)
    some = _encoder(name, engine).vectors([_squares(name)[row] for row in rows])
    for layer in all_:
        np.testing.assert_array_equal(some[layer], all_[layer][rows])


def test_its_input_is_left_alone(name: str, engine: Engine) -> None:
    squares = _squares(name)[:2]
    before = [square.copy() for square in squares]
    _encoder(name, engine).vectors(squares)
    np.testing.assert_array_equal(squares, before)


POOLED = [(name, pooling) for name in NAMES if name not in LARGE for pooling in get(name).POOLINGS]


@pytest.mark.parametrize(("name", "pooling"), POOLED)
def test_every_pooling_works(name: str, pooling: str) -> None:
    vectors = Encoder(_plan(name, pooling), choose("keras", "float32"), BATCH).vectors(_squares(name)[:2])
    assert all(np.isfinite(array).all() and len(array) == 2 for array in vectors.values())


def test_a_mirrored_mean_is_the_same_for_a_face_and_its_mirror_image(name: str, engine: Engine) -> None:
    flipped, squares = _encoder(name, engine, flip=True), _squares(name)[:3]
    straight, mirrored = flipped.vectors(squares), flipped.vectors([square[:, ::-1] for square in squares])
    plain = _vectors(name, engine)
    for layer in straight:
        np.testing.assert_array_equal(straight[layer], mirrored[layer])
        assert not np.array_equal(straight[layer], plain[layer][:3])
