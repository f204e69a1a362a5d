from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from edge.isolation.bounds import time_for

SCRIPT = """
import json, resource
from edge.isolation.bounds import Bounds
Bounds(memory=1 << 28, seconds=2, files=32, written=1000).apply()
names = ("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_AS", "RLIMIT_CPU")
print(json.dumps([resource.getrlimit(getattr(resource, name)) for name in names]))
Bounds(memory=1 << 40, seconds=9000, files=64).apply()  # never raised again
print(json.dumps([resource.getrlimit(getattr(resource, name)) for name in names]))
try:
    bytearray(1 << 29)
except MemoryError:
    print("refused")
"""


def test_limits_are_set_for_good() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    first, second, said = done.stdout.splitlines()
    assert first == second
    assert said == "refused"
    assert "[0, 0], [32, 32], [1000, 1000]" in first


def test_no_limit_where_none_is_asked_for() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    script = (
        "import resource; from edge.isolation.bounds import Bounds; "
        "Bounds(memory=0, seconds=0, written=0).apply(); "
        "print(resource.getrlimit(resource.RLIMIT_AS))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str(before)


@pytest.mark.parametrize(("size", "seconds"), [(0, 120.0), (2_000_000_000, 1120.0)])
def test_a_large_file_gets_more_time(size: int, seconds: float) -> None:
    assert time_for(size) == seconds
