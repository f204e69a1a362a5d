"""A text in Chinese and in English."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Both:
    """The same said twice.

    Attributes:
        zh: In simplified Chinese.
        en: In English.
    """

    zh: str
    en: str

    def __add__(self, other: Both) -> Both:
        """Return one text after the other."""
        return Both(self.zh + other.zh, f"{self.en} {other.en}")
