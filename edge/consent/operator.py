"""The operator's own key: it signs consents and identities made on this device."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import resources
from edge.consent.signing import load_private_key, private_pem, public_hex
from edge.consent.storage import (
    make_private_dir,
    readable_by_others,
    writable_by_others,
    write_private,
)
from edge.errors import KeyStoreError, OutputError


def operator_key_path() -> Path:
    """Return where the operator's key lies; it may not exist yet."""
    return resources.config_dir() / "keys" / "operator.pem"


def operator_key() -> Ed25519PrivateKey:
    """Return the operator's key; make it at first use, readable by its owner only.

    Raises:
        KeyStoreError: It cannot be made or read, or others may read it.
    """
    path = operator_key_path()
    if not os.path.lexists(path):
        _make(path)
    return _load(path)


def operator_public_key() -> str | None:
    """Return the operator's public key as hex, or None when no key was made yet.

    Raises:
        KeyStoreError: The key cannot be read, or others may read it.
    """
    path = operator_key_path()
    return public_hex(_load(path)) if os.path.lexists(path) else None


def _make(path: Path) -> None:
    try:
        make_private_dir(path.parent)
        # Another process may have made the key in the meantime; then that one counts.
        with contextlib.suppress(OutputError):
            write_private(path, private_pem(Ed25519PrivateKey.generate()))
    except OutputError as error:
        raise KeyStoreError(f"cannot keep the operator's key: {error}") from error
    if not os.path.lexists(path):
        raise KeyStoreError(f"cannot write the operator's key {path}: is its folder writable?")


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        exposed = readable_by_others(path)
        open_folder = writable_by_others(path.parent)
    except OSError as error:
        raise KeyStoreError(f"cannot read the operator's key {path}") from error
    if exposed:
        raise KeyStoreError(f"others may read the operator's key {path}: run 'chmod 600' on it")
    if open_folder:
        raise KeyStoreError(f"others may write to {path.parent}: run 'chmod 700' on it")
    return load_private_key(path)
