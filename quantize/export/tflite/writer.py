"""A .tflite file in the making: tensors, operators, and the flatbuffer that they become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineMissing
from quantize.errors import TFLiteError
from quantize.export.tflite.kinds import KINDS

Element = Literal["float32", "float16", "int8", "int32"]
Load = Callable[[], NDArray[Any]]

NONE = -1
"""Stands for an input that an operator is not given."""

_SIGNATURE = "serving_default"
_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
_LARGEST = 2_000_000_000  # bytes; offsets in a flatbuffer end at 2^31
_ALIGNMENT = 16  # bytes; what the schema asks for data that is used where it lies
_LAST_OLD_CODE = 127  # codes above it stand in a field of their own
_ROOM = 1024  # bytes for the tables of one tensor or operator: names, shapes, options


@dataclass(frozen=True, slots=True)
class Quantization:
    """What int8 numbers stand for: scale * (number - zero point).

    Attributes:
        scales: one, or one per slice of an axis.
        zero_points: as many.
        axis: the stored axis with a scale per slice.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0


@dataclass(slots=True)
class Tensor:
    """One tensor of the file.

    Attributes:
        name: unlike all others.
        shape: sizes as stored.
        element: type of the numbers.
        quantization: what int8 and int32 numbers stand for.
        load: makes the numbers of a constant when they are written; None for all that is computed.
    """

    name: str
    shape: tuple[int, ...]
    element: Element
    quantization: Quantization | None = None
    load: Load | None = None

    @property
    def bytes(self) -> int:
        """Size of the numbers in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.element).itemsize


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the file: a name of `KINDS`, places of its tensors, and its options."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int
    options: Mapping[str, Any] = field(default_factory=dict)


def load_schema() -> tuple[ModuleType, ModuleType]:
    """Import the schema and the flatbuffer library.

    Raises:
        EngineMissing: they are not installed.
    """
    try:
        import flatbuffers
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise EngineMissing(
            "TFLite files are written with the schema of ai-edge-litert, which is not installed: "
            "pip install 'edge-swap[quantize]'"
        ) from error
    return schema_py_generated, flatbuffers


class Writer:
    """Collects tensors and operators; operators in the order in which they will run."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self._names: set[str] = set()

    def _unused(self, hint: str) -> str:
        name, count = hint, 1
        while name in self._names:
            name, count = f"{hint}_{count}", count + 1
        self._names.add(name)
        return name

    def tensor(
        self,
        hint: str,
        shape: Sequence[int],
        element: Element = "float32",
        *,
        quantization: Quantization | None = None,
        load: Load | None = None,
    ) -> int:
        """Add a tensor; return its place.

        Args:
            hint: its name, to which a number is added when it is taken.
            shape: sizes as stored.
            element: type of the numbers.
            quantization: of int8 and int32 numbers.
            load: makes the numbers of a constant; called once, by `finish`.
        """
        sizes = tuple(int(size) for size in shape)
        self.tensors.append(Tensor(self._unused(hint), sizes, element, quantization, load))
        return len(self.tensors) - 1

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
    ) -> None:
        """Add an operator; its version follows from what it reads unless one is given."""
        if version is None:
            known = KINDS[kind]
            quantized = any(p != NONE and self.tensors[p].element == "int8" for p in inputs)
            version = known.version_int8 if quantized else known.version
        self.operators.append(
            Operator(kind, tuple(inputs), tuple(outputs), version, dict(options or {}))
        )

    def rename(self, place: int, name: str) -> None:
        """Give a tensor exactly this name; whoever had it gets another one."""
        mine = self.tensors[place]
        if mine.name == name:
            return
        for other in self.tensors:
            if other.name == name:
                other.name = self._unused(f"{name}_inner")
        self._names.add(name)
        mine.name = name

    def _live(self, outputs: Iterable[int]) -> list[Operator]:
        """Return the operators that something asked for depends on."""
        wanted, live = set(outputs), []
        for operator in reversed(self.operators):
            if wanted.intersection(operator.outputs):
                live.append(operator)
                wanted.update(operator.inputs)
        return live[::-1]

    def finish(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
        """Return the file.

        Args:
            inputs: places of the tensors that are fed, by their names in the signature.
            outputs: the same for what comes out.

        Raises:
            TFLiteError: it would exceed what a flatbuffer can hold.
        """
        schema, flatbuffers = load_schema()
        operators = self._live(outputs.values())
        used = {place for operator in operators for place in (*operator.inputs, *operator.outputs)}
        used.update(inputs.values(), outputs.values())
        places = sorted(used - {NONE})
        tensors = [self.tensors[place] for place in places]
        # Room for all from the start: a builder that grows copies everything each time.
        room = sum(tensor.bytes + _ROOM for tensor in tensors if tensor.load)
        room += _ROOM * (len(tensors) + len(operators) + 64)
        room += sum(24 * len(t.quantization.scales) for t in tensors if t.quantization)
        if room > _LARGEST:
            raise TFLiteError(
                f"the file would take {room / 1e9:.2f} GB, more than TFLite can hold (2 GB): "
                "convert to int8 or fp16"
            )
        packer = _Packer(schema, tensors, {place: index for index, place in enumerate(places)})
        builder = flatbuffers.Builder(room)
        builder.Finish(packer.model(operators, inputs, outputs).Pack(builder), _IDENTIFIER)
        return bytes(memoryview(builder.Bytes)[builder.Head() :])


class _Data:
    """A buffer of the schema whose numbers are made only while they are written."""

    def __init__(self, schema: ModuleType, tensor: Tensor | None) -> None:
        self._schema = schema
        self._tensor = tensor

    def Pack(self, builder: Any) -> int:
        """Write the buffer; called by the schema's own classes."""
        data = self._write(builder) if self._tensor else None
        self._schema.BufferStart(builder)
        if data is not None:
            self._schema.BufferAddData(builder, data)
        return int(self._schema.BufferEnd(builder))

    def _write(self, builder: Any) -> int:
        tensor = self._tensor
        assert tensor is not None
        assert tensor.load is not None
        array = np.ascontiguousarray(tensor.load(), np.dtype(tensor.element).newbyteorder("<"))
        if array.size != int(np.prod(tensor.shape, dtype=np.int64)):
            raise TFLiteError(f"tensor {tensor.name!r}: {array.size} numbers for {tensor.shape}")
        size = array.nbytes
        builder.StartVector(1, size, _ALIGNMENT)
        builder.head -= size
        builder.Bytes[builder.head : builder.head + size] = array.ravel().view(np.uint8).data
        return int(builder.EndVector())


class _Packer:
    """Turns tensors and operators into objects of the schema."""

    def __init__(
        self, schema: ModuleType, tensors: Sequence[Tensor], places: Mapping[int, int]
    ) -> None:
        self._schema = schema
        self._tensors = tensors
        self._places = {**places, NONE: NONE}
        self._buffers = [_Data(schema, None)]  # the first one is empty by custom

    def model(
        self,
        operators: Sequence[Operator],
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
    ) -> Any:
        """Return the whole model."""
        schema = self._schema
        kinds = list(dict.fromkeys((operator.kind, operator.version) for operator in operators))
        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors = [self._tensor(tensor) for tensor in self._tensors]
        graph.inputs = self._ints(inputs.values())
        graph.outputs = self._ints(outputs.values())
        graph.operators = [self._operator(operator, kinds) for operator in operators]
        model = schema.ModelT()
        model.version = _SCHEMA_VERSION
        model.description = "edge-swap"
        model.operatorCodes = [self._code(*kind) for kind in kinds]
        model.subgraphs = [graph]
        model.signatureDefs = [self._signature(inputs, outputs)]
        model.buffers = self._buffers
        return model

    def _ints(self, places: Iterable[int]) -> NDArray[np.int32]:
        return np.asarray([self._places[place] for place in places], np.int32)

    def _tensor(self, tensor: Tensor) -> Any:
        schema = self._schema
        made = schema.TensorT()
        made.name = tensor.name
        made.shape = np.asarray(tensor.shape, np.int32)
        made.type = getattr(schema.TensorType, tensor.element.upper())
        made.hasRank = True
        if tensor.load is not None:
            made.buffer = len(self._buffers)
            self._buffers.append(_Data(schema, tensor))
        if tensor.quantization is not None:
            given = schema.QuantizationParametersT()
            given.scale = np.asarray(tensor.quantization.scales, np.float32)
            given.zeroPoint = np.asarray(tensor.quantization.zero_points, np.int64)
            given.quantizedDimension = tensor.quantization.axis
            made.quantization = given
        return made

    def _code(self, kind: str, version: int) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, _LAST_OLD_CODE)
        code.version = version
        return code

    def _operator(self, operator: Operator, kinds: Sequence[tuple[str, int]]) -> Any:
        schema = self._schema
        made = schema.OperatorT()
        made.opcodeIndex = kinds.index((operator.kind, operator.version))
        made.inputs = self._ints(operator.inputs)
        made.outputs = self._ints(operator.outputs)
        table = KINDS[operator.kind].options
        if table:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            made.builtinOptions = getattr(schema, f"{table}T")()
            for name, value in operator.options.items():
                assert hasattr(made.builtinOptions, name), (operator.kind, name)
                setattr(made.builtinOptions, name, value)
        return made

    def _signature(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Any:
        signature = self._schema.SignatureDefT()
        signature.signatureKey = _SIGNATURE
        signature.subgraphIndex = 0
        for side, places in (("inputs", inputs), ("outputs", outputs)):
            entries = []
            for name, place in places.items():
                entry = self._schema.TensorMapT()
                entry.name, entry.tensorIndex = name, self._places[place]
                entries.append(entry)
            setattr(signature, side, entries)
        return signature
