"""Power mode, heat and over-current of a Jetson."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.power import (
    PowerState,
    parse_nvpmodel,
    parse_tegrastats,
    power_changed,
    read_power,
)

# In the forms that JetPack 5 and 6 print them; the figures are made up.
ORIN_NANO = (
    "11-29-2026 10:00:00 RAM 2840/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) "
    "CPU [25%@1420,0%@729,off,off,22%@1420,18%@1420] EMC_FREQ 2%@2133 GR3D_FREQ 76%@[624] "
    "NVDEC off NVJPG off VIC off APE 200 cpu@48.5C soc2@46.25C soc0@46C gpu@47.875C tj@48.5C "
    "cv0@-256C VDD_IN 5765mW/5601mW VDD_CPU_GPU_CV 1548mW/1400mW VDD_SOC 1497mW/1480mW"
)


@pytest.mark.parametrize(
    ("text", "mode", "number"),
    [
        ("NV Power Mode: 15W\n0\n", "15W", 0),
        ("NV Power Mode: MAXN_SUPER\n2\n", "MAXN_SUPER", 2),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: MAXN\n0\n", "MAXN", 0),
        ("NVPM VERB: Current mode: NV Power Mode: 25W\r\n1\r\n", "25W", 1),
        ("NV Power Mode: MODE_30W_ALL", "MODE_30W_ALL", None),
        ("NV Power Mode: \n", "", None),
        ("", "", None),
        ("nvpmodel: not found", "", None),
    ],
)
def test_answers_of_nvpmodel(text: str, mode: str, number: int | None) -> None:
    assert parse_nvpmodel(text) == (mode, number)


def test_a_line_of_tegrastats() -> None:
    state = parse_tegrastats(ORIN_NANO)
    assert state.celsius == {"cpu": 48.5, "soc2": 46.25, "soc0": 46, "gpu": 47.875, "tj": 48.5}
    assert state.milliwatts == {"VDD_IN": 5765, "VDD_CPU_GPU_CV": 1548, "VDD_SOC": 1497}
    assert (state.gpu, state.memory) == (76, 2840)
    older = parse_tegrastats("RAM 1/2MB GR3D_FREQ 0%@[305,0] CPU@47.843C GPU@-256C VDD_IN 4521mW")
    assert older.celsius == {"cpu": 47.843}
    assert older.milliwatts == {"VDD_IN": 4521}
    assert older.gpu == 0


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_nvpmodel(text)
    parse_tegrastats(text)


def _board(root: Path, events: int) -> None:
    folder = root / "sys/class/hwmon/hwmon3"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text("soctherm_oc\n", encoding="ascii")
    for number in (1, 2, 3):
        count = events if number == 3 else 0
        (folder / f"oc{number}_event_cnt").write_text(f"{count}\n", encoding="ascii")
    other = root / "sys/class/hwmon/hwmon0"
    other.mkdir(parents=True, exist_ok=True)
    (other / "name").write_text("tmp451\n", encoding="ascii")
    (other / "oc9_event_cnt").write_text("5\n", encoding="ascii")


def test_a_board_is_read(tmp_path: Path) -> None:
    answers = {"nvpmodel": "NV Power Mode: 15W\n0\n", "tegrastats": ORIN_NANO}
    _board(tmp_path, 7)
    state = read_power(tmp_path, answers.__getitem__)
    assert state is not None
    assert (state.mode, state.number) == ("15W", 0)
    assert state.events == {"oc1": 0, "oc2": 0, "oc3": 7}
    assert state.celsius is not None
    assert state.celsius["tj"] == 48.5


def test_a_machine_that_is_none(tmp_path: Path) -> None:
    assert read_power(tmp_path, lambda name: "") is None
    assert power_changed(None, None) == ""


def test_the_programs_are_called_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, lines in {
        "nvpmodel": "echo 'NV Power Mode: 15W'; echo 0",
        "tegrastats": "while :; do echo 'RAM 5/7MB cpu@40C VDD_IN 9mW/9mW'; sleep 0.2; done",
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{lines}\n", encoding="ascii")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    state = read_power(tmp_path / "nothing")
    assert state == PowerState("15W", 0, {"cpu": 40}, {"VDD_IN": 9}, None, 5)


def test_what_makes_a_measurement_worthless() -> None:
    before = PowerState("15W", 0, events={"oc1": 0, "oc3": 7})
    assert power_changed(before, before) == ""
    assert "from 15W to MAXN" in power_changed(before, replace(before, mode="MAXN"))
    after = replace(before, events={"oc1": 0, "oc3": 8})
    assert power_changed(before, after).endswith("over-current (oc3)")
    assert power_changed(before, None) == ""
