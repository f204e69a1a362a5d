"""Running golden vectors on a device: what is measured, and what is not called a latency."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge import conditions, device_test
from edge.backends._assignment import nodes_per_provider
from edge.bundle.opening import open_bundle
from edge.bundle.tuning import save_tuning
from edge.device_test import least_psnr, run_device_test
from edge.errors import BundleError, UsageError
from edge.power import PowerState
from edge.throttle import ThrottleState
from tests.bundles import VARIANT, Made, bundle
from tests.golden import add_golden


@pytest.fixture
def made(edge_home: Path, tmp_path: Path) -> Made:
    found = bundle(edge_home, tmp_path)
    add_golden(found)
    return found


def test_the_same_machine_gives_the_same_bits(made: Made) -> None:
    rounds: list[int] = []
    report = run_device_test(made.folder, rounds=2, told=lambda done, total: rounds.append(done))
    (way,) = report.ways
    assert (way.identical, way.psnr, way.holds, way.left_out) == (2, 99.0, True, "")
    assert way.provider == "CPUExecutionProvider"
    assert way.providers is not None
    assert way.providers["CPUExecutionProvider"] >= 1
    assert way.latency is not None
    assert way.latency.rounds == 2
    assert report.holds
    assert max(rounds) == 2


def test_other_pictures_than_where_it_was_built(edge_home: Path, tmp_path: Path) -> None:
    made = bundle(edge_home, tmp_path)
    add_golden(made, off=0.3)
    report = run_device_test(made.folder, rounds=1)
    (way,) = report.ways
    assert not report.holds
    assert not way.holds
    assert way.identical == 0
    assert way.psnr is not None
    assert way.psnr < least_psnr("fp32")
    assert way.psnr_float == 99.0


def test_it_is_timed_on_the_cores_that_it_is_run_on(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = min(os.sched_getaffinity(0))
    bundled = open_bundle(made.folder)
    save_tuning(made.folder, bundled.contents, ["ort"], {"ort": 1}, cores={"ort": [core]})
    seen: list[tuple[int, ...]] = []

    @contextmanager
    def pinned(cores: tuple[int, ...]) -> Iterator[None]:
        seen.append(tuple(cores))
        yield

    monkeypatch.setattr(device_test, "pinned", pinned)
    run_device_test(made.folder, rounds=2)
    assert len(seen) >= 1 + 2 + 2  # opened, each vector, each round
    assert set(seen) == {(core,)}


def test_a_way_that_does_not_fit_is_named(made: Made) -> None:
    other = {**VARIANT, "name": "gpu", "providers": ["CUDAExecutionProvider"]}
    made.seal(variants=[other, VARIANT])
    report = run_device_test(made.folder, rounds=1)
    assert [bool(way.left_out) for way in report.ways] == [True, False]
    assert "CUDAExecutionProvider" in report.ways[0].left_out
    assert report.holds


@pytest.mark.parametrize("case", ["emulated", "hot", "over-current", "another mode"])
def test_a_time_that_does_not_count_is_not_kept(
    made: Made, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    heat = iter([ThrottleState(0), ThrottleState(0x40004 if case == "hot" else 0)])
    powers: dict[str, list[Any]] = {
        "over-current": [PowerState("15W", events={"oc3": n}) for n in (0, 1)],
        "another mode": [PowerState("15W"), PowerState("MAXN")],
    }
    power = iter(powers.get(case, [None, None]))
    monkeypatch.setattr(conditions, "is_emulated", lambda: case == "emulated")
    monkeypatch.setattr(device_test, "read_state", lambda: next(heat))
    monkeypatch.setattr(device_test, "read_power", lambda: next(power))
    report = run_device_test(made.folder, rounds=1)
    assert report.invalid
    assert [way.latency for way in report.ways] == [None]
    assert report.holds  # the pictures are what they are


def test_what_is_refused(made: Made, edge_home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        run_device_test(made.folder, rounds=0)
    with pytest.raises(UsageError, match="100000 or fewer"):
        run_device_test(made.folder, rounds=100_001)
    (made.folder / "golden" / "crop-1.png").write_bytes(b"changed")
    with pytest.raises(BundleError):
        run_device_test(made.folder, rounds=1)
    older = bundle(edge_home, tmp_path / "older")
    with pytest.raises(BundleError, match="no golden vectors"):
        run_device_test(older.folder, rounds=1)


def test_an_engine_that_does_not_tell(made: Made) -> None:
    file = made.folder / "models" / "tiny_baked.onnx"
    assert nodes_per_provider(file, {}, providers=("CPUExecutionProvider",)) == {}
