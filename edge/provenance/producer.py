"""Who the implicit label names as producer.

`EDGE_CONTENT_PRODUCER`, else `content_producer` in `config/producer.toml`, else a pseudonym made
from the fingerprint of this device's signing certificate.

A producer in China has a code: "001", "1" for an organisation, and its 18 characters of the unified
social credit code, whose last one checks the others (GB 32100-2015). A mistyped one is refused.
"""

from __future__ import annotations

import os
import re
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

_ORGANISATION = re.compile(r"0011([0-9A-Z]{18})")
_CREDIT_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # I, O, S, V, Z look like others
_CREDIT_MODULUS = 31


def content_producer() -> str:
    """Return the producer's code or pseudonym: printable ASCII without spaces or quotes.

    Raises:
        ProvenanceError: The configured one cannot stand in an implicit label.
    """
    named = configured_producer()
    if named is not None:
        return named
    from edge.provenance.certificates import fingerprint
    from edge.provenance.keys import device_keys

    return f"edge-device-{fingerprint(device_keys().leaf)[:24]}"


def configured_producer() -> str | None:
    """Return the producer that the operator named, or None where the pseudonym stands.

    Raises:
        ProvenanceError: The configured one cannot stand in an implicit label.
    """
    named = os.environ.get("EDGE_CONTENT_PRODUCER")
    if named:
        return _checked(named, "EDGE_CONTENT_PRODUCER")
    path = producer_file()
    return _checked(_read(path).get("content_producer"), str(path)) if path.exists() else None


def producer_file() -> Path:
    """Return where the operator names the producer: `content_producer = "..."`."""
    return config_dir() / "producer.toml"


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProvenanceError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, nested too deep
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
    organisation = _ORGANISATION.fullmatch(value)
    if organisation and not _credit_code_holds(organisation[1]):
        raise ProvenanceError(
            f"{where}: content_producer '{value}' looks like an organisation's code, but its last "
            "18 characters are no unified social credit code: compare them with the licence"
        )
    return value


def is_organisation_code(producer: str) -> bool:
    """Return whether a producer is named by an organisation's code, and not by a pseudonym."""
    found = _ORGANISATION.fullmatch(producer)
    return found is not None and _credit_code_holds(found[1])


def _credit_code_holds(code: str) -> bool:
    """Return whether the check character of a unified social credit code is right.

    GB 32100-2015: weights are powers of 3 modulo 31, and the weighted sum with the check character
    is a multiple of 31.
    """
    places = [_CREDIT_CHARACTERS.find(char) for char in code]
    if -1 in places:
        return False
    total = sum(place * pow(3, at, _CREDIT_MODULUS) for at, place in enumerate(places[:-1]))
    return (total + places[-1]) % _CREDIT_MODULUS == 0
