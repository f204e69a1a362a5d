"""Read the manifest that belongs to a file: in it, beside it, or behind a URL it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edge.interrupts import held_back
from edge.provenance.anchors import Anchor
from edge.provenance.container import Kind, has_c2pa
from edge.provenance.engine import context
from edge.provenance.findings import other_codes
from edge.provenance.store import read_store
from edge.provenance.verdict import ManifestState

_MAX_SIDECAR = 64 << 20
_URL_HINT = "must fetch remote manifests from url "


@dataclass(frozen=True, slots=True)
class Reading:
    """How reading the manifest went: a parsed store, or the reason why there is none.

    Attributes:
        state: Of the manifest.
        source: Where it was, when it was read.
        store: The library's report, parsed.
        url: URL that the file names.
        reason: Why there is no store.
        unsupported: The format cannot carry a manifest.
    """

    state: ManifestState
    source: Literal["embedded", "sidecar", "fetched"] | None = None
    store: Mapping[str, Any] | None = None
    url: str | None = None
    reason: str | None = None
    unsupported: bool = False


def read_manifest(path: Path, kind: Kind, known: tuple[Anchor, ...], fetch_remote: bool) -> Reading:
    """Read the manifest in the file, else that beside it, else, if asked to, that behind a URL."""
    inside = _attempt(path, kind, known)
    if inside.store is not None or inside.state == "unreadable":
        return inside
    beside = _sidecar(path)
    if beside is not None:
        found = replace(_attempt(path, kind, known, sidecar=beside), url=inside.url)
        reason = f"in the .c2pa file beside it: {found.reason}"
        return found if found.store is not None else Reading("unreadable", reason=reason)
    if inside.state == "remote" and fetch_remote:
        return replace(_attempt(path, kind, known, fetch_remote=True), url=inside.url)
    return inside


def _attempt(
    path: Path,
    kind: Kind,
    known: tuple[Anchor, ...],
    *,
    sidecar: bytes | None = None,
    fetch_remote: bool = False,
) -> Reading:
    import c2pa

    trusted = context((a.pem for a in known), fetch_remote=fetch_remote)
    try:
        store, embedded, url = _store(path, kind.media_type, trusted, sidecar)
    except c2pa.C2paError as error:
        return _failure(path, error)
    except (ValueError, RecursionError) as error:  # the report is not the JSON that it should be
        return Reading("unreadable", reason=str(error))
    if sidecar is not None:
        return Reading("present", "sidecar", store, url)
    return Reading("present", "embedded" if embedded else "fetched", store, url)


def _failure(path: Path, error: Exception) -> Reading:
    """Return what an error of the library means; the bytes decide, not the kind of error."""
    import c2pa

    text = str(error)
    if _URL_HINT in text:
        return Reading("remote", url=text.split(_URL_HINT, 1)[1].strip()[:500])
    if text.startswith("Remote:"):
        return Reading("remote", reason=text)
    # Without C2PA data in the file, what does not verify came from beside it or from a URL.
    if isinstance(error, c2pa.C2paError.Verify) or has_c2pa(path):
        return Reading("unreadable", reason=text)
    unsupported = isinstance(error, c2pa.C2paError.NotSupported)
    silent = unsupported or isinstance(error, c2pa.C2paError.ManifestNotFound)
    return Reading("absent", reason=None if silent else text, unsupported=unsupported)


def _store(
    path: Path, media_type: str, trusted: Any, sidecar: bytes | None
) -> tuple[Mapping[str, Any], bool, str | None]:
    """Return the library's report, whether the manifest was in the file, and its URL if any."""
    import c2pa

    with (
        held_back(),  # the library reads through callbacks
        path.open("rb") as stream,
        c2pa.Reader(media_type, stream, manifest_data=sidecar, context=trusted) as reader,
    ):
        store = json.loads(reader.json())
        return store, bool(reader.is_embedded()), reader.get_remote_url() or None


def _sidecar(path: Path) -> bytes | None:
    """Return the content of `NAME.c2pa` or `NAME.EXT.c2pa` beside the file."""
    for beside in (path.with_name(f"{path.name}.c2pa"), path.with_suffix(".c2pa")):
        if beside != path and beside.is_file() and beside.stat().st_size <= _MAX_SIDECAR:
            return beside.read_bytes()
    return None


def anchor_of(
    path: Path,
    kind: Kind,
    reading: Reading,
    known: tuple[Anchor, ...],
    fetch_remote: bool,
    clocks: tuple[Anchor, ...] = (),
) -> str | None:
    """Return the anchor that the signer's chain ends at: the one that suffices alone.

    Args:
        path: The file.
        kind: What it is.
        reading: How reading its manifest went.
        known: Anchors of signers.
        fetch_remote: Whether a manifest behind a URL may be fetched.
        clocks: Anchors of time-stamping authorities. The library has one list for both; a signer
            who is known to these alone is not known.
    """
    import c2pa

    if len(known) == 1 and not clocks:
        return known[0].name
    beside = _sidecar(path) if reading.source == "sidecar" else None

    def trusted_by(pems: list[str]) -> bool:
        try:
            alone = context(pems, fetch_remote=fetch_remote)
            store, _, _ = _store(path, kind.media_type, alone, beside)
        except c2pa.C2paError:
            return False
        return "signingCredential.trusted" in other_codes(store)

    times = [clock.pem for clock in clocks]
    if times and trusted_by(times):
        times = []
    return next((a.name for a in known if trusted_by([a.pem, *times])), None)


def manifest_store(path: Path, kind: Kind, reading: Reading) -> bytes:
    """Return the bytes of the store that was read in the file or beside it.

    Raises:
        ValueError: The container is malformed.
        OSError: The file cannot be read.
    """
    if reading.source == "sidecar":
        return _sidecar(path) or b""
    return read_store(path, kind)
