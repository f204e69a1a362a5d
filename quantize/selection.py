"""Choose which layers stay float, from what each of them costs when it is quantized.

The squared errors that layers cause in the picture are nearly uncorrelated, so those of a set add
up: a prediction that costs nothing, to be checked on the model.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from quantize.sensitivity import Layer

__all__ = ["costs_of", "errors_of", "predicted_psnr", "select"]

Errors = NDArray[np.float64]

_SEAM = 0.002
"""What a float layer costs beyond its size and its work: values are converted there and back."""


def errors_of(layers: Sequence[Layer]) -> Errors:
    """Return float64 (layers, samples): the mean squared error that each layer causes alone."""
    return np.asarray([np.power(10.0, -np.asarray(layer.psnrs) / 10) for layer in layers])


def costs_of(layers: Sequence[Layer], small: Collection[str] = ()) -> NDArray[np.float64]:
    """Return what it costs to leave each layer float: float64 (layers,), about 2 in all.

    It is the layer's share in the bytes of the weights, plus its share in the multiply-adds, plus
    a little for the seam.

    Args:
        layers: what could be quantized.
        small: names of those whose weights take 8 bits either way.
    """
    sizes = np.asarray([layer.weight_bytes for layer in layers], np.float64)
    work = np.asarray([layer.multiply_adds for layer in layers], np.float64)
    saved = np.where([layer.name in small for layer in layers], 0.0, sizes)
    shares = saved / max(sizes.sum(), 1.0) + work / max(work.sum(), 1.0)
    return np.asarray(shares + _SEAM)


def predicted_psnr(errors: Errors, floats: NDArray[np.bool_], floor: float = 0.0) -> float:
    """Return the PSNR that is to be expected of the worst sample, in dB.

    Args:
        errors: float64 (layers, samples) from `errors_of`.
        floats: bool (layers,), true for layers that stay float.
        floor: mean squared error that is there whatever stays float.
    """
    left = errors[~floats].sum(axis=0) + floor
    return float(-10 * np.log10(max(float(left.max(initial=0.0)), 1e-12)))


def select(
    errors: Errors, costs: NDArray[np.float64], psnr: float, floor: float = 0.0
) -> NDArray[np.bool_]:
    """Return a cheap set of float layers with which every sample should reach a PSNR.

    Greedy from two orders (most error per cost; most error), then what is not needed is taken
    out again and layers are exchanged for cheaper ones; the cheaper result of the two.

    Args:
        errors: float64 (layers, samples) from `errors_of`.
        costs: float64 (layers,) from `costs_of`.
        psnr: dB that the worst sample should reach.
        floor: mean squared error that is there whatever stays float.

    Returns:
        bool (layers,), true for layers that stay float; all of them when the floor is too high.
    """
    allowed = 10 ** (-psnr / 10) - floor
    sets = [
        _refined(errors, costs, allowed, _greedy(errors, weights, allowed))
        for weights in (costs, np.ones_like(costs))
    ]
    return min(sets, key=lambda floats: float(costs[floats].sum()))


def _greedy(errors: Errors, costs: NDArray[np.float64], allowed: float) -> NDArray[np.bool_]:
    floats = np.zeros(len(errors), np.bool_)
    left = errors.sum(axis=0)
    while np.any(left > allowed) and not floats.all():
        excess = np.maximum(left - allowed, 0)
        gain = np.minimum(errors, excess).sum(axis=1) / costs
        gain[floats] = -1
        best = int(gain.argmax())
        floats[best] = True
        left = errors[~floats].sum(axis=0)
    return floats


def _refined(
    errors: Errors, costs: NDArray[np.float64], allowed: float, floats: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    floats = floats.copy()
    better = True
    while better:
        better = False
        for index in sorted(np.flatnonzero(floats), key=lambda i: -costs[i]):
            rest = errors[~floats].sum(axis=0) + errors[index]
            cheaper = [i for i in np.flatnonzero(~floats) if costs[i] < costs[index]]
            cheaper.sort(key=lambda i: costs[i])
            if np.all(rest <= allowed):
                floats[index] = False
                better = True
                break
            swap = next((i for i in cheaper if np.all(rest - errors[i] <= allowed)), None)
            if swap is not None:
                floats[index], floats[swap] = False, True
                better = True
                break
    return floats
