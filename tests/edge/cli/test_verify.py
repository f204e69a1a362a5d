from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.jobs.file import swap_file
from edge.provenance import implicit, manifest
from edge.provenance.label import plan_label
from edge.records import ModelUse, Permit, SwapRecord
from tests import tampering
from tests.scene import stage

pytest.importorskip("c2pa")

HOSTILE = "evil\x1b[2J\u202etxt"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.png"
    cv2.imwrite(str(path), np.full((120, 160, 3), 90, np.uint8))
    return path


@pytest.fixture
def signed(tmp_path: Path, plain: Path) -> Path:
    moment = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
    permit = Permit("c-1", "self-attested", "film", "picture", "ab" * 32, "self", moment)
    model = ModelUse(HOSTILE, "swapper", "cd" * 32, "fp32", "ort", "CPU", "1.22", "Apache-2.0")
    record = SwapRecord(
        output_id="urn:uuid:1",
        created=moment,
        permit=permit,
        models=(model,),
        label=plan_label(160, 120, [], "zh"),
        target_sha256="ef" * 32,
        faces=1,
        frames=1,
        generator="edge-swap 0.1.0",
    )
    labelled = tmp_path / "labelled.png"
    text = implicit.implicit_json(record)
    labelled.write_bytes(implicit.write_implicit(plain.read_bytes(), "image/png", text))
    out = tmp_path / "out.png"
    manifest.sign(labelled, out, "image/png", record, plain)
    return out


def test_one_file(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(signed)]) == 0
    out = capsys.readouterr().out
    for words in ("intact", "this device", "c-1", "self-attested", "film", "AI合成", "0: "):
        assert words in out


def test_output_is_escaped(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ([], ["--json"]):
        main(["verify", str(signed), *options])
        captured = capsys.readouterr()
        assert "evil" in captured.out
        assert "\x1b" not in captured.out
        assert "\u202e" not in captured.out


def test_json_of_one_file(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(signed), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["file"] == str(signed)
    assert content["exit_status"] == 0
    assert content["manifest"] == "present"
    assert content["signer"]["anchor"] == "this device"
    assert content["consent"]["id"] == "c-1"
    assert content["agreement"] == {
        "produce_id": True,
        "made_by_ai": True,
        "differs": [],
        "watermark": None,
    }


def test_worst_of_several(
    signed: Path, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tampered = tmp_path / "tampered.png"
    tampered.write_bytes(signed.read_bytes() + b"x")
    assert main(["verify", str(signed), str(plain), "--json"]) == 5
    content = json.loads(capsys.readouterr().out)
    assert [f["exit_status"] for f in content["files"]] == [0, 5]
    assert content["exit_status"] == 5
    assert main(["verify", str(signed), str(plain), str(tampered)]) == 4
    assert main(["verify", str(tampered), str(tmp_path / "none.png")]) == 2


def test_what_is_no_media_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a\nb.txt"
    path.write_text("hello")
    assert main(["verify", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_the_ledger_is_asked(
    edge_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = stage(edge_home, tmp_path / "work")
    output = ready.folder / "out.png"
    swap_file(ready.swapper(), ready.picture(), output)
    assert main(["verify", str(output), "--ledger"]) == 0
    assert "found by the file's hash" in capsys.readouterr().out
    output.write_bytes(tampering.without_store(output.read_bytes(), "png"))
    copy = tmp_path / "exported.jsonl"
    copy.write_bytes((edge_home / "state" / "ledger.jsonl").read_bytes())
    assert main(["verify", str(output), "--ledger", str(copy)]) == 5
    out = capsys.readouterr().out
    assert "found by the id in the implicit label" in out
    assert "what was entered had other bytes" in out
    assert main(["verify", str(output), "--json", "--ledger"]) == 5
    finding = json.loads(capsys.readouterr().out)["ledger"]
    assert finding["intact"]
    assert finding["matches"][0]["entry"]["purpose"] == "film"
    assert main(["verify", str(ready.folder / "target.png"), "--ledger"]) == 5
    assert "speaks of this file" in capsys.readouterr().out


def test_an_export_of_a_stranger_says_so(
    edge_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ready = stage(edge_home, tmp_path / "work")
    output, exported = ready.folder / "out.png", tmp_path / "ledger.json"
    swap_file(ready.swapper(), ready.picture(), output)
    assert main(["ledger", "export", "-o", str(exported)]) == 0
    capsys.readouterr()
    asked = ["verify", str(output), "--ledger", str(exported)]
    assert main(asked) == 0
    assert "nobody whom this device trusts" not in capsys.readouterr().out
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "elsewhere"))
    main(asked)
    out = " ".join(capsys.readouterr().out.split())
    assert "found by the file's hash" in out
    assert f"nobody whom this device trusts has signed it ({exported})" in out


def test_no_ledger_is_one_line(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(signed), "--ledger", "none.jsonl"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_report(signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.html"
    assert main(["verify", str(signed), "--report", str(report)]) == 0
    assert f"report: {report}" in capsys.readouterr().out
    assert "查验报告" in report.read_text(encoding="utf-8")
    # what was found decides the status, with a report or without
    signed.write_bytes(signed.read_bytes() + b"x")
    assert main(["verify", str(signed), "--report", str(report)]) == 4


@pytest.mark.parametrize("count", [0, 2])
def test_a_report_is_about_one_file(
    count: int, signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(signed)] * count or [str(tmp_path / "none.png")]
    assert main(["verify", *files, "--report", str(tmp_path / "report.html")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("name", ["verify", "keys"])
def test_help_is_lean(name: str) -> None:
    script = (
        "import sys, importlib; importlib.import_module(f'edge.cli.{sys.argv[1]}');"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'c2pa', 'av', 'cryptography'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, name], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
