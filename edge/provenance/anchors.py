"""The roots that this device trusts: its own, and those that its user put there.

```
config/anchors/*.pem                whose signatures count: `edge trust add`
config/anchors/time-stamping/*.pem  whose time stamps count; they sign nothing else
config/anchors/*.crl                what issuers have revoked
```
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import KeyStoreError
from edge.provenance.certificates import chain_pem, common_name, parse_chain
from edge.provenance.keys import IMPORTED, device_anchors
from edge.resources import config_dir

if TYPE_CHECKING:
    from cryptography import x509

THIS_DEVICE = "this device"
IMPORTED_NAME = "imported chain: "
"""How the roots of imported chains are named."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Roots from one place.

    Attributes:
        name: "this device", the subject of an imported chain's root, or the file's name.
        pem: Certificates, PEM text.
    """

    name: str
    pem: str


def trusted_dir() -> Path:
    """Return the folder of the anchors that the user trusts besides; it may not exist."""
    return config_dir() / "anchors"


def time_dir() -> Path:
    """Return the folder of the roots of trusted time-stamping authorities; it may not exist."""
    return trusted_dir() / "time-stamping"


def time_anchors() -> tuple[tuple[Anchor, ...], tuple[str, ...]]:
    """Return the roots of trusted time-stamping authorities, and notes about unusable files."""
    notes: list[str] = []
    return tuple(_in_folder(time_dir(), notes)), tuple(notes)


def anchors() -> tuple[tuple[Anchor, ...], tuple[str, ...]]:
    """Return the anchors, this device's own first, and notes about files that are not usable."""
    found: list[Anchor] = []
    notes: list[str] = []
    own: list[str] = []
    imported: list[Anchor] = []
    for path in device_anchors():
        if path.name.startswith(IMPORTED):
            pems: list[str] = []
            _collect(path, pems, notes)
            imported += [Anchor(f"{IMPORTED_NAME}{_subject(pem)}", pem) for pem in pems]
        else:
            _collect(path, own, notes)
    if own:
        found.append(Anchor(THIS_DEVICE, "".join(own)))
    found += imported
    found += _in_folder(trusted_dir(), notes)
    return tuple(found), tuple(notes)


def certificates_of(anchors: Iterable[Anchor]) -> list[x509.Certificate]:
    """Return all certificates of some anchors."""
    return [
        each for anchor in anchors for each in parse_chain(anchor.pem.encode("ascii"), anchor.name)
    ]


def _in_folder(folder: Path, notes: list[str]) -> list[Anchor]:
    found = []
    for path in sorted(folder.glob("*.pem")) if folder.is_dir() else ():
        pems: list[str] = []
        _collect(path, pems, notes)
        if pems:
            found.append(Anchor(path.name, "".join(pems)))
    return found


def _subject(pem: str) -> str:
    return common_name(parse_chain(pem.encode("ascii"), "anchor")[0].subject)


def _collect(path: Path, pems: list[str], notes: list[str]) -> None:
    try:
        # Parsed and written anew: the library rejects every anchor when one of them is malformed.
        pems.append(chain_pem(parse_chain(path.read_bytes(), path.name)))
    except (KeyStoreError, OSError) as error:
        notes.append(f"anchor {path.name} is not usable: {error}")
