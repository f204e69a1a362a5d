"""Decoders: from a detector's outputs to boxes and landmarks, in pixels of what it was shown.

Cells of every stride are numbered row by row; where a cell gives several boxes, they follow each
other. With (column, row) of a cell and d for what the model gives:

```
points      score, bbox, kps of each stride; centre = (cell + d) * stride, size = exp(d) * stride,
            landmark = (cell + d) * stride
yunet       the same with score = sqrt(cls * obj), as OpenCV has it
scrfd       score, bbox, kps of each stride; edges = cell * stride -+ d * stride (left, top, right,
            bottom), landmark = (cell + d) * stride
yoloface    one output (1, 20, N), decoded in the graph: centre, size, score, and x, y and
            visibility of five landmarks, in pixels
retinaface  bbox, scores of (background, face), kps, strides joined; an anchor stands in the middle
            of its cell: centre = anchor + d * v0 * side, size = side * exp(d * v1),
            landmark = anchor + d * v0 * side
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge.contracts_faces import DetectorSpec

Floats = NDArray[np.float32]
Outputs = Mapping[str, Floats]
Canvas = tuple[int, int]
"""Rows and columns, in pixels, of what the model was shown."""

_MAX_LOG_SIZE = 8.0  # exp(8) cells are more than any frame has; keeps exp() from overflowing
_LANDMARKS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Float32 arrays of N rows, in pixels of what the model was shown.

    Attributes:
        scores: (N,).
        boxes: (N, 4) x, y, width, height.
        points: (N, 5, 2) x, y.
    """

    scores: Floats
    boxes: Floats
    points: Floats


def output_keys(spec: DetectorSpec) -> list[str]:
    """Return the decoder's own names for the outputs it needs, in the order of a card."""
    if spec.decoder == "yoloface":
        return ["found"]
    if spec.decoder == "retinaface":
        return ["bbox", "score", "kps"]
    heads = ("cls", "obj", "bbox", "kps") if spec.decoder == "yunet" else ("score", "bbox", "kps")
    # Head by head, as the models that give no names of their own order their outputs.
    return [f"{head}_{stride}" for head in heads for stride in spec.strides]


def columns_of(spec: DetectorSpec, key: str) -> int:
    """Return the last side of an output; for yoloface, whose numbers lie in rows, the second one.

    0 stands for an output of one number for each box: exports differ in how they shape it.
    """
    if key == "found":
        return 5 + 3 * _LANDMARKS
    head = key.partition("_")[0]
    score = 2 if spec.decoder == "retinaface" else 0
    return {"bbox": 4, "kps": 2 * _LANDMARKS, "score": score}.get(head, 0)


def misfit(outputs: Outputs, spec: DetectorSpec, canvas: Canvas) -> str:
    """Return the key of the first output whose shape does not fit what was shown, or nothing."""
    rows = {stride: _boxes_of(spec, stride, canvas) for stride in spec.strides}
    for key in output_keys(spec):
        head, _, stride = key.partition("_")
        shape = outputs[key].shape
        count = rows[int(stride)] if stride else sum(rows.values())
        if head == "found":
            fits = shape == (1, columns_of(spec, key), count)
        else:
            width = columns_of(spec, key) or 1
            fits = outputs[key].size == count * width and (width == 1 or shape[-1] == width)
        if not fits:
            return key
    return ""


def decode(outputs: Outputs, spec: DetectorSpec, canvas: Canvas, min_score: float) -> Decoded:
    """Decode what scores high enough.

    Args:
        outputs: By `output_keys`, of shapes without a `misfit`.
        spec: The card's.
        canvas: Size of what the model was shown.
        min_score: Least score.
    """
    if spec.decoder == "yoloface":
        return _decode_yoloface(outputs, min_score)
    levels = [
        _LEVELS[spec.decoder](_level(outputs, spec, place, canvas), min_score)
        for place in range(len(spec.strides))
    ]
    return Decoded(
        np.concatenate([level.scores for level in levels]),
        np.concatenate([level.boxes for level in levels]),
        np.concatenate([level.points for level in levels]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The outputs of one stride: (N,), (N, 4), (N, 10); and where its boxes start from."""

    scores: Floats
    boxes: Floats
    points: Floats
    stride: int
    columns: int
    anchors: tuple[int, ...]
    per_cell: int
    variances: tuple[float, float]

    def kept(self, min_score: float) -> NDArray[np.intp]:
        """Return the rows that score high enough."""
        return np.flatnonzero(self.scores >= min_score)

    def cells(self, rows: NDArray[np.intp]) -> Floats:
        """Return float32 (N, 2) column and row of the cells that rows belong to."""
        cells = rows // self.per_cell
        return np.stack([cells % self.columns, cells // self.columns], axis=1).astype(np.float32)


def _boxes_of(spec: DetectorSpec, stride: int, canvas: Canvas) -> int:
    return (canvas[0] // stride) * (canvas[1] // stride) * spec.per_cell


def _level(outputs: Outputs, spec: DetectorSpec, place: int, canvas: Canvas) -> _Level:
    stride, each = spec.strides[place], spec.per_cell
    if spec.decoder == "retinaface":
        start = sum(_boxes_of(spec, before, canvas) for before in spec.strides[:place])
        rows = slice(start, start + _boxes_of(spec, stride, canvas))
        scores = outputs["score"].reshape(-1, 2)[rows, 1]
        boxes, points = outputs["bbox"].reshape(-1, 4)[rows], outputs["kps"].reshape(-1, 10)[rows]
    else:
        scores = _scores(outputs, spec.decoder, stride)
        boxes = outputs[f"bbox_{stride}"].reshape(-1, 4)
        points = outputs[f"kps_{stride}"].reshape(-1, 10)
    return _Level(
        scores=scores,
        boxes=boxes,
        points=points,
        stride=stride,
        columns=canvas[1] // stride,
        anchors=spec.anchors[place * each : (place + 1) * each],
        per_cell=each,
        variances=spec.variances,
    )


def _scores(outputs: Outputs, decoder: str, stride: int) -> Floats:
    if decoder != "yunet":
        return outputs[f"score_{stride}"].reshape(-1)
    classes = np.clip(outputs[f"cls_{stride}"].reshape(-1), 0, 1)
    objects = np.clip(outputs[f"obj_{stride}"].reshape(-1), 0, 1)
    return cast(Floats, np.sqrt(classes * objects))


def _decode_centres(level: _Level, min_score: float) -> Decoded:
    rows = level.kept(min_score)
    cells, raw = level.cells(rows), level.boxes[rows]
    centres = (cells + raw[:, :2]) * level.stride
    sizes = np.exp(np.clip(raw[:, 2:], -_MAX_LOG_SIZE, _MAX_LOG_SIZE)) * level.stride
    points = (cells[:, None] + level.points[rows].reshape(-1, 5, 2)) * level.stride
    return Decoded(level.scores[rows], _around(centres, sizes), points)


def _decode_distances(level: _Level, min_score: float) -> Decoded:
    rows = level.kept(min_score)
    cells, raw = level.cells(rows), level.boxes[rows]
    low, high = (cells - raw[:, :2]) * level.stride, (cells + raw[:, 2:]) * level.stride
    points = (cells[:, None] + level.points[rows].reshape(-1, 5, 2)) * level.stride
    return Decoded(level.scores[rows], np.concatenate([low, high - low], axis=1), points)


def _decode_anchors(level: _Level, min_score: float) -> Decoded:
    rows = level.kept(min_score)
    raw, (offset, size) = level.boxes[rows], level.variances
    centres = (level.cells(rows) + np.float32(0.5)) * level.stride
    sides = np.array(level.anchors, np.float32)[rows % level.per_cell][:, None]
    moved = centres + raw[:, :2] * np.float32(offset) * sides
    logs = np.clip(raw[:, 2:] * np.float32(size), -_MAX_LOG_SIZE, _MAX_LOG_SIZE)
    away = level.points[rows].reshape(-1, 5, 2) * np.float32(offset) * sides[:, None]
    return Decoded(
        level.scores[rows], _around(moved, np.exp(logs) * sides), centres[:, None] + away
    )


def _decode_yoloface(outputs: Outputs, min_score: float) -> Decoded:
    found = outputs["found"][0]
    found = found[:, found[4] >= min_score].T
    points = found[:, 5:].reshape(-1, _LANDMARKS, 3)[..., :2]
    return Decoded(found[:, 4], _around(found[:, :2], found[:, 2:4]), points)


def _around(centres: Floats, sizes: Floats) -> Floats:
    return np.concatenate([centres - sizes / 2, sizes], axis=1)


_LEVELS: dict[str, Callable[[_Level, float], Decoded]] = {
    "points": _decode_centres,
    "yunet": _decode_centres,
    "scrfd": _decode_distances,
    "retinaface": _decode_anchors,
}
