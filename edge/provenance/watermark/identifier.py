"""The short id that an output's watermark carries."""

from __future__ import annotations

import hashlib

ALGORITHM = "org.edge-swap.watermark.1"
"""Name of the algorithm in the manifest's soft binding. It is our own and on no public list. What
looks random in the mark follows from this name, so another key would be another algorithm."""

ID_BITS = 64


def watermark_id(output_id: str) -> str:
    """Return the watermark's id of an output: 16 hex digits, the same for everyone who asks.

    It is the beginning of a hash of the output's id: whoever holds the ledger or the manifest can
    tell whether a mark is that output's, and nobody learns the output's id from the mark.

    Args:
        output_id: `urn:uuid:...`.
    """
    digest = hashlib.sha256(f"{ALGORITHM} {output_id}".encode()).hexdigest()
    return digest[: ID_BITS // 4]
