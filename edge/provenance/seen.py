"""Look for our visible label in pixels: is it there, where, and how much like the drawing?

Where a label may stand follows from the size of the frame, so only those places are looked at. A
picture that was cut has its label elsewhere, or not at all, and is then said to show none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.errors import LabelError
from edge.provenance.glyphs import stamp
from edge.provenance.label import label_places
from edge.records import LABEL_LANGUAGES, LABEL_STYLES, LabelPlace

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_LIKENESS = 0.7
"""Least correlation with the drawing. Labels after JPEG at quality 30 or half the size reach more;
noise, texts and photographs less (tests)."""

_MORE_WORDS = 0.12
"""A longer label may fit so much less than the best, as more of it is away from its place in a
resized picture; words that are not there cost twice as much."""

_HOPELESS = 0.3  # likeness of a first look from which a label cannot rise

_REACH_SHARE = 0.02  # of the shorter side: rounding moves the label of a resized picture
_LEAST_REACH = 4
_ROUNDING = (0, -0.5, 0.5, -1, 1, -2, 2)
"""By how many pixels the height of a resized label may differ from that of a drawn one."""


@dataclass(frozen=True, slots=True)
class SeenLabel:
    """A label that was found in pixels.

    Attributes:
        place: Which label, and where it stands in a frame of this size.
        likeness: Correlation with the drawing, up to 1.
    """

    place: LabelPlace
    likeness: float


def find_label(frame: NDArray[np.uint8]) -> SeenLabel | None:
    """Return the visible label of a frame, or None where none of ours is seen.

    Args:
        frame: uint8 (H, W, 3) BGR.
    """
    grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8)
    found = [SeenLabel(place, _likeness(grey, place)) for place in _everywhere(*grey.shape[::-1])]
    found = sorted(
        (seen for seen in found if seen.likeness >= LEAST_LIKENESS), key=lambda seen: -seen.likeness
    )
    # A short label is part of a longer one, which then is what stands there.
    return max(
        (
            seen
            for seen in found
            if _is_same_spot(seen.place, found[0].place)
            and seen.likeness > found[0].likeness - _MORE_WORDS
        ),
        key=lambda seen: len(seen.place.text),
        default=None,
    )


def _is_same_spot(one: LabelPlace, other: LabelPlace) -> bool:
    return one.corner == other.corner and other.text in one.text


def _everywhere(width: int, height: int) -> list[LabelPlace]:
    places: list[LabelPlace] = []
    for style in LABEL_STYLES:
        for language in LABEL_LANGUAGES:
            try:
                places += label_places(width, height, language, style)
            except LabelError:
                continue  # too small for this one
    return places


def _likeness(grey: NDArray[np.uint8], place: LabelPlace) -> float:
    region = place.region
    height, width = grey.shape
    reach = max(_LEAST_REACH, round(min(width, height) * _REACH_SHARE))
    top, left = max(region.y - reach, 0), max(region.x - reach, 0)
    bottom = min(region.y + region.height + reach, height)
    right = min(region.x + region.width + reach, width)
    window = grey[top:bottom, left:right]
    drawn = stamp(place.language, region.height, place.style).add[:, :, 0]
    best = 0.0
    for pixels in _ROUNDING:
        factor = 1 + pixels / region.height
        sized = cv2.resize(drawn, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        if sized.shape[0] <= window.shape[0] and sized.shape[1] <= window.shape[1]:
            found = float(cv2.matchTemplate(window, sized, cv2.TM_CCOEFF_NORMED).max())
            best = max(best, found if np.isfinite(found) else 0.0)  # a flat window has none
        if best < _HOPELESS:
            break
    return best
