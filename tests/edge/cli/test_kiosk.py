"""What a kiosk says when it ends: that nobody is left only where that is so."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from edge.cli import _kiosk
from edge.errors import OutputError, UsageError
from edge.live.kiosk import visit
from edge.live.kiosk.kiosk import Kiosk
from edge.live.kiosk.visit import visits_dir
from edge.live.view.server import Listen
from tests.kiosk import desk
from tests.live import Scripted


def _end(said: list[str]) -> int:
    arguments = argparse.Namespace(kiosk=5.0, purpose="art", agent="Ms Li")
    return _kiosk.run_kiosk(arguments, Scripted, Listen(port=0), said.append, lambda server: None)


def test_the_end_of_a_kiosk(
    edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "_MEMORY", tmp_path / "no memory")
    ready = desk(edge_home, tmp_path, monkeypatch)
    monkeypatch.setattr(_kiosk, "_desk", lambda arguments, open_it: ready)
    monkeypatch.setattr(Kiosk, "run", lambda self: None)
    said: list[str] = []
    assert _end(said) == 0
    assert said[-1] == "ended: 0 visits, nobody is left on this device"

    monkeypatch.setattr(Kiosk, "run", lambda self: setattr(self, "clean", False))
    said.clear()
    with pytest.raises(OutputError, match="0 visits, but something of a visitor") as caught:
        _end(said)
    assert str(visits_dir()) in str(caught.value)
    assert not any("nobody is left" in line for line in said)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("identity", Path("a.identity"), "visitors enrol themselves on the page: leave it out"),
        ("bundle", Path("alice"), "name a swap model with --model"),
        ("record", Path("out"), "nothing of a visitor is kept"),
        ("target_consent", Path("c.json"), "visitors consent on the page"),
        ("seconds", 5.0, "the number of minutes after --kiosk ends a visit"),
        ("show_original", True, "with the label"),
        ("match", Path("a.jpg"), "choose with --faces"),
    ],
)
def test_each_option_that_has_no_place_says_why(option: str, value: object, words: str) -> None:
    arguments = argparse.Namespace(
        kiosk=5.0, agent="Ms Li", agent_key=Path("li.pem"), target_is=None
    )
    for name in _kiosk._NOT_HERE:
        setattr(arguments, name, value if name == option else None)
    with pytest.raises(UsageError) as caught:
        _kiosk.check_kiosk(arguments)
    flag = option.replace("_", "-")
    assert str(caught.value).startswith(f"--{flag} does not go with --kiosk: ")
    assert words in str(caught.value)
