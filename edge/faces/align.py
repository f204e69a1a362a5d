"""Align: the matrix that brings five landmarks to a template, and the crop it cuts out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contracts import CropSpec
from edge.contracts_faces import Template
from edge.errors import UsageError
from edge.faces.templates import TEMPLATE_POINTS
from edge.records import Crop, Face
from edge.rounding import warp

TEMPLATES: dict[str, NDArray[np.float64]] = {
    name: np.array(points, np.float64) for name, points in TEMPLATE_POINTS.items()
}
"""float64 (5, 2) each, x and y in [0, 1] of the crop's side; where they come from: templates.py."""

Row = tuple[float, float, float]
Rows = tuple[Row, Row]
"""A map in Python's own numbers: six of them are no work for arrays."""

_MIN_SPREAD = 1e-6  # squared pixels; below it the five points are one point

_ALIASING_SCALE = 0.5  # bilinear sampling skips pixels when it shrinks by more than two


def points_of(template: Template) -> NDArray[np.float64]:
    """Return a template's points, float64 (5, 2), x and y in sides of the crop.

    Raises:
        UsageError: No template has that name.
    """
    if not isinstance(template, str):
        return np.array(template, np.float64)
    if template not in TEMPLATES:
        raise UsageError(f"no template '{template}'; known: {', '.join(sorted(TEMPLATES))}")
    return TEMPLATES[template]


def similarity(
    landmarks: NDArray[np.floating], template: Template, size: int
) -> NDArray[np.float64]:
    """Find the turn, scale and shift that bring landmarks nearest to a template's points.

    With points as complex numbers, goal = a * point + b is linear in a and b, so that least
    squares has a closed solution; a complex factor can hold no reflection. This is what Umeyama's
    method gives, without its SVD. The same landmarks give the same bits on every processor.

    Args:
        landmarks: float (5, 2) x, y in frame pixels.
        template: A template.
        size: Side of the crop in pixels.

    Returns:
        float64 (2, 3) matrix that takes frame pixels to crop pixels.

    Raises:
        UsageError: No such template, or the landmarks are not finite or fall together.
    """
    points = _points(landmarks).tolist()
    # In Python's own numbers: five points are no work for arrays. And in real ones: products of
    # complex numbers are fused on ARM.
    (u0, v0), goal = _goal(template, size)
    x0, y0 = _centre(points)
    spread = along = across = 0.0
    for (x, y), (u, v) in zip(points, goal, strict=True):
        x -= x0
        y -= y0
        spread += x * x + y * y
        along += x * u + y * v
        across += x * v - y * u
    if spread < _MIN_SPREAD:
        raise UsageError("landmarks fall together in one point: no face can be aligned to them")
    a, b = along / spread, across / spread
    return np.array(((a, -b, u0 - (a * x0 - b * y0)), (b, a, v0 - (b * x0 + a * y0))))


def _centre(points: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the mean of five points."""
    return sum([x for x, _ in points]) / 5, sum([y for _, y in points]) / 5


@lru_cache(maxsize=32)
def _goal(
    template: Template, size: int
) -> tuple[tuple[float, float], tuple[tuple[float, float], ...]]:
    """Return the middle of a template's points in pixels, and where they lie from there."""
    points = (points_of(template) * size).tolist()
    u0, v0 = _centre(points)
    return (u0, v0), tuple((u - u0, v - v0) for u, v in points)


def affine(landmarks: NDArray[np.floating], template: Template, size: int) -> NDArray[np.float64]:
    """Find the affine map, of six degrees of freedom, that brings landmarks nearest to a template.

    Args:
        landmarks: float (5, 2) x, y in frame pixels.
        template: A template.
        size: Side of the crop in pixels.

    Returns:
        float64 (2, 3) matrix that takes frame pixels to crop pixels.

    Raises:
        UsageError: No such template, or the landmarks are not finite, lie on one line, or are
            mirrored.
    """
    start, goal = _points(landmarks), points_of(template) * size
    centre, middle = start.mean(axis=0), goal.mean(axis=0)
    (x, y), (u, v) = (start - centre).T, (goal - middle).T
    xx, xy, yy = (float((one * other).sum()) for one, other in ((x, x), (x, y), (y, y)))
    area = xx * yy - xy * xy
    # Of points on one line the map is anything across it; of mirrored ones it is a reflection.
    if area <= _MIN_SPREAD * max(1.0, xx + yy) ** 2:
        raise UsageError("landmarks lie on one line: no face can be aligned to them")
    rows = [(float((x * goals).sum()), float((y * goals).sum())) for goals in (u, v)]
    linear = np.array(
        [[(yy * p - xy * q) / area, (xx * q - xy * p) / area] for p, q in rows], np.float64
    )
    if linear[0, 0] * linear[1, 1] - linear[0, 1] * linear[1, 0] <= 0:
        raise UsageError("landmarks are mirrored: no face can be aligned to them")
    return _about(linear, centre, middle)


def _about(
    linear: NDArray[np.float64], centre: NDArray[np.float64], goal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the map, float64 (2, 3), that is linear about a centre, which it takes to a goal."""
    shift = goal - (linear[:, 0] * centre[0] + linear[:, 1] * centre[1])
    return np.column_stack([linear, shift])


def _points(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return landmarks as float64 (5, 2), checked."""
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise UsageError("landmarks must be five points with finite coordinates")
    return points


def rows_of(matrix: NDArray[np.float64]) -> Rows:
    """Return a map, float64 (2, 3), in Python's own numbers."""
    (a, b, x), (c, d, y) = matrix.tolist()
    return (a, b, x), (c, d, y)


def way_back(rows: Rows) -> Rows:
    """Return the way back of a similarity or affine map."""
    (a, b, x), (c, d, y) = rows
    area = a * d - b * c
    return (
        (d / area, -b / area, (b * y - d * x) / area),
        (-c / area, a / area, (c * x - a * y) / area),
    )


def enlarges(rows: Rows) -> float:
    """Return how much a map enlarges lengths; the mean of all directions for an affine one."""
    (a, b, _), (c, d, _) = rows
    return math.sqrt(abs(a * d - b * c))


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the way back of a similarity or affine map, float64 (2, 3)."""
    return np.array(way_back(rows_of(matrix)))


def scale_of(matrix: NDArray[np.float64]) -> float:
    """Return how much a map enlarges lengths; the mean of all directions for an affine one."""
    return enlarges(rows_of(matrix))


def align_to(frame: NDArray[np.uint8], face: Face, spec: CropSpec, times: int = 1) -> Crop:
    """Cut out the aligned square that a card asks for; see `align`.

    Args:
        frame: uint8 (H, W, 3) BGR.
        face: A face in it.
        spec: The card's crop.
        times: How many times as large as the card says.

    Raises:
        UsageError: The landmarks are not finite or fall together.
    """
    size = spec.size * times
    matrix = _fitted(face.landmarks, spec, size)
    if spec.offset:
        matrix[:, 2] += spec.offset * times
    return cut(frame, matrix, size)


def _fitted(landmarks: NDArray[np.floating], spec: CropSpec, size: int) -> NDArray[np.float64]:
    if spec.fit == "affine":
        try:
            return affine(landmarks, spec.template, size)
        except UsageError:
            # An extreme profile: its eyes lie on one line with the rest, or have changed places. It
            # must not end a video, or be left as it was where everybody is to be anonymous.
            pass
    return similarity(landmarks, spec.template, size)


def align(frame: NDArray[np.uint8], face: Face, template: Template, size: int) -> Crop:
    """Cut out the aligned square that a model sees.

    What lies outside the frame repeats its edge. Where the face is more than twice as large as
    the crop, its part of the frame is shrunk by averaging first, so that no pixel is skipped.

    Args:
        frame: uint8 (H, W, 3) BGR.
        face: A face in it.
        template: A template.
        size: Side of the crop in pixels.

    Returns:
        The crop, and the matrix that takes frame pixels to crop pixels.

    Raises:
        UsageError: No such template, or the landmarks cannot be aligned.
    """
    return cut(frame, similarity(face.landmarks, template, size), size)


def upright(box: tuple[float, float, float, float], size: int, side: float) -> NDArray[np.float64]:
    """Find the scale and shift that bring a box to the middle of a square.

    Args:
        box: x, y, width, height in frame pixels.
        size: Side of the square in pixels.
        side: Pixels of it that the box's longer side gets.

    Returns:
        float64 (2, 3) matrix that takes frame pixels to the square's.
    """
    x, y, width, height = box
    scale = side / max(width, height, 1.0)
    middle = np.array([x + width / 2, y + height / 2])
    return np.column_stack([np.eye(2) * scale, size / 2 - middle * scale])


def quarter_turns(landmarks: NDArray[np.floating]) -> int:
    """Return how many quarter turns bring the line between the eyes nearest to level: 0 to 3.

    Args:
        landmarks: float (5, 2) x, y; left and right eye come first.
    """
    across, down = np.asarray(landmarks[1] - landmarks[0], np.float64).tolist()
    return round(float(np.arctan2(down, across)) / (np.pi / 2)) % 4


def turned(matrix: NDArray[np.float64], size: int, quarters: int) -> NDArray[np.float64]:
    """Turn what a matrix cuts out about its middle, anticlockwise as seen in the picture.

    Args:
        matrix: float64 (2, 3) frame to crop.
        size: Side of the crop in pixels.
        quarters: Quarter turns.

    Returns:
        float64 (2, 3).
    """
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters % 4]
    first, second = matrix
    half = size / 2
    moved = np.stack([cos * first + sin * second, -sin * first + cos * second])
    moved[:, 2] += (half - (cos + sin) * half, half - (cos - sin) * half)
    return moved


def cut(frame: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> Crop:
    """Cut out a square; see `align`.

    Args:
        frame: uint8 (H, W, 3) BGR.
        matrix: float64 (2, 3) frame to crop.
        size: Side of the crop in pixels.
    """
    part, way = _part(frame, matrix, size)
    # Four channels and back: OpenCV's warp has no fast path for three.
    crop = warp(
        cast(NDArray[np.uint8], cv2.cvtColor(part, cv2.COLOR_BGR2BGRA)),
        way,
        (size, size),
        cv2.INTER_LINEAR,
        cv2.BORDER_REPLICATE,
    )
    shown = cv2.cvtColor(crop, cv2.COLOR_BGRA2BGR)
    return Crop(picture=cast(NDArray[np.uint8], shown), matrix=matrix)


def _part(
    frame: NDArray[np.uint8], matrix: NDArray[np.float64], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the part of the frame where the crop lies, and the matrix from there.

    The part is halved as often as the crop still shrinks by two or more: averaging 2 x 2 pixels is
    the one step that OpenCV has a fast path for.
    """
    there = rows_of(matrix)
    scale = enlarges(there)
    halvings = int(math.log2(1 / scale)) if scale < _ALIASING_SCALE else 0
    factor = 1 << halvings
    low, high = -0.5, size - 0.5
    spans = []
    for (a, b, c), most in zip(way_back(there), frame.shape[1::-1], strict=True):
        p, q, r, s = a * low, a * high, b * low, b * high
        places = (p + r + c, p + s + c, q + r + c, q + s + c)
        # One block of margin, for the bilinear neighbours; a crop far outside repeats the edge.
        first = min(max(math.floor(min(places)) - factor, 0), most - 1)
        spans.append((first, min(max(math.ceil(max(places)) + factor + 1, first + 1), most)))
    (x0, x1), (y0, y1) = spans
    columns, rows = (x1 - x0) // factor, (y1 - y0) // factor
    if columns < 1 or rows < 1:
        return frame, matrix  # only a sliver of it is in the frame: nothing to average
    part = frame[y0 : y0 + rows * factor, x0 : x0 + columns * factor]
    for step in range(halvings - 1, -1, -1):
        part = cast(
            NDArray[np.uint8],
            cv2.resize(part, (columns << step, rows << step), interpolation=cv2.INTER_AREA),
        )
    # The centre of small pixel u lies at factor * u + (factor - 1) / 2 in the part.
    centre = (factor - 1) / 2
    (a, b, c), (d, e, f) = there
    x, y = x0 + centre, y0 + centre
    shrunk = (
        (a * factor, b * factor, a * x + b * y + c),
        (d * factor, e * factor, d * x + e * y + f),
    )
    return part, np.array(shrunk)
