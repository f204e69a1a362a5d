"""Small .tflite, .ort and .mnn models, in which any part can be other than it should be."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.flat import Number, written


def tflite_tensor(*shape: int, **slots: Any) -> dict[int, Any]:
    more = {int(key[1:]): value for key, value in slots.items()}
    return {0: np.array(shape, np.int32), 3: "t", **more}


def tflite_model(**change: Any) -> bytes:
    """Return a model of one operator between two tensors; names of parts say what differs."""
    part: dict[str, Any] = {
        "version": 3,
        "code": {3: Number("Int32", 0)},
        "tensors": [tflite_tensor(1, 4), tflite_tensor(1, 4)],
        "inputs": [0],
        "outputs": [1],
        "operator": {1: np.array([0], np.int32), 2: np.array([1], np.int32)},
        "buffers": [{}],
        "more": {},
    } | change
    graph = {
        0: part["tensors"],
        1: np.array(part["inputs"], np.int32),
        2: np.array(part["outputs"], np.int32),
        3: part.get("operators", [part["operator"]]),
    }
    root = {0: Number("Uint32", part["version"]), 1: [part["code"]], 2: [graph]}
    return written({**root, 4: part["buffers"], **part["more"]}, part.get("letters", b"TFL3"))


_FLOAT = Number("Int32", 1)


def ort_type(*sides: int) -> dict[int, Any]:
    """Return the type of a float tensor."""
    dims = [{0: {0: Number("Int8", 1), 1: Number("Int64", side)}} for side in sides]
    return {1: Number("Uint8", 1), 2: {0: _FLOAT, 1: {0: dims}}}


def ort_weight(*dims: int, raw: bytes = b"", **more: Any) -> dict[int, Any]:
    slots = {int(key[1:]): value for key, value in more.items()}
    return {0: "w", 2: np.array(dims, np.int64), 3: _FLOAT, 4: raw, **slots}


def ort_model(**graph: Any) -> bytes:
    parts = {
        "weights": [ort_weight(2, raw=bytes(8))],
        "values": [{0: "x", 2: ort_type(1, 4)}],
        "nodes": [{2: "", 5: "Relu"}],
    } | graph
    slots = {0: parts["weights"], 1: parts["values"], 2: parts["nodes"]}
    return written({0: "6", 1: {7: {**slots, **parts.get("more", {})}}}, b"ORTM")


def ort_nested(levels: int) -> dict[str, Any]:
    """Return the nodes of a model with graphs in graphs, for `ort_model`."""
    graph: dict[int, Any] = {2: [{5: "Relu"}]}
    for _ in range(levels):
        graph = {2: [{5: "If", 10: [{0: "then", 7: graph}]}]}
    return {"nodes": graph[2]}


MNN_BLOB, MNN_CONVOLUTION, MNN_INPUT = (Number("Uint8", kind) for kind in (7, 9, 21))


def sides_of(*sides: int) -> np.ndarray[Any, Any]:
    return np.array(sides, np.int32)


def mnn_operator(kind: Number, main: dict[int, Any], **more: Any) -> dict[int, Any]:
    slots = {int(key[1:]): value for key, value in more.items()}
    return {1: kind, 2: main, 3: "op", 4: sides_of(0), **slots}


def mnn_blob(*sides: int, values: int = 0, **more: Any) -> dict[int, Any]:
    slots = {int(key[1:]): value for key, value in more.items()}
    held = {7: np.zeros(values, np.float32)} if values else {}
    return mnn_operator(MNN_BLOB, {0: sides_of(*sides), 2: Number("Int32", 1), **held, **slots})


def mnn_model(*operators: dict[int, Any], **more: Any) -> bytes:
    slots = {int(key[1:]): value for key, value in more.items()}
    given = mnn_operator(MNN_INPUT, {0: sides_of(1, 3, 4, 4), 1: Number("Int32", 1)})
    return written({3: [given, *operators], 7: ["a"], 8: Number("Int32", 1), **slots})
