"""What a machine says about itself, read from small copies of the kernel's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.machine import is_emulated, this_machine

PI_4 = """\
processor	: 0
BogoMIPS	: 108.00
Features	: fp asimd evtstrm crc32 cpuid
CPU implementer	: 0x41
CPU part	: 0xd08
"""

XEON = """\
processor	: 0
model name	: Intel(R) Xeon(R) Gold 6130
flags		: fpu sse2 avx2 fma avx512f avx512_vnni
"""


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_raspberry_pi(tmp_path: Path) -> None:
    _write(tmp_path, "proc/cpuinfo", PI_4)
    _write(tmp_path, "proc/meminfo", "MemTotal:        3884360 kB\nMemFree: 1 kB\n")
    _write(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    _write(tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n")
    _write(tmp_path, "etc/os-release", 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    machine = this_machine(tmp_path)
    assert machine.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert machine.processor == "Cortex-A72"
    assert machine.features == ("asimd",)
    assert machine.memory == 3884360 * 1024
    assert machine.governor == "ondemand"
    assert machine.system == "Debian GNU/Linux 12"


def test_xeon(tmp_path: Path) -> None:
    _write(tmp_path, "proc/cpuinfo", XEON)
    machine = this_machine(tmp_path)
    assert machine.processor == "Intel(R) Xeon(R) Gold 6130"
    assert machine.features == ("avx2", "fma", "avx512f", "avx512_vnni")


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    machine = this_machine(tmp_path)
    assert machine.features == ()
    assert machine.memory is None
    assert machine.governor == ""
    assert machine.cores >= 1
    assert machine.processor
    assert machine.system


def test_an_unknown_arm_core_keeps_its_number(tmp_path: Path) -> None:
    _write(tmp_path, "proc/cpuinfo", "CPU part\t: 0xfff\n")
    assert this_machine(tmp_path).processor == "ARM part 0xfff"


def _elf(path: Path, machine: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + bytes([machine, 0])
    (path / "exe").write_bytes(header)


@pytest.mark.parametrize(("first", "emulated"), [(183, False), (62, True)])
def test_an_emulator_shows(first: int, emulated: bool, tmp_path: Path) -> None:
    _elf(tmp_path / "proc/self", 183)  # aarch64
    _elf(tmp_path / "proc/1", first)
    assert is_emulated(tmp_path) == emulated


def test_what_cannot_be_read_is_no_emulator(tmp_path: Path) -> None:
    assert not is_emulated(tmp_path)
    _elf(tmp_path / "proc/self", 183)
    (tmp_path / "proc/1").mkdir()
    (tmp_path / "proc/1/exe").write_bytes(b"#!/bin/sh")
    assert not is_emulated(tmp_path)
