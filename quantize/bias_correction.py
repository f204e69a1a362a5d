"""Bias correction: take back what quantization adds to a layer's output on average.

Rounding weights and clipping activations shifts the mean of a channel; the shift is measured and
put into the layer's bias (Nagel et al. 2019, the empirical form). Layers are corrected in running
order, each with the quantized layers before it already corrected, so that nothing is taken back
twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.engine import Engine, Kernels
from quantize.errors import SamplesError
from quantize.int8 import to_int8
from quantize.passes._infra.feeds import Feeds
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import in_running_order
from quantize.quality import open_engine
from quantize.segments import Segments

if TYPE_CHECKING:
    from quantize.calibrate import Ranges
    from quantize.recipes import Recipe
    from quantize.samples import Samples

__all__ = ["Corrected", "correct_biases"]

_SPATIAL_FROM = 2  # axis; the one before it holds the channels
_BIASED = ("Conv", "ConvTranspose", "Gemm")


@dataclass(frozen=True, slots=True)
class Corrected:
    """A float model whose biases make up for its quantization.

    Attributes:
        model: quantize it with the ranges and the recipe that it was corrected for.
        shifts: per layer float64 (channels,): what was added to its bias.
    """

    model: onnx.ModelProto
    shifts: dict[str, NDArray[np.float64]]


def correct_biases(
    model: onnx.ModelProto,
    ranges: Ranges,
    recipe: Recipe,
    samples: Samples,
    *,
    float_layers: Collection[str] = (),
    kernels: Kernels = "default",
    threads: int = 1,
) -> Corrected:
    """Correct the biases of the layers that a recipe quantizes.

    Args:
        model: float, with named nodes; not edited.
        ranges: of its values.
        recipe: how it is going to be quantized.
        samples: what calibrated it; never those that judge it.
        float_layers: names of layers that are going to stay float.
        kernels: with which the quantized layers will run.
        threads: that the engine uses.

    Returns:
        The corrected float model, and by how much.

    Raises:
        SamplesError: there are no samples.
        QuantizeError: a layer cannot be quantized or run.
    """
    if not samples.feeds:
        raise SamplesError("biases cannot be corrected without samples: give at least one")
    planned = to_int8(model, ranges, recipe, float_layers=float_layers).quantized
    layers = {n.name for n in model.graph.node if n.name in planned and n.op_type in _BIASED}
    segments = Segments(model, _cuts(model, layers))
    alone = replace(recipe, float_layers=(), gemm_weights="float")
    plain_values = [dict(feeds) for feeds in samples.feeds]
    rounded_values = [dict(feeds) for feeds in samples.feeds]
    shifts: dict[str, NDArray[np.float64]] = {}
    for index, layer in enumerate(segments.layers):
        part = segments.build(index)
        wanted = _advance(Engine(part, threads=threads), plain_values, segments, index)
        if layer not in layers or layer is None:
            _advance(Engine(part, threads=threads), rounded_values, segments, index)
            continue
        made = to_int8(part, ranges, alone).model
        engine = open_engine(made, kernels=kernels, threads=threads)
        got = [engine.run(values) for values in rounded_values]
        shifts[layer] = _shift(wanted, got, part.graph.output[0].name)
        made = to_int8(_shifted(part, {layer: shifts[layer]}), ranges, alone).model
        engine = open_engine(made, kernels=kernels, threads=threads)
        _advance(engine, rounded_values, segments, index)
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    return Corrected(_shifted(twin, shifts), shifts)


def _cuts(model: onnx.ModelProto, layers: Collection[str]) -> set[str]:
    """Return where to cut so that each of the layers is alone in its segment."""
    nodes = [n for n in in_running_order(model.graph.node) if n.op_type != "Constant"]
    behind = {b.name for a, b in itertools.pairwise(nodes) if a.name in layers}
    return {*layers, *behind}


def _advance(
    engine: Engine, values: list[Feeds], segments: Segments, index: int
) -> list[dict[str, NDArray[Any]]]:
    """Run one segment on all samples and forget what nobody reads any more."""
    results = []
    later = {name for names in segments.inputs[index + 1 :] for name in names}
    for one in values:
        made = engine.run(one)
        results.append(made)
        one.update(made)
        for name in [name for name in one if name not in later]:
            del one[name]
    return results


def _shift(
    wanted: list[dict[str, NDArray[Any]]], got: list[dict[str, NDArray[Any]]], output: str
) -> NDArray[np.float64]:
    """Return the mean of what is missing, per channel."""
    missing = [
        np.asarray(a[output], np.float64) - b[output] for a, b in zip(wanted, got, strict=True)
    ]
    rows = [one.reshape(*one.shape[:_SPATIAL_FROM], -1).mean(axis=(0, 2)) for one in missing]
    return np.asarray(np.mean(rows, axis=0))


def _shifted(model: onnx.ModelProto, shifts: dict[str, NDArray[np.float64]]) -> onnx.ModelProto:
    """Add to the biases of layers; the model is edited."""
    graph = Graph(model)
    for node in [node for node in graph.nodes if node.name in shifts]:
        shift = shifts[node.name]
        bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        moved = (shift if bias is None else bias + shift).astype(np.float32)
        graph.set_input(node, 2, graph.store(moved, f"{node.output[0]}_bias"))
    return graph.finish()
