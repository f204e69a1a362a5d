"""Which of the shipped detectors a machine takes where nobody names one."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from edge.backends.base import CPU_PROVIDER
from edge.machine import features_of

FLOAT, IN_8_BITS = "ref_detector", "ref_detector_int8"
"""One detector in two precisions: they find alike (models/README.md)."""

_QUICKER_IN_8_BITS = {"x86_64": "avx2", "AMD64": "avx2"}
"""Feature of a processor, by its architecture, with which 8 bits were measured to be quicker: 1.4
times with AVX2, 2.6 with VNNI (docs/performance.md). ARM is missing until it is measured."""


def default_detector(backend: str, providers: Sequence[str], root: Path = Path("/")) -> str:
    """The card name of the shipped detector that is quickest here.

    A GPU has no use for 8 bits in this form, and other engines run files of the float one.

    Args:
        backend: Engine that is to run it.
        providers: Execution providers in order of preference.
        root: Where the kernel's files hang; another one only in tests.
    """
    feature = _QUICKER_IN_8_BITS.get(platform.machine())
    on_processor = backend == "ort" and all(name == CPU_PROVIDER for name in providers)
    return IN_8_BITS if on_processor and feature in features_of(root) else FLOAT
