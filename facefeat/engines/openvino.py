"""Networks run by OpenVINO on the CPU, from a copy that Keras exported once.

The exported copies lie in the user's cache folder, one folder a network, named by the network's key.
Where a copy is there, neither Keras nor its backend is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.engines.network import Network, Run, in_fixed_batches
from facefeat.errors import StorageError, UsageError

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_FILES = ("model.xml", "model.bin")


class OpenVINOEngine:
    """Run networks with OpenVINO.

    Parameters
    ----------
    precision : {'auto', 'float32', 'bfloat16', 'float16'}
        ``'auto'`` is bfloat16 where the processor has it in hardware, else float32.

    Raises
    ------
    UsageError
        If the processor does not have the precision.
    """

    name = "openvino"

    def __init__(self, precision: str = "auto") -> None:
        core = _core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        has = {"float32": True, "bfloat16": "BF16" in able, "float16": "FP16" in able}
        if precision == "auto":
            precision = "bfloat16" if has["bfloat16"] else "float32"
        if not has.get(precision, False):
            usable = ", ".join(name for name, there in has.items() if there)
            raise UsageError(f"This processor does not compute in {precision} with OpenVINO; use {usable}.")
        self.precision = precision
        self.device = " ".join(str(core.get_property("CPU", "FULL_DEVICE_NAME")).split())

    def load(self, network: Network) -> Run:
        """Compile a network from its exported copy, exporting it first where there is none.

        Parameters
        ----------
        network : Network

        Returns
        -------
        callable
            Maps an array of shape (n, height, width, channels) to a tuple of float32 arrays. Not to
            be called by two threads at once.

        Raises
        ------
        StorageError
            If the cache folder cannot be written.
        """
        core = _core()
        model = core.read_model(str(exported(network) / "model.xml"))
        if network.batch_size:
            model.reshape([network.batch_size, *(side or -1 for side in network.input_shape)])
        precision = "float32" if network.exact else self.precision
        config = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        request = core.compile_model(model, "CPU", config).create_infer_request()
        n_outputs = len(model.outputs)

        def run(inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
            request.infer([np.ascontiguousarray(inputs, np.float32)], share_inputs=True)
            return tuple(np.array(request.get_output_tensor(i).data, np.float32) for i in range(n_outputs))

        return in_fixed_batches(run, network.batch_size) if network.batch_size else run


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


def _export(network: Network, folder: Path) -> None:
    from facefeat.engines.keras import silent_stderr

    with silent_stderr():
        model = network.build()
        _mend_openvino()
        model.export(str(folder / "model.xml"), format="openvino", verbose=False)
    digests = {name: _sha256(folder / name) for name in _FILES}
    (folder / "sha256.json").write_text(json.dumps(digests))


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

    return openvino.Core()
