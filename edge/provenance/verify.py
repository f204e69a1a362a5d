"""Verify a picture or video: what its manifest says, who says so, and whether it still holds.

No network is used unless the caller asks for a manifest behind a URL to be fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edge.errors import MediaError
from edge.provenance.active import find_active, reported_serial
from edge.provenance.anchors import THIS_DEVICE, Anchor, anchors, time_anchors
from edge.provenance.boxes import are_too_many
from edge.provenance.claims import active_signature, claims_of, optional_text
from edge.provenance.container import Kind, problem, sniff
from edge.provenance.decoding import undecodable
from edge.provenance.findings import Integrity, failure_codes, integrity_of, other_codes
from edge.provenance.implicit import differences, flaws, read_implicit
from edge.provenance.objections import objections
from edge.provenance.reading import Reading, anchor_of, read_manifest
from edge.provenance.signers import credentials_of, doubt_about, with_authority, with_status
from edge.provenance.timing import time_notes
from edge.provenance.verdict import (
    NO_MANIFEST,
    NOT_MEDIA,
    SIGNER_UNKNOWN,
    TAMPERED,
    TRUSTED,
    Agreement,
    Claims,
    Ingredient,
    Signer,
    Verdict,
)
from edge.provenance.watermark.files import Look, look_into
from edge.provenance.watermark.remarks import agrees, watermark_remarks

__all__ = ["Verdict", "verify_file"]


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
    if kind.boxes and are_too_many(path):
        return Verdict(
            file=str(path),
            exit_status=TAMPERED,
            media_type=kind.media_type,
            problem="it has more boxes than any such file: not looked into",
            manifest="unreadable",
        )
    known, notes = anchors()
    clocks, clock_notes = time_anchors()
    reading = read_manifest(path, kind, known + clocks, fetch_remote)
    broken = problem(path, kind)
    if reading.store is None and broken is None:
        broken = undecodable(path, kind) or _parser_complaint(reading)
    label, label_notes = _implicit(path)
    findings = [*notes, *clock_notes, *label_notes]
    if reading.store is None:
        return _without_manifest(path, kind, reading, broken, label, findings)
    claims = claims_of(reading.store)
    found = find_active(path, kind, reading)
    beside = credentials_of(found.signature)
    claims = replace(claims, time=with_authority(claims.time, beside.token))
    integrity = _integrity(reading.store)
    own = failure_codes(reading.store)  # an ingredient's say nothing of this file's signer
    failures = own + _delta_codes(reading.store)
    for objection in objections(path, kind, reading, found, claims):
        findings.append(objection.note)
        failures += (objection.code,) if objection.code is not None else ()
        integrity = objection.integrity if integrity == "intact" else integrity
    signer = _signer(path, kind, reading, known, clocks, fetch_remote)
    stamp = claims.time.stamp if claims.time.time_stamped else None
    doubt = doubt_about(beside, found) if signer.trusted else None
    signer = with_status(signer, beside, own, known, stamp, reported_serial(reading.store))
    if doubt is not None and signer.trusted:
        signer = replace(signer, trusted=False, anchor=None, status="unknown")
        findings.append(f"{doubt}: it is not called trusted")
    look = look_into(path, kind.media_type).naming(claims.watermark)
    agreement = replace(_agreement(label, claims), watermark=agrees(look, claims.watermark))
    findings += _remarks(integrity, reading, broken, claims, signer)
    findings += _label_remarks(label, claims, agreement)
    findings += watermark_remarks(look, claims.watermark)
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
        failures=failures,
        signer=signer,
        claims=claims,
        implicit_label=label,
        agreement=agreement,
        watermark=look.found,
        notes=tuple(findings),
    )


def _without_manifest(
    path: Path,
    kind: Kind,
    reading: Reading,
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
        status = NOT_MEDIA  # yet no fault of the file, whose pixels may still carry a watermark
        notes.append(f"{kind.media_type} cannot carry a C2PA manifest; nothing can be verified")
    elif reading.state == "remote":
        notes.append(
            f"its manifest is behind a URL, and fetching it failed: {reading.reason}"
            if reading.reason
            else "its manifest is behind a URL and was not read; --fetch-remote fetches it"
        )
    else:
        notes.append("no manifest: where it comes from is unknown; that does not make it genuine")
    if label is not None:
        notes.append("its implicit label is not signed: anybody could have written it")
    look = look_into(path, kind.media_type) if broken is None else Look(None)
    return Verdict(
        file=str(path),
        exit_status=status,
        media_type=kind.media_type,
        problem=broken,
        manifest=reading.state,
        manifest_url=reading.url,
        implicit_label=label,
        watermark=look.found,
        notes=(*notes, *watermark_remarks(look, None)),
    )


def _parser_complaint(reading: Reading) -> str | None:
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
    reading: Reading,
    known: tuple[Anchor, ...],
    clocks: tuple[Anchor, ...],
    fetch_remote: bool,
) -> Signer:
    assert reading.store is not None
    signature = active_signature(reading.store)
    # A fact of its own: the manifest of a changed picture may still be signed by somebody known.
    trusted = {"signingCredential.trusted", "claimSignature.validated"} <= set(
        other_codes(reading.store)
    )
    anchor = anchor_of(path, kind, reading, known, fetch_remote, clocks) if trusted else None
    trusted = trusted and (anchor is not None or not clocks)
    return Signer(
        name=optional_text(signature.get("common_name")),
        issuer=optional_text(signature.get("issuer")),
        algorithm=optional_text(signature.get("alg")),
        trusted=trusted,
        anchor=anchor,
    )


def _implicit(path: Path) -> tuple[dict[str, str] | None, list[str]]:
    try:
        label = read_implicit(path)
    except MediaError as error:
        return None, [f"implicit label not readable: {error}"]
    if label is None:
        return None, []
    return asdict(label), [f"implicit label: {flaw}" for flaw in flaws(label)]


def _says_ai(claims: Claims) -> bool:
    return any("rainedAlgorithmicMedia" in (a.digital_source_type or "") for a in claims.actions)


def _agreement(label: dict[str, str] | None, claims: Claims) -> Agreement:
    signed = claims.implicit_label
    if label is None:
        # One that the manifest states and the file lacks was taken out.
        return Agreement(produce_id=None if signed is None else False)
    same = None if claims.output_id is None else label["ProduceID"] == claims.output_id
    return Agreement(
        produce_id=same,
        made_by_ai=(label["Label"] == "1") == _says_ai(claims),
        differs=() if signed is None else differences(label, signed),
    )


def _remarks(
    integrity: Integrity,
    reading: Reading,
    broken: str | None,
    claims: Claims,
    signer: Signer,
) -> list[str]:
    notes = []
    assert reading.store is not None
    if broken is not None:
        notes.append(f"the container is broken: {broken}")
    if integrity != "intact":
        notes.append("what its manifest says cannot be relied on")
    for parent in _all(claims.ingredients):
        if parent.integrity not in {None, "intact"}:
            notes.append(
                f"ingredient '{parent.title}' is {parent.integrity.upper()}: its own manifest did "
                f"not hold when this file was made ({', '.join(parent.failures)})"
            )
    codes = failure_codes(reading.store)
    notes += time_notes(claims.time, signer, codes)
    if not signer.trusted and "signingCredential.untrusted" in codes:
        notes.append("anybody can sign like this: no anchor of this device knows the signer")
    if signer.anchor == THIS_DEVICE:
        notes.append("the signer is trusted on this device only")
    return notes


def _label_remarks(label: dict[str, str] | None, claims: Claims, agreement: Agreement) -> list[str]:
    signed = claims.implicit_label
    if label is None:
        return ["the implicit label that the manifest states is not in the file"] if signed else []
    notes = []
    if signed is not None:
        notes += [
            f"the implicit label's {name} is '{label[name]}', and the manifest says "
            f"'{signed[name]}'"
            for name in agreement.differs
        ]
    elif agreement.produce_id is False:
        notes.append(
            f"implicit label and manifest name different outputs: '{label['ProduceID']}' and "
            f"'{claims.output_id}'"
        )
    if agreement.made_by_ai is False:
        notes.append("implicit label and manifest disagree on whether AI made it")
    return notes


def _all(ingredients: tuple[Ingredient, ...]) -> list[Ingredient]:
    flat: list[Ingredient] = []
    for item in ingredients:
        flat += [item, *_all(item.ingredients)]
    return flat
