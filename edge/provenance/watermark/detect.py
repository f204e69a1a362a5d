"""Read the watermark: of one frame, or of several frames of a video together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from edge.provenance.watermark.code import decode
from edge.provenance.watermark.embed import pixel_of
from edge.provenance.watermark.identifier import ID_BITS
from edge.provenance.watermark.pattern import data_phases, soft_bits, waves
from edge.provenance.watermark.receive import SIDE, flattened, folded, halved, straightened
from edge.provenance.watermark.search import search

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIKENESS = 11.4
"""Least likeness of the received waves to the id's own; see `false_alarm_bound`."""

GUESSES = 8
"""How many guesses about scale and turn are followed up, at most."""

LEAST_SCORE = 4.5
"""Guesses with less energy on the lattice are not followed up; a readable mark's has above 7."""

LEAST_CLEARNESS = 3.8
"""Beginnings that the pilots agree on less are not decoded."""

_LEAST_SIDE = 48  # pixels; a smaller picture cannot hold the mark
_WAYS = 8  # a picture may be mirrored and turned by quarters
_PEAKS = 2  # beginnings of the tile that are tried per way
_TRIES = 4  # of all ways' beginnings, so many are decoded
_GRID = 128  # positions of the tile's beginning that are compared, along each side


@dataclass(frozen=True, slots=True)
class Found:
    """A watermark that was read.

    Attributes:
        id: The 64 bits, as 16 hex digits.
        confidence: Cosine between the received waves and those of the id, 0 to 1.
        false_alarm: Upper bound of the chance that a picture without a mark reads as any id with so
            much likeness.
        scale: Pixels of the picture per pixel of the marked one.
        turn: Degrees by which it was turned, quarter turns left out.
        mirrored: Whether it was mirrored.
    """

    id: str
    confidence: float
    false_alarm: float
    scale: float
    turn: float
    mirrored: bool


def false_alarm_bound(likeness: float, decoded: int) -> float:
    """Return an upper bound of the chance that likeness comes from a picture without a mark.

    The 640 received numbers y of any fixed picture are compared with code words whose signs s the
    key draws at random: P(sum(s y) >= t |y|) <= exp(-t^2 / 2) (Hoeffding 1963), whatever y is.
    There are 2^64 words to be taken for, in each of the attempts at decoding.

    Args:
        likeness: t.
        decoded: How often decoding is tried per picture.
    """
    exponent = math.log(decoded) + ID_BITS * math.log(2) - likeness**2 / 2
    return min(1.0, math.exp(min(exponent, 0.0)))


def read(*frames: NDArray[np.uint8]) -> Found | None:
    """Look for a watermark; first as the picture lies, then at every scale and turn.

    Args:
        frames: uint8 (H, W, 3) BGR, all of one size; several of one video are read as one, and
            where that tells nothing, the first alone.

    Returns:
        The mark that is clearest; None where there is none.
    """
    return next(iter(read_all(*frames)), None)


def read_all(*frames: NDArray[np.uint8]) -> tuple[Found, ...]:
    """Look for all watermarks: what was made from a marked picture carries two; see `read`."""
    lumas = [_luma(frame) for frame in frames]
    if min(lumas[0].shape) < _LEAST_SIDE:
        return ()
    found = _read_straight(lumas) or _read_blind(lumas)
    # Where everything moves, later frames are made of pieces of earlier ones, marks and all.
    return found if found or len(frames) == 1 else read_all(frames[0])


def read_known(*frames: NDArray[np.uint8]) -> Found | None:
    """Look for a watermark in frames that have the scale they were marked with; see `read`."""
    return next(iter(_read_straight([_luma(frame) for frame in frames])), None)


def _read_straight(lumas: Sequence[NDArray[np.uint8]]) -> tuple[Found, ...]:
    tiles = [folded(flattened(halved(luma))) for luma in lumas]
    return _follow(_total(tiles), 1.0, 0.0)


def _read_blind(lumas: Sequence[NDArray[np.uint8]]) -> tuple[Found, ...]:
    pictures = [luma.astype(np.float32) for luma in lumas]
    for guess in search(pictures, GUESSES):
        if guess.score < LEAST_SCORE:
            break
        tiles = [folded(straightened(picture, guess)) for picture in pictures]
        found = _follow(_total(tiles), guess.scale, guess.turn)
        if found:
            return found
    return ()


def _total(tiles: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return cast("NDArray[np.float32]", np.sum(tiles, axis=0))


def _luma(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    luma = cast("NDArray[np.uint8]", cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    pixel = pixel_of(luma.shape[1], luma.shape[0])
    if pixel == 1:
        return luma
    size = (luma.shape[1] // pixel, luma.shape[0] // pixel)
    even = luma[: size[1] * pixel, : size[0] * pixel]
    return cast("NDArray[np.uint8]", cv2.resize(even, size, interpolation=cv2.INTER_AREA))


@dataclass(frozen=True, slots=True, eq=False)
class _Beginning:
    """A place where the tile may begin, in one way of holding the picture."""

    clearness: float
    way: int
    x: int
    y: int
    spectrum: NDArray[np.complex64]


def _follow(tile: NDArray[np.float32], scale: float, turn: float) -> tuple[Found, ...]:
    """Return what a folded tile says, clearest first."""
    clear = (one for one in _beginnings(tile) if one.clearness >= LEAST_CLEARNESS)
    beginnings = sorted(clear, key=lambda one: -one.clearness)[:_TRIES]
    if not beginnings:
        return ()
    soft = np.stack([_soft(one) for one in beginnings])
    found: dict[str, Found] = {}
    for one, values, identifier in zip(beginnings, soft, decode(soft), strict=True):
        if identifier is None:
            continue
        expected = np.sign(soft_bits(data_phases(identifier)))
        likeness = float(expected @ values / np.linalg.norm(values))
        if likeness < LIKENESS:
            continue
        mark = Found(
            id=identifier,
            confidence=likeness / math.sqrt(len(values)),
            false_alarm=false_alarm_bound(likeness, _TRIES * (GUESSES + 1)),
            scale=scale,
            turn=math.degrees(turn),
            mirrored=bool(one.way & 1),
        )
        found.setdefault(identifier, mark)
    return tuple(sorted(found.values(), key=lambda mark: -mark.confidence))


def _beginnings(tile: NDArray[np.float32]) -> Iterator[_Beginning]:
    """Yield where the pilots agree best, for every way of holding the picture."""
    plan = waves()
    kx, ky = plan.pilots.T
    for way in range(_WAYS):
        turned = np.rot90(tile[:, ::-1] if way & 1 else tile, way >> 1)
        spectrum = np.fft.fft2(turned).astype(np.complex64)
        heard = _limited(spectrum[ky % SIDE, kx % SIDE]) * plan.pilot_phases.conj()
        whole = np.zeros((_GRID, _GRID), np.complex64)
        whole[ky, kx % _GRID] = heard
        agreement = np.fft.ifft2(whole).real * _GRID**2 / (np.linalg.norm(heard) + 1e-9) * 2**0.5
        for _ in range(_PEAKS):
            y, x = divmod(int(agreement.argmax()), _GRID)
            yield _Beginning(float(agreement[y, x]), way, x, y, spectrum)
            near = np.arange(-4, 5)
            agreement[np.ix_((y + near) % _GRID, (x + near) % _GRID)] = -np.inf


def _soft(one: _Beginning) -> NDArray[np.float32]:
    kx, ky = waves().data.T
    back = np.exp(2j * np.pi * (kx * one.x + ky * one.y) / _GRID)
    return soft_bits((_limited(one.spectrum[ky % SIDE, kx % SIDE]) * back).astype(np.complex64))


def _limited(waves_: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return waves of which the strongest count little more than the middling: they are stripes."""
    size = np.abs(waves_)
    limit = np.sqrt(np.mean(size**2)) + 1e-9
    return cast("NDArray[np.complex64]", (waves_ / (size + limit)).astype(np.complex64))
