"""Processes that help, begun afresh.

A process that is forked while a thread of its parent holds a lock finds it held for ever. Where
models have run or pictures were read before, there are such threads, and a renderer stood still.
"""

from __future__ import annotations

import multiprocessing

FRESH = multiprocessing.get_context("spawn")
