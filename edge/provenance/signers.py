"""What else is known about the signer and the time stamp of a manifest: certificates, revocation.

The C2PA library says whether a chain is trusted and still valid; it looks at an answer about
revocation that a manifest carries only where there is a time stamp too. Such answers, and the
revocation lists that the user added, are looked at here. Nothing is fetched.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import KeyStoreError, TimeStampError
from edge.provenance.active import Found
from edge.provenance.anchors import Anchor, certificates_of, trusted_dir
from edge.provenance.certificates import fingerprint, read_certificate
from edge.provenance.cose import REVOCATION, STAMP, Signature, byte_strings, certificates
from edge.provenance.timing import parse
from edge.provenance.verdict import Signer, SignerStatus, SigningTime

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.x509 import ocsp

_REVOKED = "signingCredential.ocsp.revoked"
_EXPIRED = "signingCredential.expired"
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What stands beside a signature.

    Attributes:
        chain: The signer's certificates, the signing one first.
        token: RFC 3161 token over the signature, DER; None without one.
        answers: OCSP responses that the signer put there, DER.
    """

    chain: tuple[x509.Certificate, ...] = ()
    token: bytes | None = None
    answers: tuple[bytes, ...] = ()


def credentials_of(signature: Signature | None) -> Credentials:
    """Return what stands beside a signature; no chain where it cannot be read.

    There is no signature without one, so that an empty chain never says that all is well.

    Args:
        signature: Of the active manifest; None where it is not at hand, or cannot be read.
    """
    from cryptography import x509

    if signature is None:
        return Credentials()
    try:
        chain = tuple(map(read_certificate, certificates(signature)))
        tokens, answers = (
            byte_strings(header) if (header := signature.header(name)) is not None else []
            for name in (STAMP, REVOCATION)
        )
    except (ValueError, IndexError, x509.InvalidVersion):
        return Credentials()
    return Credentials(chain, tokens[0] if tokens else None, tuple(answers))


def doubt_about(beside: Credentials, found: Found) -> str | None:
    """Return why nobody can say here whether a certificate was revoked, or None.

    Args:
        beside: What stands beside the signature.
        found: How looking for the signature went.
    """
    if beside.chain:
        return None
    if found.out_of_reach is None:
        return "the signer's certificates cannot be read: nobody can say whether they were revoked"
    if not revocation_lists():
        return None
    return f"{found.out_of_reach}, so that its certificates cannot be held against revocation lists"


def with_authority(time: SigningTime, token: bytes | None) -> SigningTime:
    """Return the signing time with the name of the authority that stamped it.

    Args:
        time: What the C2PA library made of it: it tells of no stamp that it could not use.
        token: What the manifest holds as its time stamp.
    """
    from edge.provenance.tsp import read_token

    if token is None:
        return time
    if time.stamp is None:
        return replace(time, spoiled=True)
    try:
        return replace(time, authority=read_token(token).authority)
    except TimeStampError:
        return time


def with_status(
    signer: Signer,
    beside: Credentials,
    codes: Iterable[str],
    known: Sequence[Anchor],
    stamp: str | None,
    serial: int | None = None,
) -> Signer:
    """Return the signer with what is known about its certificate.

    Args:
        signer: As the C2PA library sees it.
        beside: What stands beside its signature.
        codes: The manifest's failure codes.
        known: The trusted anchors, which may have issued the last certificate of the chain.
        stamp: Trusted time stamp of the signature, RFC 3339; None without one.
        serial: Number of the signing certificate, where that is all that is known of it.
    """
    failed = set(codes)
    chain = beside.chain
    since = [_revoked_since(chain, known), *(_answered(chain, der) for der in beside.answers)]
    if not chain and serial is not None:
        since += _listed(serial, [each for each in known if each.name == signer.anchor])
    revoked = min((moment for moment in since if moment is not None), default=None)
    moment = parse(stamp)
    helped = revoked is not None and moment is not None and moment < revoked
    dead = _REVOKED in failed or (revoked is not None and not helped)
    trusted = signer.trusted and not dead
    status: SignerStatus = "revoked" if dead else "expired" if _EXPIRED in failed else "unknown"
    return replace(
        signer,
        trusted=trusted,
        anchor=signer.anchor if trusted else None,
        status="trusted" if trusted and status != "expired" else status,
        not_after=chain[0].not_valid_after_utc.strftime(_FORMAT) if chain else None,
        revoked=revoked.strftime(_FORMAT) if revoked else None,
        certificate_sha256=fingerprint(chain[0]) if chain else None,
    )


def _revoked_since(
    chain: Sequence[x509.Certificate], known: Sequence[Anchor]
) -> datetime.datetime | None:
    """Return since when a certificate of the chain is revoked, by the lists of this device."""
    lists = revocation_lists()
    if not lists or not chain:
        return None
    issuers = [*chain, *certificates_of(known)]
    found = [
        entry.revocation_date_utc
        for certificate in chain
        for _, listed in lists
        if (entry := _entry(certificate.serial_number, certificate.issuer, listed, issuers))
    ]
    return min(found) if found else None


def _listed(serial: int, anchors: Iterable[Anchor]) -> list[datetime.datetime]:
    """Return since when a certificate is revoked by lists of the anchors that it is trusted by."""
    issuers = certificates_of(anchors)
    return [
        entry.revocation_date_utc
        for issuer in issuers
        for _, listed in revocation_lists()
        if (entry := _entry(serial, issuer.subject, listed, issuers))
    ]


def _entry(
    serial: int,
    issuer: x509.Name,
    listed: x509.CertificateRevocationList,
    issuers: Sequence[x509.Certificate],
) -> x509.RevokedCertificate | None:
    """Return the entry of an issuer's certificate in a list that the same issuer signed."""
    from cryptography.exceptions import UnsupportedAlgorithm

    if listed.issuer != issuer:
        return None
    for each in issuers:
        if each.subject != listed.issuer:
            continue
        try:
            if listed.is_signature_valid(each.public_key()):  # type: ignore[arg-type]
                return listed.get_revoked_certificate_by_serial_number(serial)
        except (TypeError, ValueError, UnsupportedAlgorithm):
            continue
    return None


def _answered(chain: Sequence[x509.Certificate], der: bytes) -> datetime.datetime | None:
    """Return since when the signing certificate is revoked, by an OCSP response of its issuer.

    One that a responder signed to whom the issuer left it counts with time stamps only, through
    the library.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.x509 import ocsp

    if len(chain) < 2:
        return None
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        _check_signature(answer, chain[1])
        if answer.serial_number != chain[0].serial_number:
            return None
        return answer.revocation_time_utc
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return None


def _check_signature(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> None:
    """Raise InvalidSignature unless `issuer` signed the response."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    key = issuer.public_key()
    signed = (answer.signature, answer.tbs_response_bytes)
    digest = answer.signature_hash_algorithm
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(*signed)
    elif digest is None:
        raise ValueError("a signature of an unknown kind")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(*signed, ec.ECDSA(digest))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(*signed, padding.PKCS1v15(), digest)
    else:
        raise ValueError("a key of an unknown kind")


def revocation_lists() -> list[tuple[Path, x509.CertificateRevocationList]]:
    """Return the revocation lists that the user added; files that cannot be read are left out."""
    found = []
    folder = trusted_dir()
    for path in sorted(folder.glob("*.crl")) if folder.is_dir() else ():
        try:
            found.append((path, parse_revocations(path.read_bytes(), path.name)))
        except (KeyStoreError, OSError):
            continue
    return found


def parse_revocations(content: bytes, where: str) -> x509.CertificateRevocationList:
    """Return a certificate revocation list from PEM or DER.

    Raises:
        KeyStoreError: It is none.
    """
    from cryptography import x509

    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_crl(content)
        return x509.load_der_x509_crl(content)
    except ValueError as error:
        raise KeyStoreError(f"{where}: no readable certificate revocation list") from error
