"""What is recorded of a model file when it is added: for cards that state no hash themselves.

Many models are passed on without anybody stating their hash. The first file that a user adds for
such a card is the one that the card means from then on.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge import resources
from edge.consent.storage import changing
from edge.contracts import Card
from edge.errors import ModelError, OutputError

_MOST_BYTES = 1 << 20
_GATE = "gate:"  # a colon is in no card's name
_DIGEST = re.compile(r"[0-9a-f]{64}")


def record_path() -> Path:
    """Return the file that holds the records. It may not exist yet."""
    return resources.data_dir() / "models" / "recorded.json"


def complete(cards: Mapping[str, Card]) -> dict[str, Card]:
    """Return cards, each with the hash and size recorded for its file where it states no hash.

    Where the records are damaged, those cards stay without a hash, and their models are not opened.
    """
    try:
        entries = _read()
    except ModelError:
        entries = {}
    return {name: _completed(card, entries.get(name)) for name, card in cards.items()}


def _completed(card: Card, entry: tuple[str, int] | None) -> Card:
    if card.sha256 or entry is None:
        return card
    return replace(card, sha256=entry[0], size=entry[1])


def record(name: str, sha256: str, size: int) -> None:
    """Record what file a card means.

    Args:
        name: Card name.
        sha256: Hex digest of its file.
        size: Bytes of it.

    Raises:
        ModelError: The records cannot be read or written.
    """
    with _alone():
        _write({**_read(), name: (sha256, size)})


def recorded_names() -> frozenset[str]:
    """Return the names of the cards that something is recorded for.

    Raises:
        ModelError: The records cannot be read.
    """
    return frozenset(name.removeprefix(_GATE) for name in _read())


def note_gate(name: str, sha256: str, size: int) -> None:
    """Note that a gate was installed, so that neither its file nor its card is missed unseen.

    Args:
        name: Card name.
        sha256: Hex digest of its file.
        size: Bytes of it.

    Raises:
        ModelError: The records cannot be read or written.
    """
    record(f"{_GATE}{name}", sha256, size)


def noted_gates() -> frozenset[str]:
    """Return the card names of the gates that were installed and not removed.

    Raises:
        ModelError: The records cannot be read.
    """
    return frozenset(name.removeprefix(_GATE) for name in _read() if name.startswith(_GATE))


def forget(name: str) -> None:
    """Remove what is recorded for a card, if anything is.

    Raises:
        ModelError: The records cannot be read or written.
    """
    gone = (name, f"{_GATE}{name}")
    if not any(each in _read() for each in gone):
        return
    with _alone():
        _write({key: entry for key, entry in _read().items() if key not in gone})


@contextmanager
def _alone() -> Iterator[None]:
    """Let no other process change the records meanwhile: what it notes would be lost."""
    try:
        with changing(record_path()):
            yield
    except OutputError as error:
        raise ModelError(str(error)) from error


def _read() -> dict[str, tuple[str, int]]:
    path = record_path()
    try:
        data = path.read_bytes() if path.exists() else b"{}"
        values = json.loads(data) if len(data) <= _MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not all(_sound(entry) for entry in values.values()):
        # Taken as empty, another file could be recorded in place of the one that was meant.
        raise ModelError(
            f"{path}: damaged, so no recorded hash can be trusted: remove it and add the models "
            "again with edge models add"
        )
    return {name: (entry["sha256"], entry["size"]) for name, entry in values.items()}


def _sound(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    digest, size = entry.get("sha256"), entry.get("size")
    whole = isinstance(size, int) and not isinstance(size, bool) and size > 0
    return whole and isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None


def _write(entries: dict[str, tuple[str, int]]) -> None:
    path = record_path()
    values = {name: {"sha256": sha, "size": size} for name, (sha, size) in sorted(entries.items())}
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".recorded-")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(values, out, indent=2)
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, path)
    except OSError as error:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from error
