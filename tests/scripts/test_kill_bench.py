"""The bench that kills: a short run loses nothing, and what would be lost is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from edge.consent.ledger import Ledger
from edge.registry import sha256_of
from scripts import kill_bench
from scripts.kill_bench import Place, Tally
from tests.edge.consent.test_ledger import _publish

pytest.importorskip("av", reason="videos need PyAV")
ROOT = Path(kill_bench.__file__).parents[1]


def test_nothing_is_lost() -> None:
    """A short version of the 500 kills; in a process of its own, because it forks."""
    words = [sys.executable, "-m", "scripts.kill_bench", "--rounds", "5", "--seed", "2"]
    words += [f"--only={kind}" for kind in ("picture", "video")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("5 kills (")
    assert done.stdout.rstrip().endswith("lost: 0")


def test_every_kind_of_work_has_its_share() -> None:
    assert sum(kill_bench.SHARES.values()) == 100


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def _losses(place: Place) -> list[str]:
    tally = Tally()
    kill_bench.check_ledger(place, 1, tally)
    kill_bench.check_models(place, 1, tally)
    return tally.losses


def test_outputs_and_entries_are_the_same_things(place: Place) -> None:
    _publish(Ledger(), place.out / "a.png")
    assert _losses(place) == []
    (place.out / "deep").mkdir()
    (place.out / "deep" / "b.mp4").write_bytes(b"never entered")
    (loss,) = _losses(place)
    assert "b.mp4 is there, and its entry is not" in loss
    (place.out / "deep" / "b.mp4").unlink()
    (place.out / ".b.mp4.unfinished").mkdir()
    (place.out / ".b.mp4.unfinished" / "c.mp4").write_bytes(b"hidden: not yet an output")
    assert _losses(place) == []
    (place.out / "a.png").unlink()
    (loss,) = _losses(place)
    assert "is published, and is not there" in loss


def test_a_model_without_its_record_is_half_written(place: Place) -> None:
    folder = place.out / "quantize-1"
    folder.mkdir()
    model = folder / "face.onnx"
    model.write_bytes(b"a model")
    assert "has no whole JSON" in _losses(place)[0]
    facts = {"sha256": sha256_of(model)}
    (folder / "face.onnx.json").write_text(json.dumps(facts))
    assert _losses(place) == []
    model.write_bytes(b"another")
    assert "is not the file of its JSON" in _losses(place)[0]


def test_a_bundle_that_lacks_something_is_half_written(place: Place) -> None:
    (place.out / "build-1").mkdir()
    (loss,) = _losses(place)
    assert "build-1 is not whole" in loss


def test_what_stays_for_ever_is_told(place: Place) -> None:
    (place.out / ".odd").touch()
    tally = Tally()
    kill_bench.check_tidy(place, tally)
    assert tally.losses == [f"{place.out / '.odd'} stays for ever"]


def test_the_line_for_people() -> None:
    tally = Tally(killed=Counter(video=3, build=1), videos=2, resumed=1)
    text = kill_bench.describe(tally)
    assert text.startswith("4 kills (1 build, 3 video; 0 ended before)")
    assert text.endswith("lost: 0")
