from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from edge.errors import KeyStoreError
from edge.provenance import cbor, certificates, cose, keys, stamping
from edge.provenance.active import Found
from edge.provenance.anchors import time_dir, trusted_dir
from edge.provenance.container import sniff
from edge.provenance.signers import Credentials, credentials_of, doubt_about, parse_revocations
from edge.provenance.store import read_store, replace_in_store
from edge.provenance.verify import verify_file
from tests import authority as testing
from tests.edge.provenance.conftest import kinds_of_others, sign_as_other
from tests.serving import Quiet, serving

Maker = Callable[[str], Path]
DAY = datetime.timedelta(days=1)
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


@pytest.fixture
def studio(tmp_path: Path) -> tuple[Pair, x509.Certificate]:
    """A studio's own root, and the certificate that this device signs with from now on."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = testing.certificate("Studio Root", root_key, lifetime=10 * testing.YEAR)
    uses = (certificates.CLAIM_SIGNING, certificates.EMAIL_PROTECTION)
    leaf = testing.certificate("Studio", key, issuer=(root, root_key), uses=uses)
    (tmp_path / "key.pem").write_text(testing.pem(key))
    (tmp_path / "chain.pem").write_text(testing.pem(leaf) + testing.pem(root))
    keys.import_keys(tmp_path / "key.pem", tmp_path / "chain.pem")
    return (root, root_key), leaf


def _crl(issuer: Pair, serial: int, when: datetime.datetime) -> bytes:
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build()
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer[0].subject)
        .last_update(when)
        .next_update(when + 30 * DAY)
        .add_revoked_certificate(entry)
        .sign(issuer[1], hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def _add(crl: bytes) -> None:
    trusted_dir().mkdir(parents=True, exist_ok=True)
    (trusted_dir() / "studio.crl").write_bytes(crl)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def test_a_revoked_certificate_is_no_signer(
    signed: Maker, studio: tuple[Pair, x509.Certificate]
) -> None:
    issuer, leaf = studio
    path = signed("jpg")
    verdict = verify_file(path)
    assert verdict.exit_status == 0
    assert verdict.signer is not None
    assert verdict.signer.certificate_sha256 == certificates.fingerprint(leaf)
    assert verdict.signer.revoked is None
    _add(_crl(issuer, leaf.serial_number, _now() - DAY))
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.integrity) == (3, "intact")
    assert verdict.signer is not None
    assert (verdict.signer.status, verdict.signer.trusted) == ("revoked", False)
    assert verdict.signer.revoked is not None
    assert any("REVOKED" in note for note in verdict.notes)


def test_another_certificate_of_the_issuer(
    signed: Maker, studio: tuple[Pair, x509.Certificate]
) -> None:
    issuer, leaf = studio
    _add(_crl(issuer, leaf.serial_number + 1, _now() - DAY))
    assert verify_file(signed("jpg")).exit_status == 0


def test_a_list_that_the_issuer_did_not_sign_counts_nothing(
    signed: Maker, studio: tuple[Pair, x509.Certificate]
) -> None:
    (root, _), leaf = studio
    forger = ec.generate_private_key(ec.SECP256R1())
    _add(_crl((root, forger), leaf.serial_number, _now() - DAY))
    assert verify_file(signed("jpg")).exit_status == 0


@pytest.mark.skipif(testing.OPENSSL is None, reason="openssl is not installed")
def test_a_time_stamp_from_before_the_revocation_helps(
    signed: Maker, studio: tuple[Pair, x509.Certificate], tmp_path: Path
) -> None:
    issuer, leaf = studio
    path = signed("jpg")
    made = testing.make(tmp_path / "tsa")
    with testing.running(made):
        stamping.stamp_file(path, stamping.Authority(made.url))
    time_dir().mkdir(parents=True)
    (time_dir() / "test.pem").write_bytes(made.root.read_bytes())
    _add(_crl(issuer, leaf.serial_number, _now() + DAY))
    verdict = verify_file(path)
    assert verdict.exit_status == 0
    assert any("after this was signed" in note for note in verdict.notes)
    _add(_crl(issuer, leaf.serial_number, _now() - DAY))
    assert verify_file(path).exit_status == 3


@pytest.mark.parametrize("status", [ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED])
@pytest.mark.parametrize("forged", [False, True])
def test_an_answer_about_revocation_in_the_manifest(
    signed: Maker,
    studio: tuple[Pair, x509.Certificate],
    status: ocsp.OCSPCertStatus,
    forged: bool,
) -> None:
    """As other software staples it: an OCSP response beside the signature."""
    (root, root_key), leaf = studio
    if forged:
        root_key = ec.generate_private_key(ec.SECP256R1())
        root = testing.certificate("Studio Root", root_key)
    path = signed("jpg")
    dead = status is ocsp.OCSPCertStatus.REVOKED
    answer = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=leaf,
            issuer=root,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=_now() - DAY,
            next_update=_now() + DAY,
            revocation_time=_now() - DAY if dead else None,
            revocation_reason=x509.ReasonFlags.key_compromise if dead else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, root)
        .sign(root_key, hashes.SHA256())
    )
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    found = cose.find_signature(read_store(path, kind))
    assert found is not None
    der = answer.public_bytes(serialization.Encoding.DER)
    made = found.with_header("rVals", cose.revocation_header(der))
    replace_in_store(path, kind, found.at, made)
    verdict = verify_file(path)
    assert verdict.integrity == "intact", verdict.failures
    assert verdict.signer is not None
    expected = (3, "revoked") if dead and not forged else (0, "trusted")
    assert (verdict.exit_status, verdict.signer.status) == expected


@pytest.mark.parametrize("suffix", ["tiff", "gif", "wav"])
def test_revoked_in_kinds_that_are_not_read_here(
    suffix: str, studio: tuple[Pair, x509.Certificate], tmp_path: Path
) -> None:
    issuer, leaf = studio
    media_type, content = kinds_of_others(np.zeros((16, 16, 3), np.uint8))[suffix]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(sign_as_other(keys.device_keys(), content, media_type)[0])
    verdict = verify_file(path)
    assert verdict.signer is not None
    assert (verdict.exit_status, verdict.failures) == (0, ())
    assert verdict.signer.certificate_sha256 == certificates.fingerprint(leaf)
    _add(_crl(issuer, leaf.serial_number + 1, _now() - DAY))
    assert verify_file(path).exit_status == 0
    _add(_crl(issuer, leaf.serial_number, _now() - DAY))
    verdict = verify_file(path)
    assert verdict.signer is not None
    assert (verdict.exit_status, verdict.signer.status) == (3, "revoked")


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server of one manifest, which the test puts there."""
    held: dict[str, bytes] = {}

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(held["store"])))
            self.end_headers()
            self.wfile.write(held["store"])

    with serving(Handler) as address:
        yield f"{address}m.c2pa", held


def test_where_its_certificates_are_not_at_hand(
    studio: tuple[Pair, x509.Certificate], tmp_path: Path, server: tuple[str, dict[str, bytes]]
) -> None:
    """Of a manifest that was fetched, or is compressed, the library tells the number alone."""
    url, held = server
    issuer, leaf = studio
    picture = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    own = keys.device_keys()
    fetched, compressed = tmp_path / "fetched.png", tmp_path / "compressed.png"
    content, held["store"] = sign_as_other(own, picture, "image/png", url=url)
    fetched.write_bytes(content)
    content, _ = sign_as_other(own, picture, "image/png", prefer_compress_manifests=True)
    compressed.write_bytes(content)
    for path in (fetched, compressed):
        (trusted_dir() / "studio.crl").unlink(missing_ok=True)
        assert verify_file(path, fetch_remote=True).exit_status == 0
        _add(_crl(issuer, leaf.serial_number + 1, _now() - DAY))
        verdict = verify_file(path, fetch_remote=True)
        assert verdict.signer is not None
        assert (verdict.exit_status, verdict.signer.status) == (3, "unknown")
        assert not verdict.signer.trusted
        assert any("cannot be held against revocation lists" in note for note in verdict.notes)
        _add(_crl(issuer, leaf.serial_number, _now() - DAY))
        verdict = verify_file(path, fetch_remote=True)
        assert verdict.signer is not None
        assert (verdict.exit_status, verdict.signer.status) == (3, "revoked")
        forger = ec.generate_private_key(ec.SECP256R1())
        _add(_crl((issuer[0], forger), leaf.serial_number, _now() - DAY))
        verdict = verify_file(path, fetch_remote=True)
        assert verdict.signer is not None
        assert verdict.signer.status == "unknown"


def test_what_cannot_be_read_is_not_nothing() -> None:
    """An empty chain used to pass for one of which nothing is known to be wrong."""
    malformed = cose.Signature(0, b"", cbor.octets(b"\xa1\x18\x21" + cbor.octets(b"der")), (), b"")
    assert credentials_of(malformed) == credentials_of(None) == Credentials()
    assert "cannot be read" in (doubt_about(Credentials(), Found()) or "")
    assert doubt_about(Credentials(), Found(out_of_reach="it was fetched")) is None  # no lists


def test_malformed_stores_and_lists() -> None:
    with pytest.raises(KeyStoreError, match="list"):
        parse_revocations(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "x.crl")
    with pytest.raises(KeyStoreError, match="list"):
        parse_revocations(b"noise", "x.crl")
