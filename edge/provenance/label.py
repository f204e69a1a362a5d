"""The visible label: which words, how large, where, and the drawing itself.

GB 45438-2025 asks for text at least 5 % as high as the picture's shorter side. A font size is not
that height: here the solid ink of the lowest capital or ideograph is measured, and counts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2

from edge.errors import LabelError
from edge.provenance.glyphs import em_for, stamp, text_of
from edge.records import Corner, LabelLanguage, LabelPlace, LabelStyle, Region
from edge.rounding import product

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INK_SHARE = 0.05
"""Least height of the ink, as a share of the frame's shorter side (GB 45438-2025)."""

MIN_INK = 10
"""Least height of the ink in pixels: below it the words cannot be read."""

MAX_COVER = 1 / 3
"""Largest share of the frame that the label may take; a smaller frame is refused."""

_REFERENCE = 160  # plate height, pixels, at which the ink's share of it is measured
_MARGIN_SHARE = 0.02  # of the shorter side, between the label and the frame's edges
_CORNERS: tuple[Corner, ...] = ("bottom-right", "bottom-left", "top-right", "top-left")


def default_language(environment: Mapping[str, str] | None = None) -> LabelLanguage:
    """Return the label's language for the user's locale: zh for Chinese, else en.

    Args:
        environment: Variables to look at; those of the process by default.
    """
    variables = os.environ if environment is None else environment
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = variables.get(name, "")
        if value:  # POSIX: the first one that is set and not empty decides
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@lru_cache(maxsize=256)
def _plate_height(language: LabelLanguage, style: LabelStyle, shorter: int) -> int:
    """Return the least even plate height whose ink is high enough for `shorter` pixels."""
    wanted = max(MIN_INK, -(-shorter * 5 // 100))
    # Ink grows with the plate: one large drawing tells about where to look, the next ones exactly.
    share = stamp(language, _REFERENCE, style).tall / _REFERENCE
    height = max(4, 2 * int(wanted / share / 2))
    while stamp(language, height, style).tall < wanted:
        height += 2
    while height > 4 and stamp(language, height - 2, style).tall >= wanted:
        height -= 2
    if style != "words":
        # Nobody gets smaller letters by choosing a style.
        letters = em_for(language, "words", _plate_height(language, "words", shorter))
        height = max(height, 2 * math.ceil(letters / em_for(language, style, 2)))
    return height


def _places(width: int, height: int, size: tuple[int, int], margin: int) -> dict[Corner, Region]:
    # Even positions: with chroma at half resolution the plate's edge then falls between samples.
    right = (width - margin - size[0]) // 2 * 2
    bottom = (height - margin - size[1]) // 2 * 2
    near = -(-margin // 2) * 2
    spots: dict[Corner, tuple[int, int]] = {
        "bottom-right": (right, bottom),
        "bottom-left": (near, bottom),
        "top-right": (right, near),
        "top-left": (near, near),
    }
    return {corner: Region(x, y, *size) for corner, (x, y) in spots.items()}


def _overlap(a: Region, b: Region) -> int:
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    return max(across, 0) * max(down, 0)


def plan_label(
    width: int,
    height: int,
    face_regions: Sequence[Region],
    language: LabelLanguage,
    style: LabelStyle = "words",
) -> LabelPlace:
    """Choose the label's size and corner for frames of one size.

    The corner is the one where the label covers least of the faces; among equals bottom-right,
    bottom-left, top-right, top-left in this order. A video is planned once, from the regions of
    all its frames, so that the label does not move.

    Args:
        width: Frame width, pixels.
        height: Frame height, pixels.
        face_regions: Regions of the swapped faces, frame pixels; may reach past the frame.
        language: Words to draw.
        style: How to draw them; the ink of every style is as high as the standard asks.

    Raises:
        LabelError: The frame is too small for a legible label.
    """
    places = label_places(width, height, language, style)
    return min(places, key=lambda place: sum(_overlap(place.region, face) for face in face_regions))


def label_places(
    width: int, height: int, language: LabelLanguage, style: LabelStyle = "words"
) -> tuple[LabelPlace, ...]:
    """Return the places where a label of this kind can stand in frames of one size, best first.

    Args:
        width: Frame width, pixels.
        height: Frame height, pixels.
        language: Words to draw.
        style: How to draw them.

    Raises:
        LabelError: The frame is too small for a legible label.
    """
    text = text_of(language, style)
    shorter = min(width, height)
    margin = max(2, round(shorter * _MARGIN_SHARE))
    if shorter < MIN_INK:
        raise LabelError(_too_small(width, height, text))
    plate = _plate_height(language, style, shorter)
    drawn = stamp(language, plate, style)
    size = (drawn.keep.shape[1], plate)
    # 2 more: room to move the plate to an even position
    fits = size[0] + 2 * margin + 2 <= width and size[1] + 2 * margin + 2 <= height
    if not fits or size[0] * size[1] > width * height * MAX_COVER:
        raise LabelError(_too_small(width, height, text))
    places = _places(width, height, size, margin)
    x, y, w, h = drawn.ink
    return tuple(
        LabelPlace(
            text=text,
            language=language,
            corner=corner,
            region=places[corner],
            ink=Region(places[corner].x + x, places[corner].y + y, w, h),
            style=style,
        )
        for corner in _CORNERS
    )


def _too_small(width: int, height: int, text: str) -> str:
    return (
        f"a frame of {width}x{height} is too small for a legible label: '{text}' needs at least "
        f"{MIN_INK} pixels of ink height; use a larger picture"
    )


class Label:
    """Draws one planned label, always in the same place.

    Args:
        place: Where, from `plan_label`.
    """

    def __init__(self, place: LabelPlace) -> None:
        self.place = place
        self._stamp = stamp(place.language, place.region.height, place.style)

    def draw(self, frame: NDArray[np.uint8]) -> None:
        """Burn the label into `frame`, in place; only the place's region is written.

        Args:
            frame: uint8 (H, W, 3) BGR, a private copy of ours and never the caller's array.

        Raises:
            LabelError: The frame has not the size that the label was planned for.
        """
        region = self.place.region
        height, width = frame.shape[:2]
        inside = region.x >= 0 and region.y >= 0
        inside = inside and region.x + region.width <= width and region.y + region.height <= height
        if not inside or self._stamp.tall < min(width, height) * INK_SHARE:
            raise LabelError(
                f"the label was planned for frames of another size than {width}x{height}; "
                "plan it for this size"
            )
        area = frame[region.y : region.y + region.height, region.x : region.x + region.width]
        kept = product(area, self._stamp.keep, 255)
        area[...] = cv2.add(kept, self._stamp.add)
