"""The label's words as pixels: one rendering for every OpenCV, from outlines shipped with us.

OpenCV 5 can draw Chinese and OpenCV 4 cannot, so neither draws text here: the outlines of the few
glyphs needed are filled as polygons, large, and averaged down.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.records import LabelLanguage

TEXTS: dict[LabelLanguage, str] = {
    "zh": "AI合成",
    "en": "AI-generated",
    "both": "AI合成 AI-generated",
}
"""What the label says. GB 45438-2025 asks for AI (or 人工智能) with 生成 or 合成."""

_OUTLINES = Path(__file__).with_name("fonts") / "label-outlines.json"
_TALL = frozenset("AI合成")  # capitals and ideographs: what the height of a text is measured by
_SAMPLING = 8  # subpixels per pixel and axis
_SHIFT = 4  # fractional bits of cv2.fillPoly's coordinates
_FULL = 230  # coverage of 255 from which a pixel counts as ink when heights are measured
_PADDING = 0.2  # em between the ink and the plate's edge
_CORNER = 0.25  # em, radius of the plate's corners

PLATE_OPACITY = 0.75
"""Black behind the ink. White ink needs a ground of luminance <= 1.05/4.5 - 0.05 = 0.183, which is
118 of 255 in sRGB: opacity 0.54 over white. The rest is reserve for JPEG and video coding."""


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """The label as two arrays: frame' = frame * keep / 255 + add.

    Attributes:
        keep: uint8 (h, w, 3), how much of the frame stays, 0 to 255; read-only.
        add: uint8 (h, w, 3) BGR, the light added; read-only.
        ink: x, y, width, height of the ink inside the stamp, pixels.
        tall: Height of the lowest capital or ideograph, pixels of solid ink.
    """

    keep: NDArray[np.uint8]
    add: NDArray[np.uint8]
    ink: tuple[int, int, int, int]
    tall: int


@lru_cache(maxsize=1)
def _outlines() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_OUTLINES.read_text(encoding="utf-8"))
    return content


@lru_cache(maxsize=8)
def _layout(text: str) -> tuple[tuple[tuple[bool, tuple[NDArray[np.float64], ...]], ...], float]:
    """Return per glyph (is tall, contours) in em, x running on, y up; and the width in em."""
    units = float(_outlines()["units_per_em"])
    pen, glyphs = 0.0, []
    for char in text:
        glyph = _outlines()["glyphs"][char]
        contours = tuple(
            np.asarray(contour, np.float64) / units + (pen, 0.0) for contour in glyph["contours"]
        )
        glyphs.append((char in _TALL, contours))
        pen += glyph["advance"] / units
    return tuple(glyphs), pen


@lru_cache(maxsize=8)
def _extent(text: str) -> tuple[float, float, float, float]:
    """Return left, right, bottom, top of the text's outlines, in em, y up."""
    points = np.concatenate([c for _, contours in _layout(text)[0] for c in contours])
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    return float(left), float(right), float(bottom), float(top)


def em_for(text: str, height: int) -> float:
    """Return the font size, pixels per em, that fills a plate of `height` pixels."""
    _, _, bottom, top = _extent(text)
    return height / (top - bottom + 2 * _PADDING)


def _even(value: float) -> int:
    return 2 * int(np.ceil(value / 2))


def _fill(contours: tuple[NDArray[np.float64], ...], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the coverage, uint8 (h, w) 0 to 255, of contours in pixels, y down."""
    width, height = size
    large = np.zeros((height * _SAMPLING, width * _SAMPLING), np.uint8)
    if contours:
        # A sample stands for the middle of its cell, hence the half.
        scaled = [np.rint((c * _SAMPLING - 0.5) * (1 << _SHIFT)).astype(np.int32) for c in contours]
        cv2.fillPoly(large, scaled, (255,), lineType=cv2.LINE_8, shift=_SHIFT)
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _rounded(width: int, height: int, radius: float) -> tuple[NDArray[np.float64], ...]:
    angles = np.linspace(0, np.pi / 2, 16)
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    corners = []
    for turn, (x, y) in enumerate(
        [(width - radius, height - radius), (radius, height - radius), (radius, radius),
         (width - radius, radius)]
    ):  # fmt: skip
        cos, sin = round(np.cos(turn * np.pi / 2)), round(np.sin(turn * np.pi / 2))
        corners.append(arc @ np.array([[cos, sin], [-sin, cos]]) * radius + (x, y))
    return (np.concatenate(corners),)


def _rows(coverage: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(coverage.max(axis=1) >= _FULL))


@lru_cache(maxsize=64)
def stamp(language: LabelLanguage, height: int) -> Stamp:
    """Return the label in `language` on a plate of `height` pixels (an even number).

    Everything else follows from the height, so that the same height is always the same picture.
    """
    text = TEXTS[language]
    glyphs, _ = _layout(text)
    left, right, _, top = _extent(text)
    em = em_for(text, height)
    size = (_even((right - left + 2 * _PADDING) * em), height)
    shift = np.array([size[0] / em / 2 - (left + right) / 2, top + _PADDING])
    ink = np.zeros((height, size[0]), np.uint8)
    lowest = height
    for tall, contours in glyphs:
        placed = tuple((c * (1.0, -1.0) + shift) * em for c in contours)
        drawn = _fill(placed, size)
        ink = np.maximum(ink, drawn)
        if tall:
            lowest = min(lowest, _rows(drawn))
    plate = _fill(_rounded(size[0], height, _CORNER * em), size).astype(np.float32)
    cover = ink.astype(np.float32) / 255
    keep = np.rint((255 - plate * PLATE_OPACITY) * (1 - cover)).astype(np.uint8)
    x, y, w, h = cv2.boundingRect((ink >= _FULL).astype(np.uint8))
    arrays = [np.repeat(a[:, :, None], 3, axis=2) for a in (keep, ink)]
    for array in arrays:
        array.setflags(write=False)
    return Stamp(keep=arrays[0], add=arrays[1], ink=(x, y, w, h), tall=lowest)
