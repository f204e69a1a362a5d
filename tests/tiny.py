"""Tiny models made in memory: the contracts of the reference models, with made-up insides.

`install(home)` gives a test the cards tiny_detector, tiny_embedder and tiny_swapper with their
files. The detector finds white blocks of 8 x 8 pixels; the embedder is a seeded random projection;
the swapper tints the crop by the source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8  # what the oldest onnxruntime that we take reads

FACE_CELLS = 4.0  # sides of the boxes that the tiny detector gives, in cells
FACE_SHAPE = (-0.12, -0.13, 0.12, -0.13, 0.0, 0.01, -0.11, 0.125, 0.11, 0.125)  # mean 0, crop sides
LANDMARK_CELLS = ((-0.6, -0.5), (1.6, -0.5), (0.5, 0.6), (-0.3, 1.6), (1.3, 1.6))


def _constant(name: str, values: Any, kind: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.asarray(values, kind), name)


def _value(name: str, shape: Sequence[int | str]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def model_bytes(
    nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], constants: Sequence[Any]
) -> bytes:
    """Return a serialised model."""
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializer=constants)
    imports = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def detector(decoder: str = "points", side: int = 0, active: Sequence[int] = (8,)) -> bytes:
    """Return a detector whose strides in `active` find white cells; side 0 is dynamic."""
    nodes: list[Any] = []
    constants: list[Any] = []
    outputs: list[Any] = []
    name = "frame" if decoder == "points" else "input"
    white = 1.0 if decoder == "points" else 255.0

    def head(stride: int, kind: str, weight: float, biases: Sequence[float], act: str) -> None:
        label = f"{kind}_{stride}"
        width = len(biases)
        constants.append(_constant(f"w_{label}", np.full((width, 3, 1, 1), weight / 3)))
        constants.append(_constant(f"b_{label}", biases))
        constants.append(_constant(f"s_{label}", [1, -1, width], np.int64))
        nodes.append(
            helper.make_node("Conv", [f"pool_{stride}", f"w_{label}", f"b_{label}"], [f"c_{label}"])
        )
        last = f"c_{label}"
        if act:
            nodes.append(helper.make_node(act, [last], [f"a_{label}"]))
            last = f"a_{label}"
        nodes.append(helper.make_node("Transpose", [last], [f"t_{label}"], perm=[0, 2, 3, 1]))
        nodes.append(helper.make_node("Reshape", [f"t_{label}", f"s_{label}"], [label]))
        outputs.append(_value(label, (1, "cells", width)))

    for stride in (8, 16, 32):
        nodes.append(
            helper.make_node(
                "AveragePool",
                [name],
                [f"pool_{stride}"],
                kernel_shape=[stride, stride],
                strides=[stride, stride],
            )
        )
        bias = -35.0 if stride in active else -80.0
        scores = ("score",) if decoder == "points" else ("cls", "obj")
        for kind in scores:
            head(stride, kind, 40.0 / white, [bias], "Sigmoid")
        head(stride, "bbox", 0.0, [0.5, 0.5, *[float(np.log(FACE_CELLS))] * 2], "")
        head(stride, "kps", 0.0, np.ravel(LANDMARK_CELLS).tolist(), "")
    shape = [1, 3, side or "height", side or "width"]
    return model_bytes(nodes, [_value(name, shape)], outputs, constants)


def embedder(seed: int = 5) -> bytes:
    """Return a recogniser: pooled pixels, projected at random, of unit length."""
    rng = np.random.default_rng(seed)
    constants = [
        _constant("flat", [1, -1], np.int64),
        _constant("projection", rng.standard_normal((192, 512))),
    ]
    nodes = [
        helper.make_node("AveragePool", ["input"], ["p"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Reshape", ["p", "flat"], ["f"]),
        helper.make_node("MatMul", ["f", "projection"], ["m"]),
        helper.make_node("LpNormalization", ["m"], ["embedding"], axis=1, p=2),
    ]
    shape = (1, 3, 112, 112)
    return model_bytes(nodes, [_value("input", shape)], [_value("embedding", (1, 512))], constants)


def landmarker(
    side: int = 32, points: int = 5, shift: float = 0.0, face: Sequence[float] = ()
) -> bytes:
    """Return a landmarker: the points of a face around where the crop is white, in the mean.

    With `face` it gives these numbers beside them, whatever it is shown.
    """
    places = (np.arange(side, dtype=np.float32)[None] / side).repeat(side, axis=0)
    grid = np.stack([places.ravel(), places.T.ravel()], axis=1)
    constants = [
        _constant("flat", [1, -1], np.int64),
        _constant("grid", np.tile(grid, (1, points))),
        _constant("little", 1e-6),
        _constant("shape", np.resize(FACE_SHAPE, (1, 2 * points)) + shift),
        _constant("one", [1], np.int64),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["crop"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Reshape", ["mean", "flat"], ["light"]),
        helper.make_node("ReduceSum", ["light", "one"], ["total"], keepdims=1),
        helper.make_node("Add", ["total", "little"], ["divisor"]),
        helper.make_node("MatMul", ["light", "grid"], ["sums"]),
        helper.make_node("Div", ["sums", "divisor"], ["centre"]),
        helper.make_node("Add", ["centre", "shape"], ["landmarks"]),
    ]
    crop, found = _value("crop", (1, 3, side, side)), [_value("landmarks", (1, 2 * points))]
    if face:
        constants.append(_constant("always", [face]))
        nodes.append(helper.make_node("Identity", ["always"], ["face"]))
        found.append(_value("face", (1, len(face))))
    return model_bytes(nodes, [crop], found, constants)


def swapper(size: int = 128, seed: int = 7) -> bytes:
    """Return a swapper: half the target, half a colour made from the source; elliptic mask."""
    rng = np.random.default_rng(seed)
    grid = (np.arange(size) + 0.5) / size - 0.5
    ellipse = (grid[None] / 0.36) ** 2 + (grid[:, None] / 0.44) ** 2 < 1
    constants = [
        _constant("projection", rng.standard_normal((512, 3)) * 2),
        _constant("column", [1, 3, 1, 1], np.int64),
        _constant("half", 0.5),
        _constant("zero", 0.0),
        _constant("ellipse", ellipse[None, None]),
    ]
    nodes = [
        helper.make_node("MatMul", ["source", "projection"], ["m"]),
        helper.make_node("Sigmoid", ["m"], ["s"]),
        helper.make_node("Reshape", ["s", "column"], ["colour"]),
        helper.make_node("Add", ["target", "colour"], ["both"]),
        helper.make_node("Mul", ["both", "half"], ["output"]),
        helper.make_node("ReduceMean", ["target"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "ellipse"], ["mask"]),
    ]
    picture = (1, 3, size, size)
    return model_bytes(
        nodes,
        [_value("target", picture), _value("source", (1, 512))],
        [_value("output", picture), _value("mask", (1, 1, size, size))],
        constants,
    )


LANDMARKER = """
[input]
name = "crop"
shape = [1, 3, 32, 32]
channels = "RGB"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[output]
name = "landmarks"
looks = 2

[crop]
template = "ffhq_512"
size = 32
"""

HEAD = """name = "{name}"
kind = "{kind}"
title = "A tiny {kind} for tests"
file = "{file}"
sha256 = "{sha256}"
size = {size}

[licence]
name = "Apache-2.0"
commercial = "yes"
training_data = "none"
"""

DETECTOR = """
[input]
name = "frame"
shape = [1, 3, 0, 0]
channels = "RGB"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[detector]
decoder = "points"
strides = [8, 16, 32]
score_threshold = 0.5
nms_iou = 0.3
"""

RECOGNISER = """
[input]
name = "input"
shape = [1, 3, 112, 112]
channels = "RGB"
scale = 0.00784313725490196
mean = [1.0, 1.0, 1.0]
std = [1.0, 1.0, 1.0]

[output]
name = "embedding"
length = 512
normalised = true

[crop]
template = "arcface_112_v2"
size = 112
"""

SWAPPER = """
[input]
name = "target"
shape = [1, 3, 128, 128]
channels = "RGB"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[output]
name = "output"
range = [0.0, 1.0]
channels = "RGB"
mask = "mask"

[source]
name = "source"
kind = "embedding"
recogniser = "tiny_embedder"
normalise = true

[crop]
template = "arcface_128"
size = 128
"""


def card_text(name: str, kind: str, body: str, data: bytes, file: str | None = None) -> str:
    """Return a card that fits the model file `data`."""
    head = HEAD.format(
        name=name,
        kind=kind,
        file=file or f"{name}.onnx",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )
    return head + body


def install_one(home: Path, name: str, kind: str, body: str, data: bytes) -> Path:
    """Write one card and its file into a user's folders; return the model file."""
    for folder in ("cards", "models"):
        (home / "data" / folder).mkdir(parents=True, exist_ok=True)
    card = card_text(name, kind, body, data)
    (home / "data" / "cards" / f"{name}.toml").write_text(card, encoding="utf-8")
    path = home / "data" / "models" / f"{name}.onnx"
    path.write_bytes(data)
    return path


def install(home: Path) -> None:
    """Write the three tiny models and their cards into a user's folders."""
    install_one(home, "tiny_detector", "detector", DETECTOR, detector())
    install_one(home, "tiny_embedder", "recogniser", RECOGNISER, embedder())
    install_one(home, "tiny_swapper", "swapper", SWAPPER, swapper())


def white_cells(size: tuple[int, int], cells: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
    """Return a black frame of (height, width) with white 8 x 8 cells at (column, row)."""
    frame = np.zeros((*size, 3), np.uint8)
    for column, row in cells:
        frame[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 255
    return frame


# A .tflite file by hand: no converter is small enough for a test. Slots and codes are those of
# TensorFlow Lite's schema, version 3.
_FLOAT32, _UINT8 = 0, 3
_MUL, _MUL_OPTIONS = 18, 21


def table(builder: flatbuffers.Builder, slots: dict[int, tuple[str, Any]]) -> int:
    """Write a table; each slot holds (kind, value): offset, int8, int32 or uint32."""
    builder.StartObject(max(slots, default=-1) + 1)
    for slot, (kind, value) in slots.items():
        if kind == "offset":
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        elif kind == "int8":
            builder.PrependInt8Slot(slot, value, 0)
        else:
            builder.PrependInt32Slot(slot, value, 0)
    return int(builder.EndObject())


def vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def numbers(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return int(builder.CreateNumpyVector(np.asarray(values, np.int32)))


def tflite_product(
    shape: Sequence[int],
    *,
    names: tuple[str, str] = ("frame", "output"),
    signature: bool = False,
    dynamic: bool = False,
    kind: int = _FLOAT32,
) -> bytes:
    """Return a .tflite model: output = input * [1, 2, .. C] along the last axis.

    Args:
        shape: Of input and output.
        names: Of input and output, in the signature if there is one, else of the tensors.
        signature: Whether the model has one; its tensors are then named otherwise.
        dynamic: Whether all axes but first and last may be resized.
        kind: Type code of input and output.
    """
    builder = flatbuffers.Builder(1024)
    tensor_names = ("serving_default_a:0", "StatefulPartitionedCall:0") if signature else names
    free = [shape[0], *[-1] * (len(shape) - 2), shape[-1]]
    tensors = []
    for index, (sides, name) in enumerate(
        ((shape, tensor_names[0]), ([shape[-1]], "factors"), (shape, tensor_names[1]))
    ):
        slots = {
            0: ("offset", numbers(builder, sides)),
            1: ("int8", kind),
            2: ("int32", 1 if index == 1 else 0),
            3: ("offset", builder.CreateString(name)),
        }
        if dynamic and index != 1:
            slots[7] = ("offset", numbers(builder, free))
        tensors.append(slots)
    written = [table(builder, slots) for slots in tensors]
    operator = table(
        builder,
        {
            1: ("offset", numbers(builder, [0, 1])),
            2: ("offset", numbers(builder, [2])),
            3: ("int8", _MUL_OPTIONS),
            4: ("offset", table(builder, {})),
        },
    )
    graph = table(
        builder,
        {
            0: ("offset", vector(builder, written)),
            1: ("offset", numbers(builder, [0])),
            2: ("offset", numbers(builder, [2])),
            3: ("offset", vector(builder, [operator])),
        },
    )
    factors = np.arange(1, shape[-1] + 1).astype(np.float32 if kind == _FLOAT32 else np.uint8)
    data = builder.CreateByteVector(factors.tobytes())
    buffers = [table(builder, {}), table(builder, {0: ("offset", data)})]
    code = table(builder, {0: ("int8", _MUL), 2: ("int32", 1), 3: ("int32", _MUL)})
    slots = {
        0: ("int32", 3),
        1: ("offset", vector(builder, [code])),
        2: ("offset", vector(builder, [graph])),
        4: ("offset", vector(builder, buffers)),
    }
    if signature:
        slots[7] = ("offset", vector(builder, [_signature(builder, names)]))
    builder.Finish(table(builder, slots), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _signature(builder: flatbuffers.Builder, names: tuple[str, str]) -> int:
    maps = []
    for name, index in zip(names, (0, 2), strict=True):
        text = builder.CreateString(name)
        maps.append(table(builder, {0: ("offset", text), 1: ("int32", index)}))
    inputs, outputs = vector(builder, maps[:1]), vector(builder, maps[1:])
    key = builder.CreateString("serving_default")
    return table(builder, {0: ("offset", inputs), 1: ("offset", outputs), 2: ("offset", key)})
