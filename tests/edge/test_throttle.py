"""Heat and supply of a Raspberry Pi."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.throttle import ThrottleState, invalid_reason, parse_throttled, read_state


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("throttled=0x0\n", 0),
        ("throttled=0x50005\n", 0x50005),
        ("throttled=0xE0008", 0xE0008),
        ("", None),
        ("throttled=", None),
        ('error=1 error_msg="Command not registered"', None),
        ("throttled=0x123456789", None),
    ],
)
def test_answers_of_vcgencmd(text: str, bits: int | None) -> None:
    assert parse_throttled(text) == bits


@given(st.integers(0, 2**20 - 1))
def test_every_answer_is_read_back(bits: int) -> None:
    assert parse_throttled(f"throttled={bits:#x}\n") == bits
    state = ThrottleState(bits)
    assert bool(state.now) == bool(bits & 0xF)
    assert bool(state.since_start) == bool(bits >> 16 & 0xF)


def test_the_bits_have_names() -> None:
    state = ThrottleState(0x50005)
    assert state.now == state.since_start == ("under-voltage", "throttled")
    assert ThrottleState(0xA).now == ("the clock is capped", "at the soft temperature limit")


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    assert read_state(tmp_path, lambda: "") == ThrottleState(None, None)
    assert read_state(tmp_path) == ThrottleState(None, None)  # no vcgencmd here either
    assert invalid_reason(ThrottleState(None), ThrottleState(None)) == ""


def test_the_temperature_is_read(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text("61234\n", encoding="ascii")
    assert read_state(tmp_path, lambda: "throttled=0x0\n") == ThrottleState(0, 61.234)
    zone.write_text("hot", encoding="ascii")
    assert read_state(tmp_path, lambda: "").celsius is None


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (0x0, 0x0, ""),
        (0x50000, 0x50000, ""),  # it happened before, and did not happen again, as far as known
        (0x1, 0x10001, "before it began: under-voltage"),
        (0x0, 0x40004, "when it ended: throttled"),
        (0x0, 0x80000, "meanwhile: at the soft temperature limit"),
        (0x10000, 0x30000, "meanwhile: the clock is capped"),
    ],
)
def test_which_measurements_do_not_count(before: int, after: int, words: str) -> None:
    reason = invalid_reason(ThrottleState(before), ThrottleState(after))
    assert (words in reason) if words else reason == ""
