"""What belongs to a figure: versions, memory, and all that speaks against it."""

from __future__ import annotations

import numpy as np
import pytest

import edge
from edge import conditions
from edge.power import PowerState
from edge.throttle import ThrottleState

_COOL, _HOT = ThrottleState(bits=0), ThrottleState(bits=0b100)
_15W, _MAXN = PowerState(mode="15W", number=0), PowerState(mode="MAXN", number=2)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ((_COOL, _15W), ""),
        ((_HOT, _15W), "throttled"),
        ((_COOL, _MAXN), "MAXN"),
        ((_HOT, _MAXN), "throttled"),
    ],
)
def test_what_speaks_against_a_figure(
    after: conditions.Looked, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "is_emulated", lambda: False)
    found = conditions.against((_COOL, _15W), after)
    assert words in found
    assert bool(found) == bool(words)


def test_an_emulated_processor_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "is_emulated", lambda: True)
    assert "emulated" in conditions.against((_COOL, None), (_COOL, None))


def test_versions_are_those_that_ran() -> None:
    versions = conditions.versions()
    assert versions["edge-swap"] == edge.__version__
    assert versions["numpy"] == np.__version__
    assert all(versions.values())


def test_memory_is_told_in_bytes() -> None:
    held = np.ones(64 << 20, np.uint8)  # ones are written, so they count
    assert conditions.peak_memory() > held.nbytes
