"""What makes a swapper's first lessons easy, and takes its leave as the swapper learns.

Not to touch the target is a good guess of its swap, and a network that starts with it does not
leave it soon: a first, blurred attempt at the right face is a worse picture by most measures. So
it is first shown pictures as they were rendered, cut by exact landmarks, and judged by squared
errors alone, which such an attempt already lowers. Both ease from 1 (easy) to 0 (what a device
will see). What it does to learning is in models/README.md.
"""

from __future__ import annotations

_HELD = 1 / 3  # of the lessons are as easy as the first one


def ease(step: int, lessons: int) -> float:
    """How easy a step is: 1 for a third of the lessons, then evenly down to 0.

    Args:
        step: from 0.
        lessons: steps after which nothing is eased any more.
    """
    if step >= lessons:
        return 0.0
    return min(1.0, (1.0 - step / lessons) / (1.0 - _HELD))
