"""Where a visit's things lie, and that nothing of them is left."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge.consent.ledger import Ledger
from edge.errors import OutputError
from edge.live.kiosk import visit
from edge.live.kiosk.visit import erase_leftovers, new_place, only_kiosk, visits_dir

FRAME = np.full((48, 64, 3), 90, np.uint8)


@pytest.fixture(params=["memory", "disk"])
def where(
    request: pytest.FixtureRequest,
    edge_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    memory = tmp_path / "shm"
    if request.param == "memory":
        memory.mkdir(mode=0o1777)
    monkeypatch.setattr(visit, "_MEMORY", memory)
    return str(request.param)


def test_a_place_is_its_owner_s_and_in_memory_where_that_can_be(
    where: str, edge_home: Path, tmp_path: Path
) -> None:
    place = new_place()
    inside = tmp_path / "shm" if where == "memory" else edge_home / "state"
    assert inside in place.folder.parents
    assert place.folder.stat().st_mode & 0o077 == 0
    for path in place.keep([FRAME, FRAME]):
        assert path.read_bytes().startswith(b"\x89PNG")
    assert new_place().folder != place.folder


def test_a_visit_that_never_began_is_erased_and_entered(where: str) -> None:
    place = new_place()
    place.keep([FRAME])
    erased = place.erase(Ledger())
    assert erased.removed
    assert not place.folder.exists()
    stages = [
        entry.fields["details"]["stage"]  # type: ignore[index]
        for entry in Ledger().entries()
        if entry.kind == "event"
    ]
    assert stages == ["begun", "done"]


def test_leftovers_of_a_crash(where: str) -> None:
    assert erase_leftovers(Ledger()) == 0
    for _ in range(2):
        new_place().keep([FRAME])
    assert erase_leftovers(Ledger()) == 2
    assert [path.name for path in visits_dir().iterdir()] == []


def test_a_folder_of_somebody_else_s_is_not_taken(
    edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "shm"
    memory.mkdir()
    monkeypatch.setattr(visit, "_MEMORY", memory)
    visits_dir().mkdir(mode=0o755)
    os.chmod(visits_dir(), 0o755)
    with pytest.raises(OutputError, match="not this user's own"):
        new_place()
    visits_dir().rmdir()
    (tmp_path / "trap").mkdir(mode=0o700)
    visits_dir().symlink_to(tmp_path / "trap")
    with pytest.raises(OutputError, match="not this user's own"):
        new_place()


def test_one_kiosk_at_a_time(where: str) -> None:
    with only_kiosk(), pytest.raises(OutputError, match="another kiosk"), only_kiosk():
        pass
    with only_kiosk():
        pass
