"""The emulated boards, as far as no emulator is needed: what is asked of the tools."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.machine import this_machine
from scripts.pi_roots import (
    BOOKWORM,
    PI4,
    PI5,
    TRIXIE,
    Board,
    board_root,
    cpuinfo,
    emulated,
    environment,
    mirror_in,
    wheel_options,
)

DEB822 = """Types: deb
# URIs: http://snapshot.example/archive/debian
URIs: http://mirror.example/debian/
Suites: bookworm

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
"""


@pytest.mark.parametrize(
    ("sources", "mirror"),
    [
        (DEB822, "http://mirror.example/debian"),
        ("deb [arch=amd64] http://one.example/debian bookworm main\n", "http://one.example/debian"),
        ("# deb http://one.example/debian bookworm main\n", ""),
        ("deb http://one.example/ubuntu noble main\n", ""),
        ("", ""),
    ],
)
def test_the_archive_is_the_one_of_this_machine(sources: str, mirror: str) -> None:
    assert mirror_in(sources) == mirror


@pytest.mark.parametrize(
    ("board", "processor", "features"),
    [(PI4, "Cortex-A72", ("asimd",)), (PI5, "Cortex-A76", ("asimd", "asimdhp", "asimddp"))],
)
def test_a_board_is_taken_for_what_it_is(
    tmp_path: Path, board: Board, processor: str, features: tuple[str, ...]
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(cpuinfo(board), encoding="ascii")
    machine = this_machine(tmp_path)
    assert machine.processor == processor
    assert machine.features == features


def test_a_board_shares_its_files_but_not_its_processor(tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    (unpacked / "usr").mkdir(parents=True)
    (unpacked / "usr" / "file").write_text("x")
    (unpacked / "lib").symlink_to("usr")
    for board in (PI4, PI5):
        board_root(unpacked, tmp_path / board.name, board, BOOKWORM)
    one, other = tmp_path / "pi4", tmp_path / "pi5"
    assert (one / "usr" / "file").samefile(other / "usr" / "file")
    assert (one / "lib").is_symlink()
    assert (one / "proc/cpuinfo").read_text() == cpuinfo(PI4)
    assert (other / "proc/cpuinfo").read_text() == cpuinfo(PI5)
    assert not (unpacked / "proc").exists()
    (launcher,) = emulated(one)
    assert os.access(launcher, os.X_OK)
    command = Path(launcher).read_text().splitlines()[1].split()
    assert command[1:4] == ["qemu-aarch64-static", "-cpu", "cortex-a72"]
    # What the emulated Python believes to be: its own children are started by it too.
    assert command[command.index("-0") + 1] == launcher
    assert command[-2:] == [str(one / "usr/bin/python3.11"), '"$@"']


def test_wheels_are_asked_for_the_boards_python() -> None:
    options = wheel_options(TRIXIE.python)
    assert "--python-version=3.13" in options
    assert "--abi=cp313" in options
    assert all("x86" not in option for option in options)


def test_nothing_of_the_host_reaches_an_emulated_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MODELS_DIR", "/elsewhere")
    env = environment(tmp_path / "root", tmp_path / "home", [Path("/a"), Path("/b")])
    assert "EDGE_MODELS_DIR" not in env
    assert env["PYTHONPATH"] == "/a:/b"
