"""The formats that a model is exported to: how each is written, and how its own runtime reads and runs it."""

from __future__ import annotations

import json
import logging
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.engines import openvino as engine
from facefeat.engines.keras import import_keras, silent_stderr
from facefeat.errors import MissingExtra, UsageError, unknown_name
from facefeat.tune.described import KEY
from facefeat.tune.network import INPUT

Answers = dict[str, NDArray[Any]]
Predict = Callable[[NDArray[np.uint8]], Answers]

_MEMBER = f"{KEY}.json"
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes
    ----------
    name, title, runtime : str
        As it is asked for, what is written in words, and the package that runs it.
    suffixes : tuple of str
        Of its files; the first is the one that is opened.
    tolerance : float
        How far its scores may be off, of similarities and probabilities absolutely, of other scores over 1 by their share.
    packages : tuple of str
        Modules of the extra ``export`` that it takes.
    write : callable
        From a Keras model, a path and the document in JSON to the files.
    load : callable
        From the path to the document in JSON, and a function from faces of shape (n, size, size, 3), uint8, to an array
        for each output, by name.
    """

    name: str
    title: str
    runtime: str
    suffixes: tuple[str, ...]
    tolerance: float
    packages: tuple[str, ...]
    write: Callable[[Any, Path, str], None]
    load: Callable[[Path], tuple[str, Predict]]

    def require(self) -> None:
        """Require what the format takes.

        Raises
        ------
        MissingExtra
        UsageError
            If Keras runs on a backend that cannot write it.
        """
        if any(find_spec(package) is None for package in self.packages):
            raise MissingExtra("export", f"Writing {self.title}")
        backend = import_keras().config.backend()
        if self.name != "keras" and backend != "tensorflow":
            raise UsageError(
                f"Writing {self.title} takes Keras on TensorFlow, but KERAS_BACKEND is {backend}; unset it, or use "
                "--format keras."
            )


def get(name: str) -> Format:
    """Find a format by its name.

    Raises
    ------
    UsageError
        If there is none; the sentence has the nearest.
    """
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    return FORMATS[name]


def _write_keras(model: Any, path: Path, document: str) -> None:
    with _silent():
        model.save(path)
    _add_member(path, document)


def _load_keras(path: Path) -> tuple[str, Predict]:
    with _silent():
        model = import_keras().saving.load_model(path, compile=False)
    return _member(path), lambda faces: {name: np.asarray(one) for name, one in model(faces).items()}


def _write_onnx(model: Any, path: Path, document: str) -> None:
    with _silent():
        model.export(path, format="onnx", verbose=False, input_signature=model.inputs)
        import onnx

        made = onnx.load(path)
        for port in (*made.graph.input, *made.graph.output):
            port.type.tensor_type.shape.dim[0].dim_param = "n"
        onnx.helper.set_model_props(made, {KEY: document})
        onnx.checker.check_model(made)
        onnx.save(made, path)


def _load_onnx(path: Path) -> tuple[str, Predict]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]

    def predict(faces: NDArray[np.uint8]) -> Answers:
        return dict(zip(names, session.run(names, {INPUT: faces}), strict=True))

    return session.get_modelmeta().custom_metadata_map[KEY], predict


def _write_openvino(model: Any, path: Path, document: str) -> None:
    import openvino

    with _silent():
        engine.write(model, path)
        made = engine.core().read_model(path)
        made.set_rt_info(document, [KEY])
        for port in made.outputs:  # where two operations are the same, the one left has both their names
            port.get_tensor().set_names(port.get_names() & set(model.output))
        again = path.with_name(f"described-{path.name}")  # what was read is still mapped
        openvino.serialize(made, again)
        del made
    for suffix in (".xml", ".bin"):
        again.with_suffix(suffix).replace(path.with_suffix(suffix))


def _load_openvino(path: Path) -> tuple[str, Predict]:
    model = engine.core().read_model(path)
    compiled = engine.core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [port.any_name for port in model.outputs]

    def predict(faces: NDArray[np.uint8]) -> Answers:
        found = compiled({INPUT: faces})
        return {name: np.array(found[name]) for name in names}

    return str(model.get_rt_info([KEY]).astype(str)), predict


def _write_tflite(model: Any, path: Path, document: str) -> None:
    with _silent():
        model.export(path, format="litert", verbose=False)
    _add_member(path, document)
    _add_member(path, "".join(f"{name}\n" for name in json.loads(document)["people"]), "labels.txt")


def _load_tflite(path: Path) -> tuple[str, Predict]:
    from ai_edge_litert.interpreter import Interpreter

    with _silent():
        interpreter = Interpreter(str(path))
        run = interpreter.get_signature_runner()

    def predict(faces: NDArray[np.uint8]) -> Answers:
        with _silent():
            return {name: np.array(one) for name, one in run(**{INPUT: faces}).items()}

    return _member(path), predict


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("keras", "a Keras model", "keras", (".keras",), 1e-3, (), _write_keras, _load_keras),
        Format(
            "onnx", "ONNX", "onnxruntime", (".onnx",), 1e-3, ("onnx", "onnxruntime", "tf2onnx"), _write_onnx, _load_onnx
        ),
        Format("openvino", "OpenVINO's IR", "openvino", (".xml", ".bin"), 1e-3, (), _write_openvino, _load_openvino),
        Format(
            "tflite",
            "TensorFlow Lite",
            "ai-edge-litert",
            (".tflite",),
            1e-2,
            ("ai_edge_litert",),
            _write_tflite,
            _load_tflite,
        ),
    )
}


def _add_member(path: Path, text: str, name: str = _MEMBER) -> None:
    """Add a text to the archive that a file is, or that stands behind it, as is TensorFlow Lite's custom."""
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(zipfile.ZipInfo(name, _TIME), text.encode())


def _member(path: Path) -> str:
    with zipfile.ZipFile(path) as packed:
        return packed.read(_MEMBER).decode()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep back what converters warn of: their own old ways, and operations that they turn into others."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx", "absl")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), silent_stderr():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
