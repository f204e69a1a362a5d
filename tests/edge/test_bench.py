"""The bench: every stage is measured, and nothing of this device is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import bench
from edge.errors import UsageError
from edge.swap import Engines
from edge.swapmodel import open_swap_model
from edge.timing import Timing


@pytest.mark.parametrize(
    ("frame_size", "rounds"),
    [((100, 1080), 5), ((1920, 9000), 5), ((640, 360), 0), ((640, 360), 100_001)],
)
def test_senseless_wishes(frame_size: tuple[int, int], rounds: int) -> None:
    with pytest.raises(UsageError):
        bench.run_bench(frame_size=frame_size, rounds=rounds)


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
    second = Timing("", 1, 1000.0, 1000.0, 1000.0, 1000.0)
    monkeypatch.setattr(bench, "measure", lambda stages, rounds: (second,) * len(stages))
    model = open_swap_model("ref_swapper")
    one, four = (bench._reached(model, lambda: None, 1, 1, runs) for runs in (1, 4))
    assert one is not None
    assert four is not None
    assert one.gops == pytest.approx(2 * one.multiply_adds / 1e9)
    assert (four.multiply_adds, four.gops) == (4 * one.multiply_adds, 4 * one.gops)
