"""A model cut in front of its layers, so that single layers can be exchanged and rerun.

A model of half a gigabyte cannot be rebuilt and loaded once per layer. It is cut once: every
segment starts with one layer and ends in front of the next, and is an engine of its own. What
changes when a layer is exchanged is then run from that layer on, and nothing is loaded twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import helper

from quantize.engine import Engine
from quantize.errors import GraphError
from quantize.passes._infra.feeds import Feeds
from quantize.passes._infra.model import in_running_order
from quantize.passes._infra.shapes import infer_types

__all__ = ["Chain", "Segments"]

Values = Mapping[str, NDArray[Any]]


class Segments:
    """Where a model is cut: which nodes belong to which segment, and what passes between them.

    Attributes:
        layers: per segment the name of the layer that it starts with; None for what comes before
            the first layer.
        inputs: per segment what it reads of what is fed, or of what segments before it made.
        outputs: per segment what others, or the caller, want of it.
        wanted: the model's outputs.
    """

    def __init__(self, model: onnx.ModelProto, layers: Collection[str]) -> None:
        """Cut a model.

        Args:
            model: its nodes have unique names; weights are stored. It must not change afterwards.
            layers: names of the nodes to cut in front of.

        Raises:
            GraphError: there is no node of such a name.
        """
        self._model = model
        self._types = infer_types(model)
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        everything = in_running_order(model.graph.node)
        # They are copied to where they are read: a size that is fed would hinder the engine.
        self._constants = {n.output[0]: n for n in everything if n.op_type == "Constant"}
        nodes = [node for node in everything if node.op_type != "Constant"]
        missing = set(layers) - {node.name for node in nodes}
        if missing:
            raise GraphError(f"the model has no node {min(missing)!r}: name its nodes first")
        self.wanted = tuple(value.name for value in model.graph.output)
        self.layers: list[str | None] = [None]
        self._nodes: list[list[onnx.NodeProto]] = [[]]
        for node in nodes:
            if node.name in layers:
                self.layers.append(node.name)
                self._nodes.append([])
            self._nodes[-1].append(node)
        if not self._nodes[0]:
            del self.layers[0], self._nodes[0]
        self._join()

    def _join(self) -> None:
        """Work out what passes between the segments."""
        fixed = {"", *self._stored, *self._constants}
        self.inputs: list[tuple[str, ...]] = []
        made: list[set[str]] = []
        for nodes in self._nodes:
            own = {name for node in nodes for name in node.output}
            read = {name for node in nodes for name in node.input} - own - fixed
            made.append(own)
            self.inputs.append(tuple(sorted(read)))
        self.outputs: list[tuple[str, ...]] = []
        later = set(self.wanted)
        for own, read_here in zip(reversed(made), reversed(self.inputs), strict=True):
            self.outputs.insert(0, tuple(sorted(own & later)))
            later |= set(read_here)

    def __len__(self) -> int:
        """Return how many segments there are."""
        return len(self._nodes)

    def build(self, index: int) -> onnx.ModelProto:
        """Return one segment as a model. Names are those of the whole model; weights are copies."""
        nodes = self._nodes[index]
        read = {name for node in nodes for name in node.input}
        graph = onnx.GraphProto()
        graph.name = f"segment_{index}"
        graph.node.extend(self._constants[name] for name in sorted(read & set(self._constants)))
        graph.node.extend(nodes)
        graph.initializer.extend(self._stored[name] for name in sorted(read & set(self._stored)))
        graph.input.extend(self._value(name) for name in self.inputs[index])
        graph.output.extend(self._value(name) for name in self.outputs[index])
        made = {name for node in nodes for name in node.output} - set(self.outputs[index])
        graph.value_info.extend(self._types[name] for name in sorted(made) if name in self._types)
        model = onnx.ModelProto()
        model.ir_version = self._model.ir_version
        model.opset_import.extend(self._model.opset_import)
        model.graph.CopyFrom(graph)
        return model

    def _value(self, name: str) -> onnx.ValueInfoProto:
        known = self._types.get(name)
        return known if known is not None else helper.make_empty_tensor_value_info(name)


class Chain:
    """The segments of a model as engines, each as it is and, once given, with its layer exchanged.

    Only one copy of the weights is held, beside that of the exchanged layers.
    """

    def __init__(
        self,
        segments: Segments,
        *,
        threads: int = 1,
        form: Callable[[onnx.ModelProto], onnx.ModelProto] = lambda part: part,
    ) -> None:
        """Load every segment.

        Args:
            segments: of a float model.
            threads: that each engine uses.
            form: what is made of each segment before it is loaded, for what differs from the float
                model whatever is exchanged.

        Raises:
            EngineError: ONNX Runtime cannot load a segment.
        """
        self.segments = segments
        self._plain: list[Engine] = []
        self._exchanged: dict[str, Engine] = {}
        for index in range(len(segments)):
            part = form(segments.build(index))
            engine = Engine(part, threads=threads, memory="returned")
            engine.forget_model()  # or the weights would be held twice
            self._plain.append(engine)

    def exchange(self, layer: str, engine: Engine) -> None:
        """Give the segment that starts with a layer a second form, in which it is exchanged."""
        engine.forget_model()
        self._exchanged[layer] = engine

    @property
    def exchangeable(self) -> tuple[str, ...]:
        """Names of the layers that have a second form, in running order."""
        return tuple(name for name in self.segments.layers if name in self._exchanged)

    def steps(self, exchanged: Collection[str]) -> Iterator[tuple[int, Engine]]:
        """Yield per segment its index and the engine to run, in running order."""
        for index, layer in enumerate(self.segments.layers):
            other = layer is not None and layer in exchanged
            yield index, self._exchanged[layer] if other and layer else self._plain[index]

    def run(self, feeds: Feeds, exchanged: Collection[str] = ()) -> Feeds:
        """Run the whole model with some of its layers exchanged.

        Args:
            feeds: an array per input of the model.
            exchanged: names of the layers; those with a second form.

        Returns:
            An array per output of the model.
        """
        last = self._last_uses()
        values = dict(feeds)
        for index, engine in self.steps(exchanged):
            values.update(engine.run(values))
            for name in last[index]:  # a full-size model makes hundreds of megabytes
                values.pop(name, None)
        return {name: values[name] for name in self.segments.wanted}

    def trace(self, feeds: Feeds) -> Feeds:
        """Run the model as it is and return everything that passes between segments."""
        values = dict(feeds)
        for _, engine in self.steps(()):
            values.update(engine.run(values))
        return values

    def rerun(self, traced: Values, layer: str) -> Feeds:
        """Exchange one layer and run what depends on it.

        Args:
            traced: what `trace` returned for the same inputs.
            layer: its name.

        Returns:
            An array per output of the model.
        """
        changed: Feeds = {}
        for index, engine in self.steps({layer}):
            reads = self.segments.inputs[index]
            if self.segments.layers[index] == layer or not changed.keys().isdisjoint(reads):
                changed.update(
                    engine.run({name: changed.get(name, traced[name]) for name in reads})
                )
        return {name: changed.get(name, traced[name]) for name in self.segments.wanted}

    def _last_uses(self) -> list[list[str]]:
        """Return per segment what no later one reads."""
        kept = set(self.segments.wanted)
        uses: list[list[str]] = []
        for names in reversed(self.segments.inputs):
            uses.insert(0, [name for name in names if name not in kept])
            kept.update(names)
        return uses
