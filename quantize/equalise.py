"""Cross-layer equalisation: move range from channel to channel where the model stays the same.

Between two convolutions, a channel can be made smaller by any factor if the next layer's weights
for it are made larger by the same: ReLU, LeakyReLU and PReLU do not mind, nor do padding, pooling
and resizing (Nagel et al. 2019, "Data-free quantization through weight equalization and bias
correction"). Where one scale serves all channels of an activation, that decides how many of its
steps the small channels get.

With a scale per output channel, the weights in front cost nothing, so the paper's rule (equal
weight ranges) has no point there: the ranges of the activation and of the weights behind it are
balanced instead, by the exponent for which the sum of both roundings' errors comes out smallest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes._infra.padding import padding_of

if TYPE_CHECKING:
    from quantize.calibrate import Ranges

__all__ = ["equalise"]

_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LARGEST = 2.0**10  # no channel is scaled by more, either way: float32 keeps its digits
_SWEEPS = 2  # a layer between two others is scaled from both sides

_PASSING = {"AveragePool", "Dropout", "Identity", "LeakyRelu", "MaxPool", "PRelu", "Relu"}


@dataclass(slots=True)
class _Link:
    """A layer, and all that reads its channels."""

    maker: onnx.NodeProto
    channels: int
    readers: list[tuple[onnx.NodeProto, int]] = field(default_factory=list)  # and their offset


def equalise(
    model: onnx.ModelProto, ranges: Ranges, *, per_channel: bool = True, bits: int = 8
) -> dict[str, NDArray[np.float64]]:
    """Balance the channels between convolutions, in place.

    1. Conv -> anything that lets factors through -> Conv, all readers of the channels being so.
       Depthwise chains are taken link by link, twice.
    2. What lets factors through: Relu, LeakyRelu, PRelu, pooling, Identity; Pad but for constants
       other than 0; Resize without extrapolation; Concat of channels.
    3. Anything else that reads the channels, or a model output among them: left alone.

    Values between the layers change: calibrate again before quantizing.

    Args:
        model: float, with stored weights and named nodes; edited. It computes the same afterwards,
            up to rounding.
        ranges: of its values, per channel.
        per_channel: weights get a scale per output channel, not one for all.
        bits: of the weights, 7 or 8.

    Returns:
        Per layer whose output was scaled, by its name, float64 (channels,): what that output was
        divided by. Empty when nothing was gained, and the model left as it was.
    """
    graph = Graph(model)
    links = [link for node in graph.nodes if (link := _link(graph, node)) is not None]
    weights = {
        node.output[0]: _weights(graph, node)
        for link in links
        for node in (link.maker, *(reader for reader, _ in link.readers))
    }
    before = {name: values.copy() for name, values in weights.items()}
    factors: dict[str, NDArray[np.float64]] = {}
    for _ in range(_SWEEPS):
        for link in links:
            name = link.maker.output[0]
            total = factors.get(name, np.ones(link.channels))
            step = _factors(link, ranges, weights, total, per_channel, bits)
            if step is not None:
                _scale(link, weights, step)
                factors[name] = total * step
    _write(graph, links, weights, before, factors)
    names = {link.maker.output[0]: link.maker.name for link in links}
    graph.finish()
    return {names[name]: value for name, value in factors.items()}


# Finding links


def _link(graph: Graph, node: onnx.NodeProto) -> _Link | None:
    shape = _kernel_shape(graph, node)
    if shape is None:
        return None
    link = _Link(node, shape[0])
    return link if _follow(graph, node.output[0], 0, link) and link.readers else None


def _kernel_shape(graph: Graph, node: onnx.NodeProto) -> tuple[int, ...] | None:
    """Return the shape of a Conv's weights when they, and its bias, are stored in float32."""
    if node.op_type != "Conv" or node.domain:
        return None
    stored = [name for name in node.input[1:] if name]
    if not all(graph.is_constant(name) for name in stored):
        return None
    return graph.static_shape(node.input[1]) if graph.dtype(node.input[1]) == np.float32 else None


def _follow(graph: Graph, value: str, offset: int, link: _Link) -> bool:
    """Collect the layers that read a value's channels; say whether there is nothing else."""
    if value in graph.outputs:
        return False
    for user in graph.users(value):
        if user.op_type == "Conv":
            shape = _kernel_shape(graph, user)
            reads_weights = value in user.input[1:]
            if shape is None or reads_weights:
                return False
            link.readers.append((user, offset))
        elif user.op_type == "Concat" and attributes(user).get("axis") == 1:
            if list(user.input).count(value) != 1:
                return False
            ahead = _channels_ahead(graph, user, value)
            if ahead is None or not _follow(graph, user.output[0], offset + ahead, link):
                return False
        elif not _passes(graph, user, value) or not _follow(graph, user.output[0], offset, link):
            return False
    return True


def _channels_ahead(graph: Graph, node: onnx.NodeProto, value: str) -> int | None:
    ahead = 0
    for name in node.input:
        if name == value:
            return ahead
        shape = graph.shape(name)
        if shape is None or len(shape) < 2 or shape[1] is None:
            return None
        ahead += shape[1]
    return None


def _passes(graph: Graph, node: onnx.NodeProto, value: str) -> bool:
    """Return whether a node gives k times as much for k times the value, channel by channel."""
    if node.domain or node.input[0] != value or value in node.input[1:]:
        return False
    given = attributes(node)
    if node.op_type == "Pad":
        padding = padding_of(graph, node)
        if padding is None or any(padding.before[:2] + padding.after[:2]):
            return False
        fill = graph.scalar(node.input[2]) if len(node.input) > 2 and node.input[2] else 0.0
        return padding.mode != "constant" or fill == 0
    if node.op_type == "Resize":
        mode = given.get("coordinate_transformation_mode", b"half_pixel")
        before, after = graph.shape(value), graph.shape(node.output[0])
        kept = before is not None and after is not None and before[:2] == after[:2]
        return kept and mode != b"tf_crop_and_resize"
    if node.op_type == "PRelu":
        return graph.is_constant(node.input[1])
    return node.op_type in _PASSING and len(node.output) == 1


# Weights


def _weights(graph: Graph, node: onnx.NodeProto) -> NDArray[np.float64]:
    values = graph.constant(node.input[1])
    assert values is not None
    return values.astype(np.float64)


def _by_input(node: onnx.NodeProto, weights: NDArray[Any]) -> NDArray[Any]:
    """Return a view of a Conv's weights: (groups, outputs per group, inputs per group, taps)."""
    group = int(attributes(node).get("group", 1))
    return weights.reshape(group, weights.shape[0] // group, weights.shape[1], -1)


def _factors(
    link: _Link,
    ranges: Ranges,
    weights: dict[str, NDArray[np.float64]],
    total: NDArray[np.float64],
    per_channel: bool,
    bits: int,
) -> NDArray[np.float64] | None:
    """Return by what to divide each channel, or None where nothing is gained."""
    reaches = _reaches(link, ranges)
    if reaches is None:
        return None
    reaches = reaches / total
    behind = np.zeros(link.channels)
    for node, offset in link.readers:
        view = np.abs(_by_input(node, weights[node.output[0]]))
        largest = view.max(axis=(1, 3)).reshape(-1)[offset : offset + link.channels]
        behind = np.maximum(behind, largest)
    live = (reaches > 0) & (behind > 0)
    if not live.any():
        return None
    reaches, behind = np.where(live, reaches, 1.0), np.where(live, behind, 1.0)
    best, least = None, np.inf
    for strength in _STRENGTHS:
        step = reaches**strength / behind ** (1 - strength) if strength else np.ones(link.channels)
        step = np.where(live, step, 1.0)
        step = step / np.exp(np.log(step[live]).mean()) if strength else step
        step = np.where(live, step.clip(1 / _LARGEST, _LARGEST), 1.0)
        error = _error(link, weights, reaches * live, step, per_channel, bits)
        if error < least * 0.98:  # a tie is not worth a changed model
            best, least = (step if strength else None), error
    return best


def _reaches(link: _Link, ranges: Ranges) -> NDArray[np.float64] | None:
    """Return the largest magnitude of each channel where the readers see it."""
    reaches = np.zeros(link.channels)
    for node, offset in link.readers:
        seen = ranges.channels.get(node.input[0])
        if seen is None or len(seen[0]) < offset + link.channels:
            return None
        largest = np.maximum(np.abs(seen[0]), np.abs(seen[1]))
        reaches = np.maximum(reaches, largest[offset : offset + link.channels])
    return reaches.astype(np.float64)


def _error(
    link: _Link,
    weights: dict[str, NDArray[np.float64]],
    reaches: NDArray[np.float64],
    step: NDArray[np.float64],
    per_channel: bool,
    bits: int,
) -> float:
    """Return the error energy behind a link, as far as it depends on the factors.

    Rounding spreads evenly over a step, so its energy is the step's square (over 12 throughout).
    A channel's own energy is taken as the square of a third of its reach.
    """
    scaled = reaches / step
    activation = (scaled.max() / 255) ** 2
    energy = 0.0
    for node, offset in link.readers:
        view = _by_input(node, weights[node.output[0]])
        factors = np.ones(view.shape[0] * view.shape[2])
        factors[offset : offset + link.channels] = step
        moved = view * factors.reshape(view.shape[0], 1, view.shape[2], 1)
        energy += activation * float((moved**2).sum())
        rows = np.abs(moved).max(axis=(2, 3)) if per_channel else np.abs(moved).max()
        rounding = (rows / (2 ** (bits - 1) - 1)) ** 2
        spread = float(np.sum(rounding)) if per_channel else float(rounding) * len(view.reshape(-1))
        energy += spread * float(((scaled / 3) ** 2).sum()) * view.shape[3]
    if not per_channel:
        front = _by_input(link.maker, weights[link.maker.output[0]])
        rows = np.abs(front).max(axis=(2, 3)).reshape(-1) / step
        # One scale for all channels in front: the small ones are rounded as coarsely as the large.
        energy += float((rows.max() / (2 ** (bits - 1) - 1)) ** 2 * (step**2).sum())
    return energy


def _scale(link: _Link, weights: dict[str, NDArray[np.float64]], step: NDArray[np.float64]) -> None:
    own = weights[link.maker.output[0]]
    own /= step.reshape(-1, *[1] * (own.ndim - 1))
    for node, offset in link.readers:
        view = _by_input(node, weights[node.output[0]])
        factors = np.ones(view.shape[0] * view.shape[2])
        factors[offset : offset + link.channels] = step
        view *= factors.reshape(view.shape[0], 1, view.shape[2], 1)


def _write(
    graph: Graph,
    links: list[_Link],
    weights: dict[str, NDArray[np.float64]],
    before: dict[str, NDArray[np.float64]],
    factors: dict[str, NDArray[np.float64]],
) -> None:
    nodes = {n.output[0]: n for k in links for n in (k.maker, *(r for r, _ in k.readers))}
    for name, node in nodes.items():
        if not np.array_equal(weights[name], before[name]):
            stored = graph.store(weights[name].astype(np.float32), f"{node.input[1]}_equalised")
            graph.set_input(node, 1, stored)
        if name in factors and len(node.input) > 2 and node.input[2]:
            bias = graph.constant(node.input[2])
            assert bias is not None
            moved = (bias.astype(np.float64) / factors[name]).astype(np.float32)
            graph.set_input(node, 2, graph.store(moved, f"{node.input[2]}_equalised"))
