"""Figures of a running stream: how many frames a second, and how old they are."""

from __future__ import annotations

import threading
import time
from collections import deque

WINDOW = 5.0
"""Seconds that the figures look back."""

_MOST = 1000


class Figures:
    """Frames of the last seconds; any thread may read them while one adds to them."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=_MOST)
        self._lock = threading.Lock()
        self.frames = 0

    def add(self, taken_at: float) -> None:
        """Note a frame that goes out now; `taken_at` as `time.monotonic` counts."""
        now = time.monotonic()
        with self._lock:
            self._seen.append((now, now - taken_at))
            self.frames += 1

    def rate(self) -> float:
        """Return frames a second, over the last seconds."""
        seen = self._recent()
        if len(seen) < 2:
            return 0.0
        return (len(seen) - 1) / max(seen[-1][0] - seen[0][0], 1e-6)

    def ages(self) -> tuple[float, float] | None:
        """Return how old frames were when they went out, p50 and p95, in milliseconds."""
        ages = sorted(age for _, age in self._recent())
        if not ages:
            return None
        last = len(ages) - 1
        return ages[round(last * 0.5)] * 1e3, ages[round(last * 0.95)] * 1e3

    def _recent(self) -> list[tuple[float, float]]:
        since = time.monotonic() - WINDOW
        with self._lock:
            return [one for one in self._seen if one[0] >= since]
