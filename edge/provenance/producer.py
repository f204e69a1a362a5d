"""Who the implicit label names as producer.

`EDGE_CONTENT_PRODUCER`, else `content_producer` in `config/producer.toml`, else a pseudonym made
from the fingerprint of this device's signing certificate.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from edge.errors import ProvenanceError
from edge.resources import config_dir

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MAX_LENGTH = 128


def content_producer() -> str:
    """Return the producer's code or pseudonym: printable ASCII without spaces or quotes.

    Raises:
        ProvenanceError: The configured one cannot stand in an implicit label.
    """
    named = os.environ.get("EDGE_CONTENT_PRODUCER")
    if named:
        return _checked(named, "EDGE_CONTENT_PRODUCER")
    path = config_dir() / "producer.toml"
    if path.exists():
        return _checked(_read(path).get("content_producer"), str(path))
    from edge.provenance.certificates import fingerprint
    from edge.provenance.keys import device_keys

    return f"edge-device-{fingerprint(device_keys().leaf)[:24]}"


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProvenanceError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProvenanceError(f"{path}: not a TOML file: {error}") from error
    return content


def _checked(value: object, where: str) -> str:
    # Readers of these labels in the field take printable ASCII without quotes, backslash or space.
    if not isinstance(value, str) or not value or len(value) > _MAX_LENGTH:
        raise ProvenanceError(
            f"{where}: content_producer must be a text of 1 to {_MAX_LENGTH} characters"
        )
    if any(not "!" <= char <= "~" or char in "\"'\\<>&" for char in value):
        raise ProvenanceError(
            f"{where}: content_producer may hold printable ASCII only, "
            "without spaces, quotes, backslash, < > &"
        )
    return value
