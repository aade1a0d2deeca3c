from __future__ import annotations

import os

import pytest

from facefeat.engines import choose as choosing
from facefeat.engines import keras as keras_engine
from facefeat.engines.choose import choose
from facefeat.engines.network import describe
from facefeat.engines.openvino import OpenVINOEngine
from facefeat.errors import UsageError


@pytest.mark.parametrize(
    ("engine", "precision", "sentence"),
    [
        ("kears", "auto", "There is no engine 'kears'; did you mean 'keras'? There are: auto, keras, openvino."),
        ("cuda", "auto", "There is no engine 'cuda'. There are: auto, keras, openvino."),
        (
            "auto",
            "bf16",
            "There is no precision 'bf16'; did you mean 'bfloat16'? There are: auto, bfloat16, float16, float32, int8.",
        ),
        (
            "keras",
            "int8",
            "The keras engine has no precision 'int8'; use float32, bfloat16 or float16, or --engine openvino.",
        ),
    ],
)
def test_unknown_names_are_answered_with_those_there_are(engine: str, precision: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(engine, precision)
    assert str(caught.value) == sentence


def test_auto_is_openvino_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_engine, "gpu_is_likely", lambda: False)
    monkeypatch.setattr(keras_engine, "import_keras", lambda: pytest.fail("Keras was imported without need"))
    assert choose().name == "openvino"


def test_auto_is_keras_where_it_sees_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_engine, "gpu_is_likely", lambda: True)
    monkeypatch.setattr(keras_engine, "first_gpu", lambda: "gpu:0")
    engine = choose()
    assert (engine.name, engine.precision) == ("keras", "float16")
    assert engine.device.startswith("gpu:0 (")


def test_auto_is_openvino_where_there_is_a_gpu_that_keras_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_engine, "gpu_is_likely", lambda: True)
    monkeypatch.setattr(keras_engine, "first_gpu", lambda: None)
    assert choose().name == "openvino"


def test_auto_is_keras_where_openvino_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_engine, "gpu_is_likely", lambda: False)
    monkeypatch.setattr(keras_engine, "first_gpu", lambda: None)
    monkeypatch.setattr(choosing, "find_spec", lambda name: None)
    engine = choose()
    assert (engine.name, engine.precision) == ("keras", "float32")


class _OldProcessor:
    def get_property(self, device: str, name: str) -> object:
        return {"OPTIMIZATION_CAPABILITIES": ["FP32", "INT8"], "FULL_DEVICE_NAME": " An  Old   Processor "}[name]


def test_a_precision_the_processor_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefeat.engines.openvino._core", _OldProcessor)
    with pytest.raises(UsageError) as caught:
        OpenVINOEngine("bfloat16")
    assert str(caught.value) == "This processor does not compute in bfloat16 with OpenVINO; use float32."


def test_auto_precision_is_the_fastest_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facefeat.engines.openvino._core", _OldProcessor)
    engine = OpenVINOEngine("auto")
    assert describe(engine) == "openvino on An Old Processor, float32"
    monkeypatch.setattr(
        _OldProcessor, "get_property", lambda *_: ["FP32", "BF16"] if _[2].startswith("OPTIM") else "A New One"
    )
    assert describe(OpenVINOEngine("auto")) == "openvino on A New One, bfloat16"


def test_choosing_leaves_standard_error_open() -> None:
    choose("keras")
    os.fstat(2)
