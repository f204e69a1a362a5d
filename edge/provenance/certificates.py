"""Certificates for signing: made here in the profile that C2PA asks for, or checked against it."""

from __future__ import annotations

import datetime
import secrets
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from edge.errors import KeyStoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
"""Extended key usage c2pa-kp-claimSigning (C2PA 2.x, certificate profile)."""

DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
EMAIL_PROTECTION = ExtendedKeyUsageOID.EMAIL_PROTECTION
_ALLOWED_USES = frozenset({CLAIM_SIGNING, DOCUMENT_SIGNING, EMAIL_PROTECTION})

VALIDITY = datetime.timedelta(days=50 * 365)
"""Long on purpose. A C2PA signature without a trusted time stamp stops verifying on the day its
certificate expires, and devices in the field have no time stamping service: a certificate of one
year would turn every picture older than that from evidence into an error."""

# Boards without a clock battery start in the past; a certificate that begins a little earlier
# than "now" is valid after the small steps back that a time synchronisation may make.
_BACKDATE = datetime.timedelta(days=2)

_ORGANISATION = "edge-swap self-made"

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def algorithm_of(key: object) -> str:
    """Return the C2PA name of the algorithm of a private or public key: es256 ... ed25519.

    Raises:
        KeyStoreError: C2PA has no use for such a key here.
    """
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)):
        return "ed25519"
    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        name = _CURVES.get(key.curve.name)
        if name is not None:
            return name
    raise KeyStoreError("the key must be on P-256, P-384 or P-521, or an Ed25519 key")


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate's DER bytes, hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def common_name(name: x509.Name) -> str:
    """Return the common name of a distinguished name, or the whole name where it has none."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _usage(*, signs_content: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs_content,
        key_cert_sign=not signs_content,
        crl_sign=not signs_content,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    begin = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - _BACKDATE
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + VALIDITY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def make_chain() -> tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
    """Make a new P-256 key and its two-link chain: leaf, then the root that signed it.

    The names carry a random number and nothing about the device, its host name or its user. The
    root's private key is used once and forgotten: nobody can make a second leaf under this root.

    Returns:
        The leaf's private key; the chain, leaf first.
    """
    number = secrets.token_hex(6)
    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, leaf_name = _name(f"edge device root {number}"), _name(f"edge device {number}")
    root = (
        _builder(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_content=False), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    leaf = (
        _builder(leaf_name, root_name, leaf_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_content=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([CLAIM_SIGNING, EMAIL_PROTECTION]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return leaf_key, [leaf, root]


def chain_pem(chain: Sequence[x509.Certificate]) -> str:
    """Return the chain as PEM text, leaf first."""
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode("ascii") for c in chain)


def key_pem(key: PrivateKey) -> str:
    """Return a private key as unencrypted PKCS #8 PEM text."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def read_certificate(der: bytes) -> x509.Certificate:
    """Return a stranger's certificate, of which all can be read that is asked for later.

    The library reads most parts of it only when they are asked for.

    Raises:
        ValueError: It is malformed.
        x509.InvalidVersion: It is of a version that there is not.
    """
    found = x509.load_der_x509_certificate(der)
    _ = (found.subject, found.issuer, found.serial_number)
    _ = (found.not_valid_before_utc, found.not_valid_after_utc)
    return found


def parse_chain(pem: bytes, where: str) -> list[x509.Certificate]:
    """Return the certificates of PEM text, in its order.

    Args:
        pem: PEM text; other blocks in it are skipped.
        where: What to call it in an error.

    Raises:
        KeyStoreError: It holds no certificate, or a malformed one.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion) as error:
        raise KeyStoreError(f"{where}: no readable PEM certificate in it") from error


def parse_key(pem: bytes, where: str) -> PrivateKey:
    """Return the private key of PEM text.

    Raises:
        KeyStoreError: It holds none, it is encrypted, or of a kind that C2PA cannot use here.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise KeyStoreError(
            f"{where}: the key is encrypted; decrypt it first (openssl pkcs8 -in KEY -out PLAIN)"
        ) from error
    except Exception as error:  # cryptography raises ValueError, UnsupportedAlgorithm and others
        raise KeyStoreError(f"{where}: no readable PEM private key in it") from error
    algorithm_of(key)
    assert isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey))
    return key


def check_chain(key: PrivateKey, chain: Sequence[x509.Certificate], where: str) -> None:
    """Check that `chain` fits the key and the C2PA profile.

    Raises:
        KeyStoreError: With the first thing that does not fit.
    """
    leaf = chain[0]
    public = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*public) != key.public_key().public_bytes(*public):
        raise KeyStoreError(f"{where}: the first certificate is not for this key; put it first")
    if len(chain) < 2:
        raise KeyStoreError(
            f"{where}: a chain of one; C2PA needs the signing certificate and its issuer's"
        )
    now = datetime.datetime.now(datetime.timezone.utc)
    for position, certificate in enumerate(chain):
        _check_time(certificate, now, f"{where}, certificate {position + 1}")
        if position + 1 < len(chain):
            try:
                certificate.verify_directly_issued_by(chain[position + 1])
            except (ValueError, TypeError, InvalidSignature) as error:
                raise KeyStoreError(
                    f"{where}: certificate {position + 1} was not issued by the next one"
                ) from error
    _check_profile(leaf, where)


def _check_time(certificate: x509.Certificate, now: datetime.datetime, where: str) -> None:
    if certificate.not_valid_before_utc > now:
        raise KeyStoreError(f"{where}: not valid yet; is the clock of this device right?")
    if certificate.not_valid_after_utc < now:
        raise KeyStoreError(f"{where}: expired {certificate.not_valid_after_utc:%Y-%m-%d}")


def _check_profile(leaf: x509.Certificate, where: str) -> None:
    extensions = leaf.extensions
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound as error:
        raise KeyStoreError(
            f"{where}: the signing certificate needs KeyUsage, ExtendedKeyUsage and "
            "AuthorityKeyIdentifier (C2PA certificate profile)"
        ) from error
    if not usage.digital_signature:
        raise KeyStoreError(f"{where}: KeyUsage lacks digitalSignature")
    if not _ALLOWED_USES & set(uses):
        raise KeyStoreError(
            f"{where}: ExtendedKeyUsage needs one of C2PA claimSigning, documentSigning and "
            "emailProtection"
        )
    try:
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return
    if basic.ca:
        raise KeyStoreError(f"{where}: the first certificate is a CA's; C2PA wants a leaf there")
