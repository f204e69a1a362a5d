"""A TOML table, read strictly and in plain English."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edge.errors import EdgeError


class Table:
    """One table of a file; remembers what was asked for, so that the rest is unknown.

    Every method returns the value of a key, or the default where the key is absent and there is
    one, and raises the file's error in words where the value is not of the kind asked for.
    """

    def __init__(
        self, file: str, values: Mapping[str, Any], raises: type[EdgeError], where: str = ""
    ) -> None:
        """Wrap parsed values.

        Args:
            file: How messages name the file: "card x.toml".
            values: The table.
            raises: What is raised.
            where: Name of the table; empty for the top of the file.
        """
        self._file = file
        self._raises = raises
        self._where = where
        self._values = values
        self._asked: set[str] = set()

    def error(self, text: str) -> EdgeError:
        """Return the file's error, saying where."""
        place = f"[{self._where}] " if self._where else ""
        return self._raises(f"{self._file}: {place}{text}")

    def _get(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        if key in self._values:
            return self._values[key]
        if default is None:
            raise self.error(f"'{key}' is missing")
        return default

    def has(self, key: str) -> bool:
        """Return whether a key is there, of whatever value; it counts as asked for."""
        self._asked.add(key)
        return key in self._values

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return text; not blank, unless there is a default."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self.error(f"'{key}' must be text, not {value!r}")
        if default is None and not value.strip():
            raise self.error(f"'{key}' must not be empty")
        return value

    def choice(self, key: str, choices: tuple[str, ...], *, default: str | None = None) -> str:
        """Return text that is one of the choices."""
        value = self.text(key, default=default)
        if value not in choices:
            raise self.error(f"'{key}' must be one of {', '.join(choices)}, not '{value}'")
        return value

    def whole(
        self, key: str, *, low: int = 1, high: int | None = None, default: int | None = None
    ) -> int:
        """Return a whole number of at least `low` and, where it is given, at most `high`."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self.error(f"'{key}' must be a whole number of at least {low}, not {value!r}")
        if high is not None and value > high:
            raise self.error(f"'{key}' must be a whole number of at most {high}, not {value!r}")
        return value

    def number(self, key: str, *, default: float | None = None) -> float:
        """Return a finite number."""
        return self._finite(key, self._get(key, default))

    def share(self, key: str, *, default: float | None = None) -> float:
        """Return a number between 0 and 1."""
        value = self.number(key, default=default)
        if not 0 <= value <= 1:
            raise self.error(f"'{key}' must lie between 0 and 1, not {value:g}")
        return value

    def switch(self, key: str, *, default: bool | None = None) -> bool:
        """Return true or false."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self.error(f"'{key}' must be true or false, not {value!r}")
        return value

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return so many finite numbers."""
        values = self._list(key)
        if len(values) != count:
            raise self.error(f"'{key}' must hold {count} numbers, not {len(values)}")
        return tuple(self._finite(key, value) for value in values)

    def holds_list(self, key: str) -> bool:
        """Return whether a list is there."""
        return isinstance(self._values.get(key), list)

    def pairs(self, key: str, count: int) -> tuple[tuple[float, float], ...]:
        """Return so many pairs of finite numbers."""
        values = self._list(key)
        if len(values) != count:
            raise self.error(f"'{key}' must hold {count} points, not {len(values)}")
        if not all(isinstance(value, list) and len(value) == 2 for value in values):
            raise self.error(f"'{key}' must hold points, each of two numbers")
        return tuple((self._finite(key, x), self._finite(key, y)) for x, y in values)

    def wholes(self, key: str, *, low: int) -> tuple[int, ...]:
        """Return one or more whole numbers of at least `low`."""
        values = self._list(key)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise self.error(f"'{key}' must hold whole numbers of at least {low}")
        if not values:
            raise self.error(f"'{key}' must not be empty")
        return tuple(values)

    def texts(self, key: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of texts, none of them blank; it may be empty."""
        if default is not None and key not in self._values:
            self._asked.add(key)
            return default
        values = self._list(key)
        for value in values:
            if not isinstance(value, str) or not value.strip():
                raise self.error(f"'{key}' must hold texts, not {value!r}")
        return tuple(values)

    def table(self, key: str) -> Table:
        """Return the table inside this one."""
        value = self._get(key, None)
        if not isinstance(value, dict):
            raise self.error(f"'{key}' must be a table, [{key}]")
        return Table(self._file, value, self._raises, key)

    def tables(self, key: str, *, default: tuple[Table, ...] | None = None) -> tuple[Table, ...]:
        """Return the tables of a list of them, [[key]]."""
        if default is not None and key not in self._values:
            self._asked.add(key)
            return default
        values = self._list(key)
        if not all(isinstance(value, dict) for value in values):
            raise self.error(f"'{key}' must be a list of tables, [[{key}]]")
        return tuple(
            Table(self._file, value, self._raises, f"{key} {number}")
            for number, value in enumerate(values, start=1)
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of all keys that are there; they do not count as asked for."""
        return tuple(self._values)

    def end(self) -> None:
        """Refuse keys that nobody asked for."""
        unknown = sorted(set(self._values) - self._asked)
        if unknown:
            known = ", ".join(sorted(self._asked))
            raise self.error(f"unknown key '{unknown[0]}'; known here: {known}")

    def _list(self, key: str) -> list[Any]:
        value = self._get(key, None)
        if not isinstance(value, list):
            raise self.error(f"'{key}' must be a list, not {value!r}")
        return value

    def _finite(self, key: str, value: Any) -> float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        try:
            wide = float(value) if number else math.nan
        except OverflowError as error:  # a whole number of more than 308 digits
            raise self.error(f"'{key}' is too large a number") from error
        if not math.isfinite(wide):
            raise self.error(f"'{key}' must be a number, not {value!r}")
        return wide
