from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.evidence.check import Check
from edge.evidence.checks import checks_of
from edge.provenance import keys
from edge.provenance.findings import Integrity
from edge.provenance.watermark.detect import Found
from tests import tampering
from tests.edge.evidence.conftest import Gathered, Swapped

TITLES = [
    "The file is whole",
    "It carries a signed record (C2PA manifest)",
    "It is unchanged since it was signed",
    "Its signer is known here",
    "Its time of signing is confirmed",
    "It says that AI changed it",
    "It shows the visible label",
    "Its metadata hold the implicit label (GB 45438-2025)",
    "It carries the invisible watermark",
    "The file that it was made from is named",
    "The ledger of the device that made it has an entry",
]


def _states(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.title.en: check.state for check in checks}


def test_our_own_output(swapped: Swapped, gathered: Gathered) -> None:
    checks = checks_of(gathered(swapped("png")))
    assert [check.title.en for check in checks] == TITLES
    states = _states(checks)
    watermark = states.pop(TITLES[8])
    assert watermark in {"holds", "open"}
    assert list(states.values()) == [
        "holds", "holds", "holds", "note", "open", "holds", "holds", "holds", "note", "holds",
    ]  # fmt: skip


def test_every_check_is_said_in_both_languages(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("png")
    bare = path.with_name("bare.png")
    bare.write_bytes(tampering.without_store(path.read_bytes(), "png"))
    for file in (path, bare):
        for check in checks_of(gathered(file)):
            for text in (check.title, check.found, check.meaning):
                assert bool(text.zh) == bool(text.en)
                assert any("\u4e00" <= char <= "\u9fff" for char in text.zh) or not text.zh
                assert not any(
                    "\u4e00" <= char <= "\u9fff" for char in text.en.replace("AI合成", "")
                )


def test_a_tampered_one(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("jpg")
    path.write_bytes(tampering.flip(-200)(path.read_bytes()))
    states = _states(checks_of(gathered(path)))
    assert states["It is unchanged since it was signed"] == "fails"
    # what the manifest says is still told, and never as something that holds
    assert states["It says that AI changed it"] == "note"
    assert states["Its metadata hold the implicit label (GB 45438-2025)"] == "note"
    assert states["The ledger of the device that made it has an entry"] == "note"


def test_a_tampered_one_vouches_for_no_parent_and_no_watermark(
    swapped: Swapped, gathered: Gathered
) -> None:
    evidence = gathered(swapped("png"))
    verdict = evidence.verdict
    assert verdict.claims is not None
    parent = replace(verdict.claims.ingredients[0], manifest="present", integrity="intact")
    mark = Found("0123456789abcdef", 0.9, 1e-9, scale=1.0, turn=0.0, mirrored=False)
    claims = replace(verdict.claims, ingredients=(parent,), watermark=mark.id)
    agreement = replace(verdict.agreement, watermark=True)
    verdict = replace(verdict, claims=claims, watermark=mark, agreement=agreement)
    names = ("The file that it was made from is named", "It carries the invisible watermark")
    expected: dict[Integrity, str] = {"intact": "holds", "tampered": "note", "invalid": "note"}
    for integrity, state in expected.items():
        now = replace(evidence, verdict=replace(verdict, integrity=integrity))
        states = _states(checks_of(now))
        assert [states[name] for name in names] == [state, state]


def test_a_kind_that_carries_no_manifest_is_whole(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("png")
    frame = cv2.imread(str(path))
    assert frame is not None
    bitmap = path.with_name("out.bmp")
    assert cv2.imwrite(str(bitmap), frame)
    states = _states(checks_of(gathered(bitmap)))
    assert states["The file is whole"] == "holds"
    assert states["It carries a signed record (C2PA manifest)"] == "open"


def test_a_stripped_one(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("jpg")
    path.write_bytes(tampering.without_store(path.read_bytes(), "jpg"))
    states = _states(checks_of(gathered(path)))
    assert states["It carries a signed record (C2PA manifest)"] == "open"
    assert states["It is unchanged since it was signed"] == "open"
    assert states["It shows the visible label"] == "holds"
    assert states["Its metadata hold the implicit label (GB 45438-2025)"] == "note"
    assert states["The ledger of the device that made it has an entry"] == "note"


def test_a_label_that_was_painted_over_is_missed(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("png")
    before = gathered(path)
    frame = cv2.imread(str(path))
    assert frame is not None
    seen = before.shots[0].label
    assert seen is not None
    region = seen.place.region
    frame[region.y : region.y + region.height, region.x : region.x + region.width] = 60
    content, painted = path.read_bytes(), cv2.imencode(".png", np.asarray(frame))[1].tobytes()
    # as a forger would: the old manifest stands beside the new picture
    store = tampering.store_span(content, "png")
    path.write_bytes(painted[:33] + content[store.start : store.end] + painted[33:])
    states = _states(checks_of(gathered(path)))
    assert states["It is unchanged since it was signed"] == "fails"
    assert states["It shows the visible label"] == "fails"
    assert states["Its metadata hold the implicit label (GB 45438-2025)"] == "fails"


def test_a_stranger_is_not_known(
    swapped: Swapped, gathered: Gathered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = swapped("png")
    evidence = gathered(path)
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "elsewhere"))
    keys.device_keys()
    from edge.evidence.gather import gather
    from edge.provenance.verify import verify_file

    there = gather(path, verify_file(path), evidence.sha256, None)
    states = _states(checks_of(there))
    assert states["Its signer is known here"] == "open"
    assert states["The ledger of the device that made it has an entry"] == "open"
    json.dumps(there.verdict.to_dict())
