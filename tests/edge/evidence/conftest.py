"""Outputs of real swaps with tiny models, and evidence about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.evidence.gather import Evidence, digest_of, gather
from edge.evidence.lookup import THIS_DEVICE, look_up, open_ledger
from edge.jobs.file import swap_file
from edge.provenance.verify import verify_file
from tests.scene import Stage, stage

pytest.importorskip("c2pa")

Swapped = Callable[[str], Path]
Gathered = Callable[[Path], Evidence]


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    """What a swap needs."""
    return stage(edge_home, tmp_path / "work")


@pytest.fixture
def swapped(ready: Stage) -> Swapped:
    """Maker of a swapped picture by suffix."""

    def make(suffix: str) -> Path:
        output = ready.folder / f"out.{suffix}"
        swap_file(ready.swapper(), ready.picture(), output)
        return output

    return make


@pytest.fixture
def gathered() -> Gathered:
    """Maker of the evidence about a file, this device's ledger included."""

    def make(path: Path) -> Evidence:
        verdict, digest = verify_file(path), digest_of(path)
        return gather(path, verdict, digest, look_up(open_ledger(THIS_DEVICE), verdict, digest))

    return make
