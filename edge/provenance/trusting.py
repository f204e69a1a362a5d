"""Change whom this device trusts: add, list and remove anchors and revocation lists.

Nothing is shipped and nothing is fetched: whoever wants the official C2PA lists downloads them
(trust-list/ of github.com/c2pa-org/conformance-public, as PEM or JSON) and adds the file.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography import x509

from edge.errors import KeyStoreError, UsageError
from edge.provenance.anchors import IMPORTED_NAME, THIS_DEVICE, anchors, time_dir, trusted_dir
from edge.provenance.certificates import chain_pem, common_name, fingerprint, parse_chain
from edge.provenance.signers import parse_revocations, revocation_lists

Role = Literal["signers", "time", "revocations"]
ROLES: tuple[Role, ...] = ("signers", "time")
"""What anchors can be trusted for: signatures, or time stamps; never both at once."""

_TRUSTED_STATUS = "/trusted"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MAX_FILE = 32 << 20


@dataclass(frozen=True, slots=True)
class Trusted:
    """A certificate or list that this device goes by.

    Attributes:
        name: File name in the folder of anchors, "this device", or "imported chain: NAME".
        role: signers, time or revocations.
        subject: Common name in the certificate; issuer of a revocation list.
        sha256: Fingerprint of the certificate, hex; empty for a list.
        not_after: End of its validity; for a list, when the next one is due.
    """

    name: str
    role: Role
    subject: str
    sha256: str
    not_after: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Added:
    """What adding a file did.

    Attributes:
        path: The file of anchors that was written.
        certificates: How many certificates are in it.
        left_out: What was not taken, and why.
    """

    path: Path
    certificates: int
    left_out: tuple[str, ...]


def trusted() -> list[Trusted]:
    """Return everything that this device goes by, its own roots first."""
    listed: list[Trusted] = []
    known, _ = anchors()
    for anchor in known:
        listed += _certificates(anchor.name, "signers", anchor.pem.encode("ascii"))
    folder = time_dir()
    for path in sorted(folder.glob("*.pem")) if folder.is_dir() else ():
        try:
            listed += _certificates(path.name, "time", path.read_bytes())
        except (KeyStoreError, OSError):
            continue  # verify names it
    for path, found in revocation_lists():
        issuer = common_name(found.issuer)
        listed.append(Trusted(path.name, "revocations", issuer, "", found.next_update_utc))
    return listed


def _certificates(name: str, role: Role, pem: bytes) -> Iterator[Trusted]:
    for certificate in parse_chain(pem, name):
        yield Trusted(
            name,
            role,
            common_name(certificate.subject),
            fingerprint(certificate),
            certificate.not_valid_after_utc,
        )


def add(file: Path, role: Literal["signers", "time"], name: str | None = None) -> Added:
    """Trust the certificates of a file, or go by a certificate revocation list, from now on.

    Args:
        file: PEM or DER certificates; a C2PA trust list in JSON; or a revocation list, PEM or DER.
        role: What the certificates are trusted for.
        name: Name to keep them under; the file's by default.

    Raises:
        UsageError: The name cannot be one, or is taken.
        KeyStoreError: The file holds nothing of the kind, or cannot be kept.
    """
    content = _read(file)
    stem = name if name is not None else re.sub(r"[^A-Za-z0-9._-]", "-", file.stem)
    if not _NAME.fullmatch(stem):
        raise UsageError(f"{stem!r} cannot be a name: letters, digits, dots, dashes; give --name")
    if b"X509 CRL" in content or file.suffix.lower() == ".crl":
        found = parse_revocations(content, str(file))
        path = trusted_dir() / f"{stem}.crl"
        _keep(path, found.public_bytes(_pem()), replace=True)
        return Added(path, 0, ())
    listed, left_out = _anchors_in(content, str(file))
    folder = time_dir() if role == "time" else trusted_dir()
    path = folder / f"{stem}.pem"
    _keep(path, chain_pem(listed).encode("ascii"), replace=False)
    return Added(path, len(listed), tuple(left_out))


def remove(name: str) -> list[Path]:
    """Trust a file of anchors, or go by a revocation list, no longer.

    Args:
        name: As `trusted` names it, with or without its suffix, or a certificate's fingerprint
            (at least 16 hex digits) where it is alone in its file.

    Returns:
        The files that were removed.

    Raises:
        UsageError: There is none, or it is this device's own.
    """
    if name == THIS_DEVICE or name.startswith(IMPORTED_NAME):
        raise UsageError("this device's own roots cannot be removed: its outputs would be unknown")
    if re.fullmatch(r"[0-9a-fA-F]{16,64}", name):
        named = {
            item.name for item in trusted() if item.sha256 and item.sha256.startswith(name.lower())
        }
        if len(named) != 1:
            raise UsageError(f"no anchor of the user's has the fingerprint {name}")
        name = named.pop()
        if name == THIS_DEVICE or name.startswith(IMPORTED_NAME):
            raise UsageError("that is this device's own root, which cannot be removed")
    found = [path for path in _files() if name in {path.name, path.stem}]
    if not found:
        raise UsageError(f"no anchor is named {name!r}: see edge trust list")
    for path in found:
        try:
            path.unlink()
        except OSError as error:
            raise KeyStoreError(f"{path}: cannot be removed: {error.strerror}") from error
    return found


def _files() -> list[Path]:
    folders = ((trusted_dir(), "*.pem"), (trusted_dir(), "*.crl"), (time_dir(), "*.pem"))
    return [path for folder, kind in folders if folder.is_dir() for path in folder.glob(kind)]


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MAX_FILE:
            raise KeyStoreError(f"{file}: is too large for a list of certificates")
        return file.read_bytes()
    except OSError as error:
        raise KeyStoreError(f"{file}: cannot be read: {error.strerror}") from error


def _anchors_in(content: bytes, where: str) -> tuple[list[x509.Certificate], list[str]]:
    """Return the authorities among a file's certificates, each once, and what is left out."""
    if content.lstrip()[:1] == b"{":
        found, left_out = _in_trust_list(content, where)
    elif b"-----BEGIN" in content:
        found, left_out = parse_chain(content, where), []
    else:
        try:
            found, left_out = [x509.load_der_x509_certificate(content)], []
        except ValueError as error:
            raise KeyStoreError(
                f"{where}: no certificate, trust list or revocation list"
            ) from error
    kept: dict[str, x509.Certificate] = {}
    for certificate in found:
        if _is_authority(certificate):
            kept.setdefault(fingerprint(certificate), certificate)
        else:
            subject = common_name(certificate.subject)
            left_out.append(f"{subject}: is no certificate authority, so it vouches for nobody")
    if not kept:
        raise KeyStoreError(f"{where}: holds no certificate authority: {'; '.join(left_out)}")
    return list(kept.values()), left_out


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return basic.value.ca


def _in_trust_list(content: bytes, where: str) -> tuple[list[x509.Certificate], list[str]]:
    """Return the certificates of a C2PA trust list in its JSON form (a list of trusted entities).

    Only services whose status is "trusted" count. The list is not signed in itself: whoever adds
    it says that it came from where it should.
    """
    found: list[x509.Certificate] = []
    left_out: list[str] = []
    try:
        entities = _mapping(_mapping(json.loads(content))["LoTE"])["TrustedEntitiesList"]
        for entity in entities:
            for service in entity["TrustedEntityServices"]:
                information = _mapping(service["ServiceInformation"])
                status = str(information.get("ServiceStatus", _TRUSTED_STATUS))
                identity = information["ServiceDigitalIdentity"]
                ders = [base64.b64decode(item["val"]) for item in identity["X509Certificates"]]
                certificates = [x509.load_der_x509_certificate(der) for der in ders]
                if status.endswith(_TRUSTED_STATUS):
                    found += certificates
                else:
                    word = status.rsplit("/", 1)[-1]
                    left_out += [f"{common_name(c.subject)}: {word}" for c in certificates]
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise KeyStoreError(f"{where}: is no C2PA trust list in JSON ({error!r})") from error
    return found, left_out


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object is missing")
    return value


def _pem() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


def _keep(path: Path, content: bytes, *, replace: bool) -> None:
    from edge.consent.storage import make_private_dir, write_private
    from edge.errors import OutputError

    if not replace and os.path.lexists(path):
        raise UsageError(f"{path.name} is there already: give --name, or remove it first")
    try:
        make_private_dir(path.parent)
        write_private(path, content, overwrite=replace)
    except OutputError as error:
        raise KeyStoreError(str(error)) from error
