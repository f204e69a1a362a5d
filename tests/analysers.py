"""Stand-ins for models that look at faces: their contracts, with outputs that are made to order.

A detector's outputs are made by encoding known faces, from the formulas of each family's own
training code; nothing here is shared with `edge.faces.decoders`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from edge.cards import find_card
from edge.recorded import record
from tests import tiny

Floats = NDArray[np.float32]

STRIDES = (8, 16, 32)
SIDES = ((16, 32), (64, 128), (256, 512))  # of RetinaFace's anchors, by stride
VARIANCES = (0.1, 0.2)
_NOISE = 0.2  # most of the scores that mean nothing


@dataclass(frozen=True)
class Known:
    """A face as it is to come out.

    Attributes:
        score: In [0, 1].
        box: x, y, width, height in pixels.
        points: Five x, y in pixels.
    """

    score: float
    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], ...]

    @property
    def centre(self) -> Floats:
        x, y, width, height = self.box
        return np.array([x + width / 2, y + height / 2], np.float32)


def known(score: float, x: float, y: float, width: float, height: float) -> Known:
    """Return a face whose landmarks lie in its box, as a face's do."""
    places = ((0.3, 0.4), (0.72, 0.38), (0.5, 0.6), (0.35, 0.8), (0.68, 0.79))
    points = tuple((x + width * across, y + height * down) for across, down in places)
    return Known(score, (x, y, width, height), points)


FACES = (
    known(0.91, 40.5, 60.25, 22.0, 27.5),
    known(0.87, 300.0, 200.5, 90.0, 110.0),
    known(0.78, 410.0, 330.0, 200.0, 250.5),
)
"""Three faces for a picture of 640 x 640."""


class _Level:
    """Outputs of one stride, with noise where there is no face."""

    def __init__(self, stride: int, rows: int, columns: int, each: int, seed: int) -> None:
        rng = np.random.default_rng(seed + stride)
        count = (rows // stride) * (columns // stride) * each
        self.stride, self.columns, self.each = stride, columns // stride, each
        self.scores = rng.uniform(0, _NOISE, (count, 1)).astype(np.float32)
        self.boxes = rng.uniform(-1, 1, (count, 4)).astype(np.float32)
        self.points = rng.uniform(-1, 1, (count, 10)).astype(np.float32)

    def cell(self, face: Known) -> tuple[int, Floats]:
        """Return the number of the first row of the face's cell, and the cell as x, y."""
        column, row = (int(value // self.stride) for value in face.centre)
        return (row * self.columns + column) * self.each, np.array([column, row], np.float32)


def _levels(
    faces: Sequence[Known], size: tuple[int, int], each: int, seed: int
) -> list[tuple[_Level, list[Known]]]:
    """Share the faces out to the strides, by their place in the list."""
    return [
        (_Level(stride, *size, each, seed), list(faces[place :: len(STRIDES)]))
        for place, stride in enumerate(STRIDES)
    ]


def encode_centres(
    faces: Sequence[Known], size: tuple[int, int], *, yunet: bool, seed: int = 1
) -> dict[str, Floats]:
    """Return score_s (or cls_s, obj_s), bbox_s, kps_s of a picture of (rows, columns)."""
    outputs: dict[str, Floats] = {}
    for level, own in _levels(faces, size, 1, seed):
        stride = level.stride
        for face in own:
            row, cell = level.cell(face)
            level.scores[row] = face.score
            level.boxes[row, :2] = face.centre / stride - cell
            level.boxes[row, 2:] = np.log(np.array(face.box[2:]) / stride)
            level.points[row] = (np.array(face.points) / stride - cell).ravel()
        if yunet:
            # score = sqrt(cls * obj): two shares that differ, and neither is above 1
            outputs[f"cls_{stride}"] = (level.scores**0.5)[None]
            outputs[f"obj_{stride}"] = (level.scores**1.5)[None]
        else:
            outputs[f"score_{stride}"] = level.scores[None]
        outputs[f"bbox_{stride}"] = level.boxes[None]
        outputs[f"kps_{stride}"] = level.points[None]
    return outputs


def encode_scrfd(
    faces: Sequence[Known], size: tuple[int, int], *, seed: int = 2
) -> dict[str, Floats]:
    """Return scores, distances and landmarks of three strides, in the order of the exports."""
    heads: dict[str, list[Floats]] = {"score": [], "bbox": [], "kps": []}
    for level, own in _levels(faces, size, 2, seed):
        stride = level.stride
        for number, face in enumerate(own):
            row, cell = level.cell(face)
            row += number % 2  # either of the two boxes of a cell
            corner = cell * stride
            x, y, width, height = face.box
            edges = [corner[0] - x, corner[1] - y, x + width - corner[0], y + height - corner[1]]
            level.scores[row] = face.score
            level.boxes[row] = np.array(edges) / stride
            level.points[row] = ((np.array(face.points) - corner) / stride).ravel()
        heads["score"].append(level.scores)
        heads["bbox"].append(level.boxes)
        heads["kps"].append(level.points)
    return {
        f"{head}_{stride}": values[place]
        for head, values in heads.items()
        for place, stride in enumerate(STRIDES)
    }


def encode_yoloface(
    faces: Sequence[Known], size: tuple[int, int], *, seed: int = 3
) -> dict[str, Floats]:
    """Return the one output (1, 20, N)."""
    count = sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)
    rng = np.random.default_rng(seed)
    found = rng.uniform(0, 300, (20, count)).astype(np.float32)
    found[4] = rng.uniform(0, _NOISE, count)
    for face, place in zip(faces, rng.permutation(count), strict=False):
        x, y, width, height = face.box
        visible = [value for point in face.points for value in (*point, 0.7)]
        found[:, place] = [x + width / 2, y + height / 2, width, height, face.score, *visible]
    return {"found": found[None]}


def encode_retinaface(
    faces: Sequence[Known], size: tuple[int, int], *, seed: int = 4
) -> dict[str, Floats]:
    """Return offsets, scores of background and face, and landmarks, of all strides."""
    parts: list[_Level] = []
    for (level, own), sides in zip(_levels(faces, size, 2, seed), SIDES, strict=True):
        for number, face in enumerate(own):
            row, cell = level.cell(face)
            side = sides[number % 2]
            middle = (cell + 0.5) * level.stride
            level.scores[row + number % 2] = face.score
            level.boxes[row + number % 2, :2] = (face.centre - middle) / (VARIANCES[0] * side)
            level.boxes[row + number % 2, 2:] = np.log(np.array(face.box[2:]) / side) / VARIANCES[1]
            away = (np.array(face.points) - middle) / (VARIANCES[0] * side)
            level.points[row + number % 2] = away.ravel()
        parts.append(level)
    scores = np.concatenate([level.scores for level in parts])
    return {
        "bbox": np.concatenate([level.boxes for level in parts])[None],
        "score": np.concatenate([1 - scores, scores], axis=1)[None],
        "kps": np.concatenate([level.points for level in parts])[None],
    }


def encode(decoder: str, faces: Sequence[Known], size: tuple[int, int]) -> dict[str, Floats]:
    """Return the outputs of a decoder's family for a picture of (rows, columns)."""
    if decoder in {"points", "yunet"}:
        return encode_centres(faces, size, yunet=decoder == "yunet")
    encoders = {
        "scrfd": encode_scrfd,
        "yoloface": encode_yoloface,
        "retinaface": encode_retinaface,
    }
    return encoders[decoder](faces, size)


def model(
    shape: Sequence[int | str], outputs: Mapping[str, NDArray[Any]], *, name: str = "input.1"
) -> bytes:
    """Return a model that gives the same outputs whatever it is shown."""
    axes = list(range(len(shape)))
    constants = [tiny._constant("zero", 0.0)]
    nodes = [
        helper.make_node("ReduceMean", [name], ["mean"], axes=axes, keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    for key, values in outputs.items():
        constants.append(tiny._constant(f"{key}_values", values))
        nodes.append(helper.make_node("Add", [f"{key}_values", "nothing"], [key]))
    given = [tiny._value(key, values.shape) for key, values in outputs.items()]
    return tiny.model_bytes(nodes, [tiny._value(name, shape)], given, constants)


def install(home: Path, card: str, data: bytes) -> None:
    """Write a stand-in as the file of a shipped card that states no hash, and record it."""
    folder = home / "data" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / find_card(card).file).write_bytes(data)
    record(card, hashlib.sha256(data).hexdigest(), len(data))


class Fake:
    """A session that remembers what it is shown, and gives what it was told to."""

    engine = "ort"
    engine_version = "0"
    provider = "CPUExecutionProvider"

    def __init__(self, name: str, outputs: Mapping[str, NDArray[Any]]) -> None:
        self.inputs: tuple[str, ...] = (name,)
        self.outputs: tuple[str, ...] = tuple(outputs)
        self.results = list(outputs.values())
        self.shown: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        self.shown.append(feeds[self.inputs[0]])
        return self.results
