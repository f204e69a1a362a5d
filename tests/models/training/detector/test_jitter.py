"""What trembles is told from what is wrong, and from what moves."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from models.training.detector.jitter import tremble

FACE = np.array([(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)], np.float32)


def moving(count: int = 50) -> np.ndarray:
    """A face that crosses the picture; its eyes are 40 pixels apart."""
    steps = np.stack([np.arange(count) * 1.5, np.arange(count) * -0.5], 1).astype(np.float32)
    return FACE + steps[:, None]


def test_a_move_is_no_tremble() -> None:
    assert tremble(moving(), moving()) == {"jitter": 0.0, "jitter_error": 0.0}


def test_what_is_always_wrong_alike_does_not_tremble() -> None:
    found = tremble(moving() + np.float32(4), moving())
    assert found["jitter"] == pytest.approx(0.0, abs=1e-6)
    assert found["jitter_error"] == pytest.approx(np.hypot(4, 4) / 40)


def test_what_goes_to_and_fro_does() -> None:
    fro = np.where(np.arange(50) % 2, 1.0, -1.0).astype(np.float32)[:, None]
    found = moving()
    found[:, :, 0] += fro
    assert tremble(found, moving()) == pytest.approx({"jitter": 2 / 40, "jitter_error": 1 / 40})


def test_turned_heads_do_not_make_it_larger() -> None:
    truth = moving()
    truth[25:, :2] = truth[25:, :2].mean(axis=1, keepdims=True)  # in profile
    found = truth + np.float32(1) * (np.arange(50) % 2)[:, None, None].astype(np.float32)
    assert tremble(found, truth)["jitter"] == pytest.approx(np.hypot(1, 1) / 40)
