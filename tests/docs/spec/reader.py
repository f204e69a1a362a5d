"""A reader of bundles by docs/spec/bundle-1.md alone: it uses none of edge-swap's code.

It says which step of section 6 a bundle fails, so that it can be held against the product, and the
page against both. Step 11 (engines) and cards beyond step 10 are a device's own matter.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import stat
import sys
import unicodedata
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
PATH = re.compile(rf"{SEGMENT}(/{SEGMENT}){{0,3}}")
DAY = datetime.timedelta(days=1)


class Fails(Exception):
    """A step of section 6 that a bundle does not pass."""

    def __init__(self, step: int) -> None:
        super().__init__(f"step {step}")
        self.step = step


@dataclass
class Device:
    """What the device that reads knows.

    Attributes:
        now: The time.
        trusted: Keys of builders, hex.
        architecture: Of its processor.
        issuers: Keys of issuers, hex.
        revocations: Records that it holds.
    """

    now: datetime.datetime
    trusted: list[str]
    architecture: str
    issuers: list[str] = field(default_factory=list)
    revocations: list[dict[str, Any]] = field(default_factory=list)


def canonical(value: Any) -> str:
    """Section 3, by hand."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(_escaped(c) for c in unicodedata.normalize("NFC", value)) + '"'
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = sorted((unicodedata.normalize("NFC", key), value[key]) for key in value)
        return "{" + ",".join(f"{canonical(key)}:{canonical(item)}" for key, item in pairs) + "}"
    raise ValueError("no such value in a signed record")


def _escaped(char: str) -> str:
    named = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r"}
    if char in named:
        return named[char]
    if char == "\t":
        return "\\t"
    return f"\\u{ord(char):04x}" if ord(char) < 0x20 else char


def signed_by(record: dict[str, Any], key: str, signature: str) -> bool:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    try:
        public.verify(bytes.fromhex(signature), canonical(record).encode("utf-8"))
    except InvalidSignature:
        return False
    return True


def time_of(text: str) -> datetime.datetime:
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    return moment.replace(tzinfo=datetime.timezone.utc)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def record_of(data: bytes) -> dict[str, Any]:
    value = json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != key}


def files_of(place: Path) -> dict[str, bytes]:
    """Step 1."""
    if place.is_dir():
        found = {}
        for path in place.rglob("*"):
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise Fails(1)
            if stat.S_ISREG(mode):
                found[path.relative_to(place).as_posix()] = path.read_bytes()
        return found
    with zipfile.ZipFile(place) as archive:
        names = [entry.filename for entry in archive.infolist()]
        if archive.comment or len(set(names)) != len(names) or any(n.endswith("/") for n in names):
            raise Fails(1)
        return {name: archive.read(name) for name in names}


def check(place: Path, device: Device) -> dict[str, Any]:
    """Go through section 6; return bundle.toml, parsed.

    Raises:
        Fails: With the step.
    """
    files = files_of(place)
    contents = _contents(files)
    seal = _seal(files)
    _signed(seal)
    if seal["key"] not in device.trusted:
        raise Fails(5)
    if device.now + datetime.timedelta(minutes=10) < time_of(seal["signed"]):
        raise Fails(6)
    if device.now > time_of(seal["expires"]):
        raise Fails(6)
    if "identity" in contents:
        _consent(files, contents, seal, device)
    if contents["architecture"] != device.architecture:
        raise Fails(8)
    _parts(files, contents)
    _cards(files, contents)
    return contents


def _contents(files: dict[str, bytes]) -> dict[str, Any]:
    try:
        contents = tomllib.loads(files["bundle.toml"].decode("utf-8"))
        paths = [part["path"] for part in contents["files"]]
        good = (
            contents["schema"] == "edge-swap/bundle-1"
            and all(PATH.fullmatch(path) and len(path) <= 200 for path in paths)
            and len({path.lower() for path in paths}) == len(paths)
            and ("consent.json" in paths) == ("identity" in contents)
        )
    except (KeyError, ValueError, TypeError) as error:
        raise Fails(2) from error
    if not good:
        raise Fails(2)
    return contents


def _seal(files: dict[str, bytes]) -> dict[str, Any]:
    members = {"schema", "bundle", "signed", "expires", "key", "signature"}
    try:
        seal = record_of(files["bundle.sig"])
        good = set(seal) == members and seal["schema"] == "edge-swap/bundle-seal-1"
        time_of(seal["signed"]), time_of(seal["expires"])
    except (KeyError, ValueError, TypeError) as error:
        raise Fails(3) from error
    if not good or seal["bundle"] != hashlib.sha256(files["bundle.toml"]).hexdigest():
        raise Fails(3)
    return seal


def _signed(seal: dict[str, Any]) -> None:
    begin, end = time_of(seal["signed"]), time_of(seal["expires"])
    fits = signed_by(without(seal, "signature"), seal["key"], seal["signature"])
    if not fits or not begin <= end <= begin + 90 * DAY:
        raise Fails(4)


def _consent(
    files: dict[str, bytes], contents: dict[str, Any], seal: dict[str, Any], device: Device
) -> None:
    try:
        consent = record_of(files["consent.json"])
        issuer = consent["issuer"]["public_key"]
        good = (
            consent["schema"] == "edge-swap/consent-1"
            and consent["id"] == contents["identity"]["consent"]
            and consent["statements"]["adult"] is True
            and consent["statements"]["intimate_use"] is False
            and signed_by(without(consent, "signature"), issuer, consent["signature"])
            and time_of(seal["expires"]) <= time_of(consent["not_after"])
            and time_of(consent["not_before"]) <= device.now <= time_of(consent["not_after"])
            and not any(_revokes(each, consent, device) for each in device.revocations)
        )
    except (KeyError, ValueError, TypeError) as error:
        raise Fails(7) from error
    if not good:
        raise Fails(7)


def _revokes(record: dict[str, Any], consent: dict[str, Any], device: Device) -> bool:
    key = record["signer"]["public_key"]
    witness = consent["assurance"].get("witness", {})
    may = {consent["issuer"]["public_key"], witness.get("public_key"), *device.issuers}
    return (
        record["consent_id"] == consent["id"]
        and key in may
        and signed_by(without(record, "signature"), key, record["signature"])
    )


def _parts(files: dict[str, bytes], contents: dict[str, Any]) -> None:
    named = {part["path"]: part for part in contents["files"]}
    if set(files) != {*named, "bundle.toml", "bundle.sig"}:
        raise Fails(9)
    for path, part in named.items():
        data = files[path]
        if len(data) != part["size"] or hashlib.sha256(data).hexdigest() != part["sha256"]:
            raise Fails(9)


def _cards(files: dict[str, bytes], contents: dict[str, Any]) -> None:
    cards = {}
    for path, data in files.items():
        if path.startswith("cards/"):
            card = tomllib.loads(data.decode("utf-8"))
            cards[card["name"]] = card
    wanted = [contents["detector"], *(each["card"] for each in contents["variants"])]
    hashes = {part["path"]: part["sha256"] for part in contents["files"]}
    for name in wanted:
        found = cards.get(name)
        if found is None or hashes.get(f"models/{found['file']}") != found["sha256"]:
            raise Fails(10)
