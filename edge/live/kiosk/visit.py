"""What a visit leaves on the device while it lasts, and its erasure.

Pictures and identity lie in memory where the system offers a folder there (/dev/shm), so that no
disk ever held them. What a crash left behind is erased when a kiosk begins.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from edge import resources
from edge.consent.erase import Erased, erase_folder, erase_identity, register_derivative
from edge.consent.storage import make_private_dir
from edge.errors import EdgeError, OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.consent.ledger import Ledger

IDENTITY = "visitor.identity"
PICTURES = "pictures"

_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one visit's things lie.

    Attributes:
        folder: A folder of its own, its owner's alone.
    """

    folder: Path

    @property
    def identity(self) -> Path:
        """The identity file."""
        return self.folder / IDENTITY

    @property
    def pictures(self) -> Path:
        """The folder of the pictures that were taken."""
        return self.folder / PICTURES

    def keep(self, frames: Sequence[NDArray[np.uint8]]) -> list[Path]:
        """Write pictures, uint8 (H, W, 3) BGR, without loss; return their files.

        Raises:
            OutputError: They cannot be written.
        """
        make_private_dir(self.pictures)
        paths = [self.pictures / f"{number}.png" for number in range(len(frames))]
        for path, frame in zip(paths, frames, strict=True):
            done, data = cv2.imencode(".png", frame)
            try:
                if not done:
                    raise OSError("it cannot be encoded")
                path.write_bytes(data.tobytes())
            except OSError as error:
                raise OutputError(f"a picture cannot be kept for the visit: {error}") from error
        return paths

    def enrolled(self, commitment: str) -> None:
        """Note that the pictures belong to an identity, so that they go with it."""
        register_derivative(commitment, self.pictures)

    def erase(self, ledger: Ledger) -> Erased:
        """Erase all of it, and say so in the ledger.

        Raises:
            LedgerError: It cannot be recorded; then nothing is erased yet.
        """
        if self.identity.exists():
            erased = erase_identity(self.identity, ledger)
            rest = erase_folder(self.folder)
            return Erased(erased.commitment, erased.removed, (*erased.kept, *rest.kept))
        ledger.event("erase", {"identity": "none", "path": str(self.folder), "stage": "begun"})
        gone = erase_folder(self.folder)
        details = {"removed": str(len(gone.removed)), "kept": str(len(gone.kept))}
        ledger.event("erase", {"identity": "none", "stage": "done", **details})
        return gone


def visits_dir() -> Path:
    """Return where visits lie: in memory where that can be, and apart for each home."""
    state = resources.state_dir()
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK):
        name = hashlib.sha256(os.fsencode(os.path.abspath(state))).hexdigest()[:16]
        return _MEMORY / f"edge-swap-{os.getuid()}-{name}"
    return state / "visits"


def new_place() -> Place:
    """Make a folder for one visit.

    Raises:
        OutputError: It cannot be made, or what is there is not ours.
    """
    folder = visits_dir() / secrets.token_hex(8)
    make_private_dir(_ours(visits_dir()))
    make_private_dir(folder)
    return Place(folder)


def _ours(folder: Path) -> Path:
    """Return the folder once it is seen to be nobody else's: /dev/shm is open to all."""
    make_private_dir(folder)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise OutputError(f"{folder}: is not this user's own folder: remove it")
    return folder


@contextlib.contextmanager
def only_kiosk() -> Iterator[None]:
    """Hold the visits of this home alone.

    Raises:
        OutputError: Another kiosk runs here.
    """
    handle = os.open(_ours(visits_dir()) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise OutputError("another kiosk runs on this device: stop that one first") from error
    try:
        yield
    finally:
        os.close(handle)


def erase_leftovers(ledger: Ledger) -> int:
    """Erase what a crash or a loss of power left of visits; return how many there were."""
    count = 0
    with contextlib.suppress(OSError):
        for folder in sorted(visits_dir().iterdir()):
            if folder.is_dir() and not folder.is_symlink():
                with contextlib.suppress(EdgeError):
                    Place(folder).erase(ledger)
                    count += 1
    return count
