"""Time stamps for outputs: with the signature when there is a network, else later.

What could not be stamped when it was made is queued: its entry in the ledger says so. Adding the
stamp later changes bytes of the file that nothing signed, and so its SHA-256: the ledger then
holds both. A recording's segment is never changed, for the next one has signed its hash.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge.consent.canonical import FormError, parse_object
from edge.consent.canonical import utc_now as now
from edge.consent.chain import file_sha256
from edge.consent.checkpoints import KIND as CHECKPOINT
from edge.consent.checkpoints import STAMP, write_checkpoint
from edge.consent.entries import path_fields, path_of
from edge.consent.storage import sync_folder
from edge.errors import LedgerError, OutputError, TimeStampError, UsageError
from edge.provenance import stamping
from edge.provenance.timing import parse, utc_seconds
from edge.publish import Publication

if TYPE_CHECKING:
    from edge.consent.ledger import Ledger
    from edge.consent.shown import Entry
    from edge.provenance.stamping import Authority
    from edge.provenance.tsp import Token

STAMPED = "stamped"
"""Kind of the line that says that an output got its stamp later."""

RENEWAL = timedelta(days=300)
"""Age at which a checkpoint's stamp is renewed."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """How stamping a new output went.

    Attributes:
        state: stamped, or queued for `edge ledger stamp`.
        imprint: SHA-256 of what the stamp is over, hex.
        time: What the stamp states, RFC 3339; empty while it is queued.
        authority: Who made it; empty while it is queued.
        note: What the user should know.
    """

    state: Literal["stamped", "queued"]
    imprint: str
    time: str = ""
    authority: str = ""
    note: str = ""

    def fields(self) -> dict[str, str]:
        """Return what the ledger's entry says about it."""
        more = {"time": self.time, "authority": self.authority} if self.time else {}
        return {"state": self.state, "imprint": self.imprint, **more}


def stamp_new(path: Path) -> Stamp | None:
    """Stamp a new output before it gets its name, if an authority is configured.

    An authority that cannot be reached never keeps an output from being made: it is queued. For a
    minute after that the authority is not asked again.

    Args:
        path: The signed temporary file.

    Returns:
        How it went; None where no authority is configured.

    Raises:
        TimeStampError: The configuration is malformed.
        OSError: The file cannot be written.
    """
    authority = stamping.load_authority()
    if authority is None:
        return None
    imprint = stamping.imprint_of(path).hex()
    if stamping.resting():
        return Stamp("queued", imprint, note="not time-stamped yet: edge ledger stamp does it")
    try:
        token = stamping.stamp_file(path, authority)
    except TimeStampError as error:
        stamping.note_failure()
        note = f"not time-stamped yet ({error}): edge ledger stamp does it later"
        return Stamp("queued", imprint, note=note)
    return Stamp("stamped", imprint, utc_seconds(token.time), token.authority)


# Later ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Later:
    """How stamping an output later went.

    Attributes:
        entry: Number of the output's entry.
        path: Its file, as the ledger or the user names it.
        outcome: stamped; already (it has a stamp, and an earlier one says more); detached (the
            file is gone, has no room, cannot be written or is a recording's segment: the ledger
            keeps the token); or failed.
        time: What the stamp states, RFC 3339.
        why: What the user should know.
    """

    entry: int
    path: Path
    outcome: Literal["stamped", "already", "detached", "failed"]
    time: str = ""
    why: str = ""


def queue(ledger: Ledger) -> list[Entry]:
    """Return the published outputs that wait for a time stamp, oldest first.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    entries = ledger.entries()
    named = (entry.fields.get("entry") for entry in entries if entry.kind == STAMPED)
    done = {number for number in named if isinstance(number, int)}
    return [
        entry
        for entry in entries
        if entry.kind == "output"
        and entry.state == "published"
        and entry.seq not in done
        and _noted(entry).get("state") == "queued"
    ]


def stamp_queued(ledger: Ledger, authority: Authority) -> Iterator[Later]:
    """Stamp what is queued; it ends with the first failure of the authority.

    Yields:
        How it went, output by output.

    Raises:
        LedgerError: The ledger cannot be read or written, or somebody else is stamping.
    """
    with _alone(ledger):
        _finish_last(ledger)
        for entry in queue(ledger):
            later = _stamp_entry(ledger, entry, path_of(entry.fields), authority)
            yield later
            if later.outcome == "failed":
                return


def stamp_named(ledger: Ledger, files: Iterable[Path], authority: Authority) -> Iterator[Later]:
    """Stamp outputs of this ledger by their files, wherever these are now.

    Yields:
        How it went, file by file.

    Raises:
        UsageError: A file is not in the ledger.
        LedgerError: The ledger cannot be read or written, or somebody else is stamping.
    """
    with _alone(ledger):
        _finish_last(ledger)
        for path in files:
            digest = file_sha256(path)
            entry = None if digest is None else ledger.find(digest)
            if entry is None:
                raise UsageError(
                    f"{path}: is not in this device's ledger with the bytes it has now"
                )
            yield _stamp_entry(ledger, entry, path, authority)


def stamp_checkpoint(ledger: Ledger, authority: Authority) -> Token | None:
    """Sign what the ledger holds and have that stamped, unless the last stamp will do.

    A stamp that is older than most of a year is renewed: before an authority's certificate ends or
    a hash grows weak, a newer stamp covers what the older one showed.

    Returns:
        The new stamp; None where the last one will do.

    Raises:
        LedgerError: The ledger is empty, broken, or cannot be written.
        TimeStampError: The authority cannot be reached or refuses.
    """
    from edge.provenance.tsp import ask

    with _alone(ledger):
        if _stamped_lately(ledger):
            return None
        checkpoint = write_checkpoint(ledger)
        token = ask(authority.url, sha256(checkpoint.text.encode()).digest(), authority.timeout)
        fields = _token_fields(token)
        ledger.append(STAMP, lambda: {"checkpoint": checkpoint.size + 1, **fields})
    return token


def _stamped_lately(ledger: Ledger) -> bool:
    """Return whether the newest checkpoint is stamped, not long ago, and nothing came after."""
    try:
        lines = [parse_object(line) for line in ledger.tail_lines(CHECKPOINT)]
    except FormError:
        return False  # a damaged line: signing the ledger anew says what is wrong
    if len(lines) < 2 or any(line.get("kind") != STAMP for line in lines[1:]):
        return False
    newest = parse(str(lines[-1].get("stamped")))
    return newest is not None and now() - newest < RENEWAL


def _noted(entry: Entry) -> Mapping[str, object]:
    noted = entry.fields.get("time_stamp")
    return noted if isinstance(noted, Mapping) else {}


def _stamp_entry(ledger: Ledger, entry: Entry, path: Path, authority: Authority) -> Later:
    """Ask for the token, put it into the file if it is there, and write both hashes down."""
    from edge.provenance.tsp import ask

    there = file_sha256(path) in entry.hashes
    try:
        if there and stamping.token_in(path) is not None:
            return Later(entry.seq, path, "already")
        imprint = stamping.imprint_of(path).hex() if there else str(_noted(entry).get("imprint"))
        kept = _kept(ledger, entry.seq, imprint)
        token = kept or ask(authority.url, bytes.fromhex(imprint), authority.timeout)
    except (TimeStampError, ValueError) as error:
        return Later(entry.seq, path, "failed", why=str(error))
    moment = utc_seconds(token.time)
    if not there:
        why = "the file is gone, moved or changed"
    elif _is_segment(entry):
        why = "the recording's next segment names the hash that it has, so it stays as it is"
    else:
        try:
            _put_into(ledger, entry.seq, path, token)
            return Later(entry.seq, path, "stamped", moment)
        except (OutputError, TimeStampError) as error:
            why = str(error).removeprefix(f"{path.resolve()}: ")
        except OSError as error:
            why = error.strerror or str(error)
    if kept is None:
        ledger.append(STAMPED, lambda: {"entry": entry.seq, **_token_fields(token)})
    return Later(entry.seq, path, "detached", moment, why)


def _is_segment(entry: Entry) -> bool:
    """Return whether an output is of a recording, whose segments name each other's hashes."""
    return "stream" in entry.fields


def _kept(ledger: Ledger, seq: int, imprint: str) -> Token | None:
    """Return the token that the ledger holds for an output whose file was gone when it came."""
    from edge.provenance.tsp import read_token

    for line in ledger.entries():
        if line.kind == STAMPED and line.fields.get("entry") == seq:
            token = read_token(b64decode(str(line.fields.get("token"))))
            if token.imprint.hex() == imprint:
                return token
    return None


def _token_fields(token: Token) -> dict[str, object]:
    return {
        "stamped": utc_seconds(token.time),
        "authority": token.authority,
        "token": b64encode(token.der).decode("ascii"),
    }


def _put_into(ledger: Ledger, seq: int, path: Path, token: Token) -> None:
    """Put a token into an output: the ledger knows its new hash before the file has it."""
    path = path.resolve()
    with Publication(path, overwrite=True) as publication:
        made = publication.temporary()
        shutil.copyfile(path, made)
        before = file_sha256(made)
        stamping.put_token(made, token.der)
        os.chmod(made, stat.S_IMODE(path.stat().st_mode))
        with made.open("rb") as file:
            os.fsync(file.fileno())
        after = file_sha256(made)
        fields = {"entry": seq, **path_fields(path), "was": before, "output_sha256": after}
        ledger.append(STAMPED, lambda: {**fields, **_token_fields(token)})
        os.replace(made, path)
        sync_folder(path.parent)


def _finish_last(ledger: Ledger) -> None:
    """Finish a stamp that an interruption left between the ledger and the file."""
    entries = ledger.entries()
    lines = [line for line in entries if line.kind == STAMPED and "was" in line.fields]
    if not lines:
        return
    fields = lines[-1].fields
    path = path_of(fields)
    if file_sha256(path) != fields.get("was"):
        return
    if any(_is_segment(entry) for entry in entries if entry.seq == fields.get("entry")):
        return
    # Where it cannot be written the ledger has the token: what is queued need not wait for it.
    with (
        suppress(OSError, OutputError, TimeStampError),
        Publication(path, overwrite=True) as publication,
    ):
        made = publication.temporary()
        shutil.copyfile(path, made)
        stamping.put_token(made, b64decode(str(fields.get("token"))))
        os.chmod(made, stat.S_IMODE(path.stat().st_mode))
        if file_sha256(made) == fields.get("output_sha256"):
            os.replace(made, path)
            sync_folder(path.parent)


@contextmanager
def _alone(ledger: Ledger) -> Iterator[None]:
    """Keep other processes from stamping meanwhile."""
    lock = ledger.path.with_suffix(".stamping")
    if not ledger.path.exists():
        raise LedgerError(f"the ledger {ledger.path} is empty: there is nothing to stamp")
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise LedgerError(
            "another process is stamping the ledger's outputs: wait for it"
        ) from error
    finally:
        os.close(handle)
