"""Weights for the networks whose own cannot be carried: random numbers that neither vanish nor overflow."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from facefeat.features import backbone as backbones
from facefeat.features.official import is_here
from facefeat.features.weights import Shapes, Tensors


def random_tensors(shapes: Shapes, seed: int = 0) -> Tensors:
    """Draw tensors: kernels as K. He et al. start them, statistics near those of normal numbers."""
    rng = np.random.default_rng(seed)
    found: Tensors = {}
    for name, shape in shapes.items():
        part = name.rpartition("/")[2]
        if "kernel" in part:
            inputs = int(np.prod(shape[:2])) * (1 if part.startswith("depthwise") else shape[2])
            drawn = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / inputs))
        elif part in ("gamma", "variance", "moving_variance"):
            drawn = rng.uniform(0.8, 1.2, shape)
        else:
            drawn = rng.normal(0, 0.05, shape)
        found[name] = drawn.astype(np.float32)
    return found


@cache
def weights_for(name: str, folder: Path) -> str | None:
    """Say which weights to ask a backbone for: its first, or where those would be fetched, a file of random ones."""
    network = backbones.get(name)
    official = getattr(network, "OFFICIAL", {}).get(network.WEIGHTS[0])
    if official is None or is_here(official):
        return None
    path = folder / f"random-{name}.npz"
    if not path.exists():
        np.savez(path, **random_tensors(network.shapes()))  # type: ignore[attr-defined]
    return str(path)
