"""What is constructed of a schema that was checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skops.io

from facefeat.errors import DamagedFile
from facefeat.learn.archive import checked_skops
from facefeat.learn.construct import constructed


class Thing:
    """Holds what it is given, and counts how often it was called."""

    made = 0

    def __init__(self) -> None:
        Thing.made += 1

    def __setstate__(self, state: dict[str, Any]) -> None:
        Thing.made += 1


NAME = f"{Thing.__module__}.Thing"


def thing(**attributes: Any) -> Thing:
    one = object.__new__(Thing)
    vars(one).update(attributes)
    return one


def read(value: Any) -> Any:
    return constructed(*checked_skops(skops.io.dumps(value), {NAME}, "it"), {NAME: Thing})


VALUES: dict[str, Any] = {
    "text": "Zoë",
    "numbers": [1, -2.5, True, None, 2**40],
    "nothing": [[], (), {}],
    "a tuple of lists": ([1], [2, "x"]),
    "a dictionary": {"a": 1, "b": {"c": (1, 2)}},
    "numpy scalars": [np.float64(0.1), np.float32(0.1), np.int32(-3), np.int64(2**50), np.bool_(True), np.uint8(255)],
}


@pytest.mark.parametrize("name", VALUES)
def test_plain_values_are_those_that_were_written(name: str) -> None:
    found = read(thing(value=VALUES[name])).value
    assert repr(found) == repr(VALUES[name])
    assert repr(found) == repr(skops.io.loads(skops.io.dumps(VALUES[name]), trusted=[]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_])
def test_arrays_are_views_of_the_file(dtype: type) -> None:
    rows = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
    for written in (rows, rows.T, rows[:0], rows[:, 1]):
        found = read(thing(rows=written)).rows
        assert found.dtype == dtype and np.array_equal(found, written)
        assert not found.flags.writeable and not found.flags.owndata


def test_objects_are_filled_and_not_called() -> None:
    before = Thing.made
    found = read(thing(inner=thing(a=1), steps=[("one", thing(b=2))]))
    assert type(found) is type(found.inner) is type(found.steps[0][1]) is Thing
    assert (found.inner.a, found.steps[0][0], found.steps[0][1].b) == (1, "one", 2)
    assert Thing.made == before


def test_a_type_that_is_not_given_is_not_constructed() -> None:
    data = skops.io.dumps(thing(a=1))
    with pytest.raises(DamagedFile, match=f"^it is refused: it holds '{NAME}', which its head does not have\\.$"):
        checked_skops(data, {"os.mkdir"}, "it")
    schema, arrays = checked_skops(data, {NAME}, "it")
    with pytest.raises(KeyError):
        constructed(schema, arrays, {})


def test_a_loader_that_is_not_known_is_not_used() -> None:
    node = {"__module__": "builtins", "__class__": "print", "__loader__": "FunctionNode", "content": {}}
    with pytest.raises(ValueError, match=r"^nodes of the loader 'FunctionNode' are not read$"):
        constructed(node, {}, {"builtins.print": Thing})
