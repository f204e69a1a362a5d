from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from edge import affinity
from edge.affinity import cores_here, fast_cores, pinned

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="this system keeps no thread on a core"
)


def _cpus(root: Path, file: str, *values: str) -> Path:
    for core, value in enumerate(values):
        path = root / f"sys/devices/system/cpu/cpu{core}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    return root


@pytest.mark.parametrize(
    ("file", "values", "fast"),
    [
        ("cpu_capacity", ("414", "414", "1024", "1024"), (2, 3)),
        ("cpufreq/cpuinfo_max_freq", ("1800000\n", "1800000\n", "2400000\n", "2400000"), (2, 3)),
        ("cpu_capacity", ("1024", "1024", "1024", "1024"), ()),
        ("cpufreq/cpuinfo_max_freq", ("4700000", "4600000", "4500000", "4700000"), ()),
        ("cpu_capacity", ("414", "much", "1024", "1024"), ()),
        ("cpu_capacity", (), ()),
    ],
)
def test_fast_cores(
    file: str,
    values: tuple[str, ...],
    fast: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(affinity, "cores_here", lambda: frozenset(range(4)))
    assert fast_cores(_cpus(tmp_path, file, *values)) == fast


def test_threads_that_start_inside_stay_there() -> None:
    before = cores_here()
    core = min(before)
    inherited: list[frozenset[int]] = []
    with pinned((core,)):
        assert cores_here() == {core}
        thread = threading.Thread(target=lambda: inherited.append(cores_here()))
        thread.start()
        thread.join()
    assert cores_here() == before
    assert inherited == [{core}]


@pytest.mark.parametrize("cores", [(), (99_999,)])
def test_cores_that_are_not_here_change_nothing(cores: tuple[int, ...]) -> None:
    before = cores_here()
    with pinned(cores):
        assert cores_here() == before


def test_an_error_frees_the_thread_again() -> None:
    before = cores_here()
    with pytest.raises(KeyError), pinned((min(before),)):
        raise KeyError
    assert cores_here() == before
