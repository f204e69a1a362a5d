"""A convolution of a Concat: a sum of convolutions of its parts, which nobody has to copy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray

from quantize.passes._infra.blocked import BLOCK, is_depthwise
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes
from quantize.passes._infra.splitting import split
from quantize.passes.base import Rewrite
from quantize.passes.prelu_exact import slopes_of


@dataclass(frozen=True, slots=True)
class _Apart:
    """What follows a Concat.

    Attributes:
        sizes: channels of each part.
        between: what treats every channel by itself: depthwise convolutions, PRelu.
        last: the 1x1 convolution at the end.
    """

    sizes: tuple[int, ...]
    between: tuple[onnx.NodeProto, ...]
    last: onnx.NodeProto


class ConcatApart(Rewrite[_Apart]):
    """Take the parts of a Concat through what follows by themselves, as far as a 1x1 convolution.

    Conv_W(concat(p, q)) = Conv_V(p) + Conv_U(q) with W = [V U], and ONNX Runtime fuses the sum.

    1. Concat along the channels, parts that fill blocks, then none or several of depthwise Conv
       with stored weights and PRelu with a stored slope per channel or for all, then a 1x1 Conv
       without groups -> all of these for each part, and a sum.
    2. Weights of the last Conv that are computed -> Split.
    3. Where the sum would move more numbers than the Concat did, or something else reads what
       lies between: left alone.
    """

    name: ClassVar[str] = "concat_apart"
    tolerance: ClassVar[float] = 1e-5

    def match(self, graph: Graph, node: onnx.NodeProto) -> _Apart | None:
        """Find such a Concat."""
        if node.op_type != "Concat" or attributes(node).get("axis") != 1 or len(node.input) < 2:
            return None
        shapes = [graph.static_shape(name) for name in node.input]
        if any(shape is None or len(shape) != 4 or shape[1] % BLOCK for shape in shapes):
            return None
        sizes = tuple(shape[1] for shape in shapes if shape is not None)
        between: list[onnx.NodeProto] = []
        user = graph.only_user(node.output[0])
        while user is not None and _is_channelwise(graph, user):
            between.append(user)
            user = graph.only_user(user.output[0])
        if user is None or not _is_pointwise(graph, user):
            return None
        whole, result = graph.static_shape(node.output[0]), graph.static_shape(user.output[0])
        if whole is None or result is None:
            return None
        if math.prod(result) * (len(sizes) - 1) > math.prod(whole):
            return None
        return _Apart(sizes, tuple(between), user)

    def apply(self, graph: Graph, node: onnx.NodeProto, match: _Apart) -> None:
        """Rewrite it."""
        last, result = match.last, str(match.last.output[0])
        parts = [str(name) for name in node.input]
        stored = graph.constant(last.input[1])
        if stored is None:
            weights = split(graph, last.input[1], match.sizes, axis=1)
        else:
            slices = _slices(match.sizes)
            weights = [graph.store(stored[:, one], f"{result}_weight") for one in slices]
        graph.remove(node, *match.between, last)
        for channelwise in match.between:
            parts = _each(graph, channelwise, parts, match.sizes)
        total = ""
        for index, (part, weight) in enumerate(zip(parts, weights, strict=True)):
            names = [part, weight]
            names += last.input[2:3] if not index else []
            value = graph.add("Conv", names, hint=f"{result}_part", **attributes(last))
            ends = index == len(parts) - 1
            name = result if ends else None
            total = graph.add("Add", [value, total], output=name, hint=result) if index else value


def _is_channelwise(graph: Graph, node: onnx.NodeProto) -> bool:
    if node.op_type == "PRelu":
        return slopes_of(graph, node) is not None
    return is_depthwise(graph, node)


def _is_pointwise(graph: Graph, node: onnx.NodeProto) -> bool:
    shape = graph.static_shape(node.input[1]) if node.op_type == "Conv" else None
    if shape is None or shape[2:] != (1, 1) or attributes(node).get("group", 1) != 1:
        return False
    return all(graph.is_constant(name) for name in node.input[2:3] if name)


def _slices(sizes: tuple[int, ...]) -> list[slice]:
    ends = list(accumulate(sizes))
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _each(
    graph: Graph, node: onnx.NodeProto, parts: list[str], sizes: tuple[int, ...]
) -> list[str]:
    """Add a channelwise node once for each part, with the part's own share of its weights."""
    made = []
    for part, one in zip(parts, _slices(sizes), strict=True):
        given, hint = attributes(node), f"{node.output[0]}_part"
        if node.op_type == "PRelu":
            slopes = slopes_of(graph, node)
            assert slopes is not None
            kept: NDArray[Any] = np.broadcast_to(slopes, (sum(sizes),))[one].reshape(-1, 1, 1)
            names = [graph.store(kept, f"{hint}_slope")]
        else:
            given["group"] = one.stop - one.start
            stored = [graph.constant(name) for name in node.input[1:] if name]
            names = [graph.store(v[one], f"{hint}_weight") for v in stored if v is not None]
        made.append(graph.add(node.op_type, [part, *names], hint=hint, **given))
    return made
