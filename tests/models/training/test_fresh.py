"""Helpers that are begun afresh work where a fork would wait for a lock for ever."""

from __future__ import annotations

import threading

from models.training.fresh import FRESH

LOCK = threading.Lock()


def taken(_: int) -> bool:
    return LOCK.acquire(timeout=5.0)


def test_a_lock_of_the_parent_is_none_of_the_helpers() -> None:
    with LOCK, FRESH.Pool(1) as pool:
        assert pool.map(taken, [0]) == [True]
