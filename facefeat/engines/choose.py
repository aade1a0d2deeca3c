"""Which engine to use."""

from __future__ import annotations

from importlib.util import find_spec

from facefeat.engines.network import ENGINES, PRECISIONS, Engine
from facefeat.errors import unknown_name


def choose(engine: str = "auto", precision: str = "auto", *, threads: int | None = None, streams: int = 1) -> Engine:
    """Choose an engine: a GPU that Keras sees, else OpenVINO, else Keras.

    Keras is imported only to be used, or where the machine seems to have a GPU.

    Parameters
    ----------
    engine : {'auto', 'keras', 'openvino'}
    precision : {'auto', 'float32', 'bfloat16', 'float16', 'int8'}
        ``'auto'``: float16 on a GPU, bfloat16 on a processor that has it in hardware, else float32.
        ``'int8'`` is for networks with ranges, and always OpenVINO's.
    threads : int or None
        Cores of the processor to use; ``None`` leaves it to the engine.
    streams : int, default=1
        How many threads will call a network at once. Each call then has its share of the cores: more in
        all, but a single call takes longer.

    Returns
    -------
    Engine

    Raises
    ------
    UsageError
        If there is no such engine or precision, or the device does not have it.
    """
    if engine not in ("auto", *ENGINES):
        raise unknown_name("engine", engine, ("auto", *ENGINES))
    if precision not in ("auto", *PRECISIONS):
        raise unknown_name("precision", precision, ("auto", *PRECISIONS))
    from facefeat.engines import keras, openvino

    if engine == "auto":
        has_gpu = precision != "int8" and keras.gpu_is_likely() and keras.first_gpu() is not None
        engine = "openvino" if not has_gpu and find_spec("openvino") is not None else "keras"
    if engine == "openvino":
        return openvino.OpenVINOEngine(precision, threads, streams)
    return keras.KerasEngine(precision, threads)
