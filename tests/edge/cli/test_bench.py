"""`edge bench`: its page names machine, versions and rounds; its JSON holds the same."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edge import bench
from edge.bench import Reached, Report
from edge.cli import main
from edge.machine import Machine
from edge.power import PowerState
from edge.records import ModelUse
from edge.throttle import ThrottleState
from edge.timing import Timing

REPORT = Report(
    machine=Machine(
        "Raspberry Pi 4", "Cortex-A72", "aarch64", 4, ("asimd",), 2**32, "ondemand", "Debian", "6.1"
    ),
    versions={"edge-swap": "0.1.0", "numpy": "2.0"},
    threads={"engine": 2, "opencv": 4},
    load=0.25,
    frame_size=(640, 360),
    faces=2,
    models=(ModelUse("ref_swapper", "swapper", "0" * 64, "fp32", "ort", "CPU", "1.22", "MIT"),),
    memory=2**27,
    timings=(Timing("align", 5, 1.0, 2.0, 3.0, 0.5), Timing("paste", 5, 4.0, 5.0, 6.0, 3.5)),
    before=ThrottleState(0, 50.4),
    after=ThrottleState(0, 61.0),
    invalid="",
    roof=Reached(480_000_000, 120.0, 240.0, "float32"),
)


def test_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: dict[str, object] = {}

    def run_bench(engines: object, **wishes: object) -> Report:
        asked.update(wishes, engines=engines)
        return REPORT

    monkeypatch.setattr(bench, "run_bench", run_bench)
    assert main(["bench", "--frame-size", "640x360", "--rounds", "5", "--threads", "2"]) == 0
    page = capsys.readouterr().out
    for words in ("Raspberry Pi 4", "ondemand", "ort 1.22", "load before: 0.25", "engine 2", "p99"):
        assert words in page
    assert "slowed by heat or supply: no; 50 degrees Celsius before, 61 degrees" in page
    assert "0.48 GMAC a crop, 120 GOP/s in its quickest round: 50% of the 240 that large" in page
    assert "5 interleaved rounds; p99 is then the slowest round" in page
    assert asked["frame_size"] == (640, 360)
    assert asked["rounds"] == 5
    assert asked["engines"].threads == 2  # type: ignore[attr-defined]


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "run_bench", lambda engines, **wishes: REPORT)
    assert main(["bench", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["unit"] == "ms"
    assert answer["timings"][1] == {
        "stage": "paste",
        "rounds": 5,
        "p50": 4,
        "p90": 5,
        "p99": 6,
        "quickest": 3.5,
    }
    assert answer["machine"]["governor"] == "ondemand"


@pytest.mark.parametrize("size", ["1920", "axb", "1920x", "-5x7"])
def test_a_size_that_is_none(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        main(["bench", f"--frame-size={size}"])
    assert leave.value.code == 2
    assert "1920x1080" in capsys.readouterr().err


def test_a_board_that_was_slowed_down_gives_no_figures_that_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hot = replace(REPORT, after=ThrottleState(0x40004), invalid="the board was slowed down")
    monkeypatch.setattr(bench, "run_bench", lambda engines, **wishes: hot)
    assert main(["bench"]) == 0
    page = capsys.readouterr().out
    assert "INVALID: the board was slowed down; so there are no figures" in page
    assert "paste" not in page
    assert "GOP/s" not in page
    assert main(["bench", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["invalid"] == "the board was slowed down"
    assert {timing["p50"] for timing in answer["timings"]} == {None}
    assert answer["roof"] is None
    assert answer["after"]["bits"] == 0x40004
    unknown = replace(REPORT, before=ThrottleState(None), after=ThrottleState(None))
    monkeypatch.setattr(bench, "run_bench", lambda engines, **wishes: unknown)
    assert main(["bench"]) == 0
    assert "not told (no vcgencmd here)" in capsys.readouterr().out


def test_a_jetson_says_its_power_mode(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    power = PowerState("15W", 0, {"cpu": 48.5, "tj": 49.6}, {"VDD_IN": 5765}, events={"oc3": 0})
    board = replace(REPORT, before=ThrottleState(None), power_before=power, power_after=power)
    monkeypatch.setattr(bench, "run_bench", lambda engines, **wishes: board)
    assert main(["bench"]) == 0
    page = capsys.readouterr().out
    assert "power mode 15W, tj 50 degrees Celsius after, VDD_IN 5765 mW" in page
    assert "slowed by heat or supply: no over-current event" in page
    assert main(["bench", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["power_after"]["mode"] == "15W"
    assert answer["power_before"]["events"] == {"oc3": 0}
