"""Where a video ends, and whether that is before it says."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

FEW = 3
"""Frames by which what a file states and what it holds may differ."""

_MAX_BOXES = 100_000


def is_cut_off(path: Path) -> bool:
    """Return whether the last box of an ISO base media file (MP4, MOV) reaches past its end.

    FFmpeg takes what is left of an index without a word, and streams go missing.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        at = 0
        for _ in range(_MAX_BOXES):
            file.seek(at)
            head = file.read(16)
            kind, size = head[4:8], int.from_bytes(head[:4], "big")
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            # Not ISO from its start, at the end, a last box of open size, or something else there
            if (at == 0 and kind != b"ftyp") or size < 8:
                return False
            at += size
            if at > end:
                return kind in {b"moov", b"mdat", b"moof"}
    return False


def later(end: Fraction | None, packet: Any) -> Fraction | None:
    """Return where a stream ends so far, seconds, with a packet more."""
    stamp = packet.dts if packet.pts is None else packet.pts
    if not packet.size or stamp is None:
        return end
    here = Fraction((stamp + (packet.duration or 0)) * packet.time_base)
    return here if end is None else max(end, here)


def falls_short(stream: Any, end: Fraction | None) -> bool:
    """Return whether a stream ends by more than a few frames before it says; or does not say."""
    if end is None or not stream.duration:
        return True
    stated = ((stream.start_time or 0) + stream.duration) * stream.time_base
    return bool(stated - end > FEW / Fraction(stream.average_rate or 25))
