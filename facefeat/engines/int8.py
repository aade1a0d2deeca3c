"""Convolutions in int8, by OpenVINO: what goes into each is rounded to 256 steps of a range found beforehand.

Static quantisation as in B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, arXiv:1712.05877: activations by one range a tensor, weights by one
range a filter, symmetric. The first convolution stays as it is: it sees the pixels, takes a few per cent of the
time, and rounding it costs more than rounding all others. The whole is a function of the network and the ranges
alone, so they are kept instead of a second network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facefeat.engines.network import Ranges
from facefeat.errors import DamagedFile

CONVOLUTIONS = ("Convolution", "GroupConvolution")
STEPS = 256  # of an activation; a weight has 255, as many on either side of zero


def observed(model: Any) -> Any:
    """Turn a model into one whose outputs are the lowest and the highest number of each range.

    Parameters
    ----------
    model : openvino.Model

    Returns
    -------
    openvino.Model
        Two outputs for each of the model's ranges.
    """
    from openvino import Model
    from openvino import opset13 as operations

    ends = []
    for source, _ in _sources(model):
        every = np.arange(len(source.get_partial_shape()))
        ends += [operations.reduce_min(source, every), operations.reduce_max(source, every)]
    return Model(ends, model.get_parameters())


def quantise(model: Any, ranges: Ranges) -> None:
    """Make all convolutions of a model but the first compute in int8.

    Parameters
    ----------
    model : openvino.Model
        Changed.
    ranges : Ranges

    Raises
    ------
    DamagedFile
        If there are not as many ranges as the model needs.
    """
    sources = _sources(model)
    if len(sources) != len(ranges):
        raise DamagedFile(f"The network has {len(sources)} ranges of int8, but {len(ranges)} are given.")
    for (source, convolutions), (low, high) in zip(sources, ranges, strict=True):
        _round(source, low, high)
        for convolution in convolutions:
            _round_weights(convolution)
    model.validate_nodes_and_infer_types()


def _sources(model: Any) -> list[tuple[Any, list[Any]]]:
    """List the outputs whose numbers enter convolutions, each with its convolutions; the first one's is left out.

    Rounding keeps the order of numbers, so what is pooled by its maximum can be rounded before: pooling is then
    in int8 too.
    """
    found: dict[tuple[str, int], tuple[Any, list[Any]]] = {}
    convolutions = [node for node in model.get_ordered_ops() if node.get_type_name() in CONVOLUTIONS]
    for convolution in convolutions[1:]:
        source = convolution.input_value(0)
        while source.get_node().get_type_name() == "MaxPool":
            source = source.get_node().input_value(0)
        key = (source.get_node().get_name(), source.get_index())
        found.setdefault(key, (source, []))[1].append(convolution)
    return list(found.values())


def _round(source: Any, low: float, high: float) -> None:
    from openvino import opset13 as operations

    readers = list(source.get_target_inputs())
    ends = np.float32(low), np.float32(high)
    rounded = operations.fake_quantize(source, *ends, *ends, STEPS).output(0)
    for reader in readers:
        reader.replace_source_output(rounded)


def _round_weights(convolution: Any) -> None:
    from openvino import opset13 as operations

    weights = convolution.input_value(1)
    kernel = weights.get_node().get_data()
    inner = tuple(range(1, kernel.ndim))  # the filters lie along the first axis
    largest = np.abs(kernel).max(axis=inner, keepdims=True).astype(np.float32)
    ends = -largest, largest
    convolution.input(1).replace_source_output(operations.fake_quantize(weights, *ends, *ends, STEPS - 1).output(0))
