from __future__ import annotations

import subprocess
import sys

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
