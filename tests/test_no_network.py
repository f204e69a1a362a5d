"""Swapping and verifying open no connection: they work where there is no network at all, silently.

A socket is watched from below: the tracer sees what native libraries do, too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edge
from tests.scene import ARGUMENTS, Stage, stage

ROOT = Path(edge.__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def connections(folder: Path, words: list[str]) -> list[str]:
    """Run a command; return every attempt to reach something outside this machine."""
    log = folder / "trace"
    trace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,bind", "-o", str(log)]
    done = subprocess.run(
        [*trace, sys.executable, "-m", "edge", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    return [line for line in log.read_text().splitlines() if "AF_INET" in line]


def test_a_swap_and_its_verification(ready: Stage, tmp_path: Path) -> None:
    output = ready.folder / "out.jpg"
    swap = ["swap", "--identity", str(ready.identity_file), "--input", str(ready.picture())]
    swap += ["--output", str(output), "--purpose", "film", "--target-is", "synthetic"]
    assert connections(tmp_path, [*swap, *ARGUMENTS]) == []
    assert connections(tmp_path, ["verify", str(output)]) == []


def test_an_authority_for_time_is_asked_only_where_it_is_configured(
    ready: Stage, edge_home: Path, tmp_path: Path
) -> None:
    swap = ["swap", "--identity", str(ready.identity_file), "--input", str(ready.picture())]
    swap += ["--output", str(ready.folder / "out.jpg"), "--purpose", "film"]
    (edge_home / "config" / "timestamp.toml").write_text('url = "http://127.0.0.1:9/"')
    found = connections(tmp_path, [*swap, "--target-is", "synthetic", *ARGUMENTS])
    assert found  # it was tried, and the output was made all the same
    assert all("htons(9)" in line and "127.0.0.1" in line for line in found)


def test_the_tracer_would_see_one(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    reach = (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    )
    trace = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", str(log)]
    done = subprocess.run(
        [*trace, sys.executable, "-c", reach], capture_output=True, text=True, timeout=60
    )
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert "AF_INET" in log.read_text()
