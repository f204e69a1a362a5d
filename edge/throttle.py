"""Heat and supply: was the machine slowed down while it was measured?

A Raspberry Pi that is too hot, or whose supply is too weak, lowers its clock. `vcgencmd
get_throttled` says so in bits: 0 under-voltage, 1 clock capped, 2 throttled, 3 soft temperature
limit, and from 16 on the same since the board was started. What the bits say is read before and
after each measurement, and a measurement with one set says nothing about the board.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ThrottleState", "invalid_reason", "parse_throttled", "read_state"]

_NOW = {
    0: "under-voltage",
    1: "the clock is capped",
    2: "throttled",
    3: "at the soft temperature limit",
}
_SINCE_START = 16  # the same bits again, and they stay set until the board is started again
_ANSWER = re.compile(r"throttled=(0x[0-9a-fA-F]{1,8})\s*")
_COMMAND = ("vcgencmd", "get_throttled")
_TIMEOUT = 5.0  # seconds
_ZONE = "sys/class/thermal/thermal_zone0/temp"


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """What a board says about heat and supply.

    Attributes:
        bits: as `vcgencmd get_throttled` gives them; None where the machine does not say.
        celsius: of the processor; None where unknown.
    """

    bits: int | None
    celsius: float | None = None

    @property
    def now(self) -> tuple[str, ...]:
        """What slows the board down at this moment."""
        return _named(self.bits or 0)

    @property
    def since_start(self) -> tuple[str, ...]:
        """What has slowed it down at some time since it was started."""
        return _named((self.bits or 0) >> _SINCE_START)


def _named(bits: int) -> tuple[str, ...]:
    return tuple(text for bit, text in _NOW.items() if bits >> bit & 1)


def parse_throttled(text: str) -> int | None:
    """Return the bits of an answer of `vcgencmd get_throttled` ("throttled=0x50005")."""
    match = _ANSWER.fullmatch(text)
    return None if match is None else int(match[1], 16)


def _ask() -> str:
    try:
        done = subprocess.run(
            _COMMAND, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def read_state(root: Path = Path("/"), ask: Callable[[], str] = _ask) -> ThrottleState:
    """Return the state of this machine.

    Args:
        root: where the kernel's files hang; another one only in tests.
        ask: gives the answer of `vcgencmd get_throttled`; another one only in tests.
    """
    try:
        celsius = int((root / _ZONE).read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        celsius = None
    return ThrottleState(parse_throttled(ask()), celsius)


def invalid_reason(before: ThrottleState, after: ThrottleState) -> str:
    """Return why a measurement does not count; empty where nothing is known against it.

    1. The board was slowed down when it began, or when it ended.
    2. A bit that stays set was not set before it and is after it: something happened in between.
    """
    for state, when in ((before, "before it began"), (after, "when it ended")):
        if state.now:
            return f"the board was slowed down {when}: {', '.join(state.now)}"
    fresh = [text for text in after.since_start if text not in before.since_start]
    if fresh:
        return f"the board was slowed down meanwhile: {', '.join(fresh)}"
    return ""
