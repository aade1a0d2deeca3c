"""MTCNN's three networks, with the weights of the package ``mtcnn`` 1.0.0."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.engines.network import Network
from facefeat.errors import DamagedFile, MissingExtra

# The files of the wheel mtcnn 1.0.0. They are pickles (joblib), so nothing else is ever opened.
WEIGHTS = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}

# Of the networks as they are built here: the first has other outputs than the package's.
_KEYS = {**WEIGHTS, "pnet": hashlib.sha256(f"{WEIGHTS['pnet']} offsets, logits".encode()).hexdigest()}


def network(name: str, side: int, batch_size: int) -> Network:
    """Describe one of the networks.

    Parameters
    ----------
    name : {'pnet', 'rnet', 'onet'}
    side : int
        Of the squares that it is given, pixels.
    batch_size : int

    Returns
    -------
    Network
        Run in float32 whatever the engine's own precision: the scores' thresholds are exact.
    """
    build = {"pnet": _build_pnet, "rnet": _build_rnet, "onet": _build_onet}[name]
    return Network(f"mtcnn-{name}", _KEYS[name], build, (side, side, 3), batch_size, exact=True)


@cache
def _weights(name: str) -> list[NDArray[np.float32]]:
    """Read one network's weights from the installed wheel, after its hash was checked."""
    spec = find_spec("mtcnn")  # finds the package without running it, so TensorFlow stays out
    if spec is None or spec.origin is None:
        raise MissingExtra("faces", "Finding faces (--faces auto)")
    path = Path(spec.origin).parent / "assets" / "weights" / f"{name}.lz4"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS[name]:
        raise DamagedFile(f"{path} is not the file of mtcnn 1.0.0; reinstall it with: pip install mtcnn==1.0.0")
    import joblib
    import lz4.frame

    loaded: list[NDArray[np.float32]] = joblib.load(BytesIO(lz4.frame.decompress(data)))
    return loaded


def _convolutions(inputs: Any, blocks: list[tuple[int, int, tuple[int, str] | None]]) -> Any:
    from facefeat.engines.keras import import_keras

    layers = import_keras().layers
    x = inputs
    for filters, kernel, pool in blocks:
        x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(filters, kernel)(x))
        if pool:
            x = layers.MaxPooling2D(pool[0], 2, padding=pool[1])(x)
    return x


def _dense(x: Any, units: int, outputs: dict[str, int]) -> list[Any]:
    from facefeat.engines.keras import import_keras

    layers = import_keras().layers
    x = layers.Flatten()(layers.Permute((2, 1, 3))(x))  # the weights expect columns before rows
    x = layers.PReLU()(layers.Dense(units)(x))
    return [layers.Dense(n, activation="softmax" if name == "face" else None)(x) for name, n in outputs.items()]


def _build_pnet() -> Any:
    """Build the first network, with both outputs as one: offsets, then logits.

    A softmax over two channels takes OpenVINO as long as all the rest, and few windows need one.
    """
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    inputs = keras.Input((None, None, 3))
    x = _convolutions(inputs, [(10, 3, (2, "same")), (16, 3, None), (32, 3, None)])
    model = keras.Model(inputs, keras.layers.Conv2D(6, 1)(x))
    *weights, box, box_bias, face, face_bias = _weights("pnet")
    model.set_weights([*weights, np.concatenate([box, face], axis=-1), np.concatenate([box_bias, face_bias])])
    return model


def _build_rnet() -> Any:
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    inputs = keras.Input((24, 24, 3))
    x = _convolutions(inputs, [(28, 3, (3, "same")), (48, 3, (3, "valid")), (64, 2, None)])
    return _with_weights(keras.Model(inputs, _dense(x, 128, {"box": 4, "face": 2})), "rnet")


def _build_onet() -> Any:
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    inputs = keras.Input((48, 48, 3))
    blocks = [(32, 3, (3, "same")), (64, 3, (3, "valid")), (64, 3, (2, "same")), (128, 2, None)]
    x = _convolutions(inputs, blocks)
    return _with_weights(keras.Model(inputs, _dense(x, 256, {"box": 4, "points": 10, "face": 2})), "onet")


def _with_weights(model: Any, name: str) -> Any:
    model.set_weights(_weights(name))
    return model
