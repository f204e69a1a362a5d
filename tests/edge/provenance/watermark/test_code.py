from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.provenance.watermark.code import CODED_BITS, decode, encode

IDS = st.integers(0, 2**64 - 1).map(lambda value: f"{value:016x}")


def _heard(identifier: str, energy: float, seed: int) -> NDArray[np.float32]:
    """Return a code word of this energy in noise of variance 1."""
    noise = np.random.default_rng(seed).standard_normal(CODED_BITS)
    heard = encode(identifier) * np.sqrt(energy / CODED_BITS) + noise
    return np.asarray(heard, np.float32)


def test_the_code_never_changes() -> None:
    """Marks that are in the world must stay readable: this value is for ever."""
    word = encode("0123456789abcdef").tobytes()
    assert hashlib.sha256(word).hexdigest() == (
        "f3cd1d6e7d723f7d01976fac2d1cacc1c7bd5644a6f86aa4e48755e9245af1eb"
    )


@given(IDS)
@settings(max_examples=20, deadline=None)
def test_a_clean_word_is_read(identifier: str) -> None:
    word = encode(identifier)
    assert word.shape == (CODED_BITS,)
    assert set(np.unique(word)) == {-1, 1}
    assert decode(word[None].astype(np.float32)) == [identifier]


def test_a_ring_has_no_first_bit() -> None:
    """Turning the message turns the code word: no bit is worse protected than another."""
    from edge.provenance.watermark.code import _signs_of

    message = np.random.default_rng(3).integers(0, 2, 80).astype(np.uint8)
    np.testing.assert_array_equal(
        _signs_of(np.roll(message, 5)), np.roll(_signs_of(message), 5 * 8)
    )


@pytest.mark.parametrize(("energy", "least"), [(240.0, 38), (180.0, 30)])
def test_noise_is_corrected(energy: float, least: int) -> None:
    """The capacity of this channel is reached at an energy of 121."""
    ids = [f"{seed * 0x9E3779B97F4A7C15 % 2**64:016x}" for seed in range(40)]
    soft = np.stack([_heard(each, energy, seed) for seed, each in enumerate(ids)])
    read = decode(soft)
    assert sum(one == other for one, other in zip(read, ids, strict=True)) >= least
    # The checksum refuses the others.
    assert all(one is None or one == other for one, other in zip(read, ids, strict=True))


def test_noise_alone_has_no_checksum() -> None:
    noise = np.random.default_rng(0).standard_normal((60, CODED_BITS)).astype(np.float32)
    assert decode(noise) == [None] * 60
