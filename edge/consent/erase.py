"""Erase an identity: its file, and every bundle and cache made from it on this device.

Whoever makes something from an identity says so with `register_derivative`. What is erased is
overwritten and then removed. On flash memory the controller may keep old blocks all the same:
only an encrypted disk makes sure of that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import resources
from edge.consent import vault
from edge.consent.canonical import FormError, is_hex, parse_object, sha256_hex
from edge.consent.identity import load_identity
from edge.consent.ledger import Ledger
from edge.consent.storage import make_private_dir, reason, wipe_file, write_private
from edge.errors import ConsentError, IdentityError, KeyStoreError, OutputError


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of an identity and of what was made from it.

    Attributes:
        commitment: The identity's commitment, hex.
        removed: Files and folders that are gone now.
        kept: One line for each that is still there, with the reason.
    """

    commitment: str
    removed: tuple[Path, ...]
    kept: tuple[str, ...]


def _registry(commitment: str) -> Path:
    return resources.state_dir() / "derivatives" / commitment


def identity_cache_dir(commitment: str) -> Path:
    """Return the folder for things cached for an identity; it goes when the identity is erased."""
    return resources.cache_dir() / "identities" / commitment


def register_derivative(commitment: str, path: Path) -> None:
    """Note that the file or folder `path` was made from an identity, so that it can be erased.

    Args:
        commitment: The identity's commitment, hex.
        path: What was made; it must exist.

    Raises:
        OutputError: The note cannot be written, or there is nothing at `path`.
    """
    absolute = os.path.abspath(path)
    try:
        status = os.lstat(absolute)
    except OSError as error:
        raise OutputError(f"cannot note {path}, made from an identity: {reason(error)}") from error
    folder = _registry(commitment)
    make_private_dir(folder)
    note = {"path": os.fsencode(absolute).hex(), "device": status.st_dev, "inode": status.st_ino}
    name = sha256_hex(os.fsencode(absolute))[:32]
    write_private(folder / f"{name}.json", json.dumps(note).encode(), overwrite=True)


def forget_derivatives(commitment: str, folder: Path) -> None:
    """Drop the notes on what was made in a folder and is not there any more.

    Args:
        commitment: The identity's commitment, hex.
        folder: Where it was made; it may be gone too.
    """
    gone = os.path.abspath(folder)
    for path, _, note in list(_notes(commitment)):
        inside = os.path.abspath(path) == gone or os.path.abspath(path).startswith(gone + os.sep)
        if inside and not os.path.lexists(path):
            note.unlink(missing_ok=True)


def derivatives_of(commitment: str) -> list[Path]:
    """Return what was made from an identity on this device and may still be there."""
    return [path for path, _, _ in _notes(commitment)]


def _notes(commitment: str) -> Iterator[tuple[Path, tuple[int, int], Path]]:
    """Yield each noted path, its device and inode, and the note."""
    folder = _registry(commitment)
    if not folder.is_dir():
        return
    for note in sorted(folder.glob("*.json")):
        try:
            record = parse_object(note.read_bytes())
            path = Path(os.fsdecode(bytes.fromhex(str(record["path"]))))
            device, inode = record["device"], record["inode"]
        except (OSError, FormError, KeyError, ValueError):
            continue
        if isinstance(device, int) and isinstance(inode, int):
            yield path, (device, inode), note


def erase_identity(path: Path, ledger: Ledger) -> Erased:
    """Erase an identity file and everything made from it on this device.

    A file that is an identity no more, for it was changed, or one whose key is not here, is erased
    alone: what it says about itself cannot be relied on.

    Args:
        path: The identity file.
        ledger: Where the erasure is recorded.

    Raises:
        IdentityError: There is no identity at `path`.
        LedgerError: The erasure cannot be recorded; then nothing is erased.
    """
    try:
        commitment = load_identity(path).commitment
        trusted = True
    except (ConsentError, KeyStoreError):
        commitment = _claimed_commitment(path)
        trusted = False
    # Once before, so that nothing is erased that cannot be recorded, and once with the result.
    details = {"identity": commitment, "path": os.path.abspath(path)}
    ledger.event("erase", {**details, "stage": "begun"})
    removed: list[Path] = []
    kept: list[str] = []
    _erase_one(path, removed, kept)
    if trusted:
        _erase_derivatives(commitment, removed, kept)
    else:
        why = "the file was changed or does not open here, so this is not known"
        kept.append(f"what was made from {path}: {why}")
    ledger.event(
        "erase", {**details, "stage": "done", "removed": str(len(removed)), "kept": str(len(kept))}
    )
    return Erased(commitment, tuple(removed), tuple(kept))


def erase_folder(folder: Path) -> Erased:
    """Erase a folder that is ours alone, and what is in it; nothing is entered anywhere.

    Args:
        folder: The folder; a missing one is none.
    """
    removed: list[Path] = []
    kept: list[str] = []
    if folder.is_dir() and not folder.is_symlink():
        _erase_one(folder, removed, kept)
    return Erased("", tuple(removed), tuple(kept))


def _erase_derivatives(commitment: str, removed: list[Path], kept: list[str]) -> None:
    for found, number, note in _notes(commitment):
        if not os.path.lexists(found):
            note.unlink(missing_ok=True)
            continue
        if not _is_noted(found, number, commitment):
            kept.append(f"{found}: it is not what was made from the identity any more")
        elif _erase_one(found, removed, kept):
            note.unlink(missing_ok=True)
    cache = identity_cache_dir(commitment)
    if cache.is_dir():
        _erase_one(cache, removed, kept)
    with contextlib.suppress(OSError):
        _registry(commitment).rmdir()


def _is_noted(path: Path, number: tuple[int, int], commitment: str) -> bool:
    """Return whether `path` is still what was noted, and not another file under its name."""
    status = os.lstat(path)
    if (status.st_dev, status.st_ino) == number:
        return True
    try:
        return load_identity(path).commitment == commitment
    except (ConsentError, KeyStoreError):
        return False


def _claimed_commitment(path: Path) -> str:
    """Return the commitment that a damaged or locked identity file claims, for the record.

    Raises:
        IdentityError: It is no identity at all: nothing else is ever erased.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise IdentityError(f"no identity at {path}: {reason(error)}") from error
    try:
        record = parse_object(data)
    except FormError:
        record = {}
    if record.get("schema") not in {"edge-swap/identity-1", vault.SCHEMA}:
        raise IdentityError(f"{path} is no identity, so it was not erased: remove it by hand")
    claimed = record.get("commitment")
    return claimed if isinstance(claimed, str) and is_hex(claimed, 64) else "unknown"


def _erase_one(path: Path, removed: list[Path], kept: list[str]) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            for folder, _, names in os.walk(path):
                for name in names:
                    wipe_file(Path(folder) / name)
            shutil.rmtree(path)
        else:
            wipe_file(path)
            path.unlink()
    except OSError as error:
        kept.append(f"{path}: {reason(error)}")
        return False
    removed.append(path)
    return True
