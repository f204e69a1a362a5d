"""The bench of isolation: one short round, and which median of what is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.isolation_bench import SIGNED, Time, _show, row_of, timed

pytest.importorskip("c2pa")


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the machine was busy counts for both."""
    plain = [Time(1.0, 0.5), Time(10.0, 5.0), Time(1.0, 0.5)]
    isolated = [Time(2.0, 0.6), Time(20.0, 6.0), Time(2.0, 0.6)]
    row = row_of("verify", plain, isolated)
    assert (row.plain, row.isolated) == (1.0, 2.0)
    assert row.wall == 2.0
    assert row.processor == pytest.approx(1.2)


@pytest.mark.skipif(sys.platform != "linux", reason="the time of children is Linux's")
def test_a_command_is_timed_with_its_children(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = timed(["verify", str(SIGNED), "--isolate"], tmp_path)
    assert taken.wall > 0
    assert taken.processor > 0
    with pytest.raises(RuntimeError, match="edge verify ended with 2"):
        timed(["verify", str(tmp_path / "nothing.jpg")], tmp_path)
    _show([row_of("verify 1 picture", [taken], [taken])])
    assert "verify 1 picture" in capsys.readouterr().out
