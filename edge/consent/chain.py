"""The chain of lines that a ledger file holds: reading it, from either end, and checking it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.consent.canonical import FormError, canonical_bytes, is_hex, parse_object, sha256_hex
from edge.consent.merkle import root_of
from edge.errors import LedgerError

NO_HASH = "0" * 64
"""What stands for the hash of the line before the first."""

PURGE = "purge"
"""Kind of the line that says what was purged."""

_BLOCK = 65536
"""Bytes read at once from the end of the file; a line is about 1 kB."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that could be read.

    Attributes:
        seq: Its number in the chain, from 1.
        kind: output, published, missing, refusal or event.
        hash: Its own hash as it stands there.
        fields: All that it says.
    """

    seq: int
    kind: str
    hash: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest line, as the head file has it.

    Attributes:
        seq: Its number.
        hash: Its hash.
    """

    seq: int
    hash: str

    def to_bytes(self) -> bytes:
        """Return the content of a head file; always of the same length."""
        return f"{self.seq:020d} {self.hash}\n".encode()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the chain.

    Attributes:
        line: Line number in the file, from 1; 0 for the file itself.
        what: What is wrong, in one line.
    """

    line: int
    what: str


def read_head(path: Path) -> Head | None:
    """Return what a head file says, or None when it is absent or unreadable."""
    try:
        number, digest = path.read_bytes().decode("ascii").split()
        head = Head(int(number), digest)
    except (OSError, ValueError):
        return None
    return head if is_hex(head.hash, 64) and head.seq > 0 else None


def _read_line(raw: bytes) -> Line:
    fields = parse_object(raw)
    seq, kind, digest = fields.get("seq"), fields.get("kind"), fields.get("hash")
    if not isinstance(seq, int) or not isinstance(kind, str) or not isinstance(digest, str):
        raise FormError("it lacks its number, kind or hash")
    return Line(seq, kind, digest, fields)


def last_line(path: Path, end: int | None = None) -> Line | None:
    """Return the last whole line, reading only the end of the file.

    Args:
        path: The ledger.
        end: Take the file to end at this byte.

    Raises:
        LedgerError: That line cannot be read.
    """
    try:
        with path.open("rb") as file:
            position = os.fstat(file.fileno()).st_size if end is None else end
            tail = b""
            while position > 0 and tail.count(b"\n") < 2:
                begin = max(0, position - _BLOCK)
                tail = os.pread(file.fileno(), position - begin, begin) + tail
                position = begin
    except FileNotFoundError:
        return None
    lines = tail.split(b"\n")
    if len(lines) < 2:
        return None
    try:
        return _read_line(lines[-2])
    except FormError as error:
        raise LedgerError(
            f"the last line of the ledger {path} is damaged ({error}): see 'edge ledger verify', "
            "then move the file aside and keep it"
        ) from error


def scan(path: Path, start: int) -> Iterator[Line]:
    """Yield the readable lines from byte `start` on; `verify_chain` tells about the others."""
    with path.open("rb") as file:
        file.seek(start)
        yield from readable(file)


def readable(lines: Iterable[bytes]) -> Iterator[Line]:
    """Yield the lines that can be read, of a ledger or of an export of it."""
    for raw in lines:
        try:
            yield _read_line(raw)
        except FormError:
            continue


def verify_chain(path: Path, head: Head | None, purged: Sequence[bytes] = ()) -> list[Problem]:
    """Check every line of a ledger, and that the newest is the one the head names.

    Args:
        path: The ledger; it may be absent.
        head: What the head file says.
        purged: Hashes of the lines that were purged; a line of the ledger must say so.

    Raises:
        LedgerError: The file cannot be read.
    """
    try:
        before = _start(path, purged)
        with path.open("rb") as file:
            problems = verify_lines(file, head, before)
    except FileNotFoundError:
        problems = verify_lines((), head, Head(0, NO_HASH))
    except OSError as error:
        raise LedgerError(f"cannot read the ledger {path}: {error.strerror}") from error
    if head is None:
        problems.append(Problem(0, "the head file is missing: the newest lines may be missing too"))
    return problems


def verify_lines(lines: Iterable[bytes], head: Head | None, before: Head) -> list[Problem]:
    """Check lines, their ends included.

    Args:
        lines: The lines, oldest first.
        head: What the newest must be; None where that is not known.
        before: Number and hash of the line before the first.
    """
    problems: list[Problem] = []
    seq, digest, number, head_seen = before.seq, before.hash, 0, head is None
    for number, raw in enumerate(lines, start=1):
        seq, digest, found = _check_line(raw, number, seq, digest)
        problems += found
        head_seen = head_seen or (head is not None and Head(seq, digest) == head)
    if head is not None and not head_seen:
        what = f"entry {head.seq} was written, and is not the one that stands here: "
        problems.append(Problem(number, what + "the newest lines were removed or replaced"))
    return problems


def _start(path: Path, purged: Sequence[bytes]) -> Head:
    """Return number and hash of the line before the first one, as a purge has recorded them."""
    first = next(scan(path, 0), None) if path.exists() else None
    if first is None or first.seq == 1 or len(purged) != first.seq - 1:
        return Head(0, NO_HASH)
    for line in scan(path, 0):
        said = (line.kind, line.fields.get("through"), line.fields.get("root"))
        if said == (PURGE, first.seq - 1, root_of(purged).hex()):
            return Head(first.seq - 1, str(line.fields.get("last_hash")))
    return Head(0, NO_HASH)


def verify_checkpoints(path: Path, purged: Sequence[bytes]) -> list[Problem]:
    """Check every checkpoint in a ledger whose chain is whole.

    Raises:
        OSError: The file cannot be read.
    """
    from edge.consent.checkpoints import wrong_checkpoints

    wrong = wrong_checkpoints(purged, whole_lines(path))
    return [Problem(number, what) for number, what in wrong]


def whole_lines(path: Path) -> list[bytes]:
    """Return every line that has its end, without it.

    Raises:
        OSError: The file cannot be read.
    """
    return path.read_bytes().split(b"\n")[:-1]


def tail_from(path: Path, kind: str) -> list[bytes]:
    """Return the lines from the last one of a kind on, or all, reading from the end.

    Raises:
        OSError: The file cannot be read.
    """
    needle = f'"kind":"{kind}"'.encode()
    found: list[bytes] = []
    try:
        with path.open("rb") as file:
            position = file.seek(0, os.SEEK_END)
            rest = b""
            while position > 0:
                begin = max(0, position - _BLOCK)
                block = os.pread(file.fileno(), position - begin, begin) + rest
                position = begin
                rest, *whole = block.split(b"\n") if begin else [b"", *block.split(b"\n")]
                for line in reversed(whole):
                    if line:
                        found.append(line)
                        if needle in line and _is_kind(line, kind):
                            return found[::-1]
    except FileNotFoundError:
        return []
    return found[::-1]


def _is_kind(line: bytes, kind: str) -> bool:
    try:
        return _read_line(line).kind == kind
    except FormError:
        return False


def purged_path(ledger: Path) -> Path:
    """Return where the hashes of a ledger's purged lines lie."""
    return ledger.with_suffix(".purged")


def purged_leaves(ledger: Path) -> list[bytes]:
    """Return the hashes of the lines that were purged from a ledger, oldest first.

    The file of hashes is written before the lines go: where there are more than the first line's
    number tells, the purge did not come to its end, and the rest does not count.
    """
    try:
        lines = purged_path(ledger).read_text("ascii").split()
        leaves = [bytes.fromhex(line) for line in lines]
    except (OSError, ValueError):
        return []
    first = next(scan(ledger, 0), None) if ledger.exists() else None
    return leaves[: first.seq - 1] if first is not None else leaves


def _check_line(raw: bytes, number: int, seq: int, digest: str) -> tuple[int, str, list[Problem]]:
    """Check one line against the one before; return number and hash for the next."""
    if not raw.endswith(b"\n"):
        what = "it was torn off before its end; the next entry, or recovery, puts it aside"
        return seq, digest, [Problem(number, what)]
    try:
        line = _read_line(raw[:-1])
        body = {key: value for key, value in line.fields.items() if key != "hash"}
        true_hash = sha256_hex(canonical_bytes(body))
    except FormError as error:
        return seq + 1, digest, [Problem(number, f"it cannot be read: {error}")]
    problems = []
    if true_hash != line.hash or canonical_bytes(line.fields) != raw[:-1]:
        problems.append(Problem(number, "it was changed: its hash does not fit what it says"))
    if line.seq != seq + 1:
        problems.append(Problem(number, _gap(seq, line.seq)))
    elif line.fields.get("prev") != digest:
        problems.append(Problem(number, "it does not continue the line before: one was changed"))
    return line.seq, line.hash, problems


def _gap(before: int, here: int) -> str:
    if here > before + 1:
        last = f" to {here - 1}" if here > before + 2 else ""
        return f"entry {here} follows {before}: entry {before + 1}{last} was removed"
    return f"entry {here} follows {before}: it was moved, repeated or put in"


def file_sha256(path: Path) -> str | None:
    """Return the hex SHA-256 of a file, or None when there is no such file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except (OSError, ValueError):
        return None
    return digest.hexdigest()


def tear_off(path: Path) -> dict[str, str] | None:
    """Cut a last line without an end off a ledger, and keep its bytes in a file beside it.

    Such a line was being written when power was lost; what it was to say never happened, for
    nothing goes on before its line is synced.

    Returns:
        Name, hash and size of what was kept; None when there is no such line.

    Raises:
        OSError: The ledger cannot be read or written.
    """
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return None
    with file:
        size = file.seek(0, os.SEEK_END)
        start = _torn_start(file.fileno(), size)
        if start == size:
            return None
        torn = os.pread(file.fileno(), size - start, start)
        digest = sha256_hex(torn)
        aside = path.with_suffix(f".torn-{digest[:12]}")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as kept:
            kept.write(torn)
            kept.flush()
            os.fsync(kept.fileno())
        file.truncate(start)
        os.fsync(file.fileno())
    return {"kept": aside.name, "sha256": digest, "bytes": str(len(torn))}


def _torn_start(handle: int, size: int) -> int:
    """Return where the last line without an end starts; `size` when there is none."""
    position = size
    while position > 0:
        begin = max(0, position - _BLOCK)
        found = os.pread(handle, position - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        position = begin
    return 0
