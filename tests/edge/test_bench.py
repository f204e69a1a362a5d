"""The bench: rounds are interleaved and counted right, and nothing of this device is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge import bench, resources
from edge.errors import UsageError
from edge.swap import Engines
from edge.swapmodel import open_swap_model


def _clock(steps_ms: list[float]) -> Iterator[int]:
    """Yield times between which the steps lie: start, end, start, end, .."""
    now = 0
    for step in steps_ms:
        yield now
        now += int(step * 1e6)
        yield now


def test_rounds_are_interleaved_and_the_first_ones_do_not_count() -> None:
    ran: list[str] = []
    rounds: list[int] = []
    steps = _clock([900, 900, 1, 10, 3, 30, 2, 20])
    first, second = bench.measure(
        {"a": lambda: ran.append("a"), "b": lambda: ran.append("b")},
        3,
        warm_up=1,
        clock=lambda: next(steps),
        after_round=lambda: rounds.append(len(ran)),
    )
    assert ran == ["a", "b"] * 4
    assert rounds == [2, 4, 6, 8]
    assert first == bench.Timing("a", 3, p50=2.0, p90=3.0, p99=3.0, quickest=1.0)
    assert second == bench.Timing("b", 3, p50=20.0, p90=30.0, p99=30.0, quickest=10.0)


def test_what_comes_before_a_run_is_not_counted() -> None:
    ticks = iter(range(0, 10**9, 1_000_000))
    order: list[str] = []
    stages = {"one": lambda: order.append("one"), "two": lambda: order.append("two")}
    clocked: list[int] = []

    def clock() -> int:
        clocked.append(next(ticks))
        order.append("clock")
        return clocked[-1]

    bench.measure(
        stages, 1, warm_up=0, clock=clock, before=lambda name: order.append(f"for {name}")
    )
    assert order == ["for one", "clock", "one", "clock", "for two", "clock", "two", "clock"]


@pytest.mark.parametrize(
    ("size", "target"),
    [((40, 30), (80, 60)), ((40, 30), (20, 15)), ((40, 30), (80, 80)), ((40, 30), (90, 20))],
)
def test_fit_keeps_proportions(size: tuple[int, int], target: tuple[int, int]) -> None:
    width, height = size
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, width // 2 :] = 255
    out = bench.fit(frame, target)
    assert out.shape == (target[1], target[0], 3)
    scale = min(target[0] / width, target[1] / height)
    edge_at = int(np.argmax(out[0, :, 0] > 127))
    assert abs(edge_at - width * scale / 2) <= 2
    assert out[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("frame_size", "rounds"),
    [((100, 1080), 5), ((1920, 9000), 5), ((640, 360), 0), ((640, 360), 100_001)],
)
def test_senseless_wishes(frame_size: tuple[int, int], rounds: int) -> None:
    with pytest.raises(UsageError):
        bench.run_bench(frame_size=frame_size, rounds=rounds)


def test_the_device_s_own_home_comes_back(
    tmp_path: Path, edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (edge_home / "data" / "cards").mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with bench._home_in(tmp_path / "one"):
        assert os.environ["EDGE_HOME"] == str(tmp_path / "one" / "home")
        assert (resources.data_dir() / "cards").is_dir(), "the user's own models stay usable"
    assert os.environ["EDGE_HOME"] == str(edge_home)
    monkeypatch.delenv("EDGE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    with bench._home_in(tmp_path / "two"):
        pass
    assert "EDGE_HOME" not in os.environ


def test_every_stage_is_measured(edge_home: Path) -> None:
    report = bench.run_bench(frame_size=(640, 360), rounds=1)
    names = [timing.stage for timing in report.timings]
    for stage in ("align", "embed", "swap model", "paste", "label", "sign and verify"):
        assert stage in names
    assert all(0 < t.quickest <= t.p50 <= t.p90 <= t.p99 for t in report.timings)
    kinds = {use.kind for use in report.models}
    assert kinds == {"detector", "landmarker", "recogniser", "swapper"}
    assert report.faces >= 1
    assert report.memory > 0
    assert report.roof is not None
    assert report.roof.multiply_adds == pytest.approx(0.48e9, rel=0.01)
    assert 0 < report.roof.gops < 20 * report.roof.peak_gops
    assert not (edge_home / "config" / "keys").exists()
    assert not (edge_home / "state").exists()


def test_a_model_that_takes_a_picture_is_measured_with_one(edge_home: Path) -> None:
    from tests import families

    families.install(edge_home, "blendswap_256")
    engines = Engines(model="blendswap_256", threads=1)
    report = bench.run_bench(engines, frame_size=(640, 360), rounds=1)
    assert report.models[-1].name == "blendswap_256"
    assert {"swap model", "whole picture"} <= {timing.stage for timing in report.timings}


def test_a_boosted_crop_asks_for_all_of_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    second = bench.Timing("", 1, 1000.0, 1000.0, 1000.0, 1000.0)
    monkeypatch.setattr(bench, "measure", lambda stages, rounds: (second,) * len(stages))
    model = open_swap_model("ref_swapper")
    one, four = (bench._reached(model, lambda: None, 1, 1, runs) for runs in (1, 4))
    assert one is not None
    assert four is not None
    assert one.gops == pytest.approx(2 * one.multiply_adds / 1e9)
    assert (four.multiply_adds, four.gops) == (4 * one.multiply_adds, 4 * one.gops)
