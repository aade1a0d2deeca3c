"""Networks run by Keras, on whatever backend and device it has."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.engines.network import Network, Ranges, Run, in_fixed_batches
from facefeat.errors import UsageError

CPU_BATCH, GPU_BATCH = 32, 256

_loaded: Any = None


def import_keras() -> Any:
    """Import Keras with its backend, silently.

    TensorFlow writes several lines to file descriptor 2 while it is imported, whatever
    ``TF_CPP_MIN_LOG_LEVEL`` says; they are caught and shown only if the import fails.

    Returns
    -------
    module
        ``keras``.
    """
    global _loaded
    if _loaded is None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with silent_stderr():
            import keras

            if keras.config.backend() == "tensorflow":
                _settle_tensorflow()
        _loaded = keras
    return _loaded


def gpu_is_likely() -> bool:
    """Tell, without importing anything, whether this machine may have a GPU that Keras could use."""
    if sys.platform == "darwin":
        from importlib.util import find_spec

        return find_spec("tensorflow-plugins") is not None
    return any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg"))


class KerasEngine:
    """Run networks with Keras.

    Parameters
    ----------
    precision : {'auto', 'float32', 'bfloat16', 'float16'}
        ``'auto'`` is float16 on a GPU and float32 elsewhere. The two short ones are Keras' mixed
        policies: weights and outputs stay float32.
    threads : int or None
        Cores of the processor to use. Kept by TensorFlow, before it first computes, and by torch; JAX has
        no such setting.

    Raises
    ------
    UsageError
        If the precision has no policy.
    """

    name = "keras"

    def __init__(self, precision: str = "auto", threads: int | None = None) -> None:
        keras = import_keras()
        if threads:
            _limit_threads(keras.config.backend(), threads)
        gpu = first_gpu()
        self.batch_size = GPU_BATCH if gpu else CPU_BATCH
        self.device = f"{gpu or _cpu_name()} ({keras.config.backend()})"
        self.precision = ("float16" if gpu else "float32") if precision == "auto" else precision
        if self.precision not in ("float32", "bfloat16", "float16"):
            raise UsageError(
                f"The keras engine has no precision '{precision}'; use float32, bfloat16 or float16"
                + (", or --engine openvino." if precision == "int8" else ".")
            )

    def load(self, network: Network) -> Run:
        """Build a network under this engine's precision.

        Parameters
        ----------
        network : Network

        Returns
        -------
        callable
            Maps an array of shape (n, height, width, channels) to a tuple of float32 arrays. Calls of
            several threads wait for each other: the backend uses the whole device for each.

        Raises
        ------
        UsageError
            If the network is to run in int8.
        """
        if network.ranges:
            raise _no_int8()
        keras = import_keras()
        policy = "float32" if network.exact or self.precision == "float32" else f"mixed_{self.precision}"
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            model = network.build()
        finally:
            keras.config.set_dtype_policy(before)

        turn = threading.Lock()

        def run(inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
            with turn:
                outputs = model.predict_on_batch(inputs.astype(np.float32, copy=False))
            if not isinstance(outputs, (list, tuple)):
                outputs = [outputs]
            return tuple(np.asarray(output, np.float32) for output in outputs)

        return in_fixed_batches(run, network.batch_size) if network.batch_size else run

    def calibrate(self, network: Network, inputs: NDArray[Any]) -> Ranges:
        """Refuse: Keras has no convolutions in int8."""
        raise _no_int8()


def _no_int8() -> UsageError:
    return UsageError("These vectors are of int8, in which Keras does not compute; use --engine openvino.")


def _limit_threads(backend: str, threads: int) -> None:
    """Tell a backend how many cores to use, where it can still be told."""
    if backend == "tensorflow":
        import tensorflow as tf

        with suppress(RuntimeError):  # it has computed already
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
    elif backend == "torch":
        import torch

        torch.set_num_threads(threads)


def first_gpu() -> str | None:
    """Name the first GPU that Keras sees; ``None`` where there is none."""
    keras = import_keras()
    if keras.config.backend() == "torch":  # Keras lists no devices for it
        import torch

        return f"{torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else None
    with silent_stderr():
        try:
            found = keras.distribution.list_devices("gpu")
        except (RuntimeError, ValueError, AttributeError):
            return None
    return str(found[0]) if found else None


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Catch what libraries write to file descriptor 2; pass it on only if the body fails."""
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # file descriptor 2 is closed: there is nothing to silence
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            caught.seek(0)
            os.write(2, caught.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _settle_tensorflow() -> None:
    """Take GPU memory as it is needed, so that others can work too, and keep the log to errors."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def _cpu_name() -> str:
    import platform

    return f"CPU {platform.machine()}"
