from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge.consent.ledger import Ledger
from scripts import kill_ledger
from tests.edge.consent.test_ledger import _publish

ROOT = Path(kill_ledger.__file__).parents[1]


def test_nothing_is_lost() -> None:
    """A short version of the 200 rounds; in a process of its own, because it forks."""
    words = [sys.executable, "-m", "scripts.kill_ledger", "--rounds", "6", "--seed", "5"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 kills (3 at a call, 2 with loss of power)" in done.stdout
    assert "lost: 0" in done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outputs").mkdir()
    return tmp_path / "outputs"


def _losses(folder: Path) -> list[str]:
    tally = kill_ledger.Tally()
    kill_ledger._check(1, folder, Ledger(), tally)
    return tally.losses


def test_a_whole_ledger_has_lost_nothing(folder: Path) -> None:
    _publish(Ledger(), folder / "out-1.png")
    assert _losses(folder) == []


def test_an_output_without_an_entry_is_a_loss(folder: Path) -> None:
    _publish(Ledger(), folder / "out-1.png")
    (folder / "out-2.png").write_bytes(b"never entered")
    (loss,) = _losses(folder)
    assert "out-2.png is there, and its entry is not" in loss
    (folder / "out-2.png").unlink()
    (folder / "out-1.png").write_bytes(b"another")
    assert len(_losses(folder)) == 1


def test_a_published_entry_without_its_file_is_a_loss(folder: Path) -> None:
    _publish(Ledger(), folder / "out-1.png")
    (folder / "out-1.png").unlink()
    (loss,) = _losses(folder)
    assert "is published, and is not there" in loss


def test_a_torn_line_is_none_and_a_changed_one_is(folder: Path) -> None:
    _publish(Ledger(), folder / "out-1.png")
    with Ledger().path.open("ab") as file:
        file.write(b'{"half')
    assert _losses(folder) == []
    content = Ledger().path.read_bytes()
    Ledger().path.write_bytes(content.replace(b'"film"', b'"game"', 1))
    assert any("changed" in loss for loss in _losses(folder))
