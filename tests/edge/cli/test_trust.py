from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.consent.ledger import Ledger
from edge.provenance import keys
from edge.provenance.certificates import chain_pem, make_chain


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "studio.pem"
    path.write_text(chain_pem(make_chain()[1][1:]))
    return path


def test_nobody_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", "list"]) == 0
    assert "nobody is trusted yet" in capsys.readouterr().out


def test_add_list_and_remove(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys.device_keys()
    assert main(["trust", "add", str(root)]) == 0
    out = capsys.readouterr().out
    assert "studio.pem: 1 authority, trusted for signatures" in out
    assert "sha256" in out
    assert main(["trust", "add", str(root), "--for", "time", "--name", "clock"]) == 0
    capsys.readouterr()
    assert main(["trust", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(item["name"], item["for"]) for item in listed] == [
        ("this device", "signers"),
        ("studio.pem", "signers"),
        ("clock.pem", "time"),
    ]
    assert all(item["state"] == "valid" for item in listed)
    assert main(["trust", "list"]) == 0
    assert "time stamps" in capsys.readouterr().out
    assert main(["trust", "remove", "studio"]) == 0
    assert main(["trust", "remove", "studio"]) == 2
    events = [entry.fields["event"] for entry in Ledger().entries()]
    assert events == ["trust"] * 3


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pem").write_text("noise")
    assert main(["trust", "add", str(tmp_path / "a.pem")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert Ledger().entries() == []
