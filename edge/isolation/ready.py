"""Make a process fit to be copied for each file: all that the work needs is loaded, once.

Loading OpenCV and c2pa takes a tenth of a second, copying a process with them a millisecond.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module

from edge.isolation.run import Start, forked, has_one_thread, spawned

_NEEDED = (
    "edge.isolation.child",
    "edge.isolation.jobs",
    "edge.isolation.looking",
    "edge.provenance.verify",
    "edge.media.image",
    "c2pa",
)


def prepared() -> Start:
    """Return the way to start children of the command line: copies, where that can be.

    OpenBLAS makes its threads when numpy is loaded, and a process with threads cannot be copied:
    unless numpy is there already, it is told to make none.
    """
    if "numpy" not in sys.modules and has_one_thread():
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    elif not has_one_thread():
        return spawned
    for name in _NEEDED:
        with suppress(ImportError):
            import_module(name)
    return forked
