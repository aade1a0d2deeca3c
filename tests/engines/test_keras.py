from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from facefeat.engines.keras import KerasEngine, import_keras, silent_stderr
from facefeat.errors import UsageError
from tests.engines import tiny
from tests.making import random_pixels, run_python

INPUTS = np.stack([random_pixels(8, 8, seed) for seed in range(6)])


def test_a_network_computes_what_it_says() -> None:
    map_, mean = KerasEngine("float32").load(tiny.network())(INPUTS)
    assert (map_.dtype, mean.dtype) == (np.float32, np.float32)
    for got, wanted in zip((map_, mean), tiny.expected(INPUTS), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_short_precisions_are_rounded_and_leave_keras_as_it_was(precision: str) -> None:
    before = import_keras().config.dtype_policy().name
    _, mean = KerasEngine(precision).load(tiny.network())(INPUTS)
    assert import_keras().config.dtype_policy().name == before
    wanted = tiny.expected(INPUTS)[1]
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, wanted, rtol=0.02)
    assert not np.allclose(mean, wanted, rtol=1e-6)


def test_an_exact_network_stays_float32() -> None:
    _, mean = KerasEngine("bfloat16").load(tiny.network(exact=True))(INPUTS)
    np.testing.assert_allclose(mean, tiny.expected(INPUTS)[1], rtol=1e-5)


def test_the_policy_is_put_back_when_a_build_fails() -> None:
    before = import_keras().config.dtype_policy().name
    with pytest.raises(AssertionError):
        KerasEngine("float16").load(tiny.network(builds=False))
    assert import_keras().config.dtype_policy().name == before


def test_a_precision_without_a_policy_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        KerasEngine("int8")
    assert (
        str(caught.value)
        == "The keras engine has no precision 'int8'; use float32, bfloat16 or float16, or --engine openvino."
    )


def test_what_libraries_write_to_standard_error_is_kept_back(capfd: pytest.CaptureFixture[str]) -> None:
    with silent_stderr():
        os.write(2, b"chatter of a library\n")
    assert capfd.readouterr().err == ""


def test_it_is_shown_when_something_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), silent_stderr():
        os.write(2, b"the reason\n")
        raise RuntimeError
    assert capfd.readouterr().err == "the reason\n"


def test_a_closed_standard_error_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(handle: int) -> int:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with silent_stderr():
        pass


def test_importing_keras_prints_nothing() -> None:
    assert run_python("from facefeat.engines.keras import import_keras; import_keras()") == ""
