"""Where a model's file is, and whether it is the file that its card means."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from edge import resources
from edge.cards import Card, all_cards, find_card
from edge.consent.storage import writable_by_others
from edge.errors import ModelError
from edge.recorded import note_gate, record

_CHUNK = 1 << 20


def search_path() -> list[Path]:
    """Return the folders that are searched for model files, first one first."""
    extra = resources.extra_models_dir()
    own = [resources.weights_dir(), resources.data_dir() / "models"]
    return [extra, *own] if extra is not None else own


def find_file(card: Card) -> Path | None:
    """Return the file that the card names where it lies, unchecked, or None."""
    for folder in search_path():
        path = folder / card.file
        if path.is_file():
            return path
    return None


def locate(card: Card) -> Path:
    """Return the card's model file after checking that it is the right one.

    Size and SHA-256 are compared with the card's; the digest is remembered by path, size and time
    of change, so that only the first use of a file pays for reading it.

    Args:
        card: The model.

    Returns:
        Path of the file.

    Raises:
        ModelError: Missing, unreadable, or not the file that the card means.
    """
    path = find_file(card)
    if path is None:
        folders = ", ".join(str(folder) for folder in search_path())
        raise ModelError(
            f"model {card.name}: file {card.file} not found in {folders}; {how_to_get(card)}"
        )
    if not card.sha256:
        raise ModelError(
            f"model {card.name}: no hash of {path} is known yet; record it with "
            f"edge models add {path} --card {card.name}"
        )
    return check_file(card, path)


def check_file(card: Card, path: Path) -> Path:
    """Return `path` after checking that it is the file that a card means; see `locate`."""
    try:
        size = path.stat().st_size
        if size != card.size:
            raise ModelError(
                f"model {card.name}: {path} has {size} bytes where its card says {card.size}; "
                "replace the file by the one that the card means"
            )
        digest = _digest_cached(path)
    except OSError as error:
        raise ModelError(f"model {card.name}: cannot read {path}: {error.strerror}") from error
    if digest != card.sha256:
        raise ModelError(
            f"model {card.name}: {path} has SHA-256 {digest[:12]}.. where its card says "
            f"{card.sha256[:12]}..; replace the file by the one that the card means"
        )
    return path


def how_to_get(card: Card) -> str:
    """Return the command that brings a card's file here."""
    return f"edge models pull {card.name}" if card.url else "edge models add FILE"


def own_models_dir() -> Path:
    """Return the folder of the user's own model files. It may not exist yet."""
    return resources.data_dir() / "models"


def add_file(source: Path, name: str | None = None, digest: str | None = None) -> tuple[Card, Path]:
    """Copy a model file that a card means into the user's own models.

    Args:
        source: The file, under whatever name.
        name: Card it is meant for; any card with its SHA-256 by default.
        digest: Its SHA-256, hex, where that is known already.

    Returns:
        The card, and where the file is now.

    Raises:
        ModelError: The file cannot be read or copied, or is not what any card (that card) means.
    """
    try:
        digest = digest or sha256_of(source)
    except OSError as error:
        raise ModelError(f"{source}: cannot be read: {error.strerror}") from error
    card = _card_of(source, digest, name)
    folder = own_models_dir()
    destination = folder / card.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy(source, destination)
        _copy_emap(source, card, folder)
    except OSError as error:
        raise ModelError(f"{destination}: cannot be written: {error.strerror}") from error
    return note_file(card, digest, destination), locate(find_card(card.name))


def _copy_emap(source: Path, card: Card, folder: Path) -> None:
    """Copy the emap that lies beside a converted file, if it is the one that the card means."""
    spec = card.source
    if spec is None or not spec.emap_sha256:
        return
    side = source.parent / spec.emap
    if side.is_file() and sha256_of(side) == spec.emap_sha256:
        _copy(side, folder / spec.emap)


def note_file(card: Card, digest: str, path: Path) -> Card:
    """Record a file that was added or pulled, where that must be known later; return its card.

    A card that states no hash means this file from now on. Of a gate it is noted in any case, so
    that one whose file disappears does not pass for one that was never there.

    Raises:
        ModelError: The records cannot be written.
    """
    size = path.stat().st_size
    if card.kind == "gate":
        note_gate(card.name, digest, size)
    if not card.sha256:
        record(card.name, digest, size)
    return find_card(card.name)


def _card_of(source: Path, digest: str, name: str | None) -> Card:
    if name is not None:
        card = find_card(name)
        if card.sha256 and card.sha256 != digest:
            raise ModelError(
                f"{source}: not the file that card '{name}' means: its SHA-256 is {digest}, "
                f"the card (or what was recorded for it) says {card.sha256}"
            )
        size = source.stat().st_size
        if card.size and card.size != size:
            raise ModelError(
                f"{source}: not the file that card '{name}' means: it has {size} bytes, the card "
                f"says {card.size}"
            )
        return card
    for card in all_cards().values():
        if card.sha256 == digest:
            return card
    raise ModelError(
        f"{source}: no card means this file (SHA-256 {digest}); "
        f"write one into {resources.data_dir() / 'cards'} first"
    )


def _copy(source: Path, destination: Path) -> None:
    """Copy so that the destination is either the whole file or not there."""
    handle, name = tempfile.mkstemp(dir=destination.parent, prefix=".adding-")
    try:
        with os.fdopen(handle, "wb") as out, source.open("rb") as data:
            shutil.copyfileobj(data, out, _CHUNK)
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, destination)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as data:
        while chunk := data.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _digest_cached(path: Path) -> str:
    state = path.stat()
    key = str(path.resolve())
    stamp = [state.st_size, state.st_mtime_ns]
    cache = resources.cache_dir() / "hashes.json"
    known = _read_cache(cache)
    entry = known.get(key)
    if isinstance(entry, list) and entry[:2] == stamp and len(entry) == 3:
        return str(entry[2])
    digest = sha256_of(path)
    _write_cache(cache, {**known, key: [*stamp, digest]})
    return digest


def _read_cache(cache: Path) -> dict[str, Any]:
    try:
        if writable_by_others(cache):
            return {}  # what others can write says nothing about a file
        values = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # a cache that cannot be read is an empty one
    return values if isinstance(values, dict) else {}


def _write_cache(cache: Path, values: dict[str, Any]) -> None:
    name = None
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache.parent, prefix=".hashes-")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(values, out)
        os.replace(name, cache)
    except OSError:
        # A read-only cache only costs time. Nothing half-written may stay.
        if name is not None:
            Path(name).unlink(missing_ok=True)
