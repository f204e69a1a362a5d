from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.provenance import cbor, cose
from edge.provenance.certificates import chain_pem
from edge.provenance.container import sniff
from edge.provenance.cose import STAMP, Signature, certificates, find_signature, stamp_header
from edge.provenance.keys import device_keys
from edge.provenance.padding import something_in_padding
from edge.provenance.store import read_store, replace_in_store
from edge.provenance.verify import verify_file
from tests.edge.provenance.conftest import store_of

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


@pytest.mark.parametrize("key", [b"\x18\x21", cbor.text("x5chain")])
def test_the_chain_under_either_name(key: bytes) -> None:
    protected = cbor.octets(b"\xa2\x01\x26" + key + cbor.octets(b"der"))
    found = Signature(0, b"", protected, (), b"")
    assert certificates(found) == (b"der",)
    assert cose.protected_chains(found) == [cbor.octets(b"der")]
    older = Signature(0, b"", cbor.octets(b"\xa1\x01\x26"), (("x5chain", cbor.octets(b"x")),), b"")
    assert (certificates(older), cose.protected_chains(older)) == ((b"x",), [])


@given(st.integers(0, 10_500))
def test_a_header_of_any_size_keeps_the_length(size: int) -> None:
    padding = b"\x59" + (10_376).to_bytes(2, "big") + bytes(10_376)
    raw = b"\xd2\x84\x40" + b"\xa1\x63pad" + padding + b"\xf6\x40"
    whole = find_signature(store_of(raw))
    assert whole is not None
    try:
        made = whole.with_header("x", cbor.octets(b"y" * size))
    except ValueError:
        assert size > 10_300
        return
    assert len(made) == len(raw)
    again = cose._parsed(0, made)
    assert again.header("x") == cbor.octets(b"y" * size)
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
    made = found.with_header("note", cbor.text("hidden beside the signature"))
    replace_in_store(path, kind, found.at, made)
    assert something_in_padding(_found(path))
    assert verify_file(path).exit_status == 4
    replace_in_store(path, kind, found.at, found.raw)
    assert verify_file(path).exit_status == 0


def test_a_header_is_replaced(signed: Maker) -> None:
    found = _found(signed("jpg"))
    first = cose._parsed(0, found.with_header(STAMP, stamp_header(b"one")))
    second = cose._parsed(0, first.with_header(STAMP, stamp_header(b"another")))
    assert second.header(STAMP) == stamp_header(b"another")
    assert len(second.headers) == len(first.headers)


_TAGS = [b"\xd2", b"\xd8\x12", b"\xd9\0\x12", b"\xda\0\0\0\x12", b"\xdb" + bytes(7) + b"\x12", b""]
_ARRAYS = [(b"\x84", b""), (b"\x98\4", b""), (b"\x9b" + bytes(7) + b"\4", b""), (b"\x9f", b"\xff")]


@pytest.mark.parametrize("tag", _TAGS)
@pytest.mark.parametrize("array", _ARRAYS)
def test_every_spelling_of_its_beginning(tag: bytes, array: tuple[bytes, bytes]) -> None:
    """The C2PA library reads them, so that what stands beside the signature must be seen."""
    begin, end = array
    for pairs in (b"\xa1\x63pad\x42hi", b"\xb8\1\x63pad\x42hi", b"\xbf\x63pad\x42hi\xff"):
        raw = tag + begin + b"\x40" + pairs + b"\xf6\x42ab" + end
        found = find_signature(store_of(raw))
        assert found is not None
        assert (found.paddings(), found.signature) == ((b"hi",), b"ab")
        assert found.is_plain == raw.startswith(b"\xd2\x84")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xd3\x84\x40\xa0\xf6\x40",  # another tag
        b"\xd2\x83\x40\xa0\xf6",
        b"\xd2\x84\x40\xa0\xf6\x40!",  # something behind it
        b"\xd2\x84\x40\xa0\x40\x40",  # what is signed stands in it
        b"\xd2\x84\x40\x80\xf6\x40",
        b"\xd2\x84\x40\xa0\xf6\x60",
        b"\xd2\x84\x40\xa0\xf6",
        b"",
    ],
)
def test_what_is_no_signature(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        find_signature(store_of(raw))


def test_a_name_in_the_padding_is_no_signature(signed: Maker) -> None:
    """A second one, with clean room beside it, hid what stood around it."""
    path = signed("png")
    found = _found(path)
    clean = b"\xd2\x84\x40\xa0\xf6\x40"
    decoy = b"a letter c2pa.signature\0" + (len(clean) + 8).to_bytes(4, "big") + b"cbor" + clean
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    at = found.at + found.raw.index(b"\x63pad\x59") + 7
    replace_in_store(path, kind, at, decoy)
    assert _found(path).signature == found.signature
    assert verify_file(path).exit_status == 4


def test_the_number_of_the_signing_certificate(signed: Maker) -> None:
    assert cose.signing_serial(_found(signed("jpg"))) == device_keys().leaf.serial_number
    with pytest.raises(ValueError, match="certificate"):
        cose.signing_serial(Signature(0, b"", cbor.octets(b"\xa0"), (), b""))
