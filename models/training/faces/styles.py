"""The hair styles: how thick hair lies, how long it is and where it flows."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ASIDE", "BACK", "CROWN", "OUT", "PART", "STYLES", "Style"]

CROWN, PART, BACK, ASIDE, OUT = range(5)
"""Away from the whorl, away from the parting, toward the nape, across the top, off the scalp."""


class Style(NamedTuple):
    """A style; lengths in centimetres."""

    flow: int
    high: float  # how far the surface of the hair is from the scalp on top
    low: float  # and at the sides
    top: float  # length of the hairs on top
    side: float  # and at the sides
    edge: float = 0.12  # thickness at the hairline, as a share
    curl: float = 0.0  # radius of the curls
    clump: float = 0.25  # how far hairs gather in locks, 0..1
    hangs: bool = False


STYLES: dict[str, Style] = {
    "buzz": Style(CROWN, 0.22, 0.16, 0.5, 0.4, 0.6),
    "short": Style(ASIDE, 1.5, 0.5, 4.0, 2.0),
    "side": Style(ASIDE, 1.9, 0.7, 7.0, 3.0),
    "undercut": Style(BACK, 1.9, 0.22, 8.0, 0.6),
    "fringe": Style(CROWN, 1.4, 0.9, 15.0, 9.0, 0.45),
    "long": Style(PART, 1.2, 1.0, 60.0, 60.0, 0.30, hangs=True),
    "bob": Style(PART, 1.4, 1.3, 60.0, 60.0, 0.35, hangs=True),
    "tied": Style(BACK, 0.55, 0.35, 16.0, 14.0),
    "bun": Style(BACK, 0.55, 0.35, 16.0, 14.0),
    "curly": Style(OUT, 2.1, 1.5, 4.5, 4.0, 0.4, 0.38, 0.5),
    "afro": Style(OUT, 3.6, 3.1, 4.4, 3.9, 0.35, 0.16, 0.2),
    "locs": Style(PART, 1.3, 1.2, 60.0, 60.0, 0.35, 0.05, 1.0, True),
    "receding": Style(BACK, 0.8, 0.5, 4.0, 2.5),
}
