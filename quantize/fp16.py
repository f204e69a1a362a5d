"""Half precision: weights and most of the computation in float16, inputs and outputs in float32.

onnxconverter-common places the casts. Version 1.16 has faults, found by reading and running it,
around which this file works; each is named where that happens:

1. Type notes that a model brings along contradict those that the converter makes.
2. Weights are clamped to 1e-7 .. 1e4, and what a float32 and a half node share stays float32.
3. The scales of Resize become half precision, which no engine takes, or all of Resize is left out.
4. An output that the graph reads too gets the wrong type inside.
5. A cast up behind a cast down stays where more than one node reads the value, and each reader
   gets a cast of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantize.calibrate import Ranges
from quantize.errors import GraphError, QuantizeError
from quantize.fp16_norms import without_batch_norms
from quantize.fp16_rules import float32_only, nodes_to_keep, weight_trouble
from quantize.modelfile import name_nodes
from quantize.passes._infra.graph import Graph
from quantize.passes._infra.model import in_running_order
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
        casts: how many Cast nodes between the two precisions it has.
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
    casts = _tidy(bare, inner, tensors)
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
    _rename(bare.graph.node, inner)
    for output, name in inner.items():
        bare.graph.node.append(helper.make_node("Identity", [name], [output]))
    name_nodes(bare)
    return {name: output for output, name in inner.items()}


def _rename(nodes: Iterable[onnx.NodeProto], names: Mapping[str, str]) -> None:
    for node in nodes:
        for values in (node.input, node.output):
            for index, name in enumerate(values):
                values[index] = names.get(name, name)


def _note_types(bare: onnx.ModelProto, model: onnx.ModelProto, inner: Mapping[str, str]) -> None:
    """Say of every float32 value that a node makes what it is: the converter goes by that alone."""
    types = infer_types(model)
    for node in bare.graph.node:
        for name in node.output:
            value = types.get(inner.get(name, name))
            if value is None or value.type.tensor_type.elem_type != TensorProto.FLOAT:
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
    converted: onnx.ModelProto = float16.convert_float_to_float16(
        bare,
        keep_io_types=True,
        disable_shape_infer=True,  # it would serialise the model, and what is there is complete
        op_block_list=[],  # fault 3: the default list has Resize
        node_block_list=list(kept),
        check_fp16_ready=False,
    )
    return converted


class _Tidy:
    """Leaves one cast per value and precision, and none where the value has it already (fault 5).

    Casts are looked at between float32 and float16 alone.
    """

    def __init__(
        self,
        bare: onnx.ModelProto,
        inner: Mapping[str, str],
        tensors: Mapping[str, onnx.TensorProto],
    ) -> None:
        graph = bare.graph
        self.outputs = {value.name for value in graph.output}
        notes = [*graph.input, *graph.value_info, *graph.output]
        self.types = {note.name: int(note.type.tensor_type.elem_type) for note in notes}
        self.types.update({name: int(tensor.data_type) for name, tensor in tensors.items()})
        self.nodes = list(graph.node)
        self.fixed = {*tensors, *(value.name for value in graph.input)}
        for node in [node for node in self.nodes if self._parts_output(node, inner)]:
            self.nodes.remove(node)
            self._drop(node.output[0], node.input[0])

    def _parts_output(self, node: onnx.NodeProto, inner: Mapping[str, str]) -> bool:
        return node.op_type == "Identity" and node.input[0] in inner

    def _drop(self, name: str, source: str) -> None:
        """Let everything that reads a value read another; an output keeps its name."""
        if name not in self.outputs:
            _rename(self.nodes, {name: source})
        elif source in self.outputs or source in self.fixed:
            self.nodes.append(helper.make_node("Identity", [source], [name], name=name))
        else:
            _rename(self.nodes, {source: name})

    def casts(self) -> list[onnx.NodeProto]:
        """Return the casts, those that make an output first: others can share these."""
        found = [
            node
            for node in self.nodes
            if node.op_type == "Cast"
            and all(self.types.get(name) in _FLOATS for name in (node.input[0], node.output[0]))
        ]
        return sorted(found, key=lambda node: node.output[0] not in self.outputs)

    def _origin(self, name: str, makers: Mapping[str, onnx.NodeProto]) -> str:
        """Look through casts for the value that was computed or fed."""
        while name in makers:
            name = makers[name].input[0]
        return name

    def run(self) -> int:
        """Tidy up, and return how many casts are left."""
        makers = {node.output[0]: node for node in self.casts()}
        for node in makers.values():
            node.input[0] = self._origin(node.input[0], makers)
        shared: dict[tuple[str, int], str] = {}
        for node in self.casts():
            source, name = node.input[0], node.output[0]
            kind = self.types[name]
            same = source if self.types[source] == kind else shared.get((source, kind))
            if same is None:
                shared[source, kind] = name
            elif self.types[source] == kind or name not in self.outputs:
                self.nodes.remove(node)
                self._drop(name, same)
        read = {name for node in self.nodes for name in node.input} | self.outputs
        idle = [node for node in self.casts() if node.output[0] not in read]
        for node in idle:
            self.nodes.remove(node)
        left = self.casts()
        self._shorten(left)
        return len(left)

    def _shorten(self, casts: Iterable[onnx.NodeProto]) -> None:
        """Give casts short names: those of the converter are half a per cent of a small model."""
        taken = {name for node in self.nodes for name in [node.name, *node.input, *node.output]}
        names: dict[str, str] = {}
        for number, node in enumerate(casts):
            kind = "half" if self.types[node.output[0]] == TensorProto.FLOAT16 else "full"
            name = f"{kind}_{number}"
            while name in taken:
                name += "_"
            node.name = name
            if node.output[0] not in self.outputs:
                names[node.output[0]] = name
        _rename(self.nodes, names)


def _tidy(
    bare: onnx.ModelProto, inner: Mapping[str, str], tensors: Mapping[str, onnx.TensorProto]
) -> int:
    tidy = _Tidy(bare, inner, tensors)
    casts = tidy.run()
    nodes = [_copy(node) for node in in_running_order(tidy.nodes)]
    del bare.graph.node[:]
    bare.graph.node.extend(nodes)
    del bare.graph.value_info[:]
    return casts


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    twin = onnx.NodeProto()
    twin.CopyFrom(node)
    return twin
