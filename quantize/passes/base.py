"""What a pass is: one rewrite of a graph that says what it needs and what it promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import onnx
from numpy.typing import NDArray

from quantize.errors import PostconditionError
from quantize.passes._infra.graph import Graph

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class PassResult:
    """What a pass made.

    Attributes:
        model: the rewritten model: the very object that was given, edited in place.
        changed: whether anything was edited; when not, the model is the same to the byte.
    """

    model: onnx.ModelProto
    changed: bool


class Pass(ABC):
    """One rewrite. The class docstring states it as numbered cases.

    A pass edits the model that it is given: copying half a gigabyte at each step is what makes
    toolchains need a server. Whoever needs the old model keeps a copy.

    Attributes:
        name: what messages and reports call it.
        tolerance: how much the outputs may differ after the rewrite: largest absolute difference,
            relative to the largest output where that exceeds 1. 0 says bit-exact.
    """

    name: ClassVar[str]
    tolerance: ClassVar[float]

    @property
    def constants(self) -> Mapping[str, NDArray[Any]]:
        """Inputs that the pass removes, with what the model computes as if it were fed."""
        return {}

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Input shapes that the pass fixes."""
        return {}

    def requires(self, model: onnx.ModelProto) -> None:  # noqa: B027  (most passes need nothing)
        """Check what the pass needs.

        Raises:
            PreconditionError: the model lacks it.
        """

    @abstractmethod
    def run(self, model: onnx.ModelProto) -> PassResult:
        """Rewrite the model in place."""

    def ensures(self, model: onnx.ModelProto) -> None:  # noqa: B027
        """Check what the pass promised.

        Raises:
            PostconditionError: the model does not keep it.
        """


class Rewrite(Pass, Generic[M]):
    """A pass that looks at one node after the other until no case applies any more.

    `match` says whether and how a node is to be rewritten, and edits nothing; `apply` does it.
    The promise is that `match` finds nothing afterwards.
    """

    @abstractmethod
    def match(self, graph: Graph, node: onnx.NodeProto) -> M | None:
        """Return what `apply` needs to rewrite a node, or None when no case applies."""

    @abstractmethod
    def apply(self, graph: Graph, node: onnx.NodeProto, match: M) -> None:
        """Rewrite a node that `match` has found."""

    def _matches(self, graph: Graph) -> Iterator[tuple[onnx.NodeProto, M]]:
        for node in list(graph.nodes):
            if graph.holds(node) and node.domain in ("", "ai.onnx"):
                found = self.match(graph, node)
                if found is not None:
                    yield node, found

    def run(self, model: onnx.ModelProto) -> PassResult:
        """Rewrite until no case applies."""
        changed = False
        while True:
            graph = Graph(model)
            # The graph is edited between the matches, and looked at as it then is.
            for node, found in self._matches(graph):
                self.apply(graph, node, found)
            if not graph.changed:
                return PassResult(model, changed)
            model, changed = graph.finish(), True

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check that no case applies any more."""
        for node, _ in self._matches(Graph(model)):
            raise PostconditionError(
                f"{self.name} left node {node.name or node.output[0]!r} ({node.op_type})"
            )
