"""Find out how a marked picture was scaled and turned, from the lines in its spectrum alone.

The mark's waves lie on a lattice of frequencies whatever their phases are, that is to say whatever
the id and wherever the picture was cropped. Scaling and turning the picture scales and turns the
lattice; the one with the most energy on its lines is the best guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from edge.provenance.watermark.pattern import PILOT_STRENGTH, TILE, waves

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALES = (0.38, 2.1)
"""Pixels per nominal pixel that are searched, a little beyond 0.4 to 2.0."""

LARGEST_TURN = np.radians(3.4)
"""Turns that are searched, either way; quarter turns come on top of them."""

_BLUR = 4.0  # pixels: what is coarser than the longest searched wave is taken away
_NEAR = 31  # bins around a line that tell how much energy the picture itself has there
_BRIGHTEST = 8.0  # a line counts for no more, or one strong stripe would outvote the lattice
_FLOOR = 0.01  # of the spectrum's mean power
_STEP = 0.7  # bins that the outermost line moves from one guess to the next


Sample = Callable[
    ["NDArray[np.float32]", "NDArray[np.float64]", "NDArray[np.float64]"], "NDArray[np.float32]"
]
"""Reads a power spectrum at frequencies, given in bins across and down."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a picture lies on the mark's own raster.

    Attributes:
        scale: Pixels per nominal pixel.
        turn: Radians; the picture was turned by so much.
        score: Energy on the lattice's lines, in standard deviations above that of no lattice.
    """

    scale: float
    turn: float
    score: float = 0.0


def search(lumas: Sequence[NDArray[np.float32]], count: int) -> list[Geometry]:
    """Return the best guesses, best first.

    Args:
        lumas: float32 (H, W) each, all of one size; of many the first, the middle and the last
            are looked at.
        count: How many.
    """
    looked_at = [lumas[index] for index in sorted({0, len(lumas) // 2, len(lumas) - 1})]
    energies = [_line_energy(luma) for luma in looked_at]
    energy = cast("NDArray[np.float32]", np.mean(energies, axis=0, dtype=np.float32))
    shape = (lumas[0].shape[0], lumas[0].shape[1])
    found: list[Geometry] = []
    for scale in _scales(max(shape)):
        step = _STEP / _outermost(max(shape), scale)
        number = int(np.ceil(LARGEST_TURN / step))
        turns = np.linspace(-LARGEST_TURN, LARGEST_TURN, 2 * number + 1)
        scores = _scores(energy, shape, np.full_like(turns, scale), turns, _nearest)
        best = int(scores.argmax())
        found.append(Geometry(scale, float(turns[best]), float(scores[best])))
    found.sort(key=lambda guess: -guess.score)
    chosen: list[Geometry] = []
    for guess in found:
        if len(chosen) == count:
            break
        better = _refined(energy, shape, guess)
        if all(_apart(better, other, max(shape)) for other in chosen):
            chosen.append(better)
    return sorted(chosen, key=lambda guess: -guess.score)


def _scales(longest: int) -> list[float]:
    scales = [SCALES[0]]
    while scales[-1] < SCALES[1]:
        scales.append(scales[-1] * (1 + _STEP / _outermost(longest, scales[-1])))
    return scales


def _outermost(longest: int, scale: float) -> float:
    """Return the bins between the spectrum's middle and the outermost line."""
    return float(np.hypot(*waves().data[-1])) / TILE / scale * longest


def _apart(one: Geometry, other: Geometry, longest: int) -> bool:
    near = 1.5 / _outermost(longest, one.scale)
    return abs(np.log(one.scale / other.scale)) > near or abs(one.turn - other.turn) > near


def _line_energy(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power spectrum relative to its surroundings: float32 (H, W // 2 + 1)."""
    high = luma - cv2.GaussianBlur(luma, (0, 0), _BLUR)
    contrast = cv2.boxFilter(high * high, -1, (25, 25))
    spectrum = np.fft.rfft2(high / np.sqrt(contrast + 0.5))
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    around = cv2.blur(power, (_NEAR, _NEAR), borderType=cv2.BORDER_REFLECT_101)
    # Where there is next to nothing, as in what an enlarged picture cannot hold, nothing is a line.
    lines = np.minimum(power / (around + _FLOOR * power.mean() + 1e-6), _BRIGHTEST)
    return cast("NDArray[np.float32]", lines)


def _lattice() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return all waves as (N, 2) cycles per nominal pixel, and how much each counts."""
    plan = waves()
    every = np.concatenate([plan.pilots, plan.data]) / TILE
    weights = np.ones(len(every))
    weights[: len(plan.pilots)] = PILOT_STRENGTH**2
    return every, weights


def _scores(
    energy: NDArray[np.float32],
    shape: tuple[int, int],
    scales: NDArray[np.float64],
    turns: NDArray[np.float64],
    sample: Sample,
) -> NDArray[np.float64]:
    """Return the score of each pair of scale and turn."""
    lattice, weights = _lattice()
    cosine, sine = (part / scales for part in (np.cos(turns), np.sin(turns)))
    across = np.outer(cosine, lattice[:, 0]) - np.outer(sine, lattice[:, 1])
    down = np.outer(sine, lattice[:, 0]) + np.outer(cosine, lattice[:, 1])
    height, width = shape
    values = sample(energy, across * width, down * height)
    return np.asarray((values - 1) @ weights / np.sqrt((weights**2).sum()))


def _nearest(
    energy: NDArray[np.float32], across: NDArray[np.float64], down: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the energy in the bins nearest to frequencies; 1, which says nothing, beyond them."""
    column, row = np.rint(across).astype(np.int64), np.rint(down).astype(np.int64)
    mirrored = column < 0  # only half of a real picture's spectrum is kept
    column, row = np.abs(column), np.where(mirrored, -row, row) % energy.shape[0]
    inside = column < energy.shape[1]
    values = np.where(inside, energy[row, np.minimum(column, energy.shape[1] - 1)], 1)
    return cast("NDArray[np.float32]", values)


def _between(
    energy: NDArray[np.float32], across: NDArray[np.float64], down: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the energy between bins, from the four around: finer than `_nearest`, and slower."""
    left, top = np.floor(across), np.floor(down)
    total = np.zeros(across.shape, np.float32)
    for x, y in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = np.abs(1 - x - (across - left)) * np.abs(1 - y - (down - top))
        total += (weight * _nearest(energy, left + x, top + y)).astype(np.float32)
    return total


def _refined(energy: NDArray[np.float32], shape: tuple[int, int], guess: Geometry) -> Geometry:
    """Return a guess moved, in ever smaller steps, to where the lines are; its score stays."""
    step = _STEP / _outermost(max(shape), guess.scale)
    for part in (0.4, 0.2, 0.1):
        offsets = np.arange(-2, 3) * step * part
        scales = guess.scale * (1 + np.repeat(offsets, 5))
        turns = guess.turn + np.tile(offsets, 5)
        scores = _scores(energy, shape, scales, turns, _between)
        best = int(scores.argmax())
        guess = Geometry(float(scales[best]), float(turns[best]), guess.score)
    return guess
