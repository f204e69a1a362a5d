"""A time-stamping authority of the tests' own: `openssl ts` behind a small HTTP server."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.serving import Quiet, serving

OPENSSL = shutil.which("openssl")
YEAR = datetime.timedelta(days=365)

_CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
certs = {folder}/root.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    uses: tuple[x509.ObjectIdentifier, ...] = (),
    begin: datetime.datetime | None = None,
    lifetime: datetime.timedelta = YEAR,
) -> x509.Certificate:
    """Return a certificate: a root's without `issuer`, else a leaf's with the uses given."""
    start = begin or datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer[1] if issuer else key
    usage = [False] * 9
    for position in (0,) if issuer else (5, 6):
        usage[position] = True
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lifetime)
        .add_extension(x509.BasicConstraints(ca=not issuer, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if uses:
        alone = uses == (ExtendedKeyUsageOID.TIME_STAMPING,)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=alone)
    return builder.sign(signer, hashes.SHA256())


def pem(item: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    """Return a certificate or a private key as PEM text."""
    if isinstance(item, x509.Certificate):
        return item.public_bytes(serialization.Encoding.PEM).decode()
    return item.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@dataclass
class Authority:
    """A running authority.

    Attributes:
        folder: Its keys and certificates; `root.pem` is its anchor.
        url: Where it answers.
        asked: How many requests it had.
        refuses: Set it, and the authority answers with the status 503.
        garbles: Set it, and the authority answers with other bytes than a response.
    """

    folder: Path
    url: str = ""
    asked: int = 0
    refuses: bool = False
    garbles: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The file of its root."""
        return self.folder / "root.pem"

    def answer(self, request: bytes) -> bytes:
        """Return the DER response to a DER request."""
        query, reply = self.folder / "query.tsq", self.folder / "reply.tsr"
        query.write_bytes(request)
        command = [str(OPENSSL), "ts", "-reply", "-config", "tsa.cnf", "-queryfile", query.name]
        command += ["-out", reply.name]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=30)
        return reply.read_bytes()


def make(folder: Path, *, lifetime: datetime.timedelta = 10 * YEAR) -> Authority:
    """Make an authority in a folder; it does not run yet."""
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate("Test Time Root", root_key, lifetime=40 * YEAR)
    uses = (ExtendedKeyUsageOID.TIME_STAMPING,)
    leaf = certificate("Test Time", key, issuer=(root, root_key), uses=uses, lifetime=lifetime)
    (folder / "root.pem").write_text(pem(root))
    (folder / "tsa.pem").write_text(pem(leaf))
    (folder / "tsa.key").write_text(pem(key))
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))
    return Authority(folder)


@contextmanager
def running(authority: Authority) -> Iterator[Authority]:
    """Answer on a free port of this machine until the block ends."""

    class Handler(Quiet):
        def do_POST(self) -> None:
            authority.asked += 1
            request = self.rfile.read(int(self.headers["Content-Length"]))
            if authority.refuses:
                self.send_error(503)
                return
            body = b"no response" if authority.garbles else authority.answer(request)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as authority.url:
        yield authority
