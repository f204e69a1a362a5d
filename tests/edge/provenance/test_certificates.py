from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.errors import KeyStoreError
from edge.provenance import certificates

Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def test_profile_of_the_leaf() -> None:
    key, (leaf, root) = certificates.make_chain()
    certificates.check_chain(key, [leaf, root], "made")
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [certificates.CLAIM_SIGNING, certificates.EMAIL_PROTECTION]
    own = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == own
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert isinstance(key.curve, ec.SECP256R1)


def test_certificates_outlive_the_evidence() -> None:
    _, chain = certificates.make_chain()
    now = datetime.datetime.now(datetime.timezone.utc)
    for certificate in chain:
        assert certificate.not_valid_before_utc < now
        assert certificate.not_valid_after_utc > now + datetime.timedelta(days=40 * 365)


def test_names_tell_nothing_about_the_device() -> None:
    first, second = (certificates.make_chain()[1] for _ in range(2))
    names = [c.subject.rfc4514_string() for c in (*first, *second)]
    assert len(set(names)) == 4
    assert not any(socket.gethostname() in name for name in names)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "es256"),
        (ec.generate_private_key(ec.SECP384R1()), "es384"),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), "es512"),
        (ed25519.Ed25519PrivateKey.generate(), "ed25519"),
    ],
)
def test_algorithms(key: object, name: str) -> None:
    assert certificates.algorithm_of(key) == name


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP256K1()), rsa.generate_private_key(65537, 2048), "no key"],
    ids=["secp256k1", "rsa", "text"],
)
def test_other_keys_are_refused(key: object) -> None:
    with pytest.raises(KeyStoreError, match="P-256"):
        certificates.algorithm_of(key)


def test_key_survives_its_text() -> None:
    key, _ = certificates.make_chain()
    again = certificates.parse_key(certificates.key_pem(key).encode(), "key")
    assert certificates.key_pem(again) == certificates.key_pem(key)


def test_a_certificate_of_a_version_that_there_is_not() -> None:
    _, chain = certificates.make_chain()
    data = bytearray(chain[0].public_bytes(serialization.Encoding.DER))
    data[data.find(bytes.fromhex("a003020102")) + 4] = 9
    pem = ssl.DER_cert_to_PEM_cert(bytes(data)).encode()
    with pytest.raises(KeyStoreError, match=r"c\.pem: no readable"):
        certificates.parse_chain(pem, "c.pem")


def test_unreadable_texts() -> None:
    with pytest.raises(KeyStoreError, match=r"k\.pem: no readable"):
        certificates.parse_key(b"nonsense", "k.pem")
    with pytest.raises(KeyStoreError, match=r"c\.pem: no readable"):
        certificates.parse_chain(b"nonsense", "c.pem")
    encrypted = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    with pytest.raises(KeyStoreError, match="encrypted"):
        certificates.parse_key(encrypted, "k.pem")


def _issued(
    *,
    days: tuple[int, int] = (-1, 100),
    ca: bool | None = False,
    usage: bool | None = True,
    uses: tuple[x509.ObjectIdentifier, ...] | None = (certificates.EMAIL_PROTECTION,),
    authority: bool = True,
) -> tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
    """A leaf with one thing or another wrong, and its root."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, name = (x509.Name.from_rfc4514_string(f"CN={n}") for n in ("root", "leaf"))
    now = datetime.datetime.now(datetime.timezone.utc)

    def builder(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, start: int, end: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=start))
            .not_valid_after(now + datetime.timedelta(days=end))
        )

    root = builder(root_name, root_key.public_key(), -1, 100)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    leaf = builder(name, key.public_key(), *days)
    if ca is not None:
        leaf = leaf.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if usage is not None:
        flags = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        value = x509.KeyUsage(digital_signature=usage, crl_sign=not usage, **flags)
        leaf = leaf.add_extension(value, critical=True)
    if uses is not None:
        leaf = leaf.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if authority:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
        leaf = leaf.add_extension(identifier, critical=False)
    signed = [b.sign(root_key, hashes.SHA256()) for b in (leaf, root)]
    return key, signed


def test_a_foreign_chain_that_fits() -> None:
    key, chain = _issued(ca=None)
    certificates.check_chain(key, chain, "theirs")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"days": (-10, -1)}, "expired"),
        ({"days": (1, 10)}, "not valid yet"),
        ({"ca": True}, "CA's"),
        ({"usage": None}, "needs KeyUsage"),
        ({"usage": False}, "lacks digitalSignature"),
        ({"uses": None}, "needs KeyUsage"),
        ({"uses": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, "claimSigning"),
        ({"authority": False}, "AuthorityKeyIdentifier"),
    ],
    ids=str,
)
def test_chains_that_do_not_fit_the_profile(wrong: dict[str, object], message: str) -> None:
    key, chain = _issued(**wrong)  # type: ignore[arg-type]
    with pytest.raises(KeyStoreError, match=message):
        certificates.check_chain(key, chain, "theirs")


def test_chains_that_do_not_fit_together() -> None:
    key, chain = _issued()
    other_key, other_chain = _issued()
    with pytest.raises(KeyStoreError, match="not for this key"):
        certificates.check_chain(other_key, chain, "theirs")
    with pytest.raises(KeyStoreError, match="not for this key"):
        certificates.check_chain(key, chain[::-1], "theirs")
    with pytest.raises(KeyStoreError, match="chain of one"):
        certificates.check_chain(key, chain[:1], "theirs")
    with pytest.raises(KeyStoreError, match="not issued by the next"):
        certificates.check_chain(key, [chain[0], other_chain[1]], "theirs")
