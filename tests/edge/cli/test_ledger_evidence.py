from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.consent import ledger_file
from edge.consent.canonical import readable_json, utc_now
from edge.consent.checkpoints import Checkpoint, write_checkpoint
from edge.consent.ledger import Ledger
from tests.edge.consent.test_export import appended
from tests.edge.consent.test_ledger import _publish
from tests.edge.consent.test_retention import DAY


@pytest.fixture
def output(tmp_path: Path) -> Path:
    path = tmp_path / "out.jpg"
    _publish(Ledger(), path)
    return path


def test_checkpoint(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "verify"]) == 0
    assert "no checkpoint yet" in capsys.readouterr().out
    assert main(["ledger", "checkpoint"]) == 0
    assert "signed: 2 lines" in capsys.readouterr().out
    assert main(["ledger", "verify"]) == 0
    assert "signed up to line 2 of 3" in capsys.readouterr().out
    assert main(["ledger", "show"]) == 0
    assert "signs the 2 lines before it" in capsys.readouterr().out


def test_prove_and_check(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "prove", str(output)]) == 0
    assert main(["ledger", "prove", str(output)]) == 2  # the proof is there already
    proof = output.with_name("out.jpg.proof.json")
    capsys.readouterr()
    assert main(["ledger", "check", str(proof), str(output)]) == 0
    assert "the one that the ledger means" in capsys.readouterr().out
    assert main(["ledger", "check", "--json", str(proof)]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "proof"
    proof.write_text(proof.read_text().replace("film", "game"))
    assert main(["ledger", "check", str(proof), str(output)]) == 4
    out = capsys.readouterr().out
    assert "DOES NOT HOLD" in out
    output.write_bytes(b"another")
    assert main(["ledger", "prove", str(output), "--overwrite"]) == 2


def test_an_entry_by_its_number(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = tmp_path / "entry.json"
    assert main(["ledger", "prove", "--entry", "1", "-o", str(proof)]) == 0
    assert main(["ledger", "check", str(proof), str(output)]) == 0
    capsys.readouterr()
    assert main(["ledger", "prove", "--entry", "99", "-o", str(tmp_path / "no.json")]) == 2
    assert "no entry 99" in capsys.readouterr().err
    assert main(["ledger", "prove"]) == 2
    assert main(["ledger", "prove", str(output), "--entry", "1"]) == 2


def test_export_check_and_compare(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "export.json"
    assert main(["ledger", "export", "-o", str(file)]) == 0
    assert main(["ledger", "check", str(file)]) == 0
    assert "export, 3 lines" in capsys.readouterr().out
    assert main(["ledger", "export", "-o", str(file)]) == 2
    assert main(["ledger", "export", "-o", str(file), "--since", "soon"]) == 2
    assert main(["ledger", "verify", "--against", str(file)]) == 0
    Ledger().path.unlink()
    Ledger().path.with_suffix(".head").unlink()
    Ledger().event("erase", {})
    assert main(["ledger", "verify", "--against", str(file)]) == 2
    assert "another ledger" in capsys.readouterr().err


def test_an_export_that_was_lengthened(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "export.json"
    assert main(["ledger", "export", "-o", str(file)]) == 0
    file.write_bytes(readable_json(appended(json.loads(file.read_text()), {"kind": "output"})))
    capsys.readouterr()
    assert main(["ledger", "check", str(file)]) == 3
    out = capsys.readouterr().out
    assert "nobody whom this device trusts has signed the last line (4)" in out
    assert "3: holds, signer trusted, but only as far as it is signed" in out
    assert main(["ledger", "verify", "--against", str(file)]) == 2
    assert "the last line (4)" in capsys.readouterr().err


def test_an_export_ends_with_what_was_signed(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process writes a line between the signature and the export."""

    def overtaken(ledger: Ledger) -> Checkpoint:
        made = write_checkpoint(ledger)
        ledger.event("frame", {})
        return made

    monkeypatch.setattr("edge.consent.checkpoints.write_checkpoint", overtaken)
    file = tmp_path / "export.json"
    assert main(["ledger", "export", "-o", str(file)]) == 0
    assert len(json.loads(file.read_text())["lines"]) == 3
    assert main(["ledger", "check", str(file)]) == 0


def test_purge_asks_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["ledger", "purge"]) == 0
    assert "nothing is past the retention" in capsys.readouterr().out
    now = utc_now()
    monkeypatch.setattr(ledger_file, "utc_now", lambda: now - 200 * DAY)
    Ledger().event("erase", {"path": "old"})
    monkeypatch.setattr(ledger_file, "utc_now", lambda: now)
    Ledger().event("erase", {"path": "new"})
    assert main(["ledger", "purge"]) == 0
    assert "edge ledger purge --yes" in capsys.readouterr().out
    assert len(Ledger().lines()) == 2
    assert main(["ledger", "purge", "--yes"]) == 0
    assert "purged: 1 lines, up to number 1" in capsys.readouterr().out
    assert main(["ledger", "show"]) == 0
    out = capsys.readouterr().out
    assert "path=old" not in out
    assert "path=new" in out
    assert "purged" in out
    assert main(["ledger", "verify"]) == 0
    assert "1 older lines were purged" in capsys.readouterr().out


def test_stamp_needs_an_authority(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "stamp"]) == 2
    assert "timestamp.toml" in capsys.readouterr().err
