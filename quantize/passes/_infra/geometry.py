"""The geometry of convolutions: kernel, strides, dilations, pads and groups."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import attributes


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a Conv or ConvTranspose moves over its input. One number per spatial axis.

    Attributes:
        kernel: taps.
        strides: steps of the input (ConvTranspose: of the output).
        dilations: distance of neighbouring taps.
        before: padding in front.
        after: padding behind.
        extra: output padding; ConvTranspose only.
        group: groups of channels.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    extra: tuple[int, ...]
    group: int


def geometry_of(graph: Graph, node: onnx.NodeProto) -> Geometry | None:
    """Return the geometry of a Conv or ConvTranspose.

    None when its weights are not stored, or when the pads depend on the size of the input
    (auto_pad, output_shape).
    """
    shape = graph.static_shape(node.input[1])
    if shape is None or len(shape) < 3 or not graph.is_constant(node.input[1]):
        return None
    given = attributes(node)
    if (
        given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID", b"")
        or "output_shape" in given
    ):
        return None
    axes = len(shape) - 2
    ones, zeros = (1,) * axes, (0,) * axes
    pads = tuple(given.get("pads", zeros + zeros))
    if given.get("auto_pad") == b"VALID":
        pads = zeros + zeros
    return Geometry(
        kernel=tuple(shape[2:]),
        strides=tuple(given.get("strides", ones)),
        dilations=tuple(given.get("dilations", ones)),
        before=pads[:axes],
        after=pads[axes:],
        extra=tuple(given.get("output_padding", zeros)),
        group=int(given.get("group", 1)),
    )
