"""The device's keys: made at first use, owner-only, and replaced as a whole.

```
config/keys/            0700
  lock                  held while anything here is made or replaced
  claim.pem             signing key and chain, leaf first: one file, so they cannot disagree
  anchors/<sha256>.pem  root of every chain ever made here: old outputs stay trusted
  anchors/imported-<sha256>.pem  last certificate of an imported chain: others may sign under it
```
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import KeyStoreError
from edge.provenance import certificates
from edge.resources import config_dir

if TYPE_CHECKING:
    from cryptography import x509

    from edge.provenance.certificates import PrivateKey

IMPORTED = "imported-"
"""What the names of imported anchors begin with: unlike our own roots they may have signed the
certificates of others, so that they do not stand for this device."""

_DIR_MODE = 0o700
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True, eq=False)
class DeviceKeys:
    """The signing key of this device and its chain.

    Attributes:
        key: Private key of the leaf.
        chain: Certificates, leaf first, at least two.
        path: File that holds both.
    """

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]
    path: Path

    @property
    def leaf(self) -> x509.Certificate:
        """The signing certificate."""
        return self.chain[0]

    @property
    def root(self) -> x509.Certificate:
        """The last certificate of the chain: what others must trust to trust this device."""
        return self.chain[-1]


def keys_dir() -> Path:
    """Return the folder of the keys. It may not exist yet."""
    return config_dir() / "keys"


def anchors_dir() -> Path:
    """Return the folder of the roots of this device's chains, current and retired."""
    return keys_dir() / "anchors"


def device_keys() -> DeviceKeys:
    """Return this device's signing key; make it and its chain at first use.

    Raises:
        KeyStoreError: The store cannot be read or written, or others have rights to it.
    """
    path = keys_dir() / "claim.pem"
    if not path.exists():
        with _locked():
            if not path.exists():  # another process may have been first
                _store(*certificates.make_chain(), prefix="")
    return _load(path)


def rotate() -> DeviceKeys:
    """Replace the signing key and chain by new ones; the old root stays an anchor here.

    The old private key is destroyed: nobody can sign with it again.

    Raises:
        KeyStoreError: The store cannot be written, or others have rights to it.
    """
    with _locked():
        _store(*certificates.make_chain(), prefix="")
    return _load(keys_dir() / "claim.pem")


def read_pair(key_file: Path, chain_file: Path) -> DeviceKeys:
    """Read a key and a chain that somebody else made, and check them; nothing is stored.

    Args:
        key_file: PEM private key, not encrypted.
        chain_file: PEM certificates, leaf first.

    Raises:
        KeyStoreError: They do not fit each other or the C2PA profile.
    """
    key = certificates.parse_key(_read(key_file), str(key_file))
    chain = certificates.parse_chain(_read(chain_file), str(chain_file))
    certificates.check_chain(key, chain, str(chain_file))
    return DeviceKeys(key=key, chain=tuple(chain), path=key_file)


def import_keys(key_file: Path, chain_file: Path) -> DeviceKeys:
    """Make a key and chain that somebody else made this device's own.

    A picture is signed with them and verified before anything is stored.

    Args:
        key_file: PEM private key, not encrypted.
        chain_file: PEM certificates, leaf first, the last of them becoming an anchor here.

    Raises:
        KeyStoreError: They do not fit each other or the C2PA profile, or do not sign.
    """
    from edge.provenance.signer import FileKey, try_key

    pair = read_pair(key_file, chain_file)
    try_key(FileKey(pair))
    with _locked():
        _store(pair.key, pair.chain, prefix=IMPORTED)
    return _load(keys_dir() / "claim.pem")


def device_anchors() -> tuple[Path, ...]:
    """Return the files of this device's roots, current and retired; none before first use."""
    folder = anchors_dir()
    return tuple(sorted(folder.glob("*.pem"))) if folder.is_dir() else ()


def _store(key: PrivateKey, chain: Sequence[x509.Certificate], *, prefix: str) -> None:
    # The anchor first: a chain without its anchor would make outputs that do not verify here.
    anchor = anchors_dir() / f"{prefix}{certificates.fingerprint(chain[-1])}.pem"
    _write(anchor, certificates.chain_pem(chain[-1:]))
    _write(keys_dir() / "claim.pem", certificates.key_pem(key) + certificates.chain_pem(chain))


def _load(path: Path) -> DeviceKeys:
    _check_rights(keys_dir())
    _check_rights(path)
    content = _read(path)
    try:
        key = certificates.parse_key(content, str(path))
        chain = certificates.parse_chain(content, str(path))
    except KeyStoreError as error:
        raise KeyStoreError(
            f"{error}; restore it, or remove it to have a new key made (what the old one signed "
            "stays trusted here)"
        ) from error
    return DeviceKeys(key=key, chain=tuple(chain), path=path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyStoreError(f"{path}: cannot be read: {error.strerror}") from error


def _check_rights(path: Path) -> None:
    """Refuse a key or folder that anybody but its owner can reach."""
    try:
        status = path.stat()
    except OSError as error:
        raise KeyStoreError(f"{path}: cannot be read: {error.strerror}") from error
    quoted = shlex.quote(str(path))
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        raise KeyStoreError(f"{path}: belongs to another user; mend it: chown $(id -u) {quoted}")
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = "700" if stat.S_ISDIR(status.st_mode) else "600"
        raise KeyStoreError(
            f"{path}: other users have rights to it (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"mend it: chmod {mode} {quoted}"
        )


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Hold the store's lock; makes the folders."""
    import fcntl  # not on every platform; only needed when a key is made

    folder = keys_dir()
    try:
        folder.mkdir(mode=_DIR_MODE, parents=True, exist_ok=True)
        _check_rights(folder)
        anchors_dir().mkdir(mode=_DIR_MODE, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
    except OSError as error:
        raise KeyStoreError(f"{folder}: cannot make the key store: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(path: Path, content: str) -> None:
    """Put a whole file in place at once, owner-only, synced."""
    try:
        # mkstemp makes the file 0600 from the start: there is no moment in which others can read
        handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyStoreError(f"{path}: cannot be written: {error.strerror}") from error
