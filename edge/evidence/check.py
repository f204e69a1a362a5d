"""One statement about a file, and whether it holds: what a report is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.evidence.both import Both

State = Literal["holds", "fails", "open", "note"]
"""holds; fails; open: cannot be told, or there is nothing to check; note: holds, but read on."""

NOTHING = Both("", "")


@dataclass(frozen=True, slots=True)
class Check:
    """One statement, and whether it holds.

    Attributes:
        title: The statement, short.
        state: Whether it holds.
        found: What was found.
        meaning: What that means, and what it does not; may be empty.
    """

    title: Both
    state: State
    found: Both
    meaning: Both
