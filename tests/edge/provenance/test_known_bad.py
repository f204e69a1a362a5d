"""The known-bad set: one expected verdict for every way in which a file can be spoiled.

The files are spoiled by `tests.tampering`, here and nowhere else.
"""

from __future__ import annotations

import datetime
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from edge.provenance import certificates, keys, manifest, verify
from edge.provenance.anchors import trusted_dir
from edge.provenance.engine import context
from edge.provenance.signer import CallbackSigner, FileKey
from edge.provenance.verdict import Verdict
from edge.provenance.verify import verify_file
from edge.provenance.watermark.files import Look
from edge.records import SwapRecord
from tests import tampering
from tests.tampering import MEDIA_TYPES

c2pa = pytest.importorskip("c2pa")

Maker = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the search for a watermark out: no verdict here depends on it, and it takes long."""
    monkeypatch.setattr(verify, "look_into", lambda path, media_type: Look(None))


SUFFIXES = list(MEDIA_TYPES)

_FLIPPED = {
    "implicit label": {"hashedURI.mismatch", "dataHash.mismatch"},
    "claim": {"claimSignature.mismatch"},
    "claim: generator": {"claimSignature.mismatch"},
    "signature: certificate": {"claimSignature.mismatch"},
    "signature: padding": {"signature.padding"},
    "signature: value": {"claimSignature.mismatch"},
    "binding": {"hashedURI.mismatch"},
    "picture": {"dataHash.mismatch", "bmffHash.mismatch"},
    "headers": {"dataHash.mismatch", "bmffHash.mismatch"},
    **{f"assertion {label}": {"hashedURI.mismatch"} for label in tampering.ASSERTIONS},
}
"""Which check must notice a bit flipped in a region; others may be unreadable altogether."""


def _spoiled(path: Path, content: bytes) -> Verdict:
    out = path.with_name(f"spoiled{path.suffix}")
    out.write_bytes(content)
    return verify_file(out)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_bit_in_every_region(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    content = path.read_bytes()
    regions = tampering.regions(content, suffix)
    assert len(regions) == 22
    for name, at in regions.items():
        verdict = _spoiled(path, tampering.flip(at)(content))
        assert verdict.exit_status == 4, name
        if name in _FLIPPED and verdict.manifest == "present":
            assert any(code.endswith(tuple(_FLIPPED[name])) for code in verdict.failures), name
        elif verdict.manifest == "present":
            assert verdict.failures or verdict.problem, name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_bit_anywhere(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    content = path.read_bytes()
    # The first bytes say what kind of file it is: without them it is none.
    for at in list(tampering.everywhere(content, 120))[1:]:
        if at not in tampering.free(content, suffix):
            assert _spoiled(path, tampering.flip(at)(content)).exit_status == 4, at


@pytest.mark.parametrize("suffix", ["jpg", "mp4"])
def test_what_nothing_covers(suffix: str, signed: Maker) -> None:
    """Any value is right there, and nobody could tell which was signed."""
    path = signed(suffix)
    content = path.read_bytes()
    for at in tampering.free(content, suffix):
        verdict = _spoiled(path, tampering.flip(at)(content))
        assert (verdict.exit_status, verdict.integrity) == (0, "intact")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_swapped_manifests(suffix: str, signed: Maker, other: Maker) -> None:
    path, stranger = signed(suffix), other(suffix)
    assert verify_file(stranger).exit_status == 0
    one, two = path.read_bytes(), stranger.read_bytes()
    for content, store in ((one, two), (two, one)):
        verdict = _spoiled(path, tampering.with_store_of(content, store, suffix))
        assert verdict.exit_status == 4
        assert verdict.integrity in {"tampered", None}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"8000-000000000001", b"8000-000000000009"),
        (b"assuranceisynthetic", b"assuranceiagentived"),
        (b"gpurposedfilm", b"gpurposedgame"),
        (b"fcornerlbottom-right", b"fcornerlbottom-lefty"),
        (b"frames\x01", b"frames\x02"),
        (b"compositeWithTrainedAlgorithmicMedia", b"digitalCapture                      "),
    ],
)
def test_edited_assertions(old: bytes, new: bytes, suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    verdict = _spoiled(path, tampering.replaced(old, new)(path.read_bytes()))
    assert verdict.exit_status == 4
    assert verdict.integrity in {"tampered", None}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_stripped(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    verdict = _spoiled(path, tampering.without_store(path.read_bytes(), suffix))
    assert verdict.exit_status == 5
    assert verdict.manifest == "absent"
    assert verdict.implicit_label is not None
    assert any("not signed" in note for note in verdict.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_appended_bytes(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    assert _spoiled(path, path.read_bytes() + b"\0" * 16).exit_status == 4


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated(share: float, suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    content = path.read_bytes()
    verdict = _spoiled(path, content[: int(len(content) * share)])
    assert verdict.exit_status == 4


def _actions(source_type: str) -> list[dict[str, object]]:
    actions = [{"action": "c2pa.created", "digitalSourceType": source_type}]
    return [{"label": "c2pa.actions.v2", "created": True, "data": {"actions": actions}}]


def _signed_by(
    key: ec.EllipticCurvePrivateKey, chain: list[x509.Certificate], source: Path, suffix: str
) -> bytes:
    callback = CallbackSigner(FileKey(keys.DeviceKeys(key, tuple(chain), source)))
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    definition: dict[str, Any] = {
        "claim_generator_info": [{"name": "camera"}],
        "assertions": _actions(kind),
    }
    builder = c2pa.Builder(definition, context=context([]))
    out = io.BytesIO()
    with source.open("rb") as stream:
        builder.sign(callback.signer, MEDIA_TYPES[suffix], stream, out)
    return out.getvalue()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_resigned_by_a_stranger(suffix: str, signed: Maker, tmp_path: Path) -> None:
    """As a photograph: intact, by somebody unknown, and at odds with the implicit label."""
    path = signed(suffix)
    bare = tmp_path / f"bare.{suffix}"
    bare.write_bytes(tampering.without_store(path.read_bytes(), suffix))
    key, chain = certificates.make_chain()
    verdict = _spoiled(path, _signed_by(key, chain, bare, suffix))
    assert (verdict.exit_status, verdict.integrity) == (3, "intact")
    assert verdict.failures == ("signingCredential.untrusted",)
    assert verdict.agreement.made_by_ai is False
    assert any("anybody can sign" in note for note in verdict.notes)
    assert any("disagree" in note for note in verdict.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tampered_parent(
    suffix: str, plain: Maker, signed: Maker, record: SwapRecord, tmp_path: Path
) -> None:
    parent = signed(suffix)
    content = parent.read_bytes()
    parent.write_bytes(tampering.flip(tampering.regions(content, suffix)["picture"])(content))
    out = tmp_path / f"second.{suffix}"
    manifest.sign(plain(suffix), out, MEDIA_TYPES[suffix], record, parent)
    verdict = verify_file(out)
    assert (verdict.exit_status, verdict.integrity) == (0, "intact")
    assert verdict.claims is not None
    assert verdict.claims.ingredients[0].integrity == "tampered"
    assert any("is TAMPERED" in note for note in verdict.notes)


def _soon_over(chain: list[x509.Certificate], root_key: ec.EllipticCurvePrivateKey,
               leaf_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:  # fmt: skip
    """Return a leaf under the root that is valid for two seconds more."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(chain[0].subject)
        .issuer_name(chain[1].subject)
        .public_key(leaf_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(seconds=2))
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    for extension in chain[0].extensions:
        value = extension.value
        if isinstance(value, x509.AuthorityKeyIdentifier):
            value = issuer
        builder = builder.add_extension(value, critical=extension.critical)
    return builder.sign(root_key, hashes.SHA256())


def test_expired(plain: Maker, tmp_path: Path) -> None:
    leaf_key, chain = certificates.make_chain()
    root_key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(chain[1].subject)
        .issuer_name(chain[1].subject)
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(chain[1].not_valid_before_utc)
        .not_valid_after(chain[1].not_valid_after_utc)
    )
    for extension in chain[1].extensions:
        value = extension.value
        if isinstance(value, x509.SubjectKeyIdentifier):
            value = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
        builder = builder.add_extension(value, critical=extension.critical)
    root = builder.sign(root_key, hashes.SHA256())
    leaf = _soon_over([chain[0], root], root_key, leaf_key)
    trusted_dir().mkdir(parents=True)
    (trusted_dir() / "studio.pem").write_text(certificates.chain_pem([root]))
    path = tmp_path / "expired.jpg"
    path.write_bytes(_signed_by(leaf_key, [leaf, root], plain("jpg"), "jpg"))
    assert verify_file(path).exit_status == 0
    left = leaf.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    time.sleep(max(left.total_seconds(), 0) + 1.1)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.integrity) == (3, "intact")
    assert "signingCredential.expired" in verdict.failures
    assert any("has expired" in note for note in verdict.notes)
