"""Calibrate: which values flow through every tensor of a float model.

One pass over the samples measures all that any recipe asks for; the result is kept on disk by the
hash of model and samples, so that the next target, recipe or budget starts with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import onnx
from numpy.typing import NDArray

from edge import resources
from quantize.calibration.cache import cache_key, read_arrays, write_arrays
from quantize.calibration.observe import BINS, Observer
from quantize.calibration.segments import PiecewiseRun
from quantize.calibration.thresholds import entropy_threshold, percentile_range
from quantize.errors import CalibrationError
from quantize.samples import Samples

__all__ = ["Method", "Ranges", "calibrate", "default_cache"]

Method = Literal["minmax", "percentile", "entropy"]
"""How a range is picked: all values, a share of them, or what keeps most information."""

Progress = Callable[[int, int], None]
"""Called with how many samples are done, and of how many."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """What was seen of every float tensor of a model: its inputs, and all that its nodes compute.

    Attributes:
        minmax: Per tensor its smallest and largest value.
        histograms: Per tensor int64 (4096,) counts of a symmetric histogram and its edge: bin i
            reaches from -edge + i * w to -edge + (i + 1) * w, where w = edge / 2048. The edge is a
            power of two above all magnitudes.
        channels: Per 2-D and 4-D tensor the float32 (C,) smallest and largest values per channel
            (axis 1).
        means: Per 2-D and 4-D tensor the float32 (C,) mean per channel.
        samples: How many samples were looked at.
        digest: Hex SHA-256 of them.
    """

    minmax: Mapping[str, tuple[float, float]]
    histograms: Mapping[str, tuple[NDArray[np.int64], float]]
    channels: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    means: Mapping[str, Floats] = field(default_factory=dict)
    samples: int = 0
    digest: str = ""

    def of(self, tensor: str, method: Method, percentile: float = 99.99) -> tuple[float, float]:
        """Return the range of a tensor.

        Args:
            tensor: Its name.
            method: minmax: from the smallest to the largest value. percentile: the range that
                holds that share of the values. entropy: clipped where eight bits keep most of what
                the tensor says. The last two never reach beyond the first.
            percentile: In percent, above 0 and up to 100.

        Returns:
            The lower and the upper end; they may be equal.

        Raises:
            CalibrationError: Nothing was measured of this tensor, no such method, or the
                percentile is out of bounds.
        """
        if tensor not in self.minmax:
            raise CalibrationError(f"nothing was measured of tensor '{tensor}': calibrate again")
        low, high = self.minmax[tensor]
        if method == "minmax":
            return low, high
        counts, edge = self.histograms[tensor]
        if method == "percentile":
            if not 0 < percentile <= 100:
                raise CalibrationError(f"percentile {percentile:g} is not above 0 and up to 100")
            first, last = percentile_range(counts, edge, percentile)
        elif method == "entropy":
            last = entropy_threshold(counts, edge)
            first = -last
        else:
            raise CalibrationError(f"no method '{method}'; known: minmax, percentile, entropy")
        return min(max(first, low), high), max(min(last, high), low)


def default_cache() -> Path:
    """Return the folder where ranges are kept. It may not exist yet."""
    return resources.cache_dir() / "calibration"


def calibrate(
    model: onnx.ModelProto,
    samples: Samples,
    *,
    threads: int = 1,
    cache: Path | Literal["default"] | None = "default",
    progress: Progress | None = None,
) -> Ranges:
    """Measure which values flow through every tensor of a float model.

    Args:
        model: Prepared (static shapes, no subgraphs); it is not edited.
        samples: What it is fed.
        threads: Of the engine.
        cache: Folder where ranges are kept from one time to the next: the user's own cache unless
            another is given. None: nothing is read or kept, as for a model that an identity has
            been baked into.
        progress: Called after each sample; not when the ranges were kept from an earlier time.

    Returns:
        The ranges of its inputs and of all that its nodes compute, but for constants.

    Raises:
        CalibrationError: There are no samples, they do not fit the model, or a value is not finite.
        EngineError: ONNX Runtime cannot run the model.
    """
    if not samples.feeds:
        raise CalibrationError("there is no sample to calibrate with")
    folder = default_cache() if cache == "default" else cache
    key = "" if folder is None else cache_key(model, samples.digest)
    kept = None if folder is None else read_arrays(folder, key)
    if kept is not None:
        ranges = _unpacked(kept, samples)
        if ranges is not None:
            return ranges
    ranges = _measured(model, samples, threads, progress)
    if folder is not None:
        write_arrays(folder, key, _packed(ranges))
    return ranges


def _measured(
    model: onnx.ModelProto, samples: Samples, threads: int, progress: Progress | None
) -> Ranges:
    run = PiecewiseRun(model, threads=threads)
    observers: dict[str, Observer] = {}
    for number, feeds in enumerate(samples.feeds, start=1):
        for made in run.values(feeds):
            for name, array in made.items():
                observer = observers.get(name)
                if observer is None:
                    observer = observers[name] = Observer(name)
                observer.add(array)
        if progress is not None:
            progress(number, len(samples.feeds))
    seen = {name: one for name, one in observers.items() if one.low <= one.high}
    return Ranges(
        minmax={name: (one.low, one.high) for name, one in seen.items()},
        histograms={name: (one.counts, one.edge) for name, one in seen.items()},
        channels={
            name: (one.lows, one.highs)
            for name, one in seen.items()
            if one.lows is not None and one.highs is not None
        },
        means={name: one.means for name, one in seen.items() if one.means is not None},
        samples=len(samples.feeds),
        digest=samples.digest,
    )


def _packed(ranges: Ranges) -> dict[str, NDArray[Any]]:
    """Turn ranges into a few arrays: thousands of small ones would be slow to read."""
    names = list(ranges.minmax)
    sides = [name for name in names if name in ranges.channels]
    empty = np.zeros(0, np.float32)
    return {
        "names": np.array(json.dumps(names)),
        "minmax": np.array([ranges.minmax[name] for name in names], np.float64).reshape(-1, 2),
        "edges": np.array([ranges.histograms[name][1] for name in names], np.float64),
        "counts": np.array([ranges.histograms[name][0] for name in names]).reshape(-1, BINS),
        "sides": np.array(json.dumps(sides)),
        "lengths": np.array([len(ranges.means[name]) for name in sides], np.int64),
        "lows": np.concatenate([empty, *(ranges.channels[name][0] for name in sides)]),
        "highs": np.concatenate([empty, *(ranges.channels[name][1] for name in sides)]),
        "means": np.concatenate([empty, *(ranges.means[name] for name in sides)]),
    }


def _unpacked(kept: Mapping[str, NDArray[Any]], samples: Samples) -> Ranges | None:
    """Return the ranges that were kept, or None where the arrays do not fit together."""
    try:
        names, sides = json.loads(str(kept["names"])), json.loads(str(kept["sides"]))
        ends = np.cumsum(kept["lengths"])[:-1]
        lows, highs, means = (np.split(kept[key], ends) for key in ("lows", "highs", "means"))
        counts = cast(NDArray[np.int64], kept["counts"])
        pairs = kept["minmax"].tolist()
        edges = kept["edges"].tolist()
        return Ranges(
            minmax={n: (low, high) for n, (low, high) in zip(names, pairs, strict=True)},
            histograms={n: (row, edge) for n, row, edge in zip(names, counts, edges, strict=True)},
            channels={n: (low, high) for n, low, high in zip(sides, lows, highs, strict=True)},
            means=dict(zip(sides, means, strict=True)),
            samples=len(samples.feeds),
            digest=samples.digest,
        )
    except (KeyError, ValueError, TypeError, IndexError):
        return None
