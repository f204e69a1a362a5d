"""In which precision networks are run while they learn: bfloat16 where it is quicker."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from edge.machine import features_of

_COMPUTES_IN_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Features of x86 and ARM processors, as /proc/cpuinfo spells them; others only imitate it."""


@lru_cache(maxsize=1)
def cpu_computes_in_bf16(root: Path = Path("/")) -> bool:
    """Whether this processor multiplies bfloat16 numbers itself.

    Where it does not, PyTorch imitates it: on a processor with AVX2 alone a step of the detector
    took eight times as long as in float32.

    Args:
        root: Where the kernel's files hang; another one only in tests.
    """
    return not _COMPUTES_IN_BF16.isdisjoint(features_of(root))


def quick_autocast(device: torch.device | str) -> torch.autocast:
    """The context for a network's forward pass: bfloat16, or float32 where that is quicker.

    Args:
        device: where the network is.
    """
    kind = torch.device(device).type
    return torch.autocast(
        kind, dtype=torch.bfloat16, enabled=kind != "cpu" or cpu_computes_in_bf16()
    )
