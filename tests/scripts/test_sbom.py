from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts import sbom
from scripts.sbom import PLACE, bill, main

BILL = json.loads(PLACE.read_text(encoding="utf-8"))


def test_it_is_up_to_date() -> None:
    assert PLACE.read_text(encoding="utf-8") == bill()
    assert main(["--check"]) == 0


def test_a_stale_one_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sbom, "PLACE", tmp_path / "sbom.cdx.json")
    assert main(["--check"]) == 1
    assert "run scripts/sbom.py" in capsys.readouterr().out
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_its_form() -> None:
    assert (BILL["bomFormat"], BILL["specVersion"], BILL["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", BILL["serialNumber"])
    assert "timestamp" not in json.dumps(BILL)
    references = [each["bom-ref"] for each in BILL["components"]]
    assert len(references) == len(set(references))
    known = {*references, BILL["metadata"]["component"]["bom-ref"]}
    for each in BILL["dependencies"]:
        assert {each["ref"], *each["dependsOn"]} <= known


def test_what_it_names() -> None:
    names = {each["name"]: each for each in BILL["components"]}
    assert {"numpy", "opencv-python-headless", "c2pa-python", "cryptography"} <= set(names)
    assert not {"pytest", "mypy", "ruff"} & set(names), "what developers need is no part of it"
    assert names["ref_swapper"]["type"] == "machine-learning-model"
    for each in names.values():
        assert each["hashes"], each["name"]
        assert all(re.fullmatch("[0-9a-f]{64}", one["content"]) for one in each["hashes"])


def test_another_reader_takes_it() -> None:
    model = pytest.importorskip("cyclonedx.model.bom")
    read = model.Bom.from_json(BILL)
    assert len(read.components) == len(BILL["components"])
