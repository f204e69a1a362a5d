from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.provenance import cose
from edge.provenance.certificates import chain_pem
from edge.provenance.container import sniff
from edge.provenance.cose import STAMP, Signature, certificates, find_signature, stamp_header
from edge.provenance.keys import device_keys
from edge.provenance.padding import foreign_content
from edge.provenance.store import read_store, replace_in_store
from edge.provenance.verify import verify_file

Maker = Callable[[str], Path]


def _found(path: Path) -> Signature:
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    found = find_signature(read_store(path, kind))
    assert found is not None
    return found


def test_the_parts_of_our_own_signature(signed: Maker) -> None:
    from cryptography import x509

    found = _found(signed("jpg"))
    assert [name for name, _ in found.headers] == ["pad"]
    assert len(found.signature) == 64  # r || s on P-256
    chain = [x509.load_der_x509_certificate(der) for der in certificates(found)]
    assert chain_pem(chain[:1]) == chain_pem([device_keys().leaf])


@pytest.mark.parametrize("key", [b"\x18\x21", cose._text("x5chain")])
def test_the_chain_under_either_name(key: bytes) -> None:
    protected = cose._bytes(b"\xa2\x01\x26" + key + cose._bytes(b"der"))
    found = Signature(0, b"", protected, (), b"")
    assert certificates(found) == (b"der",)
    assert cose.protected_chains(found) == [cose._bytes(b"der")]
    older = Signature(0, b"", cose._bytes(b"\xa1\x01\x26"), (("x5chain", cose._bytes(b"x")),), b"")
    assert (certificates(older), cose.protected_chains(older)) == ((b"x",), [])


@given(st.integers(0, 10_500))
def test_a_header_of_any_size_keeps_the_length(size: int) -> None:
    padding = b"\x59" + (10_376).to_bytes(2, "big") + bytes(10_376)
    raw = b"\xd2\x84\x40" + b"\xa1\x63pad" + padding + b"\xf6\x40"
    whole = find_signature(b"c2pa.signature\0" + (len(raw) + 8).to_bytes(4, "big") + b"cbor" + raw)
    assert whole is not None
    try:
        made = whole.with_header("x", cose._bytes(b"y" * size))
    except ValueError:
        assert size > 10_300
        return
    assert len(made) == len(raw)
    again = cose._parsed(0, made)
    assert again.header("x") == cose._bytes(b"y" * size)
    assert not any(any(padding) for padding in again.paddings())


@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_byte_strings_are_read_as_they_are_written(length: int) -> None:
    token = bytes(length)
    assert cose.byte_strings(stamp_header(token)) == [token]
    assert cose.byte_strings(cose.revocation_header(token)) == [token]


def test_an_unknown_header_is_foreign(signed: Maker) -> None:
    path = signed("png")
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    found = _found(path)
    made = found.with_header("note", cose._text("hidden beside the signature"))
    replace_in_store(path, kind, found.at, made)
    assert foreign_content(read_store(path, kind))
    assert verify_file(path).exit_status == 4
    replace_in_store(path, kind, found.at, found.raw)
    assert verify_file(path).exit_status == 0


def test_a_header_is_replaced(signed: Maker) -> None:
    found = _found(signed("jpg"))
    first = cose._parsed(0, found.with_header(STAMP, stamp_header(b"one")))
    second = cose._parsed(0, first.with_header(STAMP, stamp_header(b"another")))
    assert second.header(STAMP) == stamp_header(b"another")
    assert len(second.headers) == len(first.headers)
