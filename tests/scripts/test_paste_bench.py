"""The bench of everything around the model; the peer that it is held against is not needed here."""

from __future__ import annotations

import numpy as np
import pytest

from edge.cards import find_card
from edge.swapmodel import SwapModel
from edge.timing import Timing
from scripts.paste_bench import (
    EXACT,
    SIDES,
    Fixed,
    around_the_model,
    face_of,
    frame_of,
    of_exact_mask,
    verdicts,
)


def _timings(ours: float, peer: float, label: float, twice: float) -> dict[str, Timing]:
    times = {"label": label, "edge-swap 400 px twice": twice}
    for side in SIDES:
        times |= {f"edge-swap {side} px{kind}": ours for kind in ("", EXACT)}
        times[f"insightface {side} px"] = peer
    return {name: Timing(name, 9, ms, ms, ms, ms) for name, ms in times.items()}


@pytest.mark.parametrize(
    ("figures", "missed"),
    [
        ((0.5, 50.0, 0.05, 1.0), 0),
        ((0.7, 50.0, 0.05, 1.4), 2),  # too slow at 150 pixels
        ((0.5, 20.0, 0.05, 1.0), 2),
        ((0.5, 50.0, 0.2, 1.0), 1),
        ((0.5, 50.0, 0.05, 2.0), 1),
    ],
    ids=["all", "small face", "peer", "label", "second face"],
)
def test_bars_are_judged(figures: tuple[float, float, float, float], missed: int) -> None:
    rows = verdicts(_timings(*figures))
    assert sum(not reached for _, _, reached in rows) == missed


GREY = np.full((1, 3, 128, 128), 0.5, np.float32)
MODELS = {
    "no mask": lambda: SwapModel(
        find_card("inswapper_128", "swapper"), Fixed((GREY,)), emap=np.eye(512, dtype=np.float32)
    ),
    "exact mask": lambda: of_exact_mask(GREY),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", MODELS)
def test_the_work_that_is_timed_is_a_swap(kind: str, side: int) -> None:
    model = MODELS[kind]()
    frame = frame_of(1)
    before = frame.copy()
    around_the_model(model, frame, [face_of(side)])
    changed = np.argwhere((frame != before).any(axis=2))
    height, width = changed.max(axis=0) - changed.min(axis=0)
    assert side * 0.8 < min(height, width) <= max(height, width) < side * 1.4
