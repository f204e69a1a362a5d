"""QuantizeLinear and DequantizeLinear in a graph: ONNX Runtime's quantizer, led by a choice.

The quantizer is given a graph whose weights are 8-bit already, by scales of our own, and which
holds no other weights: so it copies nothing large, and decides nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import onnx
from onnx import helper, numpy_helper

from edge.errors import EngineMissing
from quantize.int8_choice import Choice
from quantize.int8_ranges import Range, as_tensor_data
from quantize.int8_weights import QuantizedWeight
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import in_running_order
from quantize.recipes import Recipe

Q, DQ = "QuantizeLinear", "DequantizeLinear"

# How ONNX Runtime's quantizer knows a model whose shapes need no inference.
_INFERRED = ("onnx.infer", "onnxruntime.quant")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantizer's remarks off the terminal: it speaks to the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def join_clipped(bare: onnx.ModelProto, choice: Choice) -> None:
    """Take out Relu and Clip that the rounding of the layer before them does."""
    nodes = {node.name: node for node in bare.graph.node}
    makers = {name: node for node in bare.graph.node for name in node.output}
    gone = [nodes[name] for name in choice.clipped]
    for node in gone:
        makers[node.input[0]].output[0] = node.output[0]
    kept = [node for node in bare.graph.node if node.name not in choice.clipped]
    del bare.graph.node[:]
    bare.graph.node.extend(kept)


def store_weight(
    bare: onnx.ModelProto, node: onnx.NodeProto, weight: QuantizedWeight, name: str
) -> list[onnx.TensorProto]:
    """Let a node read an 8-bit weight through DequantizeLinear.

    Args:
        bare: the graph; edited in place.
        node: one of its nodes, whose second input is the weight.
        weight: in 8 bits.
        name: what the new values are called; nothing in the graph may be called so yet.

    Returns:
        The integers, their scale and their zero point, to be stored in the model.
    """
    inputs = [f"{name}_i8", f"{name}_s", f"{name}_z"]
    given: dict[str, Any] = {} if weight.axis is None else {"axis": weight.axis}
    dequantize = helper.make_node(DQ, inputs, [f"{name}_dq"], f"{name}_dq", **given)
    bare.graph.node.append(dequantize)
    node.input[1] = f"{name}_dq"
    arrays = (weight.values, weight.scale, weight.zero_point)
    return [numpy_helper.from_array(a, b) for a, b in zip(arrays, inputs, strict=True)]


def _kinds(recipe: Recipe) -> tuple[Any, Any]:
    from onnxruntime.quantization import QuantType

    kinds = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8}
    return kinds[recipe.weights], kinds[recipe.activations]


def _options(recipe: Recipe) -> dict[str, Any]:
    options: dict[str, Any] = {
        "ActivationSymmetric": recipe.activation_symmetric,
        "QuantizeBias": recipe.quantize_biases,
    }
    if not recipe.quantize_outputs:
        options["OpTypesToExcludeOutputQuantization"] = list(recipe.operators)
    return options


def _describe(bare: onnx.ModelProto, graph: Graph, choice: Choice) -> None:
    """State the types of all that is quantized, so that the quantizer need not infer them."""
    named = {value.name for value in [*bare.graph.input, *bare.graph.output]}
    float32 = onnx.TensorProto.FLOAT
    weights = [name for node in bare.graph.node if node.op_type == DQ for name in node.output]
    for name in sorted({*choice.values, *weights} - named):
        shape = graph.shape(name) if name in choice.values else None
        sizes = None if shape is None else list(shape)
        bare.graph.value_info.append(helper.make_tensor_value_info(name, float32, sizes))
    bare.metadata_props.add(key=_INFERRED[0], value=_INFERRED[1])


def _without_marks(bare: onnx.ModelProto, producer: tuple[str, str]) -> None:
    del bare.graph.value_info[:]
    for index in range(len(bare.metadata_props) - 1, -1, -1):
        entry = bare.metadata_props[index]
        if (entry.key, entry.value) == _INFERRED:
            del bare.metadata_props[index]
    bare.producer_name, bare.producer_version = producer


def insert(
    bare: onnx.ModelProto,
    graph: Graph,
    choice: Choice,
    ends: Mapping[str, Range],
    recipe: Recipe,
) -> None:
    """Put QuantizeLinear and DequantizeLinear around what was chosen.

    Args:
        bare: the graph with its chosen weights in 8 bits (`store_weight`), their scales and its
            biases among the initializers, and no other weights. Edited in place.
        graph: the float model.
        choice: what becomes 8-bit.
        ends: the range of each activation.
        recipe: the rest.
    """
    try:
        from onnxruntime.quantization import QDQQuantizer
    except ImportError as error:
        raise EngineMissing(
            "quantizing needs ONNX Runtime, which is not installed: "
            "pip install 'edge-swap[cpu,quantize]'"
        ) from error
    producer = bare.producer_name, bare.producer_version
    _describe(bare, graph, choice)
    names = [*choice.layers, *choice.islands]
    nodes = {node.name: node for node in bare.graph.node}
    with _quiet():
        quantizer = QDQQuantizer(
            bare,
            recipe.per_channel,
            recipe.reduce_range,
            *_kinds(recipe),
            {name: as_tensor_data(pair) for name, pair in ends.items()},
            names,
            [],
            sorted({nodes[name].op_type for name in names}),
            _options(recipe),
        )
        quantizer.quantize_model()
    _without_marks(bare, producer)


def read_raw(bare: onnx.ModelProto, graph: Graph, choice: Choice) -> None:
    """Let float nodes read what a float node makes, not what was rounded for others beside them.

    What a quantized layer makes stays rounded for all: without that it would not run in 8 bits.
    """
    inside = {*choice.layers, *choice.islands}
    rounded = inside | set(choice.clipped)
    origin = {}
    for node in bare.graph.node:
        if node.op_type == Q:
            maker = graph.maker(node.input[0])
            if node.input[0] in choice.values and (maker is None or maker.name not in rounded):
                origin[node.output[0]] = node.input[0]
    raw = {
        node.output[0]: origin[node.input[0]]
        for node in bare.graph.node
        if node.op_type == DQ and node.input[0] in origin
    }
    for node in bare.graph.node:
        if node.name in inside:
            continue
        for index, name in enumerate(node.input):
            if name in raw:
                node.input[index] = raw[name]


def _drop_unused(bare: onnx.ModelProto) -> None:
    outputs = {value.name for value in bare.graph.output}
    while True:
        used = {name for node in bare.graph.node for name in node.input} | outputs
        kept = [
            node
            for node in bare.graph.node
            if node.op_type not in (Q, DQ) or any(name in used for name in node.output)
        ]
        if len(kept) == len(bare.graph.node):
            return
        del bare.graph.node[:]
        bare.graph.node.extend(kept)


def _merge_constants(bare: onnx.ModelProto) -> None:
    """Store equal scales and zero points once, and no zero points of biases at all.

    The standard recommends to leave those out, and they are as large as the biases.
    """
    small = {tensor.name: tensor for tensor in bare.graph.initializer}
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    made = {name for node in bare.graph.node for name in node.output}
    made |= {value.name for value in bare.graph.input}
    for name, tensor in small.items():
        content = onnx.TensorProto()
        content.CopyFrom(tensor)
        content.name = ""
        same[name] = first.setdefault(content.SerializeToString(), name)
    for node in bare.graph.node:
        if node.op_type not in (Q, DQ):
            continue
        bias = small.get(node.input[0])
        if bias is not None and bias.data_type == onnx.TensorProto.INT32:
            del node.input[2:]
        if node.input[0] not in made:
            continue  # the engine rewrites the zero points of weights, each by its name
        for index in range(1, len(node.input)):
            node.input[index] = same.get(node.input[index], node.input[index])
    used = {name for node in bare.graph.node for name in node.input}
    kept = [tensor for name, tensor in small.items() if name in used]
    del bare.graph.initializer[:]
    bare.graph.initializer.extend(kept)


def _shorten_names(bare: onnx.ModelProto) -> None:
    """Give what was inserted short names: in a small model they are a tenth of the file."""
    outside = {value.name for value in [*bare.graph.input, *bare.graph.output]}
    taken = Counter(name for node in bare.graph.node for name in [*node.input, *node.output])
    new: dict[str, str] = {}
    for node in bare.graph.node:
        if node.op_type not in (Q, DQ):
            continue
        for suffix in ("_QuantizeLinear", "_DequantizeLinear"):
            if suffix not in node.name:
                continue
            short = node.name.replace(suffix, "_q" if suffix[1] == "Q" else "_dq")
            node.name = short
            old = node.output[0]
            if old not in outside and short not in taken:
                new[old] = short
                taken[short] += 1
    for node in bare.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = new.get(name, name)


def tidy(bare: onnx.ModelProto) -> None:
    """Take out what does nothing, store equal constants once, and sort the nodes."""
    _drop_unused(bare)
    _merge_constants(bare)
    _shorten_names(bare)
    nodes = in_running_order(bare.graph.node)
    del bare.graph.node[:]
    bare.graph.node.extend(nodes)
