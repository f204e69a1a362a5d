"""Ed25519 over canonical JSON: keys as hex, signatures as hex, private keys as PEM files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from edge.consent.canonical import canonical_bytes, is_hex
from edge.consent.storage import read_record
from edge.errors import KeyStoreError, WrongPassphrase

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_DIGITS = 64
"""Hex digits of an Ed25519 public key (RFC 8032: 32 bytes)."""
SIGNATURE_DIGITS = 128
"""Hex digits of an Ed25519 signature (RFC 8032: 64 bytes)."""


def public_hex(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """Return the public key of `key` as 64 lower-case hex digits."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw.hex()


def sign_record(record: Mapping[str, object], key: Ed25519PrivateKey) -> str:
    """Return the signature of `key` over the canonical JSON of `record`, as hex.

    The record names its schema, so that a signature made for one kind of record never fits
    another.
    """
    return key.sign(canonical_bytes(record)).hex()


def record_is_signed_by(record: Mapping[str, object], key_hex: str, signature: str) -> bool:
    """Return whether `signature` is that of the public key `key_hex` over `record`."""
    if not is_hex(key_hex, KEY_DIGITS) or not is_hex(signature, SIGNATURE_DIGITS):
        return False
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_hex))
        public.verify(bytes.fromhex(signature), canonical_bytes(record))
    except (InvalidSignature, ValueError):
        return False
    return True


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Read an Ed25519 private key from an unencrypted PEM file (`openssl genpkey`).

    Raises:
        KeyStoreError: Missing, not PEM, encrypted, or of another kind.
    """
    data = read_record(path, "private key", KeyStoreError)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise KeyStoreError(f"the key {path} has a passphrase: give a decrypted copy") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyStoreError(f"{path} is no private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyStoreError(
            f"{path} is no Ed25519 key: make one with 'openssl genpkey -algorithm ed25519'"
        )
    return key


def unlock_private_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """Read an Ed25519 private key from a PEM file that a passphrase locks.

    A file without one is read with the empty passphrase alone.

    Raises:
        KeyStoreError: Missing, not PEM, of another kind, or the passphrase is wrong.
    """
    data = read_record(path, "private key", KeyStoreError)
    if b"PRIVATE KEY" not in data:
        raise KeyStoreError(f"{path} is no private key in PEM form")
    locked = passphrase.encode() or b"\0"
    try:
        key = serialization.load_pem_private_key(data, password=locked)
    except TypeError as error:  # it has none
        if passphrase:
            raise KeyStoreError(f"the key {path} has no passphrase") from error
        return load_private_key(path)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WrongPassphrase(f"the passphrase is wrong, or {path} is damaged") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyStoreError(f"{path} is no Ed25519 key")
    return key


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """Return `key` as an unencrypted PKCS#8 PEM file."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_public_key(text: str) -> str:
    """Return a public key as hex, from 64 hex digits or from the path of a PEM file.

    Args:
        text: Hex digits, or a path to a public or private Ed25519 key in PEM form.

    Raises:
        KeyStoreError: Neither, or a key of another kind.
    """
    if is_hex(text.lower(), KEY_DIGITS):
        return text.lower()
    path = Path(text)
    data = read_record(path, "key of 64 hex digits, or key file,", KeyStoreError)
    if b"PRIVATE KEY" in data:
        return public_hex(load_private_key(path))
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyStoreError(f"{path} is no public key in PEM form") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyStoreError(f"{path} is no Ed25519 key: only these sign consents")
    return public_hex(key)
