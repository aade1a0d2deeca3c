from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefeat.engines.network import in_fixed_batches


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 11])
def test_batches_are_cut_and_padded_to_one_length(n: int) -> None:
    lengths: list[int] = []

    def run(batch: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        lengths.append(len(batch))
        return batch * np.float32(2), batch.sum(axis=1)

    inputs = np.arange(n * 3, dtype=np.float32).reshape(n, 3) + 1
    doubled, sums = in_fixed_batches(run, 4)(inputs)
    np.testing.assert_array_equal(doubled, inputs * 2)
    np.testing.assert_array_equal(sums, inputs.sum(axis=1))
    assert lengths == [4] * -(-n // 4)


def test_padding_is_of_zeros_and_keeps_the_type() -> None:
    seen: list[NDArray[Any]] = []

    def run(batch: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        seen.append(batch)
        return (np.zeros(len(batch), np.float32),)

    in_fixed_batches(run, 3)(np.ones((1, 2), np.uint8))
    np.testing.assert_array_equal(seen[0], np.array([[1, 1], [0, 0], [0, 0]], np.uint8), strict=True)
