"""Calibration: the ranges are those of the float model, measured once and kept."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest

from quantize import calibrate as module
from quantize.calibrate import Method, Ranges, calibrate, default_cache
from quantize.calibration.cache import read_arrays, write_arrays
from quantize.errors import CalibrationError
from quantize.passes._infra.engine import run_model
from quantize.passes._infra.feeds import draw_feeds
from quantize.samples import Samples, samples_of
from tests.quantize.graphs import TOPOLOGIES, Sketch, reference_like


def _samples(model: onnx.ModelProto, count: int = 3, seed: int = 0) -> Samples:
    return samples_of(draw_feeds(model, count=count, seed=seed), "drawn")


def _exposed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that gives every value as an output."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    have = {value.name for value in model.graph.output}
    for node in model.graph.node:
        twin.graph.output.extend(
            onnx.ValueInfoProto(name=name) for name in node.output if name not in have
        )
    return twin


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_ranges_are_those_of_the_values(name: str) -> None:
    model = TOPOLOGIES[name]()
    samples = _samples(model)
    ranges = calibrate(model, samples, cache=None)
    assert (ranges.samples, ranges.digest) == (3, samples.digest)
    results = run_model(_exposed(model), samples.feeds)
    for feeds, outputs in zip(samples.feeds, results, strict=True):
        outputs.update(feeds)
    for tensor in ranges.minmax:
        values = np.stack([np.asarray(one[tensor]) for one in results])
        low, high = ranges.of(tensor, "minmax")
        size = max(float(np.abs(values).max()), 1e-6)
        assert low == pytest.approx(values.min(), abs=1e-4 * size)
        assert high == pytest.approx(values.max(), abs=1e-4 * size)
        assert ranges.histograms[tensor][0].sum() == values.size
        if values.ndim == 5:
            means = values.mean(axis=(0, 1, 3, 4))
            np.testing.assert_allclose(ranges.means[tensor], means, atol=1e-4 * size)
            lows, highs = ranges.channels[tensor]
            assert (lows.min(), highs.max()) == (np.float32(low), np.float32(high))
    floats = {"target", "source", "output"}
    assert floats <= set(ranges.minmax)


def test_integers_and_weights_have_no_range() -> None:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 4)
    shape = s.op("Shape", x)
    s.op("Reshape", s.conv(x, 3, 3), shape, output="y")
    model = s.model("y")
    ranges = calibrate(model, _samples(model), cache=None)
    assert set(ranges.minmax) == {"x", "v1", "y"}


def test_methods_nest() -> None:
    model = reference_like()
    ranges = calibrate(model, _samples(model), cache=None)
    methods: tuple[Method, ...] = ("percentile", "entropy")
    for tensor in ranges.minmax:
        low, high = ranges.of(tensor, "minmax")
        for method in methods:
            first, last = ranges.of(tensor, method, 99.0)
            assert low <= first <= last <= high
    narrow = ranges.of("target", "percentile", 80.0)
    wide = ranges.of("target", "percentile", 99.9)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("tensor", "method", "percentile", "text"),
    [
        ("absent", "minmax", 99.0, "nothing was measured of tensor 'absent'"),
        ("target", "percentile", 0.0, "percentile 0 is not above 0"),
        ("target", "percentile", 101.0, "percentile 101 is not"),
        ("target", "mean", 99.0, "no method 'mean'; known: minmax, percentile, entropy"),
    ],
)
def test_what_cannot_be_answered(tensor: str, method: str, percentile: float, text: str) -> None:
    model = reference_like()
    ranges = calibrate(model, _samples(model, 1), cache=None)
    with pytest.raises(CalibrationError, match=text):
        ranges.of(tensor, cast(Method, method), percentile)


def _assert_same(first: Ranges, second: Ranges) -> None:
    assert first.minmax == second.minmax
    assert (first.samples, first.digest) == (second.samples, second.digest)
    for tensor in first.minmax:
        counts, edge = first.histograms[tensor]
        np.testing.assert_array_equal(counts, second.histograms[tensor][0])
        assert edge == second.histograms[tensor][1]
    assert set(first.channels) == set(second.channels)
    assert set(first.means) == set(second.means)
    for tensor, mean in first.means.items():
        np.testing.assert_array_equal(mean, second.means[tensor])
        np.testing.assert_array_equal(first.channels[tensor], second.channels[tensor])


def test_the_second_time_comes_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = reference_like()
    first = calibrate(model, _samples(model), cache=tmp_path)
    monkeypatch.setattr(module, "PiecewiseRun", None)
    _assert_same(first, calibrate(model, _samples(model), cache=tmp_path))
    with pytest.raises(TypeError):  # other samples: measured again
        calibrate(model, _samples(model, seed=1), cache=tmp_path)


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    model = reference_like()
    first = calibrate(model, _samples(model), cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    _assert_same(first, calibrate(model, _samples(model), cache=tmp_path))
    (again,) = tmp_path.iterdir()
    assert again == file


@pytest.mark.parametrize("change", [{"edges": np.zeros(1)}, {"names": np.array("[")}, None])
def test_a_cache_that_does_not_fit_is_made_again(
    tmp_path: Path, change: dict[str, np.ndarray] | None
) -> None:
    model = reference_like()
    first = calibrate(model, _samples(model), cache=tmp_path)
    key = next(tmp_path.iterdir()).stem
    packed = read_arrays(tmp_path, key)
    assert packed is not None
    write_arrays(tmp_path, key, {} if change is None else {**packed, **change})
    _assert_same(first, calibrate(model, _samples(model), cache=tmp_path))


def test_the_user_s_cache_is_the_default(edge_home: Path) -> None:
    model = reference_like()
    assert default_cache() == edge_home / "cache" / "calibration"
    calibrate(model, _samples(model, 1))
    assert len(list(default_cache().glob("*.npz"))) == 1


def test_nothing_is_kept_when_asked(edge_home: Path) -> None:
    model = reference_like()
    calibrate(model, _samples(model, 1), cache=None)
    assert not default_cache().exists()


def test_progress_counts_samples() -> None:
    model = reference_like()
    told: list[tuple[int, int]] = []
    calibrate(model, _samples(model), cache=None, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_interrupt_leaves_no_cache(tmp_path: Path) -> None:
    model = reference_like()

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(model, _samples(model), cache=tmp_path / "c", progress=stop)
    assert not (tmp_path / "c").exists()


def test_the_model_is_left_alone(tmp_path: Path) -> None:
    model = reference_like()
    before = model.SerializeToString(deterministic=True)
    calibrate(model, _samples(model, 1), cache=tmp_path)
    assert model.SerializeToString(deterministic=True) == before


def test_no_samples() -> None:
    with pytest.raises(CalibrationError, match="no sample"):
        calibrate(reference_like(), samples_of([], "none"), cache=None)


def test_values_that_are_no_numbers_name_their_tensor() -> None:
    s = Sketch()
    s.op("Log", s.input("x", 1, 4), output="y")
    model = s.model("y")
    samples = samples_of([{"x": np.array([[1, 2, -3, 4]], np.float32)}], "one")
    with pytest.raises(CalibrationError, match="tensor 'y' holds values that are no numbers"):
        calibrate(model, samples, cache=None)
