from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.consent.merkle import (
    EMPTY,
    Peaks,
    inclusion_path,
    leaf_hash,
    root_from_path,
    root_of,
)

# The inputs and roots that implementations of RFC 6962 share (certificate-transparency).
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def _leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def _by_definition(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = _by_definition(leaves[:split]), _by_definition(leaves[split:])
    return hashlib.sha256(b"\1" + left + right).digest()


@pytest.mark.parametrize("count", range(1, 9))
def test_the_roots_that_others_have(count: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(text)) for text in INPUTS[:count]]
    assert root_of(leaves).hex() == ROOTS[count - 1]


def test_an_empty_tree() -> None:
    assert root_of([]) == EMPTY == _by_definition([])


@given(st.integers(1, 200))
def test_a_growing_tree(count: int) -> None:
    leaves = _leaves(count)
    assert root_of(leaves) == _by_definition(leaves)
    half = Peaks()
    for leaf in leaves[: count // 2]:
        half.add(leaf)
    again = Peaks(half.hashes, half.size)
    for leaf in leaves[count // 2 :]:
        again.add(leaf)
    assert again.root() == _by_definition(leaves)


def test_peaks_of_another_size() -> None:
    with pytest.raises(ValueError, match="peaks"):
        Peaks([b"x" * 32], 3)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 65])
def test_every_leaf_has_a_path(count: int) -> None:
    leaves = _leaves(count)
    root = root_of(leaves)
    for index, leaf in enumerate(leaves):
        path = inclusion_path(leaves, index)
        assert root_from_path(leaf, index, count, path) == root


@given(st.integers(2, 70), st.data())
def test_no_other_leaf_place_or_path_leads_there(count: int, data: st.DataObject) -> None:
    leaves = _leaves(count)
    root = root_of(leaves)
    index = data.draw(st.integers(0, count - 1))
    path = inclusion_path(leaves, index)
    other = data.draw(st.integers(0, count - 1).filter(lambda number: number != index))
    step = data.draw(st.integers(0, len(path) - 1))
    forged = [
        bytes([part[0] ^ 1]) + part[1:] if at == step else part for at, part in enumerate(path)
    ]
    for leaf, place, steps in (
        (leaves[other], index, path),
        (leaves[index], other, path),
        (leaves[index], index, forged),
        (leaves[index], index, path[:-1]),
        (leaves[index], index, [*path, root]),
    ):
        try:
            assert root_from_path(leaf, place, count, steps) != root
        except ValueError:
            continue


@pytest.mark.parametrize("index", [-1, 3])
def test_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_path(_leaves(3), index)
    with pytest.raises(ValueError, match="not in the tree"):
        root_from_path(b"", index, 3, [])
