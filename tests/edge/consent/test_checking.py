from __future__ import annotations

import base64
import copy
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.consent.canonical import canonical_bytes
from edge.consent.checking import check_file, contradiction
from edge.consent.checkpoints import STAMP, write_checkpoint
from edge.consent.export import export
from edge.consent.ledger import Ledger
from edge.consent.proof import prove
from edge.errors import LedgerError
from edge.provenance import keys, tsp
from edge.provenance.anchors import time_dir, trusted_dir
from edge.provenance.certificates import chain_pem
from tests import authority as testing
from tests.edge.consent.test_export import appended
from tests.edge.consent.test_ledger import _publish

FORGED: dict[str, object] = {
    "kind": "output",
    "output_sha256": "ab" * 32,
    "output_id": "urn:uuid:forged",
}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def output(ledger: Ledger, tmp_path: Path) -> Path:
    ledger.event("erase", {})
    _publish(ledger, tmp_path / "out.jpg")
    return tmp_path / "out.jpg"


@pytest.fixture
def proof(ledger: Ledger, output: Path) -> Path:
    path = output.with_suffix(".json")
    path.write_text(json.dumps(prove(ledger, output).to_record()))
    return path


def test_a_proof_that_holds(proof: Path, output: Path) -> None:
    found = check_file(proof, output)
    assert (found.exit_status, found.output, found.kind) == (0, True, "proof")
    assert found.entry is not None
    assert found.entry["purpose"] == "film"
    assert check_file(proof).output is None
    json.dumps(found.to_dict())


def test_another_file(proof: Path, tmp_path: Path) -> None:
    (tmp_path / "other.jpg").write_bytes(b"other")
    found = check_file(proof, tmp_path / "other.jpg")
    assert (found.exit_status, found.output) == (4, False)


def test_on_another_device_the_signer_is_unknown(
    proof: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = chain_pem([keys.device_keys().root])
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "elsewhere"))
    assert check_file(proof).exit_status == 3
    trusted_dir().mkdir(parents=True)
    (trusted_dir() / "studio.pem").write_text(root)
    assert check_file(proof).exit_status == 0


def test_a_changed_proof(proof: Path) -> None:
    record = json.loads(proof.read_text())
    signature = bytearray(base64.b64decode(record["checkpoints"][0]["signature"]))
    signature[-1] ^= 1
    record["checkpoints"][0]["signature"] = base64.b64encode(signature).decode()
    proof.write_text(json.dumps(record))
    found = check_file(proof)
    assert (found.exit_status, found.problems) == (4, ("its signature does not hold",))


@pytest.mark.parametrize("content", ["", "{}", "[]", "no JSON", '{"schema":"edge-swap/other"}'])
def test_what_is_neither(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(LedgerError, match="no proof or export"):
        check_file(tmp_path / "file")
    with pytest.raises(LedgerError, match="cannot be read"):
        check_file(tmp_path / "nothing")


def test_an_export(ledger: Ledger, output: Path, tmp_path: Path) -> None:
    write_checkpoint(ledger)
    path = tmp_path / "export.json"
    path.write_text(json.dumps(export(ledger)))
    assert check_file(path).exit_status == 0
    with pytest.raises(LedgerError, match="not a proof"):
        check_file(path, output)
    path.write_text(path.read_text().replace("film", "game"))
    assert check_file(path).exit_status == 4


@pytest.fixture
def given(ledger: Ledger, output: Path) -> dict[str, Any]:
    """An export that ends with its checkpoint, as `edge ledger export` writes it."""
    write_checkpoint(ledger)
    return export(ledger)


def _write(path: Path, record: object) -> Path:
    path.write_text(json.dumps(record))
    return path


def test_lines_behind_the_last_signature_are_nobodys(
    given: dict[str, Any], ledger: Ledger, tmp_path: Path
) -> None:
    path = _write(tmp_path / "given.json", given)
    assert (check_file(path).exit_status, check_file(path).unsigned) == (0, None)
    _write(path, appended(given, FORGED))
    found = check_file(path)
    assert found.unsigned is not None
    assert (found.exit_status, found.unsigned.first, found.unsigned.last) == (3, 5, 5)
    assert "signed the last line (5)" in found.unsigned.text
    _write(path, appended(given, FORGED, {"kind": "published", "entry": 5}))
    found = check_file(path)
    assert found.unsigned is not None
    assert "the last 2 lines (5 to 6)" in found.unsigned.text
    assert found.to_dict()["unsigned"] == {"first": 5, "last": 6}


def test_a_strangers_checkpoint_signs_no_lines_behind_a_trusted_one(
    given: dict[str, Any], ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("EDGE_HOME", str(tmp_path / "stranger"))
        theirs = Ledger()
        theirs.path.parent.mkdir(parents=True)
        content = "".join(f"{line}\n" for line in appended(given, FORGED)["lines"])
        theirs.path.write_text(content)
        write_checkpoint(theirs)
        path = _write(tmp_path / "given.json", export(theirs))
    found = check_file(path)
    assert [seal.trusted for seal in found.seals] == [True, False]
    assert found.unsigned is not None
    assert (found.exit_status, found.unsigned.first, found.unsigned.last) == (3, 5, 6)
    with pytest.raises(LedgerError, match="nobody whom this device trusts"):
        contradiction(ledger, path)


def test_an_export_without_a_checkpoint_is_signed_by_nobody(
    ledger: Ledger, output: Path, tmp_path: Path
) -> None:
    path = _write(tmp_path / "given.json", export(ledger))
    found = check_file(path)
    assert found.unsigned is not None
    assert (found.exit_status, found.unsigned.first, found.unsigned.last) == (3, 1, 3)


def test_lines_that_nobody_signed_are_compared_all_the_same(
    given: dict[str, Any], ledger: Ledger, tmp_path: Path
) -> None:
    path = _write(tmp_path / "given.json", appended(given, FORGED))
    with pytest.raises(LedgerError, match=r"last line \(5\).* not all of it is in"):
        contradiction(ledger, path)
    ledger.event("erase", {})
    with pytest.raises(LedgerError, match="not all of it is in"):
        contradiction(ledger, path)
    _write(path, export(ledger))  # as an export that was made while something was written
    assert contradiction(ledger, path) is None


ODD: tuple[object, ...] = (None, True, -1, 10**30, "", "x", "A", "\ud800", [], [[]], {}, {"a": []})


def _odd(value: object) -> Iterator[object]:
    """Yield the value with one part of it replaced by something odd, or left out."""
    yield from ODD
    if isinstance(value, dict):
        for key, part in value.items():
            yield {name: other for name, other in value.items() if name != key}
            for odd in _odd(part):
                yield {**value, key: odd}
    elif isinstance(value, list):
        for at in {0, len(value) - 1} if value else ():
            for odd in _odd(value[at]):
                yield [*value[:at], odd, *value[at + 1 :]]


def _result(path: Path, record: object) -> int | None:
    """Return the exit status of a record; None where it is no proof or export at all."""
    try:
        return check_file(_write(path, record)).exit_status
    except LedgerError:
        return None


def test_odd_values_in_a_proof_are_refused(proof: Path) -> None:
    record = json.loads(proof.read_text())
    del record["how_to_check"]
    assert _result(proof, record) == 0
    for odd in _odd(record):
        assert odd == record or _result(proof, odd) in {None, 4}, odd


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "stamp", "checkpoint": 4, "token": "AAAA"},
        {"kind": "published", "entry": 2},
        {"kind": "stamped", "entry": 2, "output_sha256": "ab" * 32},
        {"kind": "event", "event": "frame", "details": {"output_id": "a"}},
        {"kind": "checkpoint", "text": "a\nb\n", "chain": ["AAAA"], "signature": "AAAA"},
    ],
)
def test_odd_values_in_an_export_are_refused(
    given: dict[str, Any], line: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "given.json"
    for odd in _odd(line):
        try:
            canonical_bytes(odd)
        except ValueError:
            continue  # half of a surrogate pair is in no line that holds
        if isinstance(odd, dict):
            assert _result(path, appended(given, odd)) in {3, 4}
    for key in ("schema", "lines", "leaves_before", "hash_before"):
        changed = [{**given, key: odd} for odd in ODD if odd != given[key]]
        assert {_result(path, record) for record in changed} <= {None, 4}


@pytest.mark.skipif(testing.OPENSSL is None, reason="openssl is not installed")
def test_a_stamped_checkpoint(ledger: Ledger, output: Path, tmp_path: Path) -> None:
    made = testing.make(tmp_path / "tsa")
    checkpoint = write_checkpoint(ledger)
    digest = hashlib.sha256(checkpoint.text.encode()).digest()
    with testing.running(made):
        token = tsp.ask(made.url, digest, 10)
    fields = {"checkpoint": checkpoint.size + 1, "token": base64.b64encode(token.der).decode()}
    ledger.append(STAMP, lambda: fields)
    ledger.event("erase", {})
    write_checkpoint(ledger)
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(prove(ledger, output).to_record()))
    first, newest = check_file(path).seals  # the oldest that is stamped, and the newest
    assert newest.stamps == ()
    (stamp,) = first.stamps
    assert (stamp.trusted, stamp.authority) == (False, "Test Time")
    time_dir().mkdir(parents=True)
    shutil.copy(made.root, time_dir() / "test.pem")
    (stamp,) = check_file(path).seals[0].stamps
    assert (stamp.trusted, stamp.problem) == (True, None)
    record: dict[str, Any] = json.loads(path.read_text())
    forged = copy.deepcopy(record)
    forged["checkpoints"][0]["time_stamps"] = [base64.b64encode(b"x" * 90).decode()]
    path.write_text(json.dumps(forged))
    (stamp,) = check_file(path).seals[0].stamps
    assert not stamp.trusted


def test_a_ledger_that_was_written_anew_contradicts_what_was_given_away(
    ledger: Ledger, output: Path, proof: Path
) -> None:
    assert contradiction(ledger, proof) is None
    ledger.event("erase", {})
    assert contradiction(ledger, proof) is None
    first, *rest = ledger.lines()
    names = (".head", ".mark", ".checkpoint")
    # the keeper writes a new ledger with the same first line, and signs it
    for name in names:
        ledger.path.with_suffix(name).unlink(missing_ok=True)
    ledger.path.write_bytes(first + b"\n")
    ledger.event("enrol", {})
    what = contradiction(ledger, proof)
    assert what is not None
    assert "are here" in what
    for _ in rest:
        ledger.event("enrol", {})
    assert "not what was signed" in str(contradiction(ledger, proof))
    ledger.path.unlink()
    ledger.event("enrol", {})
    with pytest.raises(LedgerError, match="another ledger"):
        contradiction(ledger, proof)
