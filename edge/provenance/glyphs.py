"""The label's words as pixels: one rendering for every OpenCV, from outlines shipped with us.

OpenCV 5 can draw Chinese and OpenCV 4 cannot, so neither draws text here: the outlines of the few
glyphs needed are filled as polygons, large, and averaged down.

The style `words` is the text. `eu-icon` is an icon of the letters AI with the word beside it, after
the European Union's Code of Practice on marking AI-generated content; its official drawing was not
at hand, so the tile is our own.
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

    from edge.records import LabelLanguage, LabelStyle

    _Contours = tuple[NDArray[np.float64], ...]

TEXTS: dict[LabelLanguage, str] = {
    "zh": "AI合成",
    "en": "AI-generated",
    "both": "AI合成 AI-generated",
}
"""What the label says. GB 45438-2025 asks for AI (or 人工智能) with 生成 or 合成."""

_AFTER_ICON: dict[LabelLanguage, str] = {"zh": "合成", "en": "MODIFIED", "both": "合成 MODIFIED"}
"""What stands beside the icon AI. A swap changes a picture that was there: it is MODIFIED."""

_OUTLINES = Path(__file__).with_name("fonts") / "label-outlines.json"
_TALL = frozenset("AIMODFE合成")  # capitals and ideographs: they say how high a text is
_SAMPLING = 8  # subpixels per pixel and axis
_SHIFT = 4  # fractional bits of cv2.fillPoly's coordinates
_FULL = 230  # coverage of 255 from which a pixel counts as ink when heights are measured
_PADDING = 0.2  # em between the ink and the plate's edge
_CORNER = 0.25  # em, radius of the plate's corners

_ICON_LETTERS = 1.2  # em of the letters in the icon, as many times that of the words
_ICON_SPACE = 0.2  # em around the letters in the icon
_ICON_GAP = 0.24  # em between the icon and the words

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


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """One filled shape of a label: contours in em, x running on, y up.

    `cut` takes its ink away from the shapes before it; the height of a `tall` one counts.
    """

    contours: _Contours
    tall: bool
    cut: bool = False

    def moved(self, scale: float, shift: tuple[float, float], *, cut: bool) -> _Shape:
        return _Shape(tuple(c * scale + shift for c in self.contours), self.tall, cut)


def _words(text: str) -> tuple[tuple[_Shape, ...], float]:
    """Return the glyphs of a text, from x = 0 on, and its width in em."""
    units = float(_outlines()["units_per_em"])
    pen, glyphs = 0.0, []
    for char in text:
        glyph = _outlines()["glyphs"][char]
        contours = tuple(
            np.asarray(contour, np.float64) / units + (pen, 0.0) for contour in glyph["contours"]
        )
        glyphs.append(_Shape(contours, char in _TALL))
        pen += glyph["advance"] / units
    return tuple(glyphs), pen


@lru_cache(maxsize=8)
def _shapes(language: LabelLanguage, style: LabelStyle) -> tuple[_Shape, ...]:
    if style == "words":
        return _words(TEXTS[language])[0]
    letters, _ = _words("AI")
    left, right, bottom, top = _extent(letters)
    middle = (top + bottom) / 2  # the icon's letters and the words have one middle line
    scale, space = _ICON_LETTERS, _ICON_SPACE
    width, height = (right - left) * scale + 2 * space, (top - bottom) * scale + 2 * space
    ground = _rounded(width, height, _CORNER)
    tile = _Shape(ground, tall=False).moved(1.0, (0.0, middle - height / 2), cut=False)
    place = (space - left * scale, middle * (1 - scale))
    holes = [letter.moved(scale, place, cut=True) for letter in letters]
    words = _words(_AFTER_ICON[language])[0]
    begin = width + _ICON_GAP - _extent(words)[0]
    return (tile, *holes, *(word.moved(1.0, (begin, 0.0), cut=False) for word in words))


def _extent(shapes: tuple[_Shape, ...]) -> tuple[float, float, float, float]:
    """Return left, right, bottom, top of shapes, in em, y up."""
    points = np.concatenate([c for shape in shapes for c in shape.contours])
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    return float(left), float(right), float(bottom), float(top)


def text_of(language: LabelLanguage, style: LabelStyle) -> str:
    """Return what a label says, the letters of an icon included."""
    if style == "words":
        return TEXTS[language]
    after = _AFTER_ICON[language]
    return f"AI {after}" if after.isascii() else f"AI{after}"


@lru_cache(maxsize=8)
def _outer(language: LabelLanguage, style: LabelStyle) -> tuple[float, float, float, float]:
    return _extent(_shapes(language, style))


def em_for(language: LabelLanguage, style: LabelStyle, height: int) -> float:
    """Return the font size, pixels per em, that fills a plate of `height` pixels."""
    _, _, bottom, top = _outer(language, style)
    return height / (top - bottom + 2 * _PADDING)


def _even(value: float) -> int:
    return 2 * int(np.ceil(value / 2))


def _fill(contours: _Contours, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the coverage, uint8 (h, w) 0 to 255, of contours in pixels, y down."""
    filled = np.zeros(size[::-1], np.uint8)
    if not contours:
        return filled
    # A glyph is a small part of its plate: what lies around it is not drawn many times over.
    points = np.concatenate(contours)
    left, top = np.clip(np.floor(points.min(axis=0)).astype(int) - 1, 0, size)
    right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, 0, size)
    if left >= right or top >= bottom:
        return filled
    large = np.zeros(((bottom - top) * _SAMPLING, (right - left) * _SAMPLING), np.uint8)
    # A sample stands for the middle of its cell, hence the half.
    scaled = [
        np.rint(((c - (left, top)) * _SAMPLING - 0.5) * (1 << _SHIFT)).astype(np.int32)
        for c in contours
    ]
    cv2.fillPoly(large, scaled, (255,), lineType=cv2.LINE_8, shift=_SHIFT)
    part = (int(right - left), int(bottom - top))
    filled[top:bottom, left:right] = cv2.resize(large, part, interpolation=cv2.INTER_AREA)
    return filled


def _rounded(width: float, height: float, radius: float) -> _Contours:
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
def stamp(language: LabelLanguage, height: int, style: LabelStyle = "words") -> Stamp:
    """Return the label in `language` on a plate of `height` pixels (an even number).

    Everything else follows from the height, so that the same height is always the same picture.
    """
    shapes = _shapes(language, style)
    left, right, _, top = _outer(language, style)
    em = em_for(language, style, height)
    size = (_even((right - left + 2 * _PADDING) * em), height)
    shift = np.array([size[0] / em / 2 - (left + right) / 2, top + _PADDING])
    ink = np.zeros((height, size[0]), np.uint8)
    lowest = height
    for shape in shapes:
        placed = tuple((c * (1.0, -1.0) + shift) * em for c in shape.contours)
        drawn = _fill(placed, size)
        ink = np.minimum(ink, 255 - drawn) if shape.cut else np.maximum(ink, drawn)
        if shape.tall:
            lowest = min(lowest, _rows(drawn))
    plate = _fill(_rounded(size[0], height, _CORNER * em), size).astype(np.float32)
    cover = ink.astype(np.float32) / 255
    keep = np.rint((255 - plate * PLATE_OPACITY) * (1 - cover)).astype(np.uint8)
    x, y, w, h = cv2.boundingRect((ink >= _FULL).astype(np.uint8))
    arrays = [np.repeat(a[:, :, None], 3, axis=2) for a in (keep, ink)]
    for array in arrays:
        array.setflags(write=False)
    return Stamp(keep=arrays[0], add=arrays[1], ink=(x, y, w, h), tall=lowest)
