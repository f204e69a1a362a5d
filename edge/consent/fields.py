"""Strict reading of a JSON object: each field is asked for by kind, and none may be left over."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from edge.consent.canonical import FormError, is_hex, parse_utc

MAX_TEXT = 500
"""Longest text in a record, in characters: more is no name and no reason."""


class Fields:
    """The fields of one object, taken out one by one.

    Args:
        data: The object.
        where: Its name in messages, e.g. "permits"; empty for the file itself.
    """

    def __init__(self, data: Mapping[str, object], where: str = "") -> None:
        self._left = dict(data)
        self._where = where

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _take(self, key: str) -> object:
        if key not in self._left:
            raise FormError(f"'{self._name(key)}' is missing")
        return self._left.pop(key)

    def has(self, key: str) -> bool:
        """Return whether the field is there and was not taken yet."""
        return key in self._left

    def text(self, key: str) -> str:
        """Take a printable text of 1 to MAX_TEXT characters."""
        value = self._take(key)
        if not isinstance(value, str):
            raise FormError(f"'{self._name(key)}' is not text")
        check_text(value, self._name(key))
        return value

    def long_text(self, key: str) -> str:
        """Take a text of any length, e.g. base64; the reader checks what it says."""
        value = self._take(key)
        if not isinstance(value, str):
            raise FormError(f"'{self._name(key)}' is not text")
        return value

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """Take one of the `allowed` words."""
        value = self.text(key)
        if value not in allowed:
            raise FormError(f"'{self._name(key)}' is not one of {', '.join(allowed)}")
        return value

    def hex(self, key: str, length: int) -> str:
        """Take exactly `length` lower-case hex digits."""
        value = self._take(key)
        if not isinstance(value, str) or not is_hex(value, length):
            raise FormError(f"'{self._name(key)}' is not {length} lower-case hex digits")
        return value

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise FormError(f"'{self._name(key)}' is neither true nor false")
        return value

    def number(self, key: str) -> int:
        """Take a whole number."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise FormError(f"'{self._name(key)}' is not a whole number")
        return value

    def time(self, key: str) -> datetime.datetime:
        """Take a UTC time."""
        try:
            return parse_utc(self.text(key))
        except FormError as error:
            raise FormError(f"'{self._name(key)}': {error}") from error

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of different printable texts; it may be empty."""
        value = self._take(key)
        if not isinstance(value, list):
            raise FormError(f"'{self._name(key)}' is not a list")
        found: list[str] = []
        for item in value:
            if not isinstance(item, str):
                raise FormError(f"'{self._name(key)}' holds something that is not text")
            check_text(item, self._name(key))
            found.append(item)
        if len(set(found)) != len(found):
            raise FormError(f"'{self._name(key)}' names something twice")
        return tuple(found)

    def record(self, key: str) -> Fields:
        """Take an object, to be read in the same way."""
        return Fields(self.mapping(key), self._name(key))

    def mapping(self, key: str) -> dict[str, object]:
        """Take an object as it is."""
        value = self._take(key)
        if not isinstance(value, dict):
            raise FormError(f"'{self._name(key)}' is not an object")
        return value

    def mappings(self, key: str) -> list[dict[str, object]]:
        """Take a list of objects as they are."""
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise FormError(f"'{self._name(key)}' is not a list of objects")
        return value

    def done(self) -> None:
        """Check that no field is left over.

        Raises:
            FormError: An unknown field; nobody may add words to a signed record.
        """
        if self._left:
            raise FormError(f"'{self._name(sorted(self._left)[0])}' is not a known field")


def check_text(text: str, name: str) -> None:
    """Check that `text` is printable and of a sensible length.

    Raises:
        FormError: Empty, longer than MAX_TEXT, or with control or bidi characters.
    """
    if not text.strip():
        raise FormError(f"'{name}' is empty")
    if len(text) > MAX_TEXT:
        raise FormError(f"'{name}' is longer than {MAX_TEXT} characters")
    if not text.isprintable():
        raise FormError(f"'{name}' holds characters that cannot be printed")
