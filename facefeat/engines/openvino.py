"""Networks run by OpenVINO on the CPU, from a copy that Keras exported once.

The exported copies lie in the user's cache folder, one folder a network, named by the network's key.
Where a copy is there, neither Keras nor its backend is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.engines import int8
from facefeat.engines.cores import usable
from facefeat.engines.network import Network, Ranges, Run, in_fixed_batches
from facefeat.errors import StorageError, UsageError

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_FILES = ("model.xml", "model.bin")


class OpenVINOEngine:
    """Run networks with OpenVINO.

    Parameters
    ----------
    precision : {'auto', 'float32', 'bfloat16', 'float16', 'int8'}
        ``'auto'`` is bfloat16 where the processor has it in hardware, else float32. ``'int8'``: what of a
        network with ranges is not int8 is ``'auto'``.
    threads : int or None
        Cores to use; ``None`` leaves it to OpenVINO, which takes all.
    streams : int, default=1
        Calls that run side by side, each with its share of the threads.

    Raises
    ------
    UsageError
        If the processor does not have the precision.
    """

    name = "openvino"
    batch_size = 8  # as fast as larger ones from 64 to 224 pixels, and takes least memory

    def __init__(self, precision: str = "auto", threads: int | None = None, streams: int = 1) -> None:
        core = _core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        has = {"float32": True, "bfloat16": "BF16" in able, "float16": "FP16" in able}
        self._full = "bfloat16" if has["bfloat16"] else "float32"
        if precision not in ("auto", "int8") and not has[precision]:
            usable = ", ".join(name for name, there in has.items() if there)
            raise UsageError(f"This processor does not compute in {precision} with OpenVINO; use {usable}.")
        self.precision = self._full if precision == "auto" else precision
        self.threads, self.streams = threads, streams
        self.device = " ".join(str(core.get_property("CPU", "FULL_DEVICE_NAME")).split())

    def load(self, network: Network) -> Run:
        """Compile a network from its exported copy, exporting it first where there is none.

        Parameters
        ----------
        network : Network

        Returns
        -------
        callable
            Maps an array of shape (n, height, width, channels) to a tuple of float32 arrays. Several
            threads may call it; as many as there are streams run at once.

        Raises
        ------
        StorageError
            If the cache folder cannot be written.
        DamagedFile
            If the network's ranges are not of this network.
        """
        model = _core().read_model(str(exported(network) / "model.xml"))
        if network.ranges:
            int8.quantise(model, network.ranges)
        if network.batch_size:
            model.reshape([network.batch_size, *(side or -1 for side in network.input_shape)])
        precision = self._full if self.precision == "int8" else self.precision
        run = self._compiled(model, "float32" if network.exact else precision)
        return in_fixed_batches(run, network.batch_size) if network.batch_size else run

    def calibrate(self, network: Network, inputs: NDArray[Any]) -> Ranges:
        """Find the ranges of a network's numbers, in float32; see ``facefeat.engines.network.Ranges``.

        Parameters
        ----------
        network : Network
        inputs : ndarray of shape (n, height, width, channels)

        Returns
        -------
        Ranges
        """
        model = int8.observed(_core().read_model(str(exported(network) / "model.xml")))
        model.reshape([1, *(side or -1 for side in network.input_shape)])  # a row of padding would count too
        run = self._compiled(model, "float32")
        found = np.array([np.ravel(run(one[None])) for one in inputs]).reshape(len(inputs), -1, 2)
        lowest, highest = found[..., 0].min(axis=0), found[..., 1].max(axis=0)
        return tuple((float(low), float(high)) for low, high in zip(lowest, highest, strict=True))

    def _compiled(self, model: Any, precision: str) -> Run:
        config = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "NUM_STREAMS": str(self.streams)}
        if self.threads:
            config["INFERENCE_NUM_THREADS"] = str(self.threads)
            if self.threads < usable():  # it would bind each process that has few threads to the same first cores
                config["ENABLE_CPU_PINNING"] = "NO"
        compiled = _core().compile_model(model, "CPU", config)
        fixed = not any(port.get_partial_shape().is_dynamic for port in (*model.inputs, *model.outputs))
        idle: queue.SimpleQueue[Run] = queue.SimpleQueue()
        for _ in range(self.streams):
            idle.put((_fixed if fixed else _of_any_shape)(compiled.create_infer_request(), model))

        def run(inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
            own = idle.get()
            try:
                return own(inputs)
            finally:
                idle.put(own)

        return run


def _fixed(request: Any, model: Any) -> Run:
    """Run a network of fixed shapes, through memory that is handed over once."""
    import openvino

    inputs, *outputs = (np.empty(tuple(port.shape), np.float32) for port in (*model.inputs, *model.outputs))
    request.set_input_tensor(openvino.Tensor(inputs, shared_memory=True))
    for i, output in enumerate(outputs):
        request.set_output_tensor(i, openvino.Tensor(output, shared_memory=True))

    def run(given: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        np.copyto(inputs, given)
        request.start_async()
        request.wait()
        return tuple(output.copy() for output in outputs)

    return run


def _of_any_shape(request: Any, model: Any) -> Run:
    n_outputs = len(model.outputs)

    def run(given: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        request.infer([np.ascontiguousarray(given, np.float32)], share_inputs=True)
        return tuple(np.array(request.get_output_tensor(i).data, np.float32) for i in range(n_outputs))

    return run


def cache_folder() -> Path:
    """Return the folder of exported networks: ``FACEFEAT_CACHE_DIR``, else the user's cache folder."""
    chosen = os.environ.get("FACEFEAT_CACHE_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("facefeat")


def exported(network: Network) -> Path:
    """Find a network's exported copy, or make it.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Path
        Folder with ``model.xml``, ``model.bin`` and ``sha256.json``; whole and checked.

    Raises
    ------
    StorageError
        If the cache folder cannot be written.
    UsageError
        If there is no copy yet, and Keras runs on another backend than TensorFlow.
    """
    folder = cache_folder() / "networks" / f"{network.name}-{network.key[:16]}"
    if _is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{network.name}-"))
    except OSError as error:
        raise StorageError(
            f"The cache folder {folder.parent} cannot be written ({error.strerror}); "
            "set FACEFEAT_CACHE_DIR to a folder that can."
        ) from error
    try:
        _export(network, beside)
        _take_place(beside, folder)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}.") from error
    except RuntimeError as error:
        if "iostream" not in str(error):  # what OpenVINO says where the disk is full
            raise
        raise StorageError(
            f"The network cannot be written to {folder.parent}; free some space there, or set FACEFEAT_CACHE_DIR to "
            "another folder."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def write(model: Any, path: Path) -> None:
    """Write a Keras model as a file .xml and another .bin beside it, in float32."""
    _mend_openvino()
    model.export(str(path), format="openvino", verbose=False)
    _keep_outputs(path, len(model.outputs))


def core() -> Any:
    """Return OpenVINO, which was kept from reporting its use."""
    return _core()


def _export(network: Network, folder: Path) -> None:
    from facefeat.engines.keras import import_keras, silent_stderr

    backend = import_keras().config.backend()
    if backend != "tensorflow":
        raise UsageError(
            f"OpenVINO's copy of {network.name} has to be made once, by Keras on TensorFlow, and Keras is set to {backend} here; "
            "set KERAS_BACKEND=tensorflow for one run, or use --engine keras."
        )
    with silent_stderr():
        model = network.build()
        write(model, folder / "model.xml")
    digests = {name: _sha256(folder / name) for name in _FILES}
    (folder / "sha256.json").write_text(json.dumps(digests))


def _keep_outputs(path: Path, n: int) -> None:
    """Take out of an export what are no outputs of the network, and stand behind them.

    OpenVINO makes outputs of the halves of every function with a gradient of its own, such as TensorFlow's SiLU.
    """
    import openvino

    model = _core().read_model(str(path), config={"ENABLE_MMAP": False})
    others = model.get_results()[n:]
    for other in others:
        model.remove_result(other)
    if others:
        openvino.serialize(model, str(path))


def _mend_openvino() -> None:
    """Replace a function of OpenVINO 2026.4's that fails on Python 3.13.

    It imports and forgets a name by two calls of ``exec``, which no longer share their locals (PEP 667).
    """
    tensorflow = sys.modules.get("tensorflow")
    if sys.version_info >= (3, 13) and tensorflow is not None:
        from openvino.frontend.tensorflow import utils

        utils.get_environment_setup = lambda framework: {"tensorflow": tensorflow.__version__}


def _take_place(beside: Path, folder: Path) -> None:
    """Rename a finished export to its good name; whoever came first with a whole one wins."""
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(beside, folder)
    except OSError as error:
        if not _is_whole(folder):
            raise StorageError(f"{folder} cannot be written: {error.strerror}.") from error


def _is_whole(folder: Path) -> bool:
    try:
        digests = json.loads((folder / "sha256.json").read_text())
        return all(digests[name] == _sha256(folder / name) for name in _FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _core() -> Any:
    # OpenVINO reports its use over the network where this package lets it; facefeat sends nothing anywhere.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    openvino.Type.f32.to_dtype()  # its first call, by two threads at once, can wait for itself
    return openvino.Core()
