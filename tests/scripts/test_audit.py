from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.audit import findings, main

REPORT = json.dumps(
    {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]},
            {"name": "b", "version": "2", "vulns": []},
            {"name": "c", "skip_reason": "no such package"},
        ]
    }
)


def test_findings() -> None:
    assert findings(REPORT) == ["a 1: CVE-1, CVE-2"]


def test_a_service_that_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(words: list[str], **_: object) -> SimpleNamespace:
        Path(words[words.index("--output") + 1]).write_text(REPORT)
        return SimpleNamespace(stderr="")

    monkeypatch.setattr(subprocess, "run", answers)
    assert main(["lock.txt"]) == 0
    assert "1 of 2 locked packages (of 3; the service knows no others)" in capsys.readouterr().out


def test_a_service_that_knows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(words: list[str], **_: object) -> SimpleNamespace:
        report = {"dependencies": [{"name": "c", "skip_reason": "no such package"}]}
        Path(words[words.index("--output") + 1]).write_text(json.dumps(report))
        return SimpleNamespace(stderr="")

    monkeypatch.setattr(subprocess, "run", answers)
    assert main(["lock.txt"]) == 0
    assert "about no package: not audited" in capsys.readouterr().out


def test_a_service_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hangs(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("pip_audit", 90)

    monkeypatch.setattr(subprocess, "run", hangs)
    assert main(["lock.txt"]) == 0
    assert "cannot be reached: not audited" in capsys.readouterr().out


def test_without_pip_audit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = SimpleNamespace(stderr="python: No module named pip_audit\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: said)
    assert main(["lock.txt"]) == 0
    assert capsys.readouterr().out == "pip-audit is not installed here: not audited\n"
