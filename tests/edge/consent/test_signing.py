from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.consent.signing import (
    load_private_key,
    private_pem,
    public_hex,
    read_public_key,
    record_is_signed_by,
    sign_record,
)
from edge.errors import KeyStoreError

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


def test_rfc_8032_vector() -> None:
    # RFC 8032, 7.1, test 1: the public key of this secret.
    secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert public_hex(key) == public


def test_a_signature_fits_its_record_and_key_only() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    record = {"schema": "x", "a": 1}
    signature = sign_record(record, key)
    assert record_is_signed_by(record, public_hex(key), signature)
    assert not record_is_signed_by({**record, "a": 2}, public_hex(key), signature)
    assert not record_is_signed_by(record, public_hex(other), signature)
    assert not record_is_signed_by(record, public_hex(key), signature.upper())
    assert not record_is_signed_by(record, public_hex(key), signature[:-2])
    assert not record_is_signed_by(record, "ff" * 32, signature)


def test_keys_are_read_from_hex_and_pem(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "k.pem", tmp_path / "p.pem"
    private.write_bytes(private_pem(key))
    public.write_bytes(
        key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert public_hex(load_private_key(private)) == public_hex(key)
    for text in (str(private), str(public), public_hex(key), public_hex(key).upper()):
        assert read_public_key(text) == public_hex(key)


def test_other_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    elliptic = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(elliptic.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    with pytest.raises(KeyStoreError, match="no Ed25519 key"):
        load_private_key(path)
    locked = serialization.BestAvailableEncryption(b"x")
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, locked))
    with pytest.raises(KeyStoreError, match="passphrase"):
        load_private_key(path)
    path.write_bytes(b"nothing")
    with pytest.raises(KeyStoreError, match="no private key"):
        load_private_key(path)
    with pytest.raises(KeyStoreError, match="no public key"):
        read_public_key(str(path))
    with pytest.raises(KeyStoreError, match="64 hex digits"):
        read_public_key("abcd")
    path.write_bytes(
        elliptic.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(KeyStoreError, match="no Ed25519"):
        read_public_key(str(path))


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    from edge.consent.signing import unlock_private_key
    from tests.kiosk import agent_key

    path = agent_key(tmp_path, "tea")
    assert unlock_private_key(path, "tea").sign(b"x")
    for wrong in ("coffee", "", "te"):
        with pytest.raises(KeyStoreError, match="passphrase is wrong"):
            unlock_private_key(path, wrong)
    with pytest.raises(KeyStoreError, match="has a passphrase"):
        load_private_key(path)
    path = agent_key(tmp_path, "")
    assert unlock_private_key(path, "").sign(b"x")
    with pytest.raises(KeyStoreError, match="has no passphrase"):
        unlock_private_key(path, "tea")
