"""Find faces: boxes, scores and five landmarks, in frames of any size.

A detector sees faces of some sizes best. So a large picture is looked at several times, each time
shrunk to another size; what several looks found alike is merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER
from edge.contracts import Card, DetectorSpec
from edge.errors import CardError, ModelError, UsageError
from edge.faces.landmarks import Landmarker, open_landmarker
from edge.loading import check_fit, open_card, use_of
from edge.records import Face, ModelUse
from edge.tensors import to_tensor

Floats = NDArray[np.float32]

PICTURE_PASSES = (320, 640, 1280, 1920)
"""Longest sides, in pixels, at which a picture is looked at; a frame is never enlarged.

The first one is for a face that fills the picture, the last for a crowd in the distance.
"""

VIDEO_PASSES = (320, 640)
"""The same for a frame of a video or a camera, where time matters more than faces far away."""

_MIN_SIDE = 96  # a smaller frame is padded to this: the largest stride needs some cells to work on
_MULTIPLE = 32  # the largest stride
_MAX_LOG_SIZE = 8.0  # exp(8) cells are more than any frame has; keeps exp() from overflowing

# In every pass but the coarsest, larger faces are dropped: the coarser one saw them whole and at a
# better size, and what looks like a face inside a huge face (an eye, a mouth) is none.
_LARGEST_IN_FINER_PASS = 256.0
# Between these sides, in pixels of a pass, a face is neither too small to be placed well nor too
# large for the detector's field of view.
_BEST_SIDES = (40.0, 320.0)
_NESTED = 0.8  # a box that lies inside a better one by this share is a part of that face


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """What one pass found: float32 arrays of N rows, in frame pixels but for `sides`.

    Attributes:
        scores: (N,) in [0, 1].
        boxes: (N, 4) x, y, width, height.
        points: (N, 5, 2) x, y.
        sides: (N,) longer side of the box in pixels of the pass.
    """

    scores: Floats
    boxes: Floats
    points: Floats
    sides: Floats

    def take(self, rows: NDArray[Any]) -> _Candidates:
        return _Candidates(self.scores[rows], self.boxes[rows], self.points[rows], self.sides[rows])


def _scores_points(outputs: Mapping[str, Floats], stride: int) -> Floats:
    return outputs[f"score_{stride}"].reshape(-1)


def _scores_yunet(outputs: Mapping[str, Floats], stride: int) -> Floats:
    # As OpenCV's FaceDetectorYN has it.
    classes = np.clip(outputs[f"cls_{stride}"].reshape(-1), 0, 1)
    objects = np.clip(outputs[f"obj_{stride}"].reshape(-1), 0, 1)
    return cast(Floats, np.sqrt(classes * objects))


_SCORES = {"points": _scores_points, "yunet": _scores_yunet}
_HEADS = {"points": ("score", "bbox", "kps"), "yunet": ("cls", "obj", "bbox", "kps")}


def _output_names(spec: DetectorSpec) -> list[str]:
    return [f"{head}_{stride}" for stride in spec.strides for head in _HEADS[spec.decoder]]


def _decode_level(
    outputs: Mapping[str, Floats], spec: DetectorSpec, stride: int, columns: int, min_score: float
) -> tuple[Floats, Floats, Floats]:
    """Decode the cells of one stride that score high enough; everything in pixels of the pass.

    Cells are numbered row by row. Centre = (cell + d) * stride, size = exp(d) * stride, and a
    landmark = (cell + d) * stride.
    """
    scores = _SCORES[spec.decoder](outputs, stride)
    kept = np.flatnonzero(scores >= min_score)  # false for NaN
    scores = scores[kept]
    cells = np.stack([kept % columns, kept // columns], axis=1).astype(np.float32)
    raw = outputs[f"bbox_{stride}"].reshape(-1, 4)[kept]
    centres = (cells + raw[:, :2]) * stride
    sizes = np.exp(np.clip(raw[:, 2:], -_MAX_LOG_SIZE, _MAX_LOG_SIZE)) * stride
    boxes = np.concatenate([centres - sizes / 2, sizes], axis=1)
    offsets = outputs[f"kps_{stride}"].reshape(-1, 5, 2)[kept]
    points = (cells[:, None] + offsets) * stride
    return scores, boxes, points


def _sane(found: _Candidates, width: int, height: int) -> NDArray[np.bool_]:
    """Tell which candidates can be faces: finite, not a dot, centred in the frame."""
    finite = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.points).all(axis=(1, 2))
    centre = found.boxes[:, :2] + found.boxes[:, 2:] / 2
    inside = (centre >= 0).all(axis=1) & (centre[:, 0] < width) & (centre[:, 1] < height)
    spread = (found.points.max(axis=1) - found.points.min(axis=1)).max(axis=1)
    return cast(
        NDArray[np.bool_], finite & inside & (found.boxes[:, 2:].min(axis=1) >= 1) & (spread >= 1)
    )


def _overlaps(boxes: Floats, one: Floats) -> tuple[Floats, Floats]:
    """Return intersection over union, and intersection over the boxes' own areas."""
    low = np.maximum(boxes[:, :2], one[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], one[:2] + one[2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:], axis=1)
    union = areas + np.prod(one[2:]) - common
    return common / np.maximum(union, 1e-6), common / np.maximum(areas, 1e-6)


def _suppress(
    found: _Candidates, order_by: Floats, iou: float, nested: float, vote: float
) -> _Candidates:
    """Keep the best of every group of boxes that overlap (greedy non-maximum suppression).

    With `vote` above 0 what is kept is placed by all candidates that overlap it by so much, each
    by its squared worth: neighbouring cells err independently, and their mean errs less.
    """
    left = np.argsort(-order_by, kind="stable")
    everybody = left
    kept, boxes, points = [], [], []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        voters = everybody[_overlaps(found.boxes[everybody], found.boxes[best])[0] >= vote]
        if vote <= 0 or voters.size < 2:
            voters = np.array([best])
        weights = np.maximum(order_by[voters], 1e-6) ** 2
        boxes.append(np.average(found.boxes[voters], axis=0, weights=weights))
        points.append(np.average(found.points[voters], axis=0, weights=weights))
        union, inside = _overlaps(found.boxes[left], found.boxes[best])
        left = left[(union <= iou) & (inside <= nested)]
    if not kept:
        return found
    rows = np.array(kept, np.intp)
    return _Candidates(
        found.scores[rows],
        np.asarray(boxes, np.float32),
        np.asarray(points, np.float32),
        found.sides[rows],
    )


def _fitness(found: _Candidates) -> Floats:
    """Score, lowered by the octaves that a face's size is away from what is seen best."""
    low, high = _BEST_SIDES
    sides = np.maximum(found.sides, 1e-3)
    octaves = np.maximum(np.log2(low / sides), np.log2(sides / high)).clip(0)
    return cast(Floats, found.scores / (1 + octaves))


def _joined(parts: Sequence[_Candidates]) -> _Candidates:
    return _Candidates(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.sides for part in parts]),
    )


def _padded(side: int) -> int:
    return -(-max(side, _MIN_SIDE) // _MULTIPLE) * _MULTIPLE


class Detector:
    """A face detector: a card and an open session.

    Attributes:
        card: The model's contract.
        uses: How the models run, for manifest and ledger: its own, and that of its landmarker.
    """

    def __init__(self, card: Card, session: Session, landmarker: Landmarker | None = None) -> None:
        """Join card and session.

        Args:
            card: The model's contract.
            session: The open model.
            landmarker: Places the landmarks of each face that is found.

        Raises:
            ModelError: The model does not fit its card.
        """
        if card.detector is None:
            raise CardError(f"model '{card.name}' is a {card.kind}, but a detector is needed here")
        check_fit(card, session, [card.input.name], _output_names(card.detector))
        self.card = card
        own: ModelUse = use_of(card, session)
        self.uses = (own,) if landmarker is None else (own, landmarker.use)
        self._landmarker = landmarker
        self._spec = card.detector
        self._session = session

    def detect(
        self,
        frame: NDArray[np.uint8],
        *,
        min_score: float | None = None,
        passes: Sequence[int] = PICTURE_PASSES,
    ) -> tuple[Face, ...]:
        """Find the faces in a frame.

        Args:
            frame: uint8 (H, W, 3) BGR, of any size.
            min_score: Faces below this score in [0, 1] are left out; the card's own by default.
            passes: Longest sides in pixels at which the frame is looked at. A model of fixed
                input size looks once, at that size.

        Returns:
            The faces, largest first, in frame pixels.

        Raises:
            UsageError: min_score or passes make no sense.
            BackendError: The engine failed.
        """
        threshold = self._spec.score_threshold if min_score is None else min_score
        if not 0 <= threshold <= 1:
            raise UsageError(f"min_score must lie between 0 and 1, not {threshold:g}")
        height, width = frame.shape[:2]
        found = [
            self._look(frame, scale, threshold) for scale in self._scales(width, height, passes)
        ]
        merged = self._merge(found)
        faces = [
            Face(
                box=(float(x), float(y), float(w), float(h)),
                score=min(float(score), 1.0),
                landmarks=points.astype(np.float32),
            )
            for (x, y, w, h), score, points in zip(
                merged.boxes, merged.scores, merged.points, strict=True
            )
        ]
        if self._landmarker is not None:
            faces = [self._landmarker.place(frame, face) for face in faces]
        return tuple(sorted(faces, key=lambda face: -face.box[2] * face.box[3]))

    def _scales(self, width: int, height: int, passes: Sequence[int]) -> list[float]:
        """Return the factors at which the frame is looked at, coarsest first."""
        rows, columns = self._spec_size()
        if rows:
            return [min(1.0, columns / width, rows / height)]
        if not passes or min(passes) < _MULTIPLE:
            raise UsageError(f"passes must be sides of at least {_MULTIPLE} pixels: {passes}")
        longest = max(width, height)
        return sorted({min(1.0, side / longest) for side in passes})

    def _spec_size(self) -> tuple[int, int]:
        rows, columns = self.card.input.shape[2:]
        return (rows, columns) if rows and columns else (0, 0)

    def _look(self, frame: NDArray[np.uint8], scale: float, min_score: float) -> _Candidates:
        """Look at the frame once, shrunk by `scale`, with black to the right and below."""
        height, width = frame.shape[:2]
        columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
        picture = frame
        if (columns, rows) != (width, height):
            picture = cast(
                NDArray[np.uint8],
                cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA),
            )
        fixed_rows, fixed_columns = self._spec_size()
        full_rows, full_columns = fixed_rows or _padded(rows), fixed_columns or _padded(columns)
        canvas = np.zeros((full_rows, full_columns, 3), np.uint8)
        canvas[:rows, :columns] = picture
        outputs = self._run(canvas)
        stretch = np.array([width / columns, height / rows], np.float32)
        return self._decode(outputs, (full_rows, full_columns), stretch, (width, height), min_score)

    def _run(self, canvas: NDArray[np.uint8]) -> dict[str, Floats]:
        tensor = to_tensor(canvas, self.card.input)
        results = self._session.run({self.card.input.name: tensor})
        outputs = dict(zip(self._session.outputs, results, strict=True))
        widths = {"bbox": 4, "kps": 10}
        for stride in self._spec.strides:
            cells = (canvas.shape[0] // stride) * (canvas.shape[1] // stride)
            for head in _HEADS[self._spec.decoder]:
                name = f"{head}_{stride}"
                if outputs[name].size != cells * widths.get(head, 1):
                    raise ModelError(
                        f"model {self.card.name}: does not fit its card: output {name} has shape "
                        f"{outputs[name].shape} for {cells} cells"
                    )
        return outputs

    def _decode(
        self,
        outputs: Mapping[str, Floats],
        canvas: tuple[int, int],
        stretch: Floats,
        size: tuple[int, int],
        min_score: float,
    ) -> _Candidates:
        levels = [
            _decode_level(outputs, self._spec, stride, canvas[1] // stride, min_score)
            for stride in self._spec.strides
        ]
        scores, boxes, points = (np.concatenate(part) for part in zip(*levels, strict=True))
        found = _Candidates(
            scores, boxes * np.tile(stretch, 2), points * stretch, boxes[:, 2:].max(axis=1)
        )
        found = found.take(_sane(found, *size))
        return _suppress(found, found.scores, self._spec.nms_iou, 1.0, self._spec.vote_iou)

    def _merge(self, found: Sequence[_Candidates]) -> _Candidates:
        if len(found) == 1:
            return found[0]
        coarse, *finer = found
        small = [part.take(part.sides <= _LARGEST_IN_FINER_PASS) for part in finer]
        everything = _joined([coarse, *small])
        worth = _fitness(everything)
        return _suppress(everything, worth, self._spec.nms_iou, _NESTED, self._spec.vote_iou)


def open_detector(
    name: str = "ref_detector",
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
) -> Detector:
    """Open a detector, and the landmarker that its card names.

    See `edge.loading.open_card` for arguments and errors. The landmarker runs in the same engine,
    where there is a file of it for that engine.
    """
    card, session = open_card(
        name, "detector", backend=backend, providers=providers, threads=threads, strict=strict
    )
    if card.detector is None or not card.detector.landmarker:
        return Detector(card, session)
    landmarker = open_landmarker(
        card.detector.landmarker,
        backend=backend,
        providers=providers,
        threads=threads,
        strict=strict,
    )
    return Detector(card, session, landmarker)
