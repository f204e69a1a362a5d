"""Identities encrypted at rest: by a passphrase or a key file, with `cryptography`'s algorithms.

An encrypted identity is a JSON file (schema `edge-swap/encrypted-identity-1`) that holds a whole
identity file, sealed with ChaCha20-Poly1305 (RFC 8439). Its key is made with scrypt (RFC 7914) from
a passphrase, or with HKDF-SHA-256 (RFC 5869) from a key file, which needs no stretching. What
stands in the clear, among it the identity's commitment, is authenticated with it.
"""

from __future__ import annotations

import base64
import binascii
import getpass
import os
import secrets
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge import resources
from edge.consent.canonical import FormError, canonical_bytes, parse_object, readable_json
from edge.consent.fields import Fields
from edge.consent.storage import read_record, readable_by_others, write_private
from edge.errors import IdentityError, KeyStoreError, OutputError

SCHEMA = "edge-swap/encrypted-identity-1"

KEY_FILE_VARIABLE = "EDGE_IDENTITY_KEY"
"""Environment variable that names a key file."""

KEY_BYTES = 32
_SALT_BYTES, _NONCE_BYTES = 16, 12
_MOST_KEY_BYTES = 4096
_LEAST_PASSPHRASE = 8  # characters

# RFC 7914's parameters: 32 MiB, and a tenth of a second on a desktop.
_SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}
_MOST_SCRYPT = {"n": 1 << 20, "r": 16, "p": 4}  # of a file of others: 2 GiB would be exhaustion
_MOST_SCRYPT_MEMORY = 256 << 20
_INFO = b"edge-swap identity"

Kind = Literal["passphrase", "key-file"]


@dataclass(frozen=True, slots=True)
class Secret:
    """What an identity is encrypted with.

    Attributes:
        kind: A passphrase, or the content of a key file.
        value: Its bytes.
    """

    kind: Kind
    value: bytes

    def __repr__(self) -> str:
        return f"Secret({self.kind})"


Ask = Callable[[], Secret | None]
"""Asks for a passphrase; None where nobody is there to answer."""


def nobody() -> None:
    """Ask nobody."""
    return


def ask_terminal() -> Secret | None:
    """Ask a person at the terminal for the passphrase; None where this is no terminal's program.

    Raises:
        KeyStoreError: The person ended the prompt (Ctrl-D) and typed none.
    """
    try:
        # A process in the background that reads from its terminal is stopped.
        if not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
            return None
    except (OSError, ValueError, AttributeError):  # closed, or no terminal of ours
        return None
    return Secret("passphrase", _same_letters(_typed("passphrase of the identity: ")))


def new_passphrase() -> Secret:
    """Ask a person at the terminal for a new passphrase, twice.

    Raises:
        KeyStoreError: Nobody is there, none is typed, the two differ, or it is too short.
    """
    if not sys.stdin.isatty():
        raise KeyStoreError(
            "nobody is here to ask for a passphrase: run this in a terminal, or use --key-file"
        )
    first = _typed("new passphrase of the identity: ")
    if _typed("again: ") != first:
        raise KeyStoreError("the two passphrases differ: nothing was encrypted")
    return passphrase(first)


def _typed(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except EOFError as error:
        raise KeyStoreError(
            "no passphrase of the identity was typed: give the command again, type it and press "
            "Enter"
        ) from error


def _same_letters(text: str) -> bytes:
    return unicodedata.normalize("NFKC", text).encode()


def passphrase(text: str) -> Secret:
    """Return a passphrase as a secret; it is the same however a keyboard composes its letters.

    Raises:
        KeyStoreError: It is shorter than eight characters.
    """
    if len(text) < _LEAST_PASSPHRASE:
        raise KeyStoreError(f"a passphrase has at least {_LEAST_PASSPHRASE} characters")
    return Secret("passphrase", _same_letters(text))


def new_key_file(path: Path) -> None:
    """Write a new key file, its owner's alone.

    Raises:
        OutputError: It exists, or cannot be written.
    """
    if os.path.lexists(path):  # there is no --overwrite: what it encrypts would be lost with it
        raise OutputError(f"{path} exists, and a key is never replaced: choose another name")
    write_private(path, secrets.token_bytes(KEY_BYTES))


def key_file(path: Path) -> Secret:
    """Read a key file.

    Raises:
        KeyStoreError: Missing, of fewer than 32 bytes or of very many, or others may read it.
    """
    data = read_record(path, "key file", KeyStoreError)
    if readable_by_others(path):
        raise KeyStoreError(f"others may read the key file {path}: run 'chmod 600' on it")
    if not KEY_BYTES <= len(data) <= _MOST_KEY_BYTES:
        raise KeyStoreError(
            f"{path} has {len(data)} bytes, and a key file {KEY_BYTES} to {_MOST_KEY_BYTES}: make "
            "one with 'edge identity new-key'"
        )
    return Secret("key-file", data)


def default_key_file() -> Path | None:
    """Return the key file that this device uses: the named one, or `keys/identity.key`, or None."""
    named = os.environ.get(KEY_FILE_VARIABLE)
    if named:
        return Path(named)
    own = resources.config_dir() / "keys" / "identity.key"
    return own if own.exists() else None


def encrypted_record(data: bytes) -> dict[str, object] | None:
    """Return an encrypted identity file, parsed; None where it is anything else."""
    if SCHEMA.encode() not in data[:4096]:
        return None
    try:
        record = parse_object(data)
    except FormError:
        return None
    return record if record.get("schema") == SCHEMA else None


def sealed(content: bytes, commitment: str, secret: Secret) -> bytes:
    """Return an encrypted identity file.

    Args:
        content: The identity file.
        commitment: The identity's commitment, which stands in the clear.
        secret: What to encrypt it with.
    """
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    head: dict[str, object] = {
        "schema": SCHEMA,
        "commitment": commitment,
        "key": _key_record(secret.kind),
        "nonce": secrets.token_hex(_NONCE_BYTES),
    }
    nonce = bytes.fromhex(str(head["nonce"]))
    box = ChaCha20Poly1305(_key(secret, head["key"]))
    head["sealed"] = _base64(box.encrypt(nonce, content, canonical_bytes(head)))
    return readable_json(head)


def opened(record: Mapping[str, object], where: str, ask: Ask = nobody) -> bytes:
    """Return the identity file that an encrypted one holds.

    Args:
        record: The encrypted file, parsed.
        where: The file, for messages.
        ask: Asks for a passphrase, where one is needed.

    Raises:
        IdentityError: It is malformed or was changed, the secret is another one or not here.
        KeyStoreError: The key file cannot be used, or no passphrase was typed.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    head = {name: value for name, value in record.items() if name != "sealed"}
    try:
        fields = Fields(dict(record))
        fields.choice("schema", (SCHEMA,))
        fields.hex("commitment", 64)
        kind: Kind = "passphrase" if "salt" in fields.mapping("key") else "key-file"
        nonce = bytes.fromhex(fields.hex("nonce", 2 * _NONCE_BYTES))
        data = base64.b64decode(fields.long_text("sealed").encode("ascii"), validate=True)
        fields.done()
        secret = _secret(kind, where, ask)
        key = _key(secret, record["key"])
    except (FormError, binascii.Error, UnicodeError) as error:
        raise IdentityError(f"{where} is no encrypted identity: {error}") from error
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, data, canonical_bytes(head))
    except InvalidTag as error:
        what = "passphrase" if kind == "passphrase" else "key file"
        raise IdentityError(
            f"{where}: the {what} is another one, or the file was changed"
        ) from error


def _secret(kind: Kind, where: str, ask: Ask) -> Secret:
    if kind == "passphrase":
        answer = ask()
        if answer is None:
            raise IdentityError(
                f"{where} is encrypted with a passphrase, and nobody is here to ask for it: run "
                "this in a terminal, or encrypt it with a key file (edge identity encrypt)"
            )
        return answer
    path = default_key_file()
    if path is None:
        raise IdentityError(
            f"{where} is encrypted with a key file: name it in {KEY_FILE_VARIABLE}, or put it at "
            f"{resources.config_dir() / 'keys' / 'identity.key'}"
        )
    return key_file(path)


def _key_record(kind: Kind) -> dict[str, object]:
    if kind == "key-file":
        return {"made_by": "hkdf-sha256"}
    return {"made_by": "scrypt", **_SCRYPT, "salt": secrets.token_hex(_SALT_BYTES)}


def _key(secret: Secret, record: object) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    if not isinstance(record, Mapping):
        raise FormError("'key' is no record")
    fields = Fields(dict(record), "key")
    if secret.kind == "key-file":
        fields.choice("made_by", ("hkdf-sha256",))
        fields.done()
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=_INFO).derive(secret.value)
    fields.choice("made_by", ("scrypt",))
    n, r, p = (fields.number(name) for name in ("n", "r", "p"))
    salt = bytes.fromhex(fields.hex("salt", 2 * _SALT_BYTES))
    fields.done()
    within = all(0 < value <= _MOST_SCRYPT[name] for name, value in (("n", n), ("r", r), ("p", p)))
    if not within or n & (n - 1) or n < 2 or 128 * n * r > _MOST_SCRYPT_MEMORY:
        raise FormError("its scrypt parameters are out of bounds")
    return Scrypt(salt, KEY_BYTES, n=n, r=r, p=p).derive(secret.value)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
