from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.isolation import ready
from edge.isolation.run import spawned


def test_a_process_with_threads_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "has_one_thread", lambda: False)
    assert ready.prepared() is spawned


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_the_command_line_can_be_copied_when_all_is_loaded() -> None:
    pytest.importorskip("c2pa")
    script = (
        "from edge.isolation.ready import prepared; from edge.isolation.run import *; "
        "start = prepared(); print(start is forked, has_one_thread())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_verify_copies_itself_for_each_file(tmp_path: Path) -> None:
    """A fresh interpreter for each file would load OpenCV and c2pa again, at ten times the cost."""
    pytest.importorskip("c2pa")
    script = (
        "import os, sys; from edge.isolation import run\n"
        "def counted(fork=os.fork):\n    print('copied', flush=True); return fork()\n"
        "os.fork = counted\n"
        "from edge.cli import main; sys.exit(main(['verify', *sys.argv[1:]]))"
    )
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    words = [sys.executable, "-c", script, str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    environment = {k: v for k, v in os.environ.items() if "NUM_THREADS" not in k}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.count("copied") == 2, done.stderr
