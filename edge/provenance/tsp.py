"""RFC 3161: ask a time-stamping authority, and check what it answered.

A token says that its authority saw a hash at a time. It is checked here against the roots that the
caller trusts, with the authority's certificates judged at the time that the token states, so that
an expired certificate does not undo an old token.
"""

from __future__ import annotations

import datetime
import hashlib
import http.client
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edge.errors import TimeStampError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_MAX_REPLY = 1 << 20
_GRANTED = (0, 1)
_STATUS = b"\x30\x03\x02\x01\x00"  # PKIStatusInfo: granted
_SHA256 = bytes.fromhex("300d06096086480165030402010500")  # AlgorithmIdentifier, RFC 5754
_INTEGER, _OCTETS, _SEQUENCE, _FIRST = 0x02, 0x04, 0x30, 0xA0  # DER tags; the last is [0]


@dataclass(frozen=True, slots=True)
class Token:
    """A time-stamp token that could be read; whether it is good is another question.

    Attributes:
        der: The token, a CMS SignedData in DER.
        time: What it states, UTC.
        imprint: The digest that it is over.
        algorithm: Of that digest: sha256, sha384 or sha512.
        authority: Name of the certificate that signed it.
    """

    der: bytes
    time: datetime.datetime
    imprint: bytes
    algorithm: str
    authority: str


def ask(url: str, digest: bytes, timeout: float) -> Token:
    """Have a digest time-stamped; nothing else goes to the authority.

    Args:
        url: The authority's address, http or https.
        digest: SHA-256 of what is to be stamped.
        timeout: Seconds without an answer after which it is given up.

    Raises:
        TimeStampError: The authority cannot be reached, refuses, or answers with something else.
    """
    nonce = secrets.randbits(63)
    response = _decoded(_canonical(_sent(url, _query(digest, nonce), timeout)), _host(url))
    if response.status not in _GRANTED:
        said = " ".join(response.status_string) or f"status {response.status}"
        raise TimeStampError(f"{_host(url)} refuses to time-stamp: {said}")
    token = _token_of(response)
    if token.imprint != digest:
        raise TimeStampError(f"{_host(url)} stamped something else than it was asked to")
    if response.tst_info.nonce != nonce:
        raise TimeStampError(f"{_host(url)} answered another request than this one")
    return token


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _sent(url: str, query: bytes, timeout: float) -> bytes:
    headers = {"Content-Type": _QUERY, "Accept": _REPLY}
    request = urllib.request.Request(url, data=query, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            content: bytes = answer.read(_MAX_REPLY + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise TimeStampError(f"{_host(url)} answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise TimeStampError(f"{_host(url)} cannot be reached: {why}") from error
    if len(content) > _MAX_REPLY:
        raise TimeStampError(f"{_host(url)} answers with more than a time stamp")
    return content


def read_token(der: bytes) -> Token:
    """Read a token.

    Raises:
        TimeStampError: It is none, or malformed.
    """
    return _token_of(_decoded(_response(der), "the token"))


def check(token: Token, message: bytes, roots: Sequence[x509.Certificate]) -> str | None:
    """Check a token's imprint, signature, and chain at the time that it states.

    Args:
        token: The token.
        message: What it should be over.
        roots: Certificates of the authorities that are trusted.

    Returns:
        None when all of it holds, else what does not.
    """
    from rfc3161_client import VerificationError, VerifierBuilder

    if token.imprint != hashlib.new(token.algorithm, message).digest():
        return "it is over something else"
    if not roots:
        return "no time-stamping authority is trusted on this device"
    response = _decoded(_response(token.der), "the token")
    try:
        VerifierBuilder(roots=list(roots)).build().verify(response, token.imprint)
    except (VerificationError, ValueError) as error:  # the second: certificates of odd shapes
        return str(error)
    return None


def _decoded(der: bytes, whose: str) -> Any:
    from rfc3161_client import decode_timestamp_response

    try:
        response = decode_timestamp_response(der)
        if response.status in _GRANTED:
            response.tst_info  # noqa: B018 - parsed at its first use
    except ValueError as error:
        raise TimeStampError(f"{whose}: is no RFC 3161 time stamp ({error})") from error
    return response


def _token_of(response: Any) -> Token:
    names = {"1": "sha256", "2": "sha384", "3": "sha512"}
    info = response.tst_info
    oid = info.message_imprint.hash_algorithm.dotted_string
    algorithm = names.get(oid.removeprefix("2.16.840.1.101.3.4.2."))
    if algorithm is None:
        raise TimeStampError(f"the time stamp is over a hash of an unknown kind ({oid})")
    time = info.gen_time.astimezone(datetime.timezone.utc)
    der = response.time_stamp_token()
    try:
        authority = _authority(response)
    except ValueError as error:
        raise TimeStampError(f"the time stamp's certificates cannot be read: {error}") from error
    return Token(der, time, info.message_imprint.message, algorithm, authority)


def _authority(response: Any) -> str:
    from cryptography import x509

    from edge.provenance.certificates import common_name

    signers = {(info.issuer, info.serial_number) for info in response.signed_data.signer_infos}
    for der in response.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(der)
        if (certificate.issuer, certificate.serial_number) in signers:
            return common_name(certificate.subject)
    return "an authority that does not name itself"


# DER: just enough to ask about a digest, to put a token into the answer that it came in, and its
# certificates in order ----------------------------------------------------------------------------


def _query(digest: bytes, nonce: int) -> bytes:
    """Return a TimeStampReq of version 1 that asks for the authority's certificate, too."""
    imprint = _der(_SEQUENCE, _SHA256 + _der(_OCTETS, digest))
    number = nonce.to_bytes(nonce.bit_length() // 8 + 1, "big")  # the sign needs a bit
    return _der(_SEQUENCE, b"\x02\x01\x01" + imprint + _der(_INTEGER, number) + b"\x01\x01\xff")


def _response(token: bytes) -> bytes:
    return _canonical(_der(_SEQUENCE, _STATUS + token))


def _der(tag: int, body: bytes) -> bytes:
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    head = bytes([len(body)]) if len(body) < 128 else bytes([0x80 | len(size)]) + size
    return bytes([tag]) + head + body


def _canonical(response: bytes) -> bytes:
    """Return the response with its certificates in the order that DER wants.

    OpenSSL's authorities write them as they come. The order is not signed.
    """
    try:
        _, at, end = _item(response, 0)
        _, _, at = _item(response, at)  # past the status
        if at >= end:
            return response
        for tag in (_SEQUENCE, None, _FIRST, _SEQUENCE, None, None, None, _FIRST):
            found, start, stop = _item(response, at)
            if tag is not None and found != tag:
                return response
            at = stop if tag is None else start
        parts, end = [], stop
        while at < end:
            _, _, stop = _item(response, at)
            parts.append(response[at:stop])
            at = stop
    except IndexError:
        return response  # malformed; the parser says so
    return response[:start] + b"".join(sorted(parts)) + response[end:]


def _item(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start of the content, and end of a DER item.

    Raises:
        IndexError: It is cut off.
    """
    tag, length, start = data[at], data[at + 1], at + 2
    if length >= 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data):
        raise IndexError("cut off")
    return tag, start, start + length
