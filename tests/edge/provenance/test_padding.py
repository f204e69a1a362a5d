from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from edge.provenance import cbor, cose, implicit, manifest
from edge.provenance.certificates import make_chain
from edge.provenance.container import Kind, sniff
from edge.provenance.cose import find_signature
from edge.provenance.keys import device_keys
from edge.provenance.objections import PADDING
from edge.provenance.padding import something_in_padding
from edge.provenance.store import read_store, replace_in_store
from edge.provenance.verify import verify_file
from edge.records import SwapRecord
from tests.edge.provenance.conftest import store_of

Maker = Callable[[str], Path]
SUFFIXES = ["jpg", "png", "webp", "mp4"]


def _kind(path: Path) -> Kind:
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    return kind


def _noticed(path: Path) -> bool:
    return something_in_padding(find_signature(read_store(path, _kind(path))))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("at", [7, 5000, 10000])
def test_what_is_written_there_is_noticed(suffix: str, at: int, signed: Maker) -> None:
    path = signed(suffix)
    assert not _noticed(path)
    content = bytearray(path.read_bytes())
    start = content.rfind(b"\x63pad\x59")  # a byte string with a length of two bytes
    length = int.from_bytes(content[start + 5 : start + 7], "big")
    assert length > 10_000  # or there is nothing to test
    content[start + at] ^= 0x10
    path.write_bytes(content)
    assert _noticed(path)
    verdict = verify_file(path)
    assert verdict.exit_status == 4
    assert verdict.integrity == "tampered"
    assert PADDING in verdict.failures
    assert any("beside the signature" in note for note in verdict.notes)


def test_a_store_over_several_segments_is_joined(
    signed: Maker, record: SwapRecord, tmp_path: Path
) -> None:
    """Each generation of a JPEG adds to the store; a segment holds 64 kB."""
    path = signed("jpg")
    for number in range(5):
        again = tmp_path / f"generation-{number}.jpg"
        frame = np.full((120, 160, 3), 90, np.uint8)
        plain = tmp_path / "next.jpg"
        encoded = cv2.imencode(".jpg", frame)[1].tobytes()
        label = implicit.implicit_json(record)
        plain.write_bytes(implicit.write_implicit(encoded, "image/jpeg", label))
        manifest.sign(plain, again, "image/jpeg", record, path)
        path = again
    content = bytearray(path.read_bytes())
    assert content.count(b"\xff\xeb") >= 2
    assert verify_file(path).exit_status == 0
    start = content.rfind(b"\x63pad\x59")
    content[start + 9000] = 1
    path.write_bytes(content)
    assert verify_file(path).exit_status == 4


def test_one_that_cannot_be_read_is_not_called_empty() -> None:
    assert something_in_padding(None)


def test_a_name_is_no_place_to_write_into_either(signed: Maker) -> None:
    path = signed("png")
    found = find_signature(read_store(path, _kind(path)))
    assert found is not None
    made = found.with_header("pad: a letter", cbor.octets(bytes(8)))
    replace_in_store(path, _kind(path), found.at, made)
    assert _noticed(path)


def _with_older_chain(path: Path, chain: list[bytes], *more: tuple[str, bytes]) -> None:
    """Sign a file again as C2PA 1.x did: the chain among the headers that nothing covers."""
    kind = _kind(path)
    store = read_store(path, kind)
    found = find_signature(store)
    assert found is not None
    box = store.index(b"cbor", store.rindex(b"c2pa.claim.v2\0"))
    claim = store[box + 4 : box - 4 + int.from_bytes(store[box - 4 : box], "big")]
    protected = cbor.octets(b"\xa1\x01\x26")  # ES256, and nothing else
    asked = (cbor.text("Signature1"), protected, cbor.octets(b""), cbor.octets(claim))
    key = device_keys().key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(b"\x84" + b"".join(asked), ec.ECDSA(hashes.SHA256()))
    raw = b"".join(part.to_bytes(32, "big") for part in utils.decode_dss_signature(signature))
    bare = cose.Signature(found.at, found.raw, protected, more, raw)
    made = bare.with_header("x5chain", _array(map(cbor.octets, chain)))
    replace_in_store(path, kind, found.at, made)


def _array(items: Iterable[bytes]) -> bytes:
    listed = list(items)
    return bytes([0x80 | len(listed)]) + b"".join(listed)


def _chain() -> list[bytes]:
    keys = device_keys()
    return [each.public_bytes(serialization.Encoding.DER) for each in keys.chain]


def test_older_signers_have_their_chain_there(signed: Maker) -> None:
    path = signed("jpg")
    _with_older_chain(path, _chain())
    assert not _noticed(path)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.failures) == (0, ())
    assert verdict.signer is not None
    assert verdict.signer.certificate_sha256 is not None


def test_nothing_hides_in_such_a_chain(signed: Maker) -> None:
    path = signed("png")
    chain = _chain()
    stranger = make_chain()[1][0].public_bytes(serialization.Encoding.DER)
    for listed in ([*chain, b"a letter"], [chain[0] + b"!", *chain[1:]], [*chain, stranger], []):
        _with_older_chain(path, listed)
        assert _noticed(path), listed
    _with_older_chain(path, chain, ("33", _array(map(cbor.octets, chain))))
    assert _noticed(path), "two of them"
    for item in (_array([cbor.octets(chain[0]), cbor.text("x")]), cbor.text("x"), b"\xa0"):
        _with_older_chain(path, [])
        found = find_signature(read_store(path, _kind(path)))
        assert found is not None
        replace_in_store(path, _kind(path), found.at, found.with_header("x5chain", item))
        assert _noticed(path), item


def test_beside_a_signed_chain_there_is_no_other(signed: Maker) -> None:
    path = signed("png")
    found = find_signature(read_store(path, _kind(path)))
    assert found is not None
    made = found.with_header("x5chain", _array(map(cbor.octets, _chain())))
    replace_in_store(path, _kind(path), found.at, made)
    assert _noticed(path)
    assert verify_file(path).exit_status == 4


DER = b"\x30\x03\x02\x01\x07"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("99", cbor.text("a letter")),
        ("4", cbor.octets(b"a letter")),
        ("rVals", cbor.text("a letter")),
        ("rVals", cose.revocation_header(b"a letter")),
        ("rVals", cose.revocation_header(DER + b"!")),
        ("sigTst", cbor.text("a letter")),
        ("sigTst", cose.stamp_header(b"a letter")),
        ("sigTst2", cose.stamp_header(DER)[:-6] + cbor.text("letter")),
        ("sigTst2", b"\x7f" + cbor.text("a letter") + b"\xff"),  # of a length that is not told
    ],
)
def test_nothing_hides_in_a_header(name: str, value: bytes, signed: Maker) -> None:
    path = signed("png")
    found = find_signature(read_store(path, _kind(path)))
    assert found is not None
    kept = cose.Signature(found.at, found.raw, found.protected, (), found.signature)
    replace_in_store(path, _kind(path), found.at, kept.with_header(name, value))
    assert _noticed(path)
    assert verify_file(path).exit_status == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rVals", cose.revocation_header(DER)),
        ("rVals", cose.revocation_header(DER, b"\x30\x81\x80" + bytes(128))),
        ("sigTst", cose.stamp_header(DER)),
        ("sigTst2", cose.stamp_header(DER, DER)),
    ],
)
def test_headers_of_c2pa_are_no_strangers(name: str, value: bytes, signed: Maker) -> None:
    path = signed("png")
    found = find_signature(read_store(path, _kind(path)))
    assert found is not None
    replace_in_store(path, _kind(path), found.at, found.with_header(name, value))
    assert not _noticed(path)


@given(st.binary(max_size=60))
def test_any_bytes_end_in_an_answer(noise: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError):
        found = find_signature(store_of(b"\xd2\x84" + noise))
        assert something_in_padding(found) in {True, False}


@pytest.mark.parametrize("begin", [b"\xd8\x12\x84", b"\xd2\x98\4", b"\xd2\x9f"])
@pytest.mark.parametrize("letter", [b"", b"a letter of somebody else"])
def test_no_spelling_hides_it(begin: bytes, letter: bytes, signed: Maker) -> None:
    path = signed("jpg")
    found = find_signature(read_store(path, _kind(path)))
    assert found is not None
    end = b"\xf6" + cbor.octets(found.signature) + (b"\xff" if begin.endswith(b"\x9f") else b"")
    head = begin + found.protected + b"\xa1\x63pad"
    room = len(found.raw) - len(head + end) - 3
    made = head + cbor.octets(letter + bytes(room - len(letter))) + end
    replace_in_store(path, _kind(path), found.at, made)
    verdict = verify_file(path)
    assert (verdict.exit_status, PADDING in verdict.failures) == (
        (4, True) if letter else (0, False)
    )
    assert any("unusual" in note for note in verdict.notes) != bool(letter)
