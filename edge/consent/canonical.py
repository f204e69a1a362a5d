"""One spelling for signed and hashed records: canonical JSON, UTC times, lower-case hex.

Canonical JSON is what is signed and hashed: keys sorted, no spaces, UTF-8, strings in NFC, and
no floating-point numbers, which have more than one spelling.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping

_HEX = re.compile(r"[0-9a-f]+")


class FormError(ValueError):
    """A record is not written in the form that is signed; callers wrap it with the file's name."""


def canonical_bytes(value: object) -> bytes:
    """Return the canonical JSON of `value`.

    Args:
        value: None, bool, int, str, and lists, tuples and string-keyed mappings of these.

    Returns:
        UTF-8 bytes without a line end.

    Raises:
        FormError: `value` holds something else, or text that is not Unicode.
    """
    try:
        text = json.dumps(_normal(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FormError("text with half of a surrogate pair") from error


def _normal(value: object) -> object:
    if isinstance(value, str):
        return _normal_text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Mapping):
        return {_normal_key(key): _normal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_normal(item) for item in value]
    raise FormError(f"a value of type {type(value).__name__} has no canonical form")


def _normal_key(key: object) -> str:
    if not isinstance(key, str):
        raise FormError("a key that is not text")
    return _normal_text(key)


def _normal_text(text: str) -> str:
    normal = unicodedata.normalize("NFC", text)
    if not normal.isascii():
        normal.encode("utf-8")  # JSON can spell half of a surrogate pair, and UTF-8 cannot
    return normal


def readable_json(record: dict[str, object]) -> bytes:
    """Return `record` as indented JSON for people; the signature does not depend on spaces."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    return text.encode("utf-8") + b"\n"


def parse_object(data: bytes) -> dict[str, object]:
    """Read one JSON object and refuse everything that could be read in two ways.

    Args:
        data: UTF-8 JSON.

    Returns:
        The object, its strings in NFC.

    Raises:
        FormError: Not UTF-8, not JSON, not an object, nested too deep, a key given twice, a
            floating-point number, or text that is not Unicode.
    """
    try:
        parsed = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        normal = _normal(parsed)
    except UnicodeDecodeError as error:
        raise FormError("it is not UTF-8 text") from error
    except UnicodeEncodeError as error:
        raise FormError("it holds text with half of a surrogate pair") from error
    except json.JSONDecodeError as error:
        raise FormError(f"it is not JSON (line {error.lineno}: {error.msg})") from error
    except RecursionError as error:
        raise FormError("it is nested too deep") from error
    except FormError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise FormError("it holds a number that is too long") from error
    if not isinstance(normal, dict):
        raise FormError("it is not a JSON object")
    return normal


def _unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise FormError(f"the key {key!r} is given twice")
        found[key] = value
    return found


def _refuse_number(text: str) -> object:
    raise FormError(f"the number {text[:20]} is not a whole number")


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def is_hex(text: str, length: int) -> bool:
    """Return whether `text` is exactly `length` lower-case hex digits."""
    return len(text) == length and _HEX.fullmatch(text) is not None


def utc_now() -> datetime.datetime:
    """Return the time now: UTC, whole seconds."""
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def utc_text(time: datetime.datetime) -> str:
    """Return an aware `time` as ISO 8601 in UTC, whole seconds: `2026-01-31T12:00:00Z`."""
    if time.tzinfo is None:
        raise FormError("a time without a time zone")
    in_utc = time.astimezone(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
    return in_utc.isoformat() + "Z"


def parse_utc(text: str) -> datetime.datetime:
    """Read `2026-01-31T12:00:00Z`, and nothing else.

    Raises:
        FormError: Any other spelling.
    """
    try:
        time = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise FormError(f"{text[:40]!r} is not a UTC time like 2026-01-31T12:00:00Z") from error
    aware = time.replace(tzinfo=datetime.timezone.utc)
    if utc_text(aware) != text:  # strptime also reads 2026-1-31
        raise FormError(f"{text[:40]!r} is not a UTC time like 2026-01-31T12:00:00Z")
    return aware
