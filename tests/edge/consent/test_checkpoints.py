from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from edge.consent import checkpoints
from edge.consent.canonical import FormError, canonical_bytes, sha256_hex
from edge.consent.checkpoints import (
    STAMP,
    Checkpoint,
    read_checkpoint,
    read_stamp,
    signer_of,
    write_checkpoint,
)
from edge.consent.ledger import Ledger
from edge.consent.merkle import leaf_hash, root_of
from edge.errors import KeyStoreError, LedgerError
from edge.provenance import keys
from edge.provenance.certificates import fingerprint


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def _fill(ledger: Ledger, count: int) -> None:
    for number in range(count):
        ledger.event("skipped-no-face", {"input": f"picture {number}"})


def _kinds(ledger: Ledger) -> list[str]:
    return [json.loads(line)["kind"] for line in ledger.lines()]


def test_it_signs_all_lines_before_it(ledger: Ledger) -> None:
    _fill(ledger, 5)
    made = write_checkpoint(ledger)
    lines = ledger.lines()
    assert made.size == 5
    assert made.root == root_of([leaf_hash(line) for line in lines[:5]])
    assert made.text.split("\n")[0] == f"edge-swap ledger {leaf_hash(lines[0]).hex()[:32]}"
    chain = signer_of(made)
    assert fingerprint(chain[0]) == fingerprint(keys.device_keys().leaf)
    assert read_checkpoint(json.loads(lines[5])) == made
    assert ledger.verify() == []


def test_it_goes_on_from_the_one_before(ledger: Ledger) -> None:
    for count in (1, 2, 6, 3):
        _fill(ledger, count)
        made = write_checkpoint(ledger)
        lines = ledger.lines()
        assert made.root == root_of([leaf_hash(line) for line in lines[:-1]])
    assert write_checkpoint(ledger) == made  # nothing new: not signed twice
    assert len(ledger.lines()) == len(lines)
    assert ledger.verify() == []


def test_an_empty_or_broken_ledger_is_not_signed(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="empty"):
        write_checkpoint(ledger)
    _fill(ledger, 4)
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join([*lines[:1], *lines[2:]]))
    with pytest.raises(LedgerError, match="broken"):
        write_checkpoint(ledger)


@pytest.mark.parametrize("last", [b"no JSON", b"{}", b"[]", b'{"seq":1.5}'])
@pytest.mark.parametrize("signed", [False, True])
def test_a_damaged_last_line_is_not_signed(ledger: Ledger, last: bytes, signed: bool) -> None:
    _fill(ledger, 3)
    if signed:
        write_checkpoint(ledger)
    with ledger.path.open("ab") as file:
        file.write(last + b"\n")
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerError, match=r"is (damaged|broken).*see 'edge ledger verify'"):
        write_checkpoint(ledger)
    assert ledger.path.read_bytes() == before


def test_a_ledger_whose_lines_are_all_gone_is_not_signed(ledger: Ledger) -> None:
    _fill(ledger, 1)
    ledger.path.with_suffix(".purged").write_text("ab" * 32 + "\n")
    ledger.path.write_bytes(b"")
    with pytest.raises(LedgerError, match="empty"):
        write_checkpoint(ledger)


def test_one_is_due_after_a_number_of_lines(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PERIOD", 4)
    _fill(ledger, 14)
    assert [at for at, kind in enumerate(_kinds(ledger)) if kind == "checkpoint"] == [4, 9, 14]
    assert ledger.verify() == []


def test_one_is_due_after_a_day(ledger: Ledger) -> None:
    _fill(ledger, 2)
    assert "checkpoint" not in _kinds(ledger)
    hint = ledger.path.with_suffix(".checkpoint")
    long_ago = time.time() - 2 * checkpoints.DAY
    os.utime(hint, (long_ago, long_ago))
    _fill(ledger, 2)
    assert _kinds(ledger) == ["event"] * 3 + ["checkpoint", "event"]


def test_a_ledger_from_before_there_were_checkpoints_gets_one(ledger: Ledger) -> None:
    _fill(ledger, checkpoints.PERIOD + 3)
    old = [line for line in ledger.lines() if b'"checkpoint"' not in line]
    ledger.path.write_bytes(b"".join(line + b"\n" for line in old[: checkpoints.PERIOD]))
    for name in (".head", ".checkpoint"):
        ledger.path.with_suffix(name).unlink()
    _fill(ledger, 2)
    assert _kinds(ledger).count("checkpoint") == 1
    assert [problem.what for problem in ledger.verify() if "checkpoint" in problem.what] == []


def test_a_key_that_cannot_sign_stops_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise KeyStoreError("no key")

    monkeypatch.setattr(keys, "device_keys", broken)
    monkeypatch.setattr(checkpoints, "PERIOD", 3)
    _fill(ledger, 8)
    assert _kinds(ledger) == ["event"] * 8
    with pytest.raises(KeyStoreError):
        write_checkpoint(ledger)


def _rewritten(line: bytes, **changes: Any) -> bytes:
    body = {**json.loads(line), **changes}
    del body["hash"]
    return canonical_bytes({**body, "hash": sha256_hex(canonical_bytes(body))})


def test_lines_rewritten_with_the_whole_chain_show_at_the_checkpoint(ledger: Ledger) -> None:
    """Who rewrites every hash after a changed line still lacks the signature."""
    _fill(ledger, 4)
    write_checkpoint(ledger)
    _fill(ledger, 1)
    lines = ledger.lines()
    new = [_rewritten(lines[0], details={"input": "another"})]
    for line in lines[1:]:
        new.append(_rewritten(line, prev=json.loads(new[-1])["hash"]))
    ledger.path.write_bytes(b"".join(line + b"\n" for line in new))
    last = json.loads(new[-1])
    ledger.path.with_suffix(".head").write_text(f"{last['seq']:020d} {last['hash']}\n")
    (problem,) = ledger.verify()
    assert (problem.line, "not over the lines before it" in problem.what) == (5, True)


@pytest.mark.parametrize(
    "change",
    [
        {"text": "edge-swap ledger x\n3\nAAAA\n2026-01-01T00:00:00Z\n"},
        {"text": "another text"},
        {"text": f"edge-swap ledger x\n3\n{'A' * 43}=\n\ud800\n"},
        {"signature": base64.b64encode(b"x" * 70).decode()},
        {"signature": "no base64!"},
        {"algorithm": "none"},
        {"chain": []},
        {"chain": ["AAAA"]},
        {"chain": None},
    ],
)
def test_a_changed_checkpoint_does_not_hold(ledger: Ledger, change: dict[str, Any]) -> None:
    _fill(ledger, 3)
    fields = write_checkpoint(ledger).to_fields()
    with pytest.raises(FormError):
        signer_of(read_checkpoint({**fields, **change}))


def _chain(made: Checkpoint, find: str, at: int, value: int) -> Checkpoint:
    """Return a checkpoint with one byte of its signer's certificate replaced."""
    signer = bytearray(made.chain[0])
    signer[signer.find(bytes.fromhex(find)) + at] = value
    return Checkpoint(made.text, made.signature, made.algorithm, (bytes(signer), *made.chain[1:]))


@pytest.mark.parametrize(
    ("find", "at", "value"),
    [("a003020102", 4, 9), ("06072a8648ce3d0201", 8, 9), ("06082a8648ce3d030107", 9, 99)],
    ids=["version 9", "a key of an unknown kind", "an unknown curve"],
)
def test_a_certificate_of_an_unknown_kind(ledger: Ledger, find: str, at: int, value: int) -> None:
    _fill(ledger, 3)
    made = write_checkpoint(ledger)
    with pytest.raises(FormError, match="of a kind that is not known"):
        signer_of(_chain(made, find, at, value))


@pytest.mark.parametrize(("find", "at", "value"), [("0603550403", 5, 0x1E), ("170d", 4, 0x39)])
def test_a_certificate_that_is_found_malformed_late(
    ledger: Ledger, find: str, at: int, value: int
) -> None:
    """The library reads names and times only when they are asked for."""
    _fill(ledger, 3)
    made = _chain(write_checkpoint(ledger), find, at, value)
    with pytest.raises(FormError):
        signer_of(Checkpoint(made.text, made.signature, made.algorithm, made.chain[:1]))


@pytest.mark.parametrize(
    "fields",
    [
        {"checkpoint": "x", "token": "AAAA"},
        {"checkpoint": [], "token": "AAAA"},
        {"token": "AAAA"},
        {"checkpoint": 1, "token": "A"},
        {"checkpoint": 1},
    ],
)
def test_a_malformed_stamp(ledger: Ledger, fields: dict[str, object]) -> None:
    with pytest.raises(FormError, match="a time stamp"):
        read_stamp(fields)
    _fill(ledger, 1)
    ledger.append(STAMP, lambda: fields)
    (problem,) = ledger.verify()
    assert problem.line == 2


def test_any_byte_of_the_text_is_signed(ledger: Ledger) -> None:
    _fill(ledger, 3)
    made = write_checkpoint(ledger)
    for at in range(len(made.text)):
        changed = bytearray(made.text.encode())
        changed[at] ^= 1
        text = changed.decode("latin-1")
        with pytest.raises(FormError):
            signer_of(Checkpoint(text, made.signature, made.algorithm, made.chain))


def test_imported_ed25519_keys_sign_too(ledger: Ledger, tmp_path: Path) -> None:
    import subprocess

    from tests import authority as testing

    if testing.OPENSSL is None:
        pytest.skip("openssl is not installed")
    _fill(ledger, 3)
    _import_ed25519(tmp_path)
    made = write_checkpoint(ledger)
    assert (made.algorithm, len(made.signature)) == ("ed25519", 64)
    signer_of(made)
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(made.chain[0]).public_key()
    (tmp_path / "public.pem").write_bytes(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "text").write_text(made.text)
    (tmp_path / "signature").write_bytes(made.signature)
    command = "openssl pkeyutl -verify -rawin -in text -sigfile signature -pubin -inkey public.pem"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _import_ed25519(folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    from edge.provenance.certificates import EMAIL_PROTECTION, chain_pem
    from tests import authority as testing

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    root = testing.certificate("Studio Root", root_key)
    pattern = testing.certificate(
        "Studio", root_key, issuer=(root, root_key), uses=(EMAIL_PROTECTION,)
    )
    builder = x509.CertificateBuilder(
        issuer_name=pattern.issuer,
        subject_name=pattern.subject,
        public_key=key.public_key(),
        serial_number=pattern.serial_number,
        not_valid_before=pattern.not_valid_before_utc.replace(tzinfo=None),
        not_valid_after=pattern.not_valid_after_utc.replace(tzinfo=None),
        extensions=list(pattern.extensions),
    )
    leaf = builder.sign(root_key, hashes.SHA256())
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "chain.pem").write_text(chain_pem([leaf, root]))
    keys.import_keys(folder / "key.pem", folder / "chain.pem")
