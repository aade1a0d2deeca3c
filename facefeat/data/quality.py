"""A face in grey, at the one size at which faces are judged and compared, and how sharp it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # pixels

# ORL faces, 70 pixels wide in a picture of their own, blurred by a Gaussian: sharp ones have a sharpness of 0.076 to
# 1.07, median 0.34. Under 0.05 are none of them, none of those blurred by 0.5 pixels, 17 % by 1, 92 % by 1.5 and all by
# 2. Twice as large, it is none by 1 pixel, 13 % by 2, 93 % by 3 and all by 4.
SHARP = 0.05


def grey(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink or enlarge a face of shape (size, size, 3), uint8, to one of shape (SIDE, SIDE) in grey."""
    from PIL import Image

    image = Image.fromarray(square).convert("L")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def sharpness(greys: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure how sharp faces are, whatever their light.

    The variance of the Laplacian of the grey levels (J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy: a comparative study", ICPR 2000), against their own variance, which takes the contrast out.

    Parameters
    ----------
    greys : ndarray of shape (n, SIDE, SIDE), uint8
        Faces that were cut out, in grey.

    Returns
    -------
    ndarray of shape (n,), float32
        0 and more; 0 for one colour. docs/benchmarks.md has what real and blurred faces have.
    """
    grey = greys.astype(np.float32)
    middle = grey[:, 1:-1, 1:-1]
    edges = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * middle
    spread = middle.var(axis=(1, 2))
    figures: NDArray[np.float32] = np.divide(
        edges.var(axis=(1, 2)), spread, out=np.zeros_like(spread), where=spread > 0
    )
    return figures
