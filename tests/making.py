"""Makers of test data: folders of people, and pictures of every kind that people really have."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

Pixels = NDArray[np.uint8]
Odd = tuple[str, bytes, str | None]  # file name, bytes, and the code of its refusal, if it is to be refused

LEFT, RIGHT = (200, 60, 20), (20, 90, 180)  # the two colours of the odd pictures
GREY = 128  # the left half of those that have no colour, out of 255


def write_people(
    root: Path, people: Mapping[str, int] | None = None, size: int = 48, seed: int = 0, noise: float = 20
) -> Path:
    """Write a folder of people: pictures of one person are one pattern under different noise."""
    for name, n in (people or {"ada": 3, "bob": 3}).items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(1, n + 1):
            Image.fromarray(person_pixels(name, i, size, seed, noise)).save(root / name / f"{i:02}.png")
    return root


def person_pixels(name: str, number: int, size: int = 48, seed: int = 0, noise: float = 20) -> Pixels:
    """Make one picture of a synthetic person; the same arguments give the same pixels."""
    who = zlib.crc32(name.encode())
    pattern = np.random.default_rng([seed, who]).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(pattern).resize((size, size), Image.Resampling.BICUBIC), np.float64)
    grain = np.random.default_rng([seed, who, number]).normal(0, noise, smooth.shape)
    return np.clip(np.rint(smooth + grain), 0, 255).astype(np.uint8)


def run_python(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter that must succeed, and return what it printed."""
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    if done.returncode:
        raise AssertionError(f"the fresh interpreter failed:\n{done.stderr}")
    return done.stdout + done.stderr


def random_pixels(height: int, width: int, seed: int = 0) -> Pixels:
    """Make a picture of pure noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image | Pixels, kind: str = "PNG", **options: Any) -> bytes:
    """Encode a picture in memory."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def halves(left: Any = LEFT, right: Any = RIGHT, width: int = 32, height: int = 24, dtype: Any = np.uint8) -> Any:
    """Make an array whose left half has one value and whose right half has another."""
    picture = np.empty((height, width, *np.shape(left)), dtype)
    picture[:, : width // 2], picture[:, width // 2 :] = left, right
    return picture


def exif_of(orientation: int) -> Image.Exif:
    """Make EXIF data that holds nothing but an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def turned(upright: Pixels, orientation: int) -> Pixels:
    """Turn upright pixels into those a camera stores under an EXIF orientation, by the standard's table."""
    stored = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: p.transpose(1, 0, 2)[::-1],
        7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    }
    return np.ascontiguousarray(stored[orientation](upright))


def png_claiming(width: int, height: int) -> bytes:
    """Make a PNG whose header claims a size that its few bytes do not hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", start) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def odd_pictures() -> Iterator[Odd]:
    """Yield bad and odd pictures, each with the code of its refusal or None where it is to be read."""
    yield from _no_pictures()
    yield from _damaged()
    yield from _of_odd_sizes()
    yield from _of_odd_modes()
    yield from _of_odd_formats()


def _no_pictures() -> Iterator[Odd]:
    yield "zero_bytes.jpg", b"", "empty"
    yield "text.jpg", b"This is no picture.\n" * 20, "not_a_picture"
    yield "noise.jpg", np.random.default_rng(0).bytes(5000), "not_a_picture"
    yield "zeros.png", bytes(1000), "not_a_picture"
    yield "page.jpg", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "not_a_picture"
    yield "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>', "not_a_picture"
    yield "paper.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n", "not_a_picture"
    yield "postscript.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\nshowpage\n", "not_a_picture"
    yield "icon.ico", encoded(halves(), "ICO"), "not_a_picture"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("1.png", encoded(halves()))
    yield "archive.zip", archive.getvalue(), "not_a_picture"
    yield "signature.png", b"\x89PNG\r\n\x1a\n", "not_a_picture"
    yield "signature.jpg", b"\xff\xd8\xff\xe0", "not_a_picture"


def _damaged() -> Iterator[Odd]:
    noise = random_pixels(64, 64)
    for kind, suffix in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", "bmp"), ("TIFF", "tif")):
        data = encoded(noise, kind)
        yield f"half.{suffix}", data[: len(data) // 2], "damaged"
    yield "half.ppm", encoded(noise, "PPM")[:6000], "damaged"
    yield "half.gif", encoded(Image.fromarray(noise).quantize(), "GIF")[:2000], "damaged"
    yield "two_bytes_short.jpg", encoded(noise, "JPEG")[:-2], "damaged"
    broken = bytearray(encoded(noise))
    broken[len(broken) // 2] ^= 0xFF
    yield "flipped_byte.png", bytes(broken), "damaged"


def _of_odd_sizes() -> Iterator[Odd]:
    yield "10k.png", png_claiming(10_000, 10_000), "too_many_pixels"
    yield "20k.png", png_claiming(20_000, 20_000), "too_many_pixels"
    yield "one_row.png", png_claiming(2**31 - 1, 1), "too_many_pixels"
    yield "1x1.png", encoded(random_pixels(1, 1)), "too_small"
    yield "15x15.png", encoded(random_pixels(15, 15)), "too_small"
    yield "thread.png", encoded(random_pixels(15, 3000)), "too_small"
    yield "16x16.png", encoded(halves(width=16, height=16)), None
    yield "long_thin.png", encoded(halves(width=3000, height=16)), None


def _of_odd_modes() -> Iterator[Odd]:
    grey16 = halves(GREY * 257, 60000, dtype=np.uint16)
    yield "grey16.png", encoded(grey16), None
    yield "grey16.tif", encoded(grey16, "TIFF"), None
    yield "grey16_big_endian.tif", encoded(big_endian(grey16), "TIFF"), None
    yield "grey16.pgm", b"P5 32 24 65535\n" + grey16.astype(">u2").tobytes(), None
    yield "float_0_1.tif", encoded(halves(GREY / 255, 0.9, dtype=np.float32), "TIFF"), None
    yield "float_0_255.tif", encoded(halves(GREY, 250, dtype=np.float32), "TIFF"), None
    yield "float_nan.tif", encoded(halves(GREY / 255, np.nan, dtype=np.float32), "TIFF"), None
    yield "int32.tif", encoded(halves(GREY, 250, dtype=np.int32), "TIFF"), None
    yield "grey.jpg", encoded(halves(GREY, 250), "JPEG"), None
    yield "one_bit.png", encoded(Image.fromarray(halves(255, 0)).convert("1")), None
    yield "cmyk.jpg", encoded(Image.fromarray(halves()).convert("CMYK"), "JPEG"), None
    yield "palette.png", encoded(Image.fromarray(halves()).quantize(4)), None
    hidden = Image.fromarray(halves()).quantize(4)
    yield "palette_hidden_left.png", encoded(hidden, transparency=hidden.getpixel((0, 0))), None
    yield "rgba_hidden_left.png", encoded(halves((*LEFT, 0), (*RIGHT, 255))), None
    yield "rgba_half_seen.png", encoded(halves((0, 0, 0, GREY - 1), (*RIGHT, 255))), None
    yield "la_hidden_left.png", encoded(Image.fromarray(halves((GREY, 0), (250, 255)), "LA")), None
    yield "rgb_hidden_left.png", encoded(halves(), transparency=LEFT), None
    yield "grey_hidden_left.png", encoded(halves(GREY, 250), transparency=GREY), None


def _of_odd_formats() -> Iterator[Odd]:
    picture = Image.fromarray(halves())
    later = Image.fromarray(halves(RIGHT, LEFT))
    yield "really_png.jpg", encoded(picture), None
    yield "no_suffix", encoded(picture, "JPEG", quality=95), None
    yield "garbage_after.jpg", encoded(picture, "JPEG", quality=95) + b"garbage" * 100, None
    yield "garbage_after.png", encoded(picture) + b"garbage" * 100, None
    yield "progressive.jpg", encoded(picture, "JPEG", quality=95, progressive=True), None
    yield "plain.bmp", encoded(picture, "BMP"), None
    yield "plain.tif", encoded(picture, "TIFF"), None
    yield "plain.ppm", encoded(picture, "PPM"), None
    yield "plain.pgm", encoded(halves(GREY, 250), "PPM"), None
    yield "plain.pbm", encoded(Image.fromarray(halves(255, 0)).convert("1"), "PPM"), None
    yield "animated.gif", encoded(picture, "GIF", save_all=True, append_images=[later]), None
    yield "animated.png", encoded(picture, save_all=True, append_images=[later]), None
    yield "animated.webp", encoded(picture, "WEBP", save_all=True, append_images=[later], lossless=True), None
    yield "stereo.mpo", encoded(picture, "MPO", save_all=True, append_images=[later], quality=95), None
    if features.check("avif"):
        yield "plain.avif", encoded(picture, "AVIF", quality=100), None
    yield "exif_garbage.jpg", encoded(picture, "JPEG", quality=95, exif=b"Exif\0\0" + b"\xff" * 40), None
    yield "exif_99.jpg", encoded(picture, "JPEG", quality=95, exif=exif_of(99)), None
    for orientation in range(1, 9):
        stored = turned(halves(), orientation)
        yield f"exif_{orientation}.png", encoded(stored, exif=exif_of(orientation)), None


def big_endian(grey: NDArray[np.uint16]) -> Image.Image:
    """Make a 16-bit grey picture whose bytes stand the other way round."""
    height, width = grey.shape
    return Image.frombytes("I;16B", (width, height), grey.astype(">u2").tobytes())


def expected_left(name: str) -> tuple[int, int, int]:
    """Say which colour the left half of an odd picture that is read shows, transparency over white."""
    if name == "rgba_half_seen.png":
        return (GREY, GREY, GREY)
    if "hidden_left" in name or name in ("one_bit.png", "plain.pbm"):
        return (255, 255, 255)
    without_colour = name.startswith(("grey", "float", "int32")) or name.endswith(".pgm")
    return (GREY, GREY, GREY) if without_colour else LEFT
