from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest

from edge.cli import main
from edge.consent.canonical import readable_json
from edge.consent.checkpoints import write_checkpoint
from edge.consent.export import export
from edge.consent.ledger import Ledger, default_ledger_path
from edge.errors import LedgerError
from edge.evidence.gather import digest_of
from edge.evidence.lookup import (
    THIS_DEVICE,
    LedgerFinding,
    LedgerSource,
    facts_of,
    look_up,
    open_ledger,
)
from edge.jobs.file import swap_file
from edge.provenance.verify import verify_file
from tests import tampering
from tests.edge.consent.test_export import appended
from tests.edge.evidence.conftest import Swapped
from tests.scene import Stage, target, write


def _found(path: Path, ledger: LedgerSource | None = None) -> LedgerFinding:
    return look_up(ledger or open_ledger(THIS_DEVICE), verify_file(path), digest_of(path))


def test_an_output_is_found_by_all_it_has(swapped: Swapped) -> None:
    finding = _found(swapped("png"))
    (match,) = finding.matches
    assert match.ways[:3] == ("file", "manifest", "implicit label")
    assert match.entry.state == "published"
    assert finding.faults == ()
    json.dumps(finding.to_dict())


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_stripped_one_is_found_by_its_implicit_label(suffix: str, swapped: Swapped) -> None:
    path = swapped(suffix)
    bare = path.with_name(f"bare.{suffix}")
    bare.write_bytes(tampering.without_store(path.read_bytes(), suffix))
    (match,) = _found(bare).matches
    assert match.ways[0] == "implicit label"
    assert "file" not in match.ways


def test_a_screenshot_is_found_by_its_watermark(ready: Stage) -> None:
    """All metadata gone, coded anew: the pixels alone lead to the entry."""
    source = write(ready.folder / "large.png", target((720, 960), ((20, 20), (70, 40))))
    output = ready.folder / "large-out.png"
    swap_file(ready.swapper(), source, output)
    frame = cv2.imread(str(output))
    assert frame is not None
    shot = ready.folder / "screenshot.jpg"
    cv2.imwrite(str(shot), frame[3:, 5:], [cv2.IMWRITE_JPEG_QUALITY, 80])
    verdict = verify_file(shot)
    assert (verdict.exit_status, verdict.implicit_label) == (5, None)
    (match,) = _found(shot).matches
    assert match.ways == ("watermark",)
    assert match.entry.fields["path"] == str(output)


def test_a_frame_that_a_caller_got_is_found_by_its_watermark(
    ready: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """An array carries no manifest: its pixels are all that leads to the entry."""
    made = ready.swapper().swap(target((720, 960), ((20, 20), (70, 40))))
    saved = write(ready.folder / "saved.png", made.frame)
    (match,) = _found(saved).matches
    assert match.ways == ("watermark",)
    assert match.entry.fields["event"] == "frame"
    facts = facts_of(match.entry)
    assert facts["output_id"] == made.record.output_id
    assert "output_sha256" not in facts  # of pixels in memory, and of no file
    main(["verify", "--ledger", THIS_DEVICE, str(saved)])
    shown = capsys.readouterr().out
    assert f"found by the watermark: output {made.record.output_id}, consent " in shown
    assert f"consent {ready.consent.id}, purpose film; what was entered had other bytes" in shown


def test_a_tampered_one_is_found_by_what_it_says(swapped: Swapped) -> None:
    path = swapped("jpg")
    content = path.read_bytes()
    path.write_bytes(tampering.flip(-200)(content))
    (match,) = _found(path).matches
    assert match.ways[:2] == ("manifest", "implicit label")


def test_a_strange_file_is_not_found(swapped: Swapped, ready: object, tmp_path: Path) -> None:
    swapped("png")
    assert _found(write(tmp_path / "other.png", target())).matches == ()


def test_the_hash_comes_first(swapped: Swapped, tmp_path: Path) -> None:
    first = swapped("png")
    second = swapped("jpg")
    assert [_found(path).matches[0].ways[0] for path in (first, second)] == ["file", "file"]


def test_a_copy_of_a_ledger_will_do(swapped: Swapped, tmp_path: Path) -> None:
    path = swapped("png")
    copy = tmp_path / "copy.jsonl"
    shutil.copy(default_ledger_path(), copy)
    finding = _found(path, open_ledger(str(copy)))
    assert finding.path == copy
    assert finding.matches[0].ways[0] == "file"
    assert not copy.with_suffix(".lock").exists()  # evidence is looked at, and nothing added to it


def test_a_folder_is_said_to_be_no_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger: is not a file"):
        open_ledger(str(tmp_path))


def test_an_export_will_do(swapped: Swapped, tmp_path: Path) -> None:
    path = swapped("png")
    exported = tmp_path / "ledger.json"
    write_checkpoint(Ledger())
    record = export(Ledger())
    exported.write_bytes(readable_json(record))
    source = open_ledger(str(exported))
    assert (source.faults, source.signer_known) == ((), True)
    finding = _found(path, source)
    assert finding.matches[0].ways[0] == "file"
    assert finding.matches[0].entry.state == "published"
    exported.write_bytes(readable_json(record).replace(b"film", b"game"))
    assert open_ledger(str(exported)).faults
    exported.write_bytes(readable_json({**record, "lines": 3}))
    with pytest.raises(LedgerError, match="lacks its lines"):
        open_ledger(str(exported))


def _forged(picture: Path) -> list[dict[str, object]]:
    """Return lines that a stranger would like to see in the ledger."""
    fields: dict[str, object] = {"kind": "output", "output_id": "urn:uuid:forged"}
    return [{**fields, "output_sha256": digest_of(picture)}, {"kind": "published", "entry": []}]


def test_lines_behind_an_exports_signature_do_not_count(swapped: Swapped, tmp_path: Path) -> None:
    path, other = swapped("png"), write(tmp_path / "other.png", target())
    write_checkpoint(Ledger())
    exported = tmp_path / "ledger.json"
    exported.write_bytes(readable_json(appended(export(Ledger()), *_forged(other))))
    source = open_ledger(str(exported))
    (fault,) = source.faults
    assert "nobody whom this device trusts has signed the last 2 lines" in fault
    finding = _found(other, source)
    assert (finding.matches, finding.to_dict()["intact"]) == ((), False)
    assert _found(path, source).matches[0].ways[0] == "file"  # that one was signed


def test_an_export_that_nobody_signed_says_nothing(swapped: Swapped, tmp_path: Path) -> None:
    path = swapped("png")
    exported = tmp_path / "ledger.json"
    exported.write_bytes(readable_json(export(Ledger())))
    source = open_ledger(str(exported))
    assert (len(source.faults), source.signer_known) == (1, False)
    assert _found(path, source).matches == ()


def test_an_export_of_a_stranger_says_so(
    swapped: Swapped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = swapped("png")
    write_checkpoint(Ledger())
    exported = tmp_path / "ledger.json"
    exported.write_bytes(readable_json(export(Ledger())))
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "elsewhere"))
    finding = _found(path, open_ledger(str(exported)))
    assert (finding.faults, finding.signer_known) == ((), False)
    assert finding.to_dict()["signer_known"] is False
    assert finding.matches[0].ways[0] == "file"


@pytest.mark.parametrize("event", [[], {}, "frame", "\ud800"])
def test_odd_lines_of_an_export(event: object, swapped: Swapped, tmp_path: Path) -> None:
    path = swapped("png")
    write_checkpoint(Ledger())
    record = export(Ledger())
    line = json.dumps({"seq": 1, "kind": "event", "hash": "", "event": event, "details": 1})
    exported = tmp_path / "ledger.json"
    exported.write_bytes(readable_json({**record, "lines": [*record["lines"], line]}))  # type: ignore[misc]
    source = open_ledger(str(exported))
    assert source.faults
    assert _found(path, source).matches[0].ways[0] == "file"


def test_a_ledger_with_a_fault_says_so(swapped: Swapped, tmp_path: Path) -> None:
    path = swapped("png")
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(default_ledger_path().read_bytes().replace(b'"faces":2', b'"faces":3'))
    finding = _found(path, open_ledger(str(copy)))
    assert finding.faults
    assert not finding.to_dict()["intact"]


def test_no_ledger_is_one_line(edge_home: Path, tmp_path: Path) -> None:
    for named in (THIS_DEVICE, str(tmp_path / "none.jsonl")):
        with pytest.raises(LedgerError, match="there is no ledger"):
            open_ledger(named)


def test_what_is_no_ledger_is_one_line(swapped: Swapped, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    with pytest.raises(LedgerError, match="is it a ledger"):
        _found(swapped("png"), open_ledger(str(empty)))
