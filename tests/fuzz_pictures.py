"""Pictures with random damage: every one is pixels or a refusal, in time, and nothing dies.

python -m tests.fuzz_pictures 100000 1
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from facefeat.data import picture, pixels
from facefeat.errors import PictureRefused
from tests.making import encoded, exif_of, odd_pictures, person_pixels

WORKERS = 2
LARGEST = 20_000  # bytes of a picture to begin with; hashing time over many mutations, not over large files


@dataclass
class Fuzzed:
    """What became of the mutations.

    Attributes
    ----------
    mutations : int
    outcomes : Counter
        By the code of the refusal; ``'read'`` for those that are pictures still.
    unlisted : list of str
        Anything else that happened, with the number of the mutation.
    slowest : float
        Seconds.
    """

    mutations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    unlisted: list[str] = field(default_factory=list)
    slowest: float = 0.0


def seeds() -> list[bytes]:
    """Make the pictures that are damaged: every kind that is read, and photographs of each format."""
    photograph = Image.fromarray(person_pixels("ada", 1, 64))
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
    plain = [encoded(photograph, kind, **({} if kind == "GIF" else {"exif": exif_of(6)})) for kind in kinds]
    packed = [
        encoded(photograph, "TIFF", compression=how) for how in ("jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits")
    ]
    odd = [data for _, data, code in odd_pictures() if code is None and len(data) <= LARGEST]
    return [*plain, *packed, *odd]


def mutated(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Damage bytes in one to four random ways."""
    for _ in range(rng.integers(1, 5)):
        data = _MUTATIONS[rng.integers(len(_MUTATIONS))](data or b"\0", rng, others)
    return data


def _flip(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    changed = bytearray(data)
    for position in rng.integers(0, len(data), rng.integers(1, 9)):
        changed[position] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _number(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Write a number that lengths and sizes are rarely meant to be, most often near the start."""
    value = int(rng.choice([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 20_000]))
    width = int(rng.choice([1, 2, 4]))
    position = int(rng.integers(len(data) if rng.random() < 0.3 else min(len(data), 64)))
    packed = (value & (256**width - 1)).to_bytes(width, "big" if rng.random() < 0.5 else "little")
    return data[:position] + packed + data[position + width :]


def _cut(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    return data[: rng.integers(len(data)) + 1]


def _blank(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 200))
    fill = bytes(length) if rng.random() < 0.5 else rng.bytes(length)
    return data[:start] + fill + data[start + length :]


def _insert(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    start = int(rng.integers(len(data)))
    return data[:start] + rng.bytes(int(rng.integers(1, 40))) + data[start:]


def _repeat(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 300))
    return data[:start] + data[start : start + length] * int(rng.integers(2, 5)) + data[start + length :]


def _splice(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    other = others[rng.integers(len(others))]
    return data[: rng.integers(len(data))] + other[rng.integers(len(other)) :]


_MUTATIONS: tuple[Callable[[bytes, np.random.Generator, list[bytes]], bytes], ...] = (
    _flip, _flip, _number, _number, _cut, _blank, _insert, _repeat, _splice,
)  # fmt: skip


def fuzz_pictures(n: int, seed: int, tell: Callable[[int], None] = lambda done: None) -> Fuzzed:
    """Decode damaged pictures; the same arguments make the same ones."""
    begin, found = seeds(), Fuzzed()

    def one(number: int) -> tuple[str, str, float]:
        rng = np.random.default_rng([seed, number])
        data = mutated(begin[rng.integers(len(begin))], rng, begin)
        started = time.perf_counter()
        outcome, unlisted = _outcome(data)
        return outcome, unlisted and f"mutation {number}: {unlisted}", time.perf_counter() - started

    with ThreadPoolExecutor(WORKERS) as pool:
        for outcome, unlisted, seconds in pool.map(one, range(n)):
            found.mutations += 1
            found.outcomes[outcome] += 1
            found.slowest = max(found.slowest, seconds)
            if unlisted:
                found.unlisted.append(unlisted)
            tell(found.mutations)
    return found


def _outcome(data: bytes) -> tuple[str, str]:
    """Return what became of one, and what should not have happened."""
    try:
        decoded = picture.decode(data)
    except PictureRefused as refused:
        return refused.code, "" if refused.code in picture.OF_DECODING and refused.message else str(refused)
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}"
    fits = decoded.dtype == np.uint8 and decoded.ndim == 3 and decoded.shape[2] == 3
    fits &= min(decoded.shape[:2]) >= pixels.MIN_SIDE and decoded.size <= 3 * pixels.MAX_PIXELS
    return "read", "" if fits else f"an array of {decoded.dtype} of {decoded.shape}"


if __name__ == "__main__":
    print(fuzz_pictures(int(sys.argv[1]), int(sys.argv[2])))
