"""A certificate for the page on the network: made here, for this machine's addresses alone.

Browsers do not know it and say so once; its fingerprint stands in the terminal to compare. Who has
a certificate that browsers know gives that one instead.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge import resources
from edge.consent.canonical import utc_now
from edge.consent.storage import make_private_dir, read_record, write_private
from edge.errors import KeyStoreError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIFE = datetime.timedelta(days=90)
"""How long one lasts; it is made anew a day before, and when the machine's addresses change."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What the server speaks TLS with.

    Attributes:
        certificate: PEM file.
        key: PEM file.
        fingerprint: SHA-256 of the certificate, in pairs of capital hex digits with colons.
    """

    certificate: Path
    key: Path
    fingerprint: str


def own_tls(names: Sequence[str]) -> Tls:
    """Return this device's own certificate for its names and addresses; made where it is missing.

    Raises:
        OutputError: It cannot be written.
    """
    folder = resources.state_dir() / "live"
    make_private_dir(folder)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    found = _read(certificate)
    if found is None or not key.is_file() or not _fits(found, names):
        found = _make(certificate, key, names)
    return Tls(certificate, key, _fingerprint(found))


def given_tls(certificate: Path, key: Path) -> Tls:
    """Return the user's own certificate.

    Raises:
        KeyStoreError: One of the files cannot be read, or is none.
    """
    try:
        found = x509.load_pem_x509_certificate(
            read_record(certificate, "certificate", KeyStoreError)
        )
        private = serialization.load_pem_private_key(
            read_record(key, "private key", KeyStoreError), password=None
        )
    except (ValueError, TypeError) as error:
        raise KeyStoreError(
            f"{certificate} and {key} are no certificate and key in PEM form, without passphrase"
        ) from error
    if _public(private.public_key()) != _public(found.public_key()):
        raise KeyStoreError(f"{key} is not the key of {certificate}")
    return Tls(certificate, key, _fingerprint(found))


def addresses() -> list[str]:
    """Return the addresses under which other machines may reach this one, the likeliest first.

    Nothing is sent: a socket is only asked which of our addresses it would use.
    """
    found = []
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asked:
                asked.connect((far, 9))
                found.append(str(asked.getsockname()[0]))
        except OSError:
            continue
    return [each for each in found if not ipaddress.ip_address(each).is_loopback]


def _make(path: Path, key_path: Path, names: Sequence[str]) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge live on this device")])
    now = utc_now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(key_path, pem, overwrite=True)
    write_private(path, made.public_bytes(serialization.Encoding.PEM), overwrite=True)
    return made


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _read(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(read_record(path, "certificate", OutputError))
    except (OutputError, ValueError):
        return None


def _fits(found: x509.Certificate, names: Sequence[str]) -> bool:
    soon = utc_now() + datetime.timedelta(days=1)
    if not found.not_valid_before_utc <= utc_now() or found.not_valid_after_utc < soon:
        return False
    try:
        stated = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return {_general(name) for name in names} <= set(stated)


def _public(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _fingerprint(found: x509.Certificate) -> str:
    digits = found.fingerprint(hashes.SHA256()).hex().upper()
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))
