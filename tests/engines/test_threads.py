"""Several threads at once, and as many cores as were asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from facefeat.engines.choose import choose
from tests.engines import tiny
from tests.making import random_pixels, run_python

INPUTS = np.stack([random_pixels(8, 8, seed) for seed in range(64)])


@pytest.mark.parametrize("name", ["keras", "openvino"])
@pytest.mark.parametrize("batch_size", [4, None])
def test_threads_get_their_own_numbers(name: str, batch_size: int | None) -> None:
    run = choose(name, "float32", threads=2, streams=2).load(tiny.network(batch_size=batch_size))
    parts = [INPUTS[start : start + 3] for start in range(0, 63, 3)]
    alone = [run(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for mine, wanted in zip(pool.map(run, parts), alone, strict=True):
                for one, other in zip(mine, wanted, strict=True):
                    np.testing.assert_array_equal(one, other)


def test_a_first_use_by_two_threads_at_once_ends(cache: object) -> None:
    choose("openvino", "float32").load(tiny.network())
    code = """
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from facefeat.engines.choose import choose
from tests.engines import tiny
run = choose("openvino", "float32", streams=2).load(tiny.network(builds=False))
with ThreadPoolExecutor(2) as pool:
    print(len(list(pool.map(run, [np.ones((4, 8, 8, 3), np.uint8)] * 20))))
"""
    assert run_python(code).strip() == "20"


def test_the_cores_asked_for_are_what_openvino_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    from facefeat.engines import openvino as engine_module

    asked: list[dict[str, str]] = []
    core = engine_module._core()

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(core, name)

        def compile_model(self, model: object, device: str, config: dict[str, str]) -> object:
            asked.append(config)
            return core.compile_model(model, device, config)

    monkeypatch.setattr(engine_module, "_core", Watched)
    choose("openvino", "float32", threads=3, streams=3).load(tiny.network())
    choose("openvino", "float32").load(tiny.network())
    assert [(one.get("INFERENCE_NUM_THREADS"), one["NUM_STREAMS"]) for one in asked] == [("3", "3"), (None, "1")]
