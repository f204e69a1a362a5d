"""Is the frame around a manifest as C2PA has it?

No hash of C2PA covers the boxes in which claim, signature and assertions stand, nor how a container
holds the store, so that a library which looks for the contents alone overlooks changes there.
Nothing that a manifest says can be changed so; yet a file in which they differ is not as its signer
wrote it.

Not looked at, because any value is right: the instance number of a JPEG's box. The boxes of an MP4
that C2PA leaves out of its hash are looked at in `edge.provenance.unhashed`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge.provenance import boxes, cbor, xmp
from edge.provenance.container import Kind, begins_store, continues_store
from edge.provenance.jumbf import COMPRESSED, boxes_in
from edge.provenance.store import read_store

_UUID_END = bytes.fromhex("00110010800000aa00389b71")
_STORE = {b"c2pa": (b"c2pa",)}
_MANIFESTS: dict[bytes, tuple[bytes, ...]] = {b"c2ma": (), b"c2um": (), b"c2cm": ()}
_PARTS = {
    b"c2as": (b"c2pa.assertions",),
    b"c2cl": (b"c2pa.claim", b"c2pa.claim.v2"),
    b"c2cs": (b"c2pa.signature",),
    b"c2vc": (b"c2pa.credentials",),
    b"c2db": (b"c2pa.databoxes",),
}
"""Types of boxes, by the first four bytes of their UUID, and the labels that they may have."""

_TOGGLES = (0x03, 0x13)  # may be asked for, has a label; and a salt
_PURPOSES = (b"manifest", b"original", b"update")
_MERKLE = b"\x66merkle"  # CBOR: how a manifest names the hashes that stand in boxes of their own
_MAX_MERKLE = 1 << 16


def foreign_frame(path: Path, kind: Kind) -> str | None:
    """Return what is not as C2PA has it in the frame of a file's manifest, or None.

    Args:
        path: The file.
        kind: What it is.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        if kind.media_type == "image/jpeg":
            _check_jpeg(path.read_bytes())
        store = read_store(path, kind)
        if kind.boxes:
            _check_uuid_boxes(path, store)
        if store:
            _check_store(store)
    except (ValueError, IndexError, struct.error) as error:
        return str(error) or "its boxes end too early"
    return None


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _check_jpeg(data: bytes) -> None:
    """Check the APP11 segments of the store: one after the other, JP, and numbers from 1 on."""
    heads: list[bytes] = []
    last = -1
    for place, (marker, body) in enumerate(xmp.jpeg_segments(data)):
        if marker != 0xEB:
            continue
        if heads and continues_store(body, heads[0]):
            _require(place == last + 1, "something stands between the manifest's APP11 segments")
        elif begins_store(body):
            _require(not heads, "there are two manifest stores in it")
        else:
            continue  # a box of others
        heads.append(body[:16])
        last = place
    for number, head in enumerate(heads, start=1):
        _require(head[:2] == b"JP", "an APP11 segment of the manifest does not say JP")
        _require(
            head[8:] == heads[0][8:],
            "the APP11 segments of the manifest do not belong together",
        )
        _require(
            int.from_bytes(head[4:8], "big") == number,
            "the APP11 segments of the manifest are not in their order",
        )


def _check_uuid_boxes(path: Path, store: bytes) -> None:
    with path.open("rb") as file:
        found = []
        for box in boxes.walk(file, 0, path.stat().st_size):
            if box.uuid == boxes.C2PA_UUID:
                file.seek(box.start)
                head = file.read(min(_MAX_MERKLE, box.end - box.start))
                purpose, _, rest = head[4:].partition(b"\0")
                found.append((head[:4], purpose, rest))
    merkle = any(purpose == b"merkle" for _, purpose, _ in found)
    used = _MERKLE in store or COMPRESSED in store
    _require(used or not merkle, "a uuid box holds hashes that its manifest does not use")
    for flags, purpose, rest in found:
        if purpose == b"merkle":
            _require(
                len(rest) < _MAX_MERKLE // 2 and cbor.skip(rest, 0) == len(rest),
                "a uuid box holds more than hashes",
            )
            continue
        _require(flags == b"\0\0\0\0", "the uuid box of the manifest has flags")
        _require(purpose in _PURPOSES, "the uuid box of the manifest has no purpose of C2PA's")
        pointer = rest[:8]
        _require(merkle or pointer == bytes(8), "the uuid box of the manifest points elsewhere")


def _check_store(store: bytes) -> None:
    ((start, end),) = _superboxes(store, 0, len(store))
    inner = _check_description(store, start, _STORE)
    for manifest, manifest_end in _superboxes(store, inner, end):
        first = _check_description(store, manifest, _MANIFESTS)
        if store[manifest + 8 : manifest + 12] == COMPRESSED:
            continue  # compressed: its boxes are inside
        for part, part_end in _superboxes(store, first, manifest_end):
            content = _check_description(store, part, _PARTS)
            if store[part + 8 : part + 12] == b"c2as":
                for assertion, _ in _superboxes(store, content, part_end):
                    # What is in it is hashed, but for the bits that say how it may be asked for.
                    _require(
                        store[assertion + 24] in _TOGGLES,
                        f"the assertion at {assertion} of the manifest store has odd toggles",
                    )


def _superboxes(store: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield content and end of each box, all of which must be superboxes."""
    for name, begin, after in boxes_in(store, start, end):
        _require(name == b"jumb", f"a box at {begin - 8} of the manifest store is no superbox")
        yield begin, after


def _check_description(store: bytes, at: int, known: Mapping[bytes, tuple[bytes, ...]]) -> int:
    """Check the description at the start of a superbox; return where the boxes after it begin."""
    size, name = int.from_bytes(store[at : at + 4], "big"), store[at + 4 : at + 8]
    _require(name == b"jumd", f"the box at {at} of the manifest store is no description")
    kind, ending, toggles = store[at + 8 : at + 12], store[at + 12 : at + 24], store[at + 24]
    _require(
        kind in known and ending == _UUID_END and toggles in _TOGGLES,
        f"the description at {at} of the manifest store is of no type of C2PA's",
    )
    label = store[at + 25 : at + size].partition(b"\0")[0]
    names = known[kind]
    _require(
        label in names if names else b"urn:" in label,
        f"the description at {at} of the manifest store has a label that is not C2PA's",
    )
    return at + size
