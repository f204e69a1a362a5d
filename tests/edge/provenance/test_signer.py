from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from edge.errors import KeyStoreError
from edge.provenance import certificates, keys
from edge.provenance.signer import FileKey, ready_to_sign, root_pem, try_key


class ElsewhereKey:
    """A key in a token that may fail."""

    algorithm = "es256"

    def __init__(self, inner: FileKey, failure: Exception | None = None) -> None:
        self.chain_pem = inner.chain_pem
        self._inner = inner
        self._failure = failure
        self.calls: list[int] = []

    def sign(self, data: bytes) -> bytes:
        self.calls.append(len(data))
        if self._failure is not None:
            raise self._failure
        return self._inner.sign(data)


def test_device_key_signs() -> None:
    key = FileKey(keys.device_keys())
    assert key.algorithm == "es256"
    assert len(key.sign(b"data")) == 64
    try_key(key)


def test_root_is_the_last_of_the_chain() -> None:
    device = keys.device_keys()
    assert root_pem(FileKey(device)) == certificates.chain_pem([device.root])


def test_a_key_elsewhere_is_asked_once_for_little() -> None:
    key = ElsewhereKey(FileKey(keys.device_keys()))
    try_key(key)
    assert len(key.calls) == 1
    assert key.calls[0] < 10_000


def test_the_reason_of_a_failing_key_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    key = ElsewhereKey(FileKey(keys.device_keys()), failure=RuntimeError("token pulled out"))
    with pytest.raises(KeyStoreError, match="token pulled out"):
        try_key(key)
    assert not caplog.records


def test_a_wrong_signature_is_noticed() -> None:
    device = keys.device_keys()
    other = keys.DeviceKeys(ec.generate_private_key(ec.SECP256R1()), device.chain, device.path)
    with pytest.raises(KeyStoreError, match="sign"):
        try_key(FileKey(other))


def test_ed25519() -> None:
    device = keys.device_keys()
    key = ed25519.Ed25519PrivateKey.generate()
    signer = FileKey(keys.DeviceKeys(key, device.chain, device.path))
    assert signer.algorithm == "ed25519"
    assert len(signer.sign(b"data")) == 64


def test_a_chain_that_is_none() -> None:
    key = ElsewhereKey(FileKey(keys.device_keys()))
    key.chain_pem = "nonsense"
    with pytest.raises(KeyStoreError):
        try_key(key)


@pytest.mark.parametrize(
    ("begin", "lifetime", "what"),
    [(-9, 8, r"ended on .*edge keys import"), (2, 9, r"begins on .* clock")],
)
def test_a_certificate_that_is_not_valid_now(begin: int, lifetime: int, what: str) -> None:
    from datetime import datetime, timedelta, timezone

    from cryptography.hazmat.primitives.asymmetric import ec

    from tests import authority as testing

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    leaf = testing.certificate(
        "Studio",
        key,
        issuer=(testing.certificate("Root", root_key), root_key),
        begin=datetime.now(timezone.utc) + timedelta(days=begin),
        lifetime=timedelta(days=lifetime),
    )
    with pytest.raises(KeyStoreError, match=what):
        ready_to_sign(FileKey(keys.DeviceKeys(key, (leaf,), Path("k.pem"))))
    assert ready_to_sign().algorithm == "es256"
