from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.errors import KeyStoreError, UsageError
from edge.provenance import keys
from edge.provenance.anchors import time_dir, trusted_dir
from edge.provenance.certificates import CLAIM_SIGNING, chain_pem, fingerprint
from edge.provenance.container import sniff
from edge.provenance.cose import find_signature
from edge.provenance.signers import credentials_of
from edge.provenance.store import read_store
from edge.provenance.trusting import Role, add, remove, trusted
from edge.provenance.verify import verify_file
from tests import authority as testing

Maker = Callable[[str], Path]
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _root(name: str = "Studio Root") -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    return testing.certificate(name, key), key


def _leaf() -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    return testing.certificate("Studio", key, issuer=_root(), uses=(CLAIM_SIGNING,))


def _named(name: str) -> list[tuple[str, Role]]:
    return [(item.subject, item.role) for item in trusted() if item.name == name]


def _trust_list(*entities: tuple[str, list[x509.Certificate]]) -> dict[str, Any]:
    """Return a list in the form that C2PA publishes: ETSI's list of trusted entities, in JSON."""

    def service(status: str, certificate: x509.Certificate) -> dict[str, Any]:
        der = certificate.public_bytes(serialization.Encoding.DER)
        identity = {"X509Certificates": [{"val": base64.b64encode(der).decode()}]}
        return {
            "ServiceInformation": {
                "ServiceName": [{"lang": "en", "value": "a service"}],
                "ServiceDigitalIdentity": identity,
                "ServiceStatus": f"http://c2pa.org/conformance/trust-list/{status}",
            }
        }

    listed = [
        {
            "TrustedEntityInformation": {"TEName": [{"lang": "en", "value": "somebody"}]},
            "TrustedEntityServices": [service(status, c) for c in certificates],
        }
        for status, certificates in entities
    ]
    scheme = {"LoTEVersionIdentifier": 1, "SchemeName": [{"lang": "en", "value": "C2PA"}]}
    return {"LoTE": {"ListAndSchemeInformation": scheme, "TrustedEntitiesList": listed}}


def test_nothing_is_shipped() -> None:
    assert trusted() == []


def test_our_own_root_is_there_by_its_fingerprint() -> None:
    root = keys.device_keys().root
    (item,) = trusted()
    assert (item.name, item.role) == ("this device", "signers")
    assert item.sha256 == fingerprint(root)


def test_a_bundle_of_authorities(tmp_path: Path) -> None:
    (one, _), (two, _) = _root("One"), _root("Two")
    file = tmp_path / "C2PA TRUST LIST.pem"
    file.write_text("## a comment\n" + chain_pem([one, two, one, _leaf()]))
    added = add(file, "signers")
    assert added.certificates == 2
    assert "no certificate authority" in added.left_out[0]
    assert added.path == trusted_dir() / "C2PA-TRUST-LIST.pem"
    assert _named(added.path.name) == [("One", "signers"), ("Two", "signers")]


def test_the_list_in_its_json_form(tmp_path: Path) -> None:
    (one, _), (two, _), (gone, _) = _root("One"), _root("Two"), _root("Gone")
    file = tmp_path / "list.json"
    file.write_text(json.dumps(_trust_list(("trusted", [one, two]), ("withdrawn", [gone]))))
    added = add(file, "time", "c2pa-time")
    assert (added.certificates, added.left_out) == (2, ("Gone: withdrawn",))
    assert added.path == time_dir() / "c2pa-time.pem"
    assert _named("c2pa-time.pem") == [("One", "time"), ("Two", "time")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"noise",
        b"{}",
        b'{"LoTE": 1}',
        b'{"LoTE": {"TrustedEntitiesList": [1]}}',
        b'{"LoTE": {"TrustedEntitiesList": []}}',
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"[" * 10_000,
        b'{"LoTE":' * 10_000,
    ],
)
def test_files_that_hold_nothing_of_the_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.pem").write_bytes(content)
    with pytest.raises(KeyStoreError):
        add(tmp_path / "file.pem", "signers")
    assert trusted() == []
    with pytest.raises(KeyStoreError, match="cannot be read"):
        add(tmp_path / "nothing.pem", "signers")


def test_one_certificate_in_der(tmp_path: Path) -> None:
    root, _ = _root()
    (tmp_path / "root.cer").write_bytes(root.public_bytes(serialization.Encoding.DER))
    assert add(tmp_path / "root.cer", "signers").certificates == 1
    (tmp_path / "leaf.cer").write_bytes(_leaf().public_bytes(serialization.Encoding.DER))
    with pytest.raises(KeyStoreError, match="authority"):
        add(tmp_path / "leaf.cer", "signers")


def test_names(tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    file.write_text(chain_pem([_root()[0]]))
    add(file, "signers")
    with pytest.raises(UsageError, match="there already"):
        add(file, "signers")
    add(file, "signers", "another")
    for name in ("", "../up", ".hidden", "a b", "x" * 101):
        with pytest.raises(UsageError, match="name"):
            add(file, "signers", name)


@pytest.mark.parametrize("how", ["name", "stem", "fingerprint"])
def test_removing(tmp_path: Path, how: str) -> None:
    root, _ = _root()
    (tmp_path / "root.pem").write_text(chain_pem([root]))
    path = add(tmp_path / "root.pem", "signers").path
    name = {"name": "root.pem", "stem": "root", "fingerprint": fingerprint(root)[:20]}[how]
    assert remove(name) == [path]
    assert trusted() == []
    with pytest.raises(UsageError):
        remove(name)


def test_this_device_s_own_root_stays() -> None:
    root = keys.device_keys().root
    for name in ("this device", fingerprint(root)):
        with pytest.raises(UsageError, match="own root"):
            remove(name)


def test_a_signer_is_known_while_its_root_is_trusted(
    signed: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = signed("jpg")
    (tmp_path / "root.pem").write_text(chain_pem([keys.device_keys().root]))
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "elsewhere"))
    assert verify_file(path).exit_status == 3
    add(tmp_path / "root.pem", "time")
    assert verify_file(path).exit_status == 3
    add(tmp_path / "root.pem", "signers", "studio")
    assert verify_file(path).exit_status == 0
    remove("studio")
    assert verify_file(path).exit_status == 3


@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
def test_revocation_lists(tmp_path: Path, encoding: serialization.Encoding) -> None:
    root, key = _root()
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "studio.crl"
    file.write_bytes(made.public_bytes(encoding))
    for _ in range(2):  # a newer one replaces it
        assert add(file, "signers").certificates == 0
    (item,) = trusted()
    assert (item.name, item.role, item.subject) == ("studio.crl", "revocations", "Studio Root")
    remove("studio.crl")
    assert trusted() == []


def test_the_document_names_the_root_of_the_demo_picture() -> None:
    """Ours is given as a fingerprint only; whoever makes the picture anew changes docs/time.md."""
    docs = Path(keys.__file__).parents[2] / "docs"
    path = docs / "demo-picture.jpg"
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    root = credentials_of(find_signature(read_store(path, kind))).chain[-1]
    assert fingerprint(root) in (docs / "time.md").read_text(encoding="utf-8")
