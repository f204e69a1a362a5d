"""Decode the exported model's outputs in NumPy, as the runtime does, for measuring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.detector.assign import STRIDES

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in one picture, best first.

    Attributes:
        boxes: float32 (G, 4) x, y, width, height in pixels.
        scores: float32 (G,), 0..1.
        points: float32 (G, 5, 2).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    points: NDArray[np.float32]


def decode(outputs: dict[str, NDArray[np.float32]], width: int, threshold: float) -> Found:
    """Turn raw outputs into faces above ``threshold``, overlaps kept.

    Args:
        outputs: score_s, bbox_s and kps_s of every stride.
        width: of the padded frame, which says how long a row of cells is.
        threshold: lowest score kept.
    """
    boxes, scores, points = [], [], []
    for stride in STRIDES:
        score = outputs[f"score_{stride}"][0, :, 0]
        kept = np.flatnonzero(score >= threshold)
        row, column = np.divmod(kept, width // stride)
        cell = np.stack((column, row), 1).astype(np.float32)
        numbers = outputs[f"bbox_{stride}"][0, kept]
        centre = (cell + numbers[:, :2]) * stride
        size = np.exp(numbers[:, 2:]) * stride
        boxes.append(np.concatenate((centre - size / 2, size), 1))
        offsets = outputs[f"kps_{stride}"][0, kept].reshape(-1, 5, 2)
        points.append((cell[:, None] + offsets) * stride)
        scores.append(score[kept])
    return Found(np.concatenate(boxes), np.concatenate(scores), np.concatenate(points))


def suppressed(found: Found, limit: float = 0.4) -> Found:
    """Keep the best of faces that overlap by more than ``limit`` (IoU)."""
    order = np.argsort(-found.scores, kind="stable")
    low, high = found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]
    area, kept = found.boxes[:, 2:].prod(1), []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        corner = np.minimum(high[best], high[rest]) - np.maximum(low[best], low[rest])
        shared = np.clip(corner, 0, None).prod(1)
        order = rest[shared / (area[best] + area[rest] - shared + 1e-9) <= limit]
    return Found(found.boxes[kept], found.scores[kept], found.points[kept])


class Runner:
    """The exported model on pictures of any size."""

    def __init__(self, model: Path, threads: int = 2) -> None:
        """Open the ONNX file."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self.names = [output.name for output in self.session.get_outputs()]

    def one_scale(self, picture: Picture, threshold: float) -> Found:
        """Find faces in uint8 (H, W, 3) BGR at its own size, padded to multiples of 32."""
        height, width = picture.shape[:2]
        padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.uint8)
        padded[:height, :width] = picture
        frame = padded[None, ..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255
        values = self.session.run(None, {"frame": np.ascontiguousarray(frame)})
        outputs = dict(zip(self.names, values, strict=True))
        return decode(outputs, padded.shape[1], threshold)

    def detect(self, picture: Picture, threshold: float, sides: tuple[int, ...] = ()) -> Found:
        """Find faces with the picture brought to each long side in ``sides``; none: as it is."""
        longest = max(picture.shape[:2])
        parts = []
        for side in sides or (longest,):
            factor = min(1.0, side / longest)
            size = (max(1, round(picture.shape[1] * factor)), round(picture.shape[0] * factor))
            small = picture
            if factor < 1:
                size = (size[0], max(1, size[1]))
                small = cast(Picture, cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
            found = self.one_scale(small, threshold)
            parts.append(Found(found.boxes / factor, found.scores, found.points / factor))
        return suppressed(
            Found(
                np.concatenate([p.boxes for p in parts]),
                np.concatenate([p.scores for p in parts]),
                np.concatenate([p.points for p in parts]),
            )
        )
