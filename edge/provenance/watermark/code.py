"""The watermark's error correction: 64 bits of id, 16 of checksum, a tail-biting code around them.

The convolutional code has rate 1/8 and memory 11. It is decoded softly, by the Viterbi algorithm
that runs around the ring. The generators were found by a random search for the best free distance,
and then by simulation: 1.7 dB above the capacity of the channel, 6 of 200 words are lost.
"""

from __future__ import annotations

import binascii
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from edge.provenance.watermark.identifier import ID_BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECK_BITS = 16
MESSAGE_BITS = ID_BITS + CHECK_BITS
RATE = 8
CODED_BITS = MESSAGE_BITS * RATE

_MEMORY = 11
_GENERATORS = (0o5727, 0o6355, 0o7733, 0o7375, 0o4421, 0o7705, 0o6731, 0o6225)
_TURNS = 3  # around the ring: the first finds the state, the second is read, the third ends paths


def encode(identifier: str) -> NDArray[np.int8]:
    """Return the code word of an id.

    Args:
        identifier: 16 hex digits.

    Returns:
        int8 (640,), +1 for a 0 and -1 for a 1.
    """
    return _signs_of(_message(identifier))


def decode(soft: NDArray[np.float32]) -> list[str | None]:
    """Return the ids of the most likely code words; None where a checksum does not hold.

    Args:
        soft: float32 (N, 640), positive for a likely 0, as large as it is sure.
    """
    return [_identifier(bits) for bits in _viterbi(soft)]


def _identifier(bits: NDArray[np.uint8]) -> str | None:
    identifier = np.packbits(bits[:ID_BITS]).tobytes().hex()
    return identifier if np.array_equal(_message(identifier), bits) else None


def _message(identifier: str) -> NDArray[np.uint8]:
    data = bytes.fromhex(identifier)
    check = binascii.crc_hqx(data, 0xFFFF).to_bytes(CHECK_BITS // 8, "big")  # CRC-16/CCITT
    return np.unpackbits(np.frombuffer(data + check, np.uint8))


def _signs_of(bits: NDArray[np.uint8]) -> NDArray[np.int8]:
    register = np.zeros(MESSAGE_BITS, np.int64)
    for age in range(_MEMORY + 1):  # the ring: the last bits stand before the first one
        register |= np.roll(bits, age).astype(np.int64) << age
    return _outputs()[register].reshape(-1).astype(np.int8)


@cache
def _outputs() -> NDArray[np.float32]:
    """Return what each content of the register sends: float32 (2^12, 8) of +1 and -1."""
    register = np.arange(1 << (_MEMORY + 1))
    signs = np.empty((register.size, RATE), np.float32)
    for column, generator in enumerate(_GENERATORS):
        word = register & generator
        for shift in (8, 4, 2, 1):
            word ^= word >> shift
        signs[:, column] = 1 - 2 * (word & 1)
    return signs


def _viterbi(soft: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the most likely messages, uint8 (N, 80), of soft bits, float32 (N, 640)."""
    count, half = len(soft), 1 << (_MEMORY - 1)
    gains = soft.reshape(count, MESSAGE_BITS, RATE).transpose(1, 0, 2) @ _outputs().T
    metric = np.zeros((count, 2 * half), np.float32)
    steps = MESSAGE_BITS * _TURNS
    from_upper = np.empty((steps, count, 2 * half), np.bool_)
    for step in range(steps):
        # A state is the last 11 bits, newest lowest; two lead to each, apart in their oldest bit.
        gain = gains[step % MESSAGE_BITS].reshape(count, 2, half, 2)
        way = (metric.reshape(count, 2, half, 1) + gain).reshape(count, 2, 2 * half)
        np.greater(way[:, 1], way[:, 0], out=from_upper[step])
        metric = np.maximum(way[:, 0], way[:, 1])
    state = metric.argmax(axis=1)
    bits = np.empty((count, steps), np.uint8)
    everyone = np.arange(count)
    for step in range(steps - 1, -1, -1):
        bits[:, step] = state & 1
        state = (state >> 1) | (from_upper[step, everyone, state].astype(np.int64) << (_MEMORY - 1))
    return bits[:, MESSAGE_BITS : 2 * MESSAGE_BITS]
