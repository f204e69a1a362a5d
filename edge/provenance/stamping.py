"""Time stamps of outputs: which authority, and how a token gets into a file that is signed already.

`config/timestamp.toml`; without it no authority is asked and no connection is opened:

```toml
url = "http://timestamp.example/tsr"
timeout_seconds = 10
```

The token is over the manifest's signature. It goes where C2PA keeps it (`sigTst2`), into the
padding that stands there from the start, so that it can come at any time later: neither the pixels
nor anything that was signed changes.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.addresses import web_address
from edge.errors import TimeStampError
from edge.provenance.container import Kind, sniff
from edge.provenance.cose import STAMP, Signature, byte_strings, find_signature, stamp_header
from edge.provenance.store import read_store, replace_in_store
from edge.resources import config_dir, state_dir

if TYPE_CHECKING:
    from edge.provenance.tsp import Token

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEYS = ("url", "timeout_seconds")
_PAUSE = 60.0
"""Seconds in which an authority that could not be reached is not asked again: a folder of pictures
must not wait for it picture by picture."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The time-stamping authority that the user configured.

    Attributes:
        url: Its address.
        timeout: Seconds without an answer after which it is given up.
    """

    url: str
    timeout: float = 10.0


def authority_path() -> Path:
    """Return where the authority is configured; the file may not exist."""
    return config_dir() / "timestamp.toml"


def load_authority() -> Authority | None:
    """Return the configured authority, or None where there is none.

    Raises:
        TimeStampError: The file is malformed.
    """
    path = authority_path()
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TimeStampError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise TimeStampError(f"{path}: not a TOML file: {error}") from error
    for key in content:
        if key not in _KEYS:
            raise TimeStampError(f"{path}: no key '{key}'; known: {', '.join(_KEYS)}")
    url, timeout = content.get("url"), content.get("timeout_seconds", 10)
    if not isinstance(url, str) or web_address(url) is None:
        raise TimeStampError(f"{path}: url must be an http or https address")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= 300:
        raise TimeStampError(f"{path}: timeout_seconds must be a number above 0, at most 300")
    return Authority(url, float(timeout))


def message_of(path: Path) -> bytes:
    """Return what a time stamp of a signed file is over.

    Raises:
        TimeStampError: It has no manifest, or one whose signature cannot be read.
    """
    return _signature(path, _kind(path)).countersigned


def imprint_of(path: Path) -> bytes:
    """Return the SHA-256 of what a time stamp of a signed file is over.

    Raises:
        TimeStampError: It has no manifest, or one whose signature cannot be read.
    """
    return hashlib.sha256(message_of(path)).digest()


def token_in(path: Path) -> bytes | None:
    """Return the token that a signed file carries, DER, or None.

    Raises:
        TimeStampError: It has no manifest, or one whose signature cannot be read.
    """
    header = _signature(path, _kind(path)).header(STAMP)
    found = byte_strings(header) if header is not None else []
    return found[0] if found else None


def stamp_file(path: Path, authority: Authority) -> Token:
    """Have a signed file stamped, and put the token into it, in place.

    Args:
        path: A temporary file.
        authority: Who is asked. It learns the SHA-256 of the manifest's signature, and no more.

    Raises:
        TimeStampError: The authority cannot be reached or refuses, or the file cannot take it.
        OSError: The file cannot be written.
    """
    from edge.provenance.tsp import ask

    token = ask(authority.url, imprint_of(path), authority.timeout)
    put_token(path, token.der)
    return token


def put_token(path: Path, token: bytes) -> None:
    """Put a token into a signed file, in place, and check that C2PA finds it good.

    Args:
        path: A temporary file; where the token is not accepted, it is as it was before.
        token: RFC 3161 token over `message_of(path)`, DER.

    Raises:
        TimeStampError: There is no room for it, or it is not accepted.
        OSError: The file cannot be written.
    """
    kind = _kind(path)
    signature = _signature(path, kind)
    try:
        made = signature.with_header(STAMP, stamp_header(token))
    except ValueError as error:
        raise TimeStampError(f"the manifest cannot take a time stamp: {error}") from error
    replace_in_store(path, kind, signature.at, made)
    try:
        _accepted(path, kind)
    except TimeStampError:
        replace_in_store(path, kind, signature.at, signature.raw)
        raise


def _accepted(path: Path, kind: Kind) -> None:
    """Raise unless the library reads the stamped file as intact and its time stamp as valid."""
    import c2pa

    from edge.interrupts import held_back
    from edge.provenance.engine import context
    from edge.provenance.findings import integrity_of, other_codes

    try:
        with (
            held_back(),
            path.open("rb") as stream,
            c2pa.Reader(kind.media_type, stream, context=context([])) as reader,
        ):
            store = json.loads(reader.json())
    except c2pa.C2paError as error:
        raise TimeStampError(f"the stamped file cannot be read back: {error}") from error
    if integrity_of(store) != "intact" or "timeStamp.validated" not in other_codes(store):
        raise TimeStampError("the time stamp does not fit the manifest's signature")


def _kind(path: Path) -> Kind:
    try:
        with path.open("rb") as file:
            kind = sniff(file.read(64))
    except OSError as error:
        raise TimeStampError(f"{path}: cannot be read: {error.strerror}") from error
    if kind is None:
        raise TimeStampError(f"{path}: is no picture, video or sound of a known kind")
    return kind


def _signature(path: Path, kind: Kind) -> Signature:
    try:
        found = find_signature(read_store(path, kind))
    except (ValueError, IndexError, struct.error) as error:
        raise TimeStampError(f"{path}: its manifest cannot be read: {error}") from error
    except OSError as error:
        raise TimeStampError(f"{path}: cannot be read: {error.strerror}") from error
    if found is None:
        raise TimeStampError(f"{path}: has no manifest of a known form, so nothing to stamp")
    return found


# Offline --------------------------------------------------------------------------------------


def resting() -> bool:
    """Return whether the authority failed less than a minute ago, so that nobody waits for it."""
    import time

    try:
        age = time.time() - _failed().stat().st_mtime
    except OSError:
        return False
    return 0 <= age < _PAUSE


def note_failure() -> None:
    """Remember that the authority could not be reached just now."""
    import contextlib

    with contextlib.suppress(OSError):
        _failed().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _failed().touch(mode=0o600)


def _failed() -> Path:
    return state_dir() / "timestamp.failed"
