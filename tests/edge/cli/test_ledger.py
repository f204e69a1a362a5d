from __future__ import annotations

import json

import pytest

from edge.cli import main
from edge.consent.ledger import Ledger, default_ledger_path
from edge.errors import ConsentError


@pytest.fixture
def filled() -> Ledger:
    """A ledger with a refusal and two events."""
    ledger = Ledger()
    ledger.refusal(ConsentError("refused: \x1b[2J no"), {"purpose": "game"})
    ledger.event("erase", {"path": "a\nb"})
    ledger.event("interrupted", {"input": "c.mp4"})
    return ledger


def test_nothing_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "show"]) == 0
    assert main(["ledger", "verify"]) == 0
    assert main(["ledger", "recover"]) == 0
    assert "the ledger is empty" in capsys.readouterr().out
    assert not default_ledger_path().exists()


def test_show(filled: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "\\x1b" in lines[0]
    assert main(["ledger", "show", "--limit", "1"]) == 0
    assert "interrupted" in capsys.readouterr().out
    assert main(["ledger", "show", "--limit", "0"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["ledger", "show", "--limit", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["ledger", "show", "--limit", "-1"]) == 2


def test_columns_stand_under_one_another(
    filled: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[29:44].strip() for line in lines] == ["refused", "erase", "interrupted"]
    assert lines[1].endswith("path=a b")
    assert "refused: " not in lines[0]  # the column says so already


def test_show_json(filled: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "show", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["kind"] for entry in entries] == ["refusal", "event", "event"]
    assert entries[0]["asked"] == {"purpose": "game"}


@pytest.mark.parametrize("line", [1, 2, 3])
def test_verify_names_the_line(
    filled: Ledger, capsys: pytest.CaptureFixture[str], line: int
) -> None:
    assert main(["ledger", "verify"]) == 0
    assert main(["ledger", "verify", "--json"]) == 0
    capsys.readouterr()
    lines = filled.path.read_text().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace('"kind":"', '"kind":"un')
    filled.path.write_text("".join(lines))
    assert main(["ledger", "verify"]) == 4
    assert f"line {line}: it was changed" in capsys.readouterr().out
    assert main(["ledger", "verify", "--json"]) == 4
    facts = json.loads(capsys.readouterr().out)
    assert (facts["intact"], facts["problems"][0]["line"]) == (False, line)


def test_recover(filled: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    with filled.path.open("ab") as file:
        file.write(b"torn")
    assert main(["ledger", "verify"]) == 4
    assert main(["ledger", "recover"]) == 0
    assert main(["ledger", "verify"]) == 0
