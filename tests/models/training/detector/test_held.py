from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from models.training.detector import held, photos, pool


class _Here:
    """Workers that work here: another process would import and compile all of it again."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def __enter__(self) -> _Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def imap_unordered(
        self, work: Callable[[tuple[int, int]], int], jobs: Iterable[tuple[int, int]]
    ) -> Iterator[int]:
        return map(work, jobs)


def _head(seed: int, side: int) -> pool.Head:
    points, box = np.zeros((5, 2), np.float32), np.zeros(4, np.float32)
    return pool.Head(np.full((side, side, 4), seed % 256, np.uint8), points, box)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EDGE_TRAIN_DATA", str(tmp_path))
    monkeypatch.setattr(held, "HEADS", {64: 2})
    monkeypatch.setattr(pool, "SHARD", 2)
    monkeypatch.setattr(pool, "Workers", _Here)
    monkeypatch.setattr(pool, "render_head", _head)
    return tmp_path


def test_what_is_missing_is_made_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Path] = []

    def fetch(folder: Path) -> None:
        fetched.append(folder)
        (data / "photos/held/photos").mkdir(parents=True)
        (data / "photos/held/photos/a.jpg").write_bytes(b"x")

    monkeypatch.setattr(photos, "fetch", fetch)
    monkeypatch.setattr(photos, "refill", lambda *_: None)
    console = Console(quiet=True)
    held.prepare(console, workers=1)
    made = {path: path.stat().st_mtime_ns for path in pool.folder().iterdir()}
    assert len(pool.HeadPool(64, held=True)) == 2
    assert len(pool.HeadPool(64)) == 0
    held.prepare(console, workers=1)
    assert {path: path.stat().st_mtime_ns for path in pool.folder().iterdir()} == made
    assert fetched == [data / "photos/packages"]


@pytest.mark.parametrize(
    "error", [FileNotFoundError("no apt-get"), subprocess.CalledProcessError(1, "apt-get")]
)
def test_without_the_packages_it_says_so(
    error: Exception, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(folder: Path) -> None:
        raise error

    monkeypatch.setattr(photos, "fetch", fetch)
    with pytest.raises(SystemExit, match="apt-get"):
        held.prepare(Console(quiet=True), workers=1)
