"""What the watermark looks like: a square tile of some 350 waves, repeated over the picture.

Every wave fits a whole number of times into the tile, so the marked picture's spectrum has lines
on a lattice. Where they are gives scale and rotation away, whatever the message, which changes the
waves' phases alone. 28 stronger waves, the pilots, have fixed phases: they tell where a tile
begins.
Two bits of the code word are in the phase of each other wave.

The key is public: everything that looks random follows from the algorithm's name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np

from edge.provenance.watermark.code import CODED_BITS, encode
from edge.provenance.watermark.identifier import ALGORITHM

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILE = 192
"""Side of the tile, pixels of a picture whose shorter side is about 1080."""

PILOT_STRENGTH = 2.0
"""Amplitude of a pilot wave; that of the others is 1."""

_LEAST = 6.4  # waves per tile: no wave is longer than 30 pixels
_DATA_WAVES = CODED_BITS // 2
_PILOT_ORBITS = 7
_OFF_AXIS = (
    2  # waves along the axes are left out: edges of houses, windows and JPEG blocks are there
)


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """The waves of the tile, in the half plane of positive `ky`.

    Attributes:
        pilots: int64 (28, 2) kx, ky in waves per tile.
        pilot_phases: complex64 (28,) of modulus 1.
        data: int64 (320, 2) kx, ky.
        order: int64 (640,): which bit of the code word is sent in which place (2 per wave).
        signs: float32 (640,) +1 or -1, which the places' bits are multiplied with.
    """

    pilots: NDArray[np.int64]
    pilot_phases: NDArray[np.complex64]
    data: NDArray[np.int64]
    order: NDArray[np.int64]
    signs: NDArray[np.float32]


@cache
def waves() -> Waves:
    """Return the waves; the same on every machine, as they follow from `ALGORITHM`."""
    orbits = _orbits()
    # Pilots spread over the band, in whole orbits: a flipped or turned pilot is a pilot again.
    whole = [index for index, orbit in enumerate(orbits) if len(orbit) == 4]
    places = np.linspace(3, len(whole) - 4, _PILOT_ORBITS).round().astype(int)
    chosen = {whole[place] for place in places}
    pilots = [wave for index in sorted(chosen) for wave in orbits[index]]
    data = [wave for index, orbit in enumerate(orbits) if index not in chosen for wave in orbit]
    random = np.frombuffer(_key_stream(8 * CODED_BITS + 4 * len(pilots)), ">u4")
    order, signs, phases = np.split(random, [CODED_BITS, 2 * CODED_BITS])
    return Waves(
        pilots=np.array(pilots, np.int64),
        pilot_phases=np.exp(2j * np.pi * phases / 2**32).astype(np.complex64),
        data=np.array(data[:_DATA_WAVES], np.int64),
        order=np.argsort(order, kind="stable"),
        signs=(1 - 2.0 * (signs & 1)).astype(np.float32),
    )


def _orbits() -> list[list[tuple[int, int]]]:
    """Return waves that are flips and quarter turns of each other, by rising frequency."""
    found = []
    for long in range(_OFF_AXIS, TILE // 2):
        for short in range(_OFF_AXIS, long + 1):
            waves_ = {(long, short), (-long, short), (short, long), (-short, long)}
            if long * long + short * short >= _LEAST**2:
                found.append((long * long + short * short, sorted(waves_)))
    found.sort()
    needed = _DATA_WAVES + 4 * _PILOT_ORBITS
    orbits: list[list[tuple[int, int]]] = []
    for _, orbit in found:
        if sum(map(len, orbits)) >= needed:
            break
        orbits.append(orbit)
    return orbits


def _key_stream(length: int) -> bytes:
    return hashlib.shake_256(ALGORITHM.encode()).digest(length)


def data_phases(identifier: str) -> NDArray[np.complex64]:
    """Return the phases of the data waves for an id: complex64 (320,) of modulus 1."""
    plan = waves()
    sent = encode(identifier)[plan.order] * plan.signs
    phases: NDArray[np.complex64] = ((sent[0::2] + 1j * sent[1::2]) / 2**0.5).astype(np.complex64)
    return phases


def soft_bits(values: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return what the data waves say about the code word: float32 (640,).

    Args:
        values: complex64 (320,), the waves as received, the tile's beginning being known.
    """
    plan = waves()
    sent = np.empty(CODED_BITS, np.float32)
    sent[0::2], sent[1::2] = values.real, values.imag
    soft = np.empty(CODED_BITS, np.float32)
    soft[plan.order] = sent * plan.signs
    return soft


def tile_of(identifier: str, pixel: int = 1) -> NDArray[np.float32]:
    """Return the tile for an id: float32 (192 * pixel, 192 * pixel), mean 0, standard deviation 1.

    Its beginning is moved by an amount that follows from the id, so that a picture which was marked
    twice carries two marks that can both be read.
    """
    plan, side = waves(), TILE * pixel
    spectrum = np.zeros((side, side), np.complex64)
    spectrum[plan.data[:, 1], plan.data[:, 0]] = data_phases(identifier)
    spectrum[plan.pilots[:, 1], plan.pilots[:, 0]] = PILOT_STRENGTH * plan.pilot_phases
    tile: NDArray[np.float32] = np.fft.ifft2(spectrum).real.astype(np.float32)
    down, right = _beginning(identifier)
    tile = np.roll(tile, (down * pixel, right * pixel), (0, 1))
    return cast("NDArray[np.float32]", tile / tile.std())


def _beginning(identifier: str) -> tuple[int, int]:
    digest = hashlib.sha256(f"{ALGORITHM} beginning {identifier}".encode()).digest()
    return digest[0] % TILE, digest[1] % TILE
