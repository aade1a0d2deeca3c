"""Other ways to run the same VGG16 on the same weights: what the bench of extraction compares with.

Every rival maps raw RGB of shape (n, size, size, 3), 0 to 255, to the means of the maps behind block3, block4 and
block5, as facefeat does with ``pooling="avg"``. Those whose package is not installed are left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from facefeat.engines.choose import choose
from facefeat.features import backbone as backbones
from facefeat.features.backbones import vgg16
from facefeat.features.encode import Plan, plan

Vectors = Callable[[Any], list[Any]]

BATCH = 32
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
KEPT = (3, 4, 5)  # blocks whose maps are kept


def recipe_of(size: int) -> Plan:
    """Return the recipe that all of them follow."""
    return plan(size=size, pooling="avg", faces_mode="none", flip=False)


def keras_predict(size: int) -> Vectors:
    """Plain Keras: ``model.predict``."""
    made = recipe_of(size)
    model = vgg16.build(made.recipe, made.weights.read())
    return lambda pixels: list(model.predict(pixels.astype(np.float32), batch_size=BATCH, verbose=0))


def torch_network(size: int, precision: str = "float32") -> Vectors:
    """PyTorch as torchvision writes VGG16, channels last, in inference mode."""
    import torch

    torch.set_num_threads(CORES)
    layers: list[Any] = []
    for kernel, bias, pool in _layers(recipe_of(size)):
        convolution = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
        convolution.weight.data = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        convolution.bias.data = torch.from_numpy(bias)
        layers += [convolution, torch.nn.ReLU(inplace=True), *([torch.nn.MaxPool2d(2)] if pool else [])]
    network = torch.nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)

    def run(pixels: Any) -> list[Any]:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            x, kept = torch.from_numpy(_centred(pixels)).permute(0, 3, 1, 2), []
            for layer in network:
                x = layer(x)
                if isinstance(layer, torch.nn.MaxPool2d):
                    kept.append(x.float().mean(dim=(2, 3)).numpy())
        return [kept[block - 1] for block in KEPT]

    return _in_batches(run)


def onnx_network(size: int) -> Vectors:
    """Run the network by onnxruntime, float32, all optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(_onnx_bytes(size), options, providers=["CPUExecutionProvider"])
    return _in_batches(
        lambda pixels: session.run(None, {"rgb": np.ascontiguousarray(_centred(pixels).transpose(0, 3, 1, 2))})
    )


def engine_network(size: int, engine: str, precision: str, ranges: Any = ()) -> Vectors:
    """Facefeat's own engine, called by as many threads as there are cores, as ``extract`` does."""
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace

    chosen = choose(engine, precision, threads=CORES, streams=CORES)
    made = recipe_of(size)
    network = backbones.network_of(made.recipe, made.weights, chosen.batch_size)
    run, pool = chosen.load(replace(network, ranges=ranges)), ThreadPoolExecutor(CORES)

    def vectors(pixels: Any) -> list[Any]:
        parts = [pixels[start : start + chosen.batch_size] for start in range(0, len(pixels), chosen.batch_size)]
        return [np.concatenate(column) for column in zip(*pool.map(run, parts), strict=True)]

    return vectors


def rivals(size: int) -> dict[str, Vectors]:
    """Make all rivals that are installed ready."""
    found = {"keras predict, float32": keras_predict(size)}
    if find_spec("torch"):
        found["torch, float32"] = torch_network(size)
        found["torch, bfloat16"] = torch_network(size, "bfloat16")
    if find_spec("onnxruntime") and find_spec("onnx"):
        found["onnxruntime, float32"] = onnx_network(size)
    return found


def gflop(size: int) -> float:
    """Count the multiplications and additions of the convolutions for one picture, in thousands of millions."""
    side, total = size, 0
    for kernel, _, pool in _layers(recipe_of(size)):
        total += 2 * side * side * kernel.size
        side = side // 2 if pool else side
    return total / 1e9


def _layers(made: Plan) -> list[tuple[Any, Any, bool]]:
    """List kernel, bias, and whether pooling follows."""
    tensors, found = made.weights.read(), []
    for block, (n, _) in enumerate(vgg16.BLOCKS, 1):
        for i in range(1, n + 1):
            name = f"block{block}_conv{i}"
            found.append((tensors[f"{name}/kernel"], tensors[f"{name}/bias"], i == n))
    return found


def _centred(pixels: Any) -> Any:
    return np.ascontiguousarray(
        pixels[..., ::-1].astype(np.float32) - np.array(vgg16.PREPROCESSINGS["imagenet"], np.float32)
    )


def _in_batches(run: Vectors) -> Vectors:
    def all_of(pixels: Any) -> list[Any]:
        parts = [run(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    return all_of


def _onnx_bytes(size: int) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, outputs, x, block = [], [], [], "rgb", 1
    for i, (kernel, bias, pool) in enumerate(_layers(recipe_of(size))):
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), f"k{i}"))
        tensors.append(numpy_helper.from_array(bias, f"b{i}"))
        nodes.append(helper.make_node("Conv", [x, f"k{i}", f"b{i}"], [f"c{i}"], kernel_shape=[3, 3], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        x = f"r{i}"
        if pool:
            nodes.append(helper.make_node("MaxPool", [x], [f"p{block}"], kernel_shape=[2, 2], strides=[2, 2]))
            x = f"p{block}"
            if block in KEPT:
                nodes.append(helper.make_node("ReduceMean", [x], [f"out{block}"], axes=[2, 3], keepdims=0))
                outputs.append(helper.make_tensor_value_info(f"out{block}", TensorProto.FLOAT, None))
            block += 1
    taken = [helper.make_tensor_value_info("rgb", TensorProto.FLOAT, ["n", 3, size, size])]
    graph = helper.make_graph(nodes, "vgg16", taken, outputs, tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(made.SerializeToString())
