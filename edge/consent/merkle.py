"""The Merkle tree over the ledger's lines, as RFC 6962 and RFC 9162 (section 2.1) define it.

A leaf is SHA-256(0x00 || line), the line without its end; a node SHA-256(0x01 || left || right).
A tree of n leaves splits at the largest power of two below n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


def leaf_hash(line: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two others."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Peaks:
    """The roots of the largest whole subtrees of a growing tree: all that is needed to go on.

    Args:
        peaks: Hashes, the largest subtree first, as `hashes` gives them.
        size: Leaves so far.
    """

    def __init__(self, peaks: Iterable[bytes] = (), size: int = 0) -> None:
        self.hashes = list(peaks)
        self.size = size
        if len(self.hashes) != size.bit_count():
            raise ValueError("not the peaks of a tree of this size")

    def add(self, leaf: bytes) -> None:
        """Add the hash of one more leaf."""
        full = self.size
        self.hashes.append(leaf)
        while full & 1:
            right = self.hashes.pop()
            self.hashes.append(node_hash(self.hashes.pop(), right))
            full >>= 1
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.hashes:
            return EMPTY
        root = self.hashes[-1]
        for peak in reversed(self.hashes[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over hashes of leaves."""
    peaks = Peaks()
    for leaf in leaves:
        peaks.add(leaf)
    return peaks.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from a leaf to the root (RFC 9162, 2.1.3.1).

    Args:
        leaves: Hashes of the leaves.
        index: Which, from 0.

    Raises:
        ValueError: There is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError("there is no such leaf")
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(root_of(leaves[middle:high]))
            high = middle
        else:
            path.append(root_of(leaves[low:middle]))
            low = middle
    return path[::-1]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that a path leads to (RFC 9162, 2.1.3.2).

    Args:
        leaf: Hash of the leaf.
        index: Its number, from 0.
        size: Leaves of the tree.
        path: From `inclusion_path`.

    Raises:
        ValueError: The path does not fit that place in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError("the leaf's number is not in the tree")
    number, last, root = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise ValueError("the path is too long")
        if number & 1 or number == last:
            root = node_hash(step, root)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            root = node_hash(root, step)
        number, last = number >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return root


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
