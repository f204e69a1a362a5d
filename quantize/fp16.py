"""Half precision: weights and most of the computation in float16, inputs and outputs in float32.

onnxconverter-common places the casts. Version 1.16 has faults, found by reading and running it,
around which this file works; each is named where that happens:

1. Type notes that a model brings along contradict those that the converter makes.
2. Weights are clamped to 1e-7 .. 1e4, and what a float32 and a half node share stays float32.
3. The scales of Resize become half precision, which no engine takes, or all of Resize is left out.
4. An output that the graph reads too gets the wrong type inside.
5. A cast up behind a cast down stays where more than one node reads the value, and each reader
   gets a cast of its own (`fp16_casts` removes them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantize.calibrate import Ranges
from quantize.errors import GraphError, QuantizeError
from quantize.fp16_casts import rename, tidy_casts
from quantize.fp16_norms import without_batch_norms
from quantize.fp16_rules import float32_only, nodes_to_keep
from quantize.fp16_values import weight_trouble
from quantize.modelfile import name_nodes
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.shapes import check_model, infer_types, tensor_bytes
from quantize.stored import assemble, constants_of, is_constant, without_constants

__all__ = ["Fp16Model", "to_fp16"]

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
_LARGE = 1 << 14  # bytes; parameters of norms are smaller, and stay exact


@dataclass(frozen=True, slots=True)
class Fp16Model:
    """A model in half precision.

    Attributes:
        model: its inputs and outputs are float32.
        kept_float: why a node stays float32, by its name, in the order of the graph.
        casts: how many computed values are cast between the two precisions. Casts of weights do
            not count: engines do them once, when they load the model.
    """

    model: onnx.ModelProto
    kept_float: Mapping[str, str]
    casts: int


def to_fp16(model: onnx.ModelProto, ranges: Ranges | None = None) -> Fp16Model:
    """Convert a model to half precision where that is safe; see `nodes_to_keep` for where not.

    What is left of BatchNormalization becomes a gain and a shift first.

    Args:
        model: a float32 model without subgraphs; it stays as it is.
        ranges: what calibration saw of this very model; without it, only the graph and the weights
            tell what would overflow.

    Returns:
        The converted model, what stayed float32 and why, and the number of casts.

    Raises:
        GraphError: the model is broken, or holds a subgraph.
        QuantizeError: onnxconverter-common is not installed, or made a model that is not valid.
    """
    model = without_batch_norms(model)
    bare = without_constants(model)
    name_nodes(bare)
    graph = Graph(model)
    computing = [node for node in graph.nodes if not is_constant(node)]
    for node, named in zip(computing, bare.graph.node, strict=True):
        node.name = named.name
    kept = nodes_to_keep(graph, ranges)
    tensors = _stored(bare, graph, constants_of(model), kept)
    inner = _part_outputs(bare)
    _note_types(bare, model, inner)
    bare = _place_casts(bare, kept)
    casts = tidy_casts(bare, inner, tensors)
    result = assemble(bare, tensors.values())
    try:
        check_model(result)
    except GraphError as error:
        raise QuantizeError(f"the conversion to half precision failed: {error}") from error
    return Fp16Model(result, kept, casts)


def _half(tensor: onnx.TensorProto) -> onnx.TensorProto:
    # Rounded to the nearest; nothing overflows here, for what would is kept.
    with np.errstate(over="ignore"):
        value = numpy_helper.to_array(tensor).astype(np.float16)
    return numpy_helper.from_array(value, tensor.name)


def _stored(
    bare: onnx.ModelProto,
    graph: Graph,
    tensors: Mapping[str, onnx.TensorProto],
    kept: Mapping[str, str],
) -> dict[str, onnx.TensorProto]:
    """Return the stored values in the precision that their readers want (faults 2 and 3).

    1. What nobody reads in half precision stays as it is, unless it is large: then it is stored in
       half and cast up, which engines do once, when they load the model.
    2. What is wanted in both precisions is stored twice.
    """
    full: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
    half: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
    for node in bare.graph.node:
        for index, name in enumerate(node.input):
            if name in tensors and tensors[name].data_type == TensorProto.FLOAT:
                stays = node.name in kept or float32_only(graph, node, index)
                (full if stays else half).setdefault(name, []).append((node, index))
    results: dict[str, onnx.TensorProto] = {}
    outputs = {value.name for value in bare.graph.output}
    for name, tensor in tensors.items():
        shrunk = name in full and name not in outputs and _may_shrink(tensor)
        if name not in half and not shrunk:
            results[name] = tensor
            continue
        small = _half(tensor)
        if shrunk:
            large = graph.new_name(f"{name}_f32")
            bare.graph.node.insert(0, _cast(name, large))
            _read(full[name], large)
        elif name in full or name in outputs:
            results[name] = tensor
            small.name = graph.new_name(f"{name}_half")
            _read(half[name], small.name)
        results[small.name] = small
    name_nodes(bare)
    return results


def _may_shrink(tensor: onnx.TensorProto) -> bool:
    if tensor_bytes(tensor) < _LARGE:
        return False
    return not weight_trouble(numpy_helper.to_array(tensor))


def _cast(source: str, result: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [result], to=TensorProto.FLOAT)


def _read(readers: Iterable[tuple[onnx.NodeProto, int]], name: str) -> None:
    for node, index in readers:
        node.input[index] = name


def _part_outputs(bare: onnx.ModelProto) -> dict[str, str]:
    """Put an Identity before every output, so that the converter meets no fault 4 there.

    Returns:
        The output by the name that its value has inside from now on.
    """
    taken = {name for node in bare.graph.node for name in [*node.input, *node.output]}
    made = {name for node in bare.graph.node for name in node.output}
    inner: dict[str, str] = {}
    for value in bare.graph.output:
        name = f"{value.name}_inside"
        while name in taken:
            name += "_"
        if value.name in made:
            inner[value.name] = name
    rename(bare.graph.node, inner)
    for output, name in inner.items():
        bare.graph.node.append(helper.make_node("Identity", [name], [output]))
    name_nodes(bare)
    return {name: output for output, name in inner.items()}


def _note_types(bare: onnx.ModelProto, model: onnx.ModelProto, inner: Mapping[str, str]) -> None:
    """Say of every value between nodes whether it is float32 or float16 (fault 1).

    The converter goes by that alone.
    """
    types = infer_types(model)
    for node in bare.graph.node:
        for name in node.output:
            value = types.get(inner.get(name, name))
            if value is None or value.type.tensor_type.elem_type not in _FLOATS:
                continue
            if any(name == output.name for output in bare.graph.output):
                continue
            note = bare.graph.value_info.add()
            note.CopyFrom(value)
            note.name = name


def _place_casts(bare: onnx.ModelProto, kept: Mapping[str, str]) -> onnx.ModelProto:
    try:
        from onnxconverter_common import float16
    except ImportError as error:
        raise QuantizeError(
            "half precision needs onnxconverter-common: pip install 'edge-swap[quantize]'"
        ) from error
    try:
        converted: onnx.ModelProto = float16.convert_float_to_float16(
            bare,
            keep_io_types=True,
            disable_shape_infer=True,  # it would serialise the model, and what is there is complete
            op_block_list=[],  # fault 3: the default list has Resize
            node_block_list=list(kept),
            check_fp16_ready=False,
        )
    except (AssertionError, AttributeError, LookupError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise QuantizeError(
            f"onnxconverter-common cannot convert the model to half precision ({text}): "
            "take --precision w8 or int8"
        ) from error
    return converted
