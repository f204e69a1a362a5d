"""Casts between float32 and float16: one per value and precision, and none that is for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx
from onnx import TensorProto, helper

from quantize.passes._infra.model import in_running_order

__all__ = ["rename", "tidy_casts"]

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def rename(nodes: Iterable[onnx.NodeProto], names: Mapping[str, str]) -> None:
    """Give values other names wherever nodes read or make them.

    Args:
        nodes: edited in place.
        names: the new name by the old one.
    """
    for node in nodes:
        for values in (node.input, node.output):
            for index, name in enumerate(values):
                values[index] = names.get(name, name)


class _Tidy:
    """Leaves one cast per value and precision, and none where the value has it already."""

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
            rename(self.nodes, {name: source})
        elif source in self.outputs or source in self.fixed:
            self.nodes.append(helper.make_node("Identity", [source], [name], name=name))
        else:
            rename(self.nodes, {source: name})

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
        rename(self.nodes, names)


def tidy_casts(
    bare: onnx.ModelProto, inner: Mapping[str, str], tensors: Mapping[str, onnx.TensorProto]
) -> int:
    """Leave one cast per value and precision, and none where the value has it already.

    Only casts between float32 and float16 are looked at. The nodes are sorted, and the notes of
    types are taken out, for they are right no more.

    Args:
        bare: a model without its stored values, with notes of the types of all others; edited in
            place.
        inner: by its name inside the graph, what makes an output behind an Identity that goes.
        tensors: the stored values.

    Returns:
        How many casts are left.
    """
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
