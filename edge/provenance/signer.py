"""Signing through a callback, so that a key may live in a TPM, a secure element or a keystore.

Whoever keeps a key elsewhere implements `SigningKey` and passes it to `edge.provenance.manifest`.
"""

from __future__ import annotations

import datetime
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from edge.errors import KeyStoreError
from edge.provenance import certificates
from edge.provenance.engine import context

if TYPE_CHECKING:
    from edge.provenance.keys import DeviceKeys

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "es256": hashes.SHA256(),
    "es384": hashes.SHA384(),
    "es512": hashes.SHA512(),
}


class SigningKey(Protocol):
    """A key that can sign claims, wherever it lives."""

    @property
    def algorithm(self) -> str:
        """C2PA name of the algorithm: es256, es384, es512 or ed25519."""

    @property
    def chain_pem(self) -> str:
        """The certificate chain as PEM text, leaf first, its root last."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data` (about 2 kB): r || s for ECDSA, 64 bytes for Ed25519."""


class FileKey:
    """A `SigningKey` from the device's key file.

    Args:
        keys: From `edge.provenance.keys.device_keys`.
    """

    def __init__(self, keys: DeviceKeys) -> None:
        self._keys = keys

    @property
    def algorithm(self) -> str:
        """C2PA name of the algorithm."""
        return certificates.algorithm_of(self._keys.key)

    @property
    def chain_pem(self) -> str:
        """The certificate chain as PEM text, leaf first, its root last."""
        return certificates.chain_pem(self._keys.chain)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`."""
        key = self._keys.key
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(data)
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(_HASHES[self.algorithm])))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


class CallbackSigner:
    """A `SigningKey` as the C2PA library wants it; keeps the key's own error.

    The library turns any exception of a callback into "COSE signature invalid"; the reason is kept
    in `failure`, for the message.
    """

    def __init__(self, key: SigningKey) -> None:
        import c2pa

        self._key = key
        self.failure: Exception | None = None
        algorithm = getattr(c2pa.C2paSigningAlg, key.algorithm.upper())
        try:
            self.signer: Any = c2pa.Signer.from_callback(self._sign, algorithm, key.chain_pem)
        except c2pa.C2paError as error:
            raise KeyStoreError(f"the signing key or its chain is not usable: {error}") from error

    def _sign(self, data: bytes) -> bytes:
        try:
            return self._key.sign(data)
        except Exception as error:  # noqa: BLE001 - it is raised again by whoever asked to sign
            self.failure = error
            return b""  # tells the library that there is no signature; raising makes it log, too


def root_pem(key: SigningKey) -> str:
    """Return the last certificate of the key's chain as PEM text."""
    chain = certificates.parse_chain(key.chain_pem.encode("ascii"), "the signing chain")
    return certificates.chain_pem(chain[-1:])


def ready_to_sign(key: SigningKey | None = None) -> SigningKey:
    """Return the key that is to sign, once its certificate is seen to be valid now.

    Args:
        key: Signs; this device's key by default, which is made at first use.

    Raises:
        KeyStoreError: The key cannot be used, or its certificate has ended or not begun.
    """
    if key is None:
        from edge.provenance.keys import device_keys

        key = FileKey(device_keys())
    leaf = certificates.parse_chain(key.chain_pem.encode("ascii"), "the signing chain")[0]
    now = datetime.datetime.now(datetime.timezone.utc)
    if leaf.not_valid_after_utc < now:
        raise KeyStoreError(
            f"the signing certificate ended on {leaf.not_valid_after_utc:%Y-%m-%d}: import its "
            "renewal (edge keys import), or have this device make its own (edge keys rotate)"
        )
    if leaf.not_valid_before_utc > now:
        raise KeyStoreError(
            f"the signing certificate begins on {leaf.not_valid_before_utc:%Y-%m-%d}: is the clock "
            "of this device right?"
        )
    return key


def try_key(key: SigningKey) -> None:
    """Sign a picture of one pixel in memory and verify it against the key's own root.

    Raises:
        KeyStoreError: The key does not sign, or what it signs does not verify.
    """
    import c2pa

    definition = {
        "claim_generator_info": [{"name": "edge-swap key test"}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "created": True,
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty",
                        }
                    ]
                },
            }
        ],
    }
    callback = CallbackSigner(key)
    trusted = context([root_pem(key)])
    signed = io.BytesIO()
    try:
        builder = c2pa.Builder(definition, context=trusted)
        builder.sign(callback.signer, "image/png", io.BytesIO(_one_pixel()), signed)
        signed.seek(0)
        with c2pa.Reader("image/png", signed, context=trusted) as reader:
            state = reader.get_validation_state()
    except c2pa.C2paError as error:
        reason = callback.failure or error
        raise KeyStoreError(f"the key cannot sign: {reason}") from error
    if state != "Trusted":
        raise KeyStoreError(
            f"what the key signs does not verify against its own root (state {state}); "
            "check the chain's order, dates and usages"
        )


def _one_pixel() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )
