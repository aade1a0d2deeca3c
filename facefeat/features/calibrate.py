"""The ranges that round a network's numbers to int8, found on the user's own faces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facefeat.engines.choose import choose
from facefeat.errors import InputError, PictureRefused
from facefeat.features import backbone as backbones
from facefeat.features.encode import Encoder, Plan
from facefeat.features.recipe import Calibration

FACES = 64  # for the ranges, and as many others to check them


def calibrated(
    plan: Plan, pictures: Sequence[tuple[str, bytes]], read: Callable[[str], bytes], threads: int | None = None
) -> Plan:
    """Find the ranges of a recipe in int8 on faces of a data set, and measure what rounding costs.

    Which faces is decided by the pictures' hashes, so that names and order do not matter.

    Parameters
    ----------
    plan : Plan
        Of numerics int8.
    pictures : sequence of (path, SHA-256 of its bytes)
    read : callable
        Gives the bytes of a path's file, or raises PictureRefused, as ``Listing.read`` does.
    threads : int or None
        Cores to use.

    Returns
    -------
    Plan
        The same with its calibration.

    Raises
    ------
    UsageError
        If the backbone does not compute in int8.
    InputError
        If there is no usable picture.
    """
    network = backbones.network_of(plan.recipe, plan.weights, 1)
    engine = choose("openvino", "float32", threads=threads)
    reference = Encoder(plan, engine)
    squares = list(_squares(reference, (path for path, _ in sorted(pictures, key=lambda one: one[1])), read))
    if not squares:
        raise InputError("None of the pictures can be used, so int8 cannot be calibrated on them.")
    seen, others = squares[:FACES], squares[FACES:]
    found = Calibration(engine.calibrate(network, np.stack(seen)), len(seen), 1.0, len(others))
    made = replace(plan, recipe=replace(plan.recipe, calibration=found))
    rounded = Encoder(made, choose("openvino", "int8", threads=threads))
    cosine = _lowest_cosine(reference, rounded, others or seen)
    return replace(plan, recipe=replace(plan.recipe, calibration=replace(found, cosine=cosine)))


def _squares(encoder: Encoder, paths: Iterable[str], read: Callable[[str], bytes]) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces of the first pictures that can be used."""
    n = 0
    for path in paths:
        try:
            face = encoder.finder.faces([encoder.finder.open(read(path))])[0]
        except PictureRefused:
            continue
        if not isinstance(face, PictureRefused):
            yield face.pixels
            n += 1
        if n == 2 * FACES:
            return


def _lowest_cosine(one: Encoder, other: Encoder, squares: Sequence[NDArray[np.uint8]]) -> float:
    """Return the lowest cosine between two encoders' vectors, of all faces and layers, to four digits."""
    lowest = 1.0
    first, second = one.vectors(squares), other.vectors(squares)
    for layer in first:
        a, b = first[layer].astype(np.float64), second[layer].astype(np.float64)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        products = np.sum(a * b, axis=1)
        cosines = np.divide(products, lengths, out=np.ones_like(products), where=lengths > 0)
        lowest = min(lowest, float(cosines.min()))
    return round(lowest, 4)
