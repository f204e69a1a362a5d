"""Sensitivity: what each layer alone costs when it is quantized.

Every layer is quantized alone, by the very quantizer and kernels that make the final model, and
what depends on it is run again (`quantize.segments`). So the ranking costs about half a run of the
model per layer and sample, and no model is rebuilt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from quantize.engine import Kernels
from quantize.errors import SamplesError
from quantize.int8 import quantizable, stored_small, to_int8
from quantize.int8_choice import candidates
from quantize.metrics import Outputs, joint, mask_psnr, psnr
from quantize.passes._infra.feeds import Feeds
from quantize.passes._infra.graph import Graph
from quantize.quality import open_engine, picture_of
from quantize.segments import Chain, Segments

if TYPE_CHECKING:
    from quantize.calibrate import Ranges
    from quantize.contract import ModelContract
    from quantize.recipes import Recipe
    from quantize.samples import Samples

__all__ = ["Layer", "Progress", "quantizable_chain", "rank_layers"]

_FLOAT_BYTES = 4

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many steps of it are done, and how many there are."""


def silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that can be quantized, and what that costs.

    Attributes:
        name: of its node.
        operator: "Conv", "Gemm", ...
        weight_bytes: size of its float weights; a quarter of it when quantized.
        multiply_adds: per run of the model.
        psnr: dB of the worst sample when this layer alone is quantized, of its picture or of its
            mask (see `quantize.metrics.joint`); at most 99.
        psnrs: the same per sample.
    """

    name: str
    operator: str
    weight_bytes: int
    multiply_adds: int
    psnr: float
    psnrs: tuple[float, ...] = ()


def quantizable_chain(
    model: onnx.ModelProto,
    ranges: Ranges,
    recipe: Recipe,
    *,
    kernels: Kernels = "default",
    threads: int = 1,
    progress: Progress = silent,
) -> Chain:
    """Cut a float model in front of its quantizable layers, and give each its quantized form.

    Args:
        model: the float model; its nodes are named.
        ranges: of its values.
        recipe: how layers are quantized, and which.
        kernels: with which the quantized layers run; the others run as quickly as they can.
        threads: that each engine uses.
        progress: told of each layer.

    Returns:
        A chain whose exchangeable layers are those that the recipe quantizes.

    Raises:
        QuantizeError: a layer cannot be quantized, loaded or run.
    """
    graph = Graph(model)
    names = candidates(graph, recipe)
    small = stored_small(graph, recipe)
    # In a segment every layer is the first and the last, so what stays float goes by its name.
    alone = replace(recipe, float_layers=())

    def unquantized(part: onnx.ModelProto) -> onnx.ModelProto:
        others = quantizable(part, alone)
        return to_int8(part, ranges, alone, float_layers=others, small=small).model

    segments = Segments(model, names)
    # Weights may be stored in 8 bits whichever layers are quantized.
    stored = {"form": unquantized} if recipe.gemm_weights != "float" or small else {}
    chain = Chain(segments, threads=threads, **stored)
    for index, layer in enumerate(segments.layers):
        if layer is None:
            continue
        part = segments.build(index)
        others = set(quantizable(part, alone)) - {layer}
        made = to_int8(part, ranges, alone, float_layers=others, small=small)
        if layer in made.quantized:
            engine = open_engine(made.model, kernels=kernels, threads=threads, memory="returned")
            chain.exchange(layer, engine)
        progress("quantizing each layer", len(chain.exchangeable), len(names))
    return chain


def rank_layers(
    model: onnx.ModelProto,
    ranges: Ranges,
    recipe: Recipe,
    samples: Samples,
    contract: ModelContract,
    *,
    kernels: Kernels = "default",
    threads: int = 1,
    progress: Progress = silent,
) -> tuple[Layer, ...]:
    """Measure what each quantizable layer costs when it alone is quantized.

    Args:
        model: the float model; its nodes are named.
        ranges: of its values, from one calibration.
        recipe: how layers are quantized, and which.
        samples: held-out; four to six tell layers apart.
        contract: what the model gives.
        kernels: with which the quantized layers run; those of the target.
        threads: that the engine uses.
        progress: told of each layer and sample.

    Returns:
        The layers, the most sensitive first.

    Raises:
        SamplesError: there are no samples.
        QuantizeError: a layer cannot be quantized or run.
    """
    if not samples.feeds:
        raise SamplesError("layers cannot be ranked without samples: give at least one")
    chain = quantizable_chain(
        model, ranges, recipe, kernels=kernels, threads=threads, progress=progress
    )
    return ranked(model, chain, samples.feeds, contract, progress=progress)


def ranked(
    model: onnx.ModelProto,
    chain: Chain,
    feeds: Sequence[Feeds],
    contract: ModelContract,
    *,
    progress: Progress = silent,
    enough: Callable[[], bool] = lambda: False,
) -> tuple[Layer, ...]:
    """Rank the layers of a chain that is there already.

    Args:
        model: the float model that the chain was cut from.
        chain: from `quantizable_chain`.
        feeds: per sample an array for each input.
        contract: what the model gives.
        progress: told of each layer and sample.
        enough: asked after each sample whether to stop; the first sample is always ranked.

    Returns:
        The layers, the most sensitive first.
    """
    names = chain.exchangeable
    columns: list[list[float]] = []
    for number, one in enumerate(feeds):
        traced = chain.trace(one)
        column = []
        for row, name in enumerate(names):
            column.append(decibels(chain.rerun(traced, name), traced, contract))
            progress("ranking layers", number * len(names) + row + 1, len(names) * len(feeds))
        columns.append(column)
        if enough():
            break
    costs = layer_costs(model, names)
    layers = []
    for row, name in enumerate(names):
        psnrs = tuple(column[row] for column in columns)
        layers.append(Layer(name, *costs[name], min(psnrs), psnrs))
    return tuple(sorted(layers, key=lambda layer: layer.psnr))


def decibels(got: Outputs, wanted: Outputs, contract: ModelContract) -> float:
    """Return the dB of what a model gave for one sample, of its picture or of its mask.

    What is no number counts as wholly wrong.
    """
    picture, reference = picture_of(got, contract), picture_of(wanted, contract)
    filled = np.where(np.isfinite(picture), picture, reference + 1)
    return joint(psnr(filled, reference), mask_psnr(got, wanted, contract.mask))


def layer_costs(model: onnx.ModelProto, names: Sequence[str]) -> dict[str, tuple[str, int, int]]:
    """Return per layer its operator, the bytes of its float weights, and its multiply-adds.

    Multiply-adds are 0 where sizes are not known before the model runs.
    """
    graph = Graph(model)
    nodes = {node.name: node for node in graph.nodes}
    costs: dict[str, tuple[str, int, int]] = {}
    for name in names:
        node = nodes[name]
        stored = [graph.static_shape(value) for value in node.input if graph.is_constant(value)]
        weights = max((shape for shape in stored if shape), key=math.prod, default=(0,))
        # Each output value takes one weight per input and tap of its channel; in a ConvTranspose
        # each input value is spread over all taps.
        spread = node.op_type == "ConvTranspose"
        values = graph.static_shape(node.input[0] if spread else node.output[0]) or (0,)
        channels = weights[0] if spread else _outputs_of(node, weights)
        macs = math.prod(values) * (math.prod(weights) // max(channels, 1))
        costs[name] = (node.op_type, _FLOAT_BYTES * math.prod(weights), macs)
    return costs


def _outputs_of(node: onnx.NodeProto, shape: tuple[int, ...]) -> int:
    """Return how many output channels weights of a shape have."""
    if node.op_type == "MatMul":
        return shape[-1]
    if node.op_type == "Gemm":
        flipped = any(entry.name == "transB" and entry.i for entry in node.attribute)
        return shape[0] if flipped else shape[1]
    return shape[0]
