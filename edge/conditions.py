"""What belongs to a figure: the versions that made it, and what speaks against it.

A figure of a board that was too hot, that changed its power mode, or that was no board at all but
an emulated processor says nothing about any device.
"""

from __future__ import annotations

import platform
import resource
from importlib import metadata

import cv2
import numpy as np

import edge
from edge.machine import is_emulated
from edge.power import PowerState, power_changed
from edge.throttle import ThrottleState, invalid_reason

__all__ = ["Looked", "against", "peak_memory", "versions"]

Looked = tuple[ThrottleState, PowerState | None]
"""What a board says of heat and supply, and a Jetson of its power mode."""


def against(before: Looked, after: Looked) -> str:
    """Return why figures do not count; empty where nothing is known against them.

    Args:
        before: What the board said before it was measured.
        after: And after it.
    """
    if is_emulated():
        return "the processor is emulated: its times are not those of any device"
    return invalid_reason(before[0], after[0]) or power_changed(before[1], after[1])


def versions() -> dict[str, str]:
    """Return the versions of edge-swap, Python and the packages that do the work."""
    return {
        "edge-swap": edge.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "c2pa-python": metadata.version("c2pa-python"),
    }


def peak_memory() -> int:
    """Return the most memory that this process ever used, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
