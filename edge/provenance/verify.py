"""Verify a picture or video: what its manifest says, who says so, and whether it still holds.

No network is used unless the caller asks for a manifest behind a URL to be fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from edge.errors import MediaError
from edge.provenance.anchors import THIS_DEVICE, Anchor, anchors
from edge.provenance.claims import active_signature, claims_of, optional_text
from edge.provenance.container import Kind, has_c2pa, problem, sniff
from edge.provenance.decoding import undecodable
from edge.provenance.engine import context
from edge.provenance.findings import Integrity, failure_codes, integrity_of, other_codes
from edge.provenance.implicit import read_implicit
from edge.provenance.verdict import (
    NO_MANIFEST,
    NOT_MEDIA,
    SIGNER_UNKNOWN,
    TAMPERED,
    TRUSTED,
    Agreement,
    Claims,
    Ingredient,
    ManifestState,
    Signer,
    Verdict,
)

__all__ = ["Verdict", "verify_file"]

_MAX_SIDECAR = 64 << 20
_URL_HINT = "must fetch remote manifests from url "


@dataclass(frozen=True, slots=True)
class _Reading:
    """How reading the manifest went: a parsed store, or the reason why there is none."""

    state: ManifestState
    source: Literal["embedded", "sidecar", "fetched"] | None = None
    store: Mapping[str, Any] | None = None
    url: str | None = None
    reason: str | None = None
    unsupported: bool = False


def verify_file(path: Path | str, *, fetch_remote: bool = False) -> Verdict:
    """Find out what can be known about where a picture or video comes from.

    Nothing about the file is raised as an error: what cannot be read is a finding, too.

    Args:
        path: Any file, ours or made by others. A `.c2pa` file beside it is read as well.
        fetch_remote: Whether a manifest that the file only names by URL may be fetched.
    """
    path = Path(path)
    name = str(path)
    kind, obstacle = _open(path)
    if kind is None:
        return Verdict(file=name, exit_status=NOT_MEDIA, problem=obstacle)
    try:
        return _verdict(path, kind, fetch_remote)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return Verdict(file=name, exit_status=NOT_MEDIA, problem=reason)


def _open(path: Path) -> tuple[Kind | None, str | None]:
    """Return what the file is, or None and why it is nothing that could be verified."""
    try:
        if path.is_dir():
            return None, "is a folder; name the files in it"
        if not path.exists():
            return None, "no such file"
        if not path.is_file():
            return None, "is not a regular file"
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    if not head:
        return None, "is empty"
    kind = sniff(head)
    return kind, None if kind is not None else "is no picture, video or sound of a known kind"


def _verdict(path: Path, kind: Kind, fetch_remote: bool) -> Verdict:
    known, notes = anchors()
    reading = _read(path, kind, known, fetch_remote)
    broken = problem(path, kind)
    if reading.store is None and broken is None:
        broken = undecodable(path, kind) or _parser_complaint(reading)
    label, label_note = _implicit(path)
    findings = [*notes, *([label_note] if label_note else [])]
    if reading.store is None:
        return _without_manifest(path, kind, reading, broken, label, findings)
    claims = claims_of(reading.store)
    integrity = _integrity(reading.store)
    signer = _signer(path, kind, reading, known, fetch_remote)
    agreement = _agreement(label, claims)
    findings += _remarks(reading, broken, claims, agreement, signer)
    trusted = signer.trusted and reading.store.get("validation_state") == "Trusted"
    status = TRUSTED if trusted else SIGNER_UNKNOWN
    return Verdict(
        file=str(path),
        exit_status=status if integrity == "intact" and broken is None else TAMPERED,
        media_type=kind.media_type,
        problem=broken,
        manifest="present",
        manifest_source=reading.source,
        manifest_url=reading.url,
        integrity=integrity,
        failures=failure_codes(reading.store) + _delta_codes(reading.store),
        signer=signer,
        claims=claims,
        implicit_label=label,
        agreement=agreement,
        notes=tuple(findings),
    )


def _without_manifest(
    path: Path,
    kind: Kind,
    reading: _Reading,
    broken: str | None,
    label: dict[str, str] | None,
    notes: list[str],
) -> Verdict:
    status = NO_MANIFEST
    if reading.state == "unreadable":
        status = TAMPERED
        notes.append(f"there is C2PA data in it that cannot be read: {reading.reason}")
    elif broken is not None:
        status = TAMPERED
    elif reading.unsupported:
        status = NOT_MEDIA
        broken = f"{kind.media_type} cannot carry a C2PA manifest; nothing can be verified"
    elif reading.state == "remote":
        notes.append("its manifest is behind a URL and was not read; --fetch-remote fetches it")
        if reading.reason:
            notes.append(f"fetching it failed: {reading.reason}")
    else:
        notes.append("no manifest: where it comes from is unknown; that does not make it genuine")
    if label is not None:
        notes.append("its implicit label is not signed: anybody could have written it")
    return Verdict(
        file=str(path),
        exit_status=status,
        media_type=kind.media_type,
        problem=broken,
        manifest=reading.state,
        manifest_url=reading.url,
        implicit_label=label,
        notes=tuple(notes),
    )


def _read(path: Path, kind: Kind, known: tuple[Anchor, ...], fetch_remote: bool) -> _Reading:
    import c2pa

    trusted = context((a.pem for a in known), fetch_remote=fetch_remote)
    try:
        store, embedded, url = _store(path, kind.media_type, trusted)
        return _Reading("present", "embedded" if embedded else "fetched", store, url)
    except c2pa.C2paError as error:
        failure = _failure(path, error, fetch_remote)
    except (ValueError, RecursionError) as error:  # the report is not the JSON that it should be
        return _Reading("unreadable", reason=str(error))
    beside = _sidecar(path)
    if failure.state == "unreadable" or beside is None:
        return failure
    try:
        store, _, _ = _store(path, kind.media_type, trusted, beside)
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        return _Reading("unreadable", reason=f"in the .c2pa file beside it: {error}")
    return _Reading("present", "sidecar", store, failure.url)


def _failure(path: Path, error: Exception, fetch_remote: bool) -> _Reading:
    """Return what an error of the library means; the bytes decide, not the kind of error."""
    import c2pa

    text = str(error)
    if _URL_HINT in text:
        return _Reading("remote", url=text.split(_URL_HINT, 1)[1].strip()[:500])
    if has_c2pa(path):
        return _Reading("unreadable", reason=text)
    if isinstance(error, c2pa.C2paError.RemoteManifest) and fetch_remote:
        return _Reading("remote", reason=text)
    unsupported = isinstance(error, c2pa.C2paError.NotSupported)
    silent = unsupported or isinstance(error, c2pa.C2paError.ManifestNotFound)
    return _Reading("absent", reason=None if silent else text, unsupported=unsupported)


def _store(
    path: Path, media_type: str, trusted: Any, sidecar: bytes | None = None
) -> tuple[Mapping[str, Any], bool, str | None]:
    """Return the library's report, whether the manifest was in the file, and its URL if any."""
    import c2pa

    with (
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


def _parser_complaint(reading: _Reading) -> str | None:
    return reading.reason if reading.state == "absent" else None


def _delta_codes(store: Mapping[str, Any]) -> tuple[str, ...]:
    """Return failures of the ingredients that their own record does not have yet."""
    results = store.get("validation_results")
    deltas = results.get("ingredientDeltas") if isinstance(results, Mapping) else None
    codes: list[str] = []
    for delta in deltas if isinstance(deltas, list) else ():
        found = delta.get("validationDeltas", {}).get("failure") or ()
        codes += [str(item.get("code")) for item in found]
    return tuple(dict.fromkeys(codes))


def _integrity(store: Mapping[str, Any]) -> Integrity:
    if store.get("validation_state") in {"Trusted", "Valid"}:
        return "intact"
    own = integrity_of(store)
    if own != "intact" or not _delta_codes(store):
        return own
    failed = [{"code": code} for code in _delta_codes(store)]
    return integrity_of({"validation_results": {"activeManifest": {"failure": failed}}})


def _signer(
    path: Path,
    kind: Kind,
    reading: _Reading,
    known: tuple[Anchor, ...],
    fetch_remote: bool,
) -> Signer:
    assert reading.store is not None
    signature = active_signature(reading.store)
    # A fact of its own: the manifest of a changed picture may still be signed by somebody known.
    trusted = {"signingCredential.trusted", "claimSignature.validated"} <= set(
        other_codes(reading.store)
    )
    anchor = _anchor(path, kind, reading, known, fetch_remote) if trusted else None
    return Signer(
        name=optional_text(signature.get("common_name")),
        issuer=optional_text(signature.get("issuer")),
        algorithm=optional_text(signature.get("alg")),
        trusted=trusted,
        anchor=anchor,
    )


def _anchor(
    path: Path,
    kind: Kind,
    reading: _Reading,
    known: tuple[Anchor, ...],
    fetch_remote: bool,
) -> str | None:
    """Return the anchor that the signer's chain ends at: the one that suffices alone."""
    import c2pa

    if len(known) == 1:
        return known[0].name
    beside = _sidecar(path) if reading.source == "sidecar" else None
    for anchor in known:
        alone = context([anchor.pem], fetch_remote=fetch_remote)
        try:
            store, _, _ = _store(path, kind.media_type, alone, beside)
        except c2pa.C2paError:
            continue
        if "signingCredential.trusted" in other_codes(store):
            return anchor.name
    return None


def _implicit(path: Path) -> tuple[dict[str, str] | None, str | None]:
    try:
        label = read_implicit(path)
    except MediaError as error:
        return None, f"implicit label not readable: {error}"
    return (asdict(label) if label is not None else None), None


def _says_ai(claims: Claims) -> bool:
    return any("rainedAlgorithmicMedia" in (a.digital_source_type or "") for a in claims.actions)


def _agreement(label: dict[str, str] | None, claims: Claims) -> Agreement:
    if label is None:
        return Agreement()
    same = None if claims.output_id is None else label["ProduceID"] == claims.output_id
    return Agreement(produce_id=same, made_by_ai=(label["Label"] == "1") == _says_ai(claims))


def _remarks(
    reading: _Reading,
    broken: str | None,
    claims: Claims,
    agreement: Agreement,
    signer: Signer,
) -> list[str]:
    notes = []
    assert reading.store is not None
    if broken is not None:
        notes.append(f"the container is broken: {broken}")
    if _integrity(reading.store) != "intact":
        notes.append("what its manifest says cannot be relied on")
    for parent in _all(claims.ingredients):
        if parent.integrity not in {None, "intact"}:
            notes.append(
                f"ingredient '{parent.title}' is {parent.integrity.upper()}: its own manifest did "
                f"not hold when this file was made ({', '.join(parent.failures)})"
            )
    if agreement.produce_id is False:
        notes.append("implicit label and manifest name different outputs")
    if agreement.made_by_ai is False:
        notes.append("implicit label and manifest disagree on whether AI made it")
    codes = failure_codes(reading.store)
    if "signingCredential.expired" in codes:
        notes.append("the signing certificate has expired, and no trusted time stamp helps")
    if not signer.trusted and "signingCredential.untrusted" in codes:
        notes.append("anybody can sign like this: no anchor of this device knows the signer")
    if signer.anchor == THIS_DEVICE:
        notes.append("the signer is trusted on this device only")
    return notes


def _all(ingredients: tuple[Ingredient, ...]) -> list[Ingredient]:
    flat: list[Ingredient] = []
    for item in ingredients:
        flat += [item, *_all(item.ingredients)]
    return flat
