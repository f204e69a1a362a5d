"""A model's main graph with lookups and edits, as the passes need them.

Edits are made on a list of nodes; `finish` writes it back, in an order in which it can run, and
drops what the edits left unused. Until then the model is not touched at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from quantize.passes._infra.model import (
    STANDARD_DOMAINS,
    in_running_order,
    inputs_of,
    opset_of,
    refuse_nesting,
)
from quantize.passes._infra.shapes import Shape, infer_types, shape_of

_CONSTANT_KINDS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    twin = onnx.NodeProto()
    twin.CopyFrom(node)
    return twin


class Graph:
    """A model's main graph.

    Attributes:
        model: the model; edited in place by `finish`.
        nodes: the nodes; edit it by the methods alone.
        opset: version of the standard operators.
        changed: whether an edit has been made.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.opset = opset_of(model)
        refuse_nesting(model)
        self.model = model
        self.nodes: list[onnx.NodeProto] = [_copy(node) for node in model.graph.node]
        self.changed = False
        self.inputs = tuple(value.name for value in inputs_of(model))
        self.outputs = tuple(value.name for value in model.graph.output)
        self._stored: dict[str, onnx.TensorProto] = {t.name: t for t in model.graph.initializer}
        self._new: dict[str, onnx.TensorProto] = {}
        self._types: dict[str, onnx.ValueInfoProto] | None = None
        self._makers: dict[str, onnx.NodeProto] | None = None
        self._users: dict[str, list[onnx.NodeProto]] = {}
        # Removed nodes are kept: a node is known by its address, which must not be used again.
        self._gone: list[onnx.NodeProto] = []
        self._gone_ids: set[int] = set()
        self._dropped_inputs: set[str] = set()
        self._used_at_first = {name for node in self.nodes for name in node.input}
        self._taken = {*self._stored, *self.inputs, *self.outputs}
        self._taken.update(name for node in self.nodes for name in [*node.input, *node.output])

    # Lookups

    def _index(self) -> dict[str, onnx.NodeProto]:
        if self._makers is None:
            self._makers, self._users = {}, {}
            for node in self.nodes:
                for name in node.output:
                    self._makers[name] = node
                for name in node.input:
                    self._users.setdefault(name, []).append(node)
        return self._makers

    def holds(self, node: onnx.NodeProto) -> bool:
        """Return whether a node is still part of the graph."""
        return id(node) not in self._gone_ids

    def maker(self, name: str, *kinds: str) -> onnx.NodeProto | None:
        """Return the standard node that makes a value, if it is of one of the kinds (or any)."""
        node = self._index().get(name)
        if node is None or node.domain not in STANDARD_DOMAINS:
            return None
        return node if not kinds or node.op_type in kinds else None

    def users(self, name: str) -> list[onnx.NodeProto]:
        """Return the nodes that read a value, once per reading."""
        self._index()
        return list(self._users.get(name, ()))

    def only_user(self, name: str) -> onnx.NodeProto | None:
        """Return the node that alone reads a value; None when it is an output or read again."""
        users = self.users(name)
        return users[0] if len(users) == 1 and name not in self.outputs else None

    def is_constant(self, name: str) -> bool:
        """Return whether a value is stored in the model."""
        if name in self._new or name in self._stored:
            return True
        node = self.maker(name, "Constant") if name else None
        return node is not None and node.attribute[0].name in {"value", *_CONSTANT_KINDS}

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return a stored value, or None when it is not stored."""
        tensor = self._new.get(name) or self._stored.get(name)
        if tensor is not None:
            return np.asarray(numpy_helper.to_array(tensor))
        node = self.maker(name, "Constant") if name else None
        if node is None:
            return None
        entry = node.attribute[0]
        if entry.name == "value":
            return np.asarray(numpy_helper.to_array(entry.t))
        kind = _CONSTANT_KINDS.get(entry.name)
        return None if kind is None else np.asarray(helper.get_attribute_value(entry), kind)

    def scalar(self, name: str) -> float | None:
        """Return the one number that a stored value consists of, however it is shaped."""
        shape = self.shape(name)
        if not self.is_constant(name) or (shape is not None and any(n != 1 for n in shape)):
            return None
        value = self.constant(name)
        return float(value.ravel()[0]) if value is not None and value.size == 1 else None

    def _type(self, name: str) -> onnx.ValueInfoProto | None:
        if name in self._new:
            tensor = self._new[name]
            return helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
        if self._types is None:
            self._types = infer_types(self.model)
        return self._types.get(name)

    def shape(self, name: str) -> Shape | None:
        """Return the shape that a value had before the edits; None when its rank is unknown."""
        value = self._type(name) if name else None
        return None if value is None else shape_of(value)

    def static_shape(self, name: str) -> tuple[int, ...] | None:
        """Return a value's shape when every axis of it is known."""
        shape = self.shape(name)
        if shape is None:
            return None
        known = tuple(size for size in shape if size is not None)
        return known if len(known) == len(shape) else None

    def element(self, name: str) -> int:
        """Return the element type (TensorProto.FLOAT, ...) of a value; 0 when unknown."""
        value = self._type(name)
        return 0 if value is None else int(value.type.tensor_type.elem_type)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the element type of a value as numpy says it; float32 when unknown."""
        kind = self.element(name)
        return np.dtype(helper.tensor_dtype_to_np_dtype(kind) if kind else np.float32)

    # Edits

    def _edited(self) -> None:
        self.changed = True
        self._makers = None

    def new_name(self, hint: str) -> str:
        """Return a name that nothing in the graph has yet."""
        name, count = hint, 1
        while name in self._taken:
            name, count = f"{hint}_{count}", count + 1
        self._taken.add(name)
        return name

    def store(self, value: NDArray[Any], hint: str) -> str:
        """Store a constant and return its name."""
        name = self.new_name(hint)
        self._new[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        if value.ndim == 0:  # ascontiguousarray makes vectors of scalars
            del self._new[name].dims[:]
        return name

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str | None = None,
        hint: str = "",
        **attrs: Any,
    ) -> str:
        """Add a node with one output and return that output's name.

        Args:
            kind: operator.
            inputs: names of its inputs.
            output: name of its output; made from `hint` when not given.
            hint: what the node's and the output's names start with.
            **attrs: its attributes.
        """
        result = output or self.new_name(f"{hint or inputs[0]}_{kind.lower()}")
        self._taken.add(result)
        self.nodes.append(helper.make_node(kind, list(inputs), [result], name=result, **attrs))
        self._edited()
        return result

    def add_many(
        self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attrs: Any
    ) -> list[str]:
        """Add a node with several outputs and return their names; arguments as for `add`."""
        self._taken.update(outputs)
        name = outputs[0]
        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=name, **attrs))
        self._edited()
        return list(outputs)

    def remove(self, *nodes: onnx.NodeProto) -> None:
        """Take nodes out of the graph."""
        leaving = {id(node) for node in nodes}
        self._gone.extend(nodes)
        self._gone_ids |= leaving
        self.nodes = [node for node in self.nodes if id(node) not in leaving]
        self._edited()

    def set_input(self, node: onnx.NodeProto, index: int, name: str) -> None:
        """Let a node read another value, adding empty inputs in between where it has fewer."""
        while len(node.input) <= index:
            node.input.append("")
        node.input[index] = name
        self._edited()

    def set_output(self, node: onnx.NodeProto, name: str) -> None:
        """Rename the first output of a node."""
        node.output[0] = name
        self._edited()

    def set_attributes(self, node: onnx.NodeProto, values: Mapping[str, Any]) -> None:
        """Set attributes of a node; those with the value None are removed."""
        kept = [entry for entry in node.attribute if entry.name not in values]
        made = [helper.make_attribute(k, v) for k, v in values.items() if v is not None]
        entries = [*kept, *made]
        del node.attribute[:]
        node.attribute.extend(entries)
        self._edited()

    def redirect(self, old: str, new: str) -> None:
        """Let everything that reads `old` read `new`; the maker of `old` should be removed.

        A graph output keeps its name: the maker of `new` then makes `old` instead.
        """
        if old in self.outputs:
            maker = self.maker(new)
            if maker is None or new in self.outputs or self.is_constant(new):
                self.add("Identity", [new], output=old)
                return
            for index, name in enumerate(maker.output):
                if name == new:
                    maker.output[index] = old
            old, new = new, old
        for node in self.nodes:
            for index, name in enumerate(node.input):
                if name == old:
                    node.input[index] = new
        self._edited()

    def drop_input(self, name: str) -> None:
        """Remove a graph input; something else must make or store the value by then."""
        self._dropped_inputs.add(name)
        self.inputs = tuple(value for value in self.inputs if value != name)
        self._edited()

    def keep(self, name: str, value: NDArray[Any]) -> None:
        """Store a constant under the very name of a value that was made or fed until now."""
        self._new[name] = numpy_helper.from_array(np.asarray(value), name)
        self._edited()

    # Writing back

    def _live(self) -> list[onnx.NodeProto]:
        makers = self._index()
        wanted, live = list(self.outputs), set()
        while wanted:
            node = makers.get(wanted.pop())
            if node is not None and id(node) not in live:
                live.add(id(node))
                wanted.extend(node.input)
        return [node for node in self.nodes if id(node) in live]

    def finish(self) -> onnx.ModelProto:
        """Write the edits back and return the model; untouched when there were none."""
        if not self.changed:
            return self.model
        nodes = in_running_order(self._live())
        used = {name for node in nodes for name in node.input} | set(self.outputs)
        proto = self.model.graph
        for index in range(len(proto.initializer) - 1, -1, -1):
            name = proto.initializer[index].name
            # What was unused before (an emap, for one) is not ours to drop.
            dropped = name in self._used_at_first and name not in used
            if dropped or name in self._new:
                del proto.initializer[index]
        del proto.node[:]
        proto.node.extend(nodes)
        proto.initializer.extend(t for name, t in self._new.items() if name in used)
        # Old files list their constants as inputs: those that went must not be asked for.
        listed = {name for name in self._stored if name not in used and name in self._used_at_first}
        for index in range(len(proto.input) - 1, -1, -1):
            if proto.input[index].name in listed | self._dropped_inputs:
                del proto.input[index]
        del proto.value_info[:]  # of values that are gone, or have another shape now
        return self.model
