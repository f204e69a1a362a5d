"""`edge selftest`: a table to paste, and JSON that fits its schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from edge import conditions
from edge.cli import main
from tests.bundles import Made, bundle
from tests.golden import add_golden

SCHEMA = Path(__file__).parents[3] / "docs" / "spec" / "selftest-1.schema.json"


@pytest.fixture
def made(edge_home: Path, tmp_path: Path) -> Made:
    found = bundle(edge_home, tmp_path)
    add_golden(found)
    return found


def test_the_table_and_the_file(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "device.json"
    assert main(["selftest", str(made.folder), "--rounds", "1", "-o", str(output)]) == 0
    page = capsys.readouterr().out
    assert "| ort | ort " in page
    assert "| 2 of 2 | 99.0 |" in page
    assert "every way gives what it must" in page
    facts = json.loads(output.read_text(encoding="utf-8"))
    jsonschema.validate(facts, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert main(["selftest", str(made.folder), "-o", str(output)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["selftest", str(made.folder), "-o", str(tmp_path / "no" / "x"), "--rounds=1"]) == 2


def test_emulated_time_is_no_latency(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(conditions, "is_emulated", lambda: True)
    assert main(["selftest", str(made.folder), "--rounds", "1"]) == 0
    page = capsys.readouterr().out
    assert "times do NOT count: the processor is emulated" in page
    assert "does not count |" in page
    assert main(["selftest", str(made.folder), "--rounds", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(facts, schema)
    times = dict.fromkeys(("p50", "p90", "p99", "quickest"), 1.0)
    facts["ways"][0]["latency"] = {"stage": "ort", "rounds": 1, **times}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(facts, schema)


def test_wrong_pictures_are_told_by_the_exit_status(
    edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bundle(edge_home, tmp_path)
    add_golden(made, off=0.3)
    assert main(["selftest", str(made.folder), "--rounds", "1"]) == 3
    page = capsys.readouterr().out
    assert "**wrong**" in page
    assert "FAILED" in page
