"""Kill a process that makes outputs at random points, and see whether the ledger loses anything.

    scripts/bench kill-ledger [--rounds 200] [--seed 1]

Each round starts a process that signs pictures, enters them and names them, one after another, with
a checkpoint every few lines. It is killed (SIGKILL): in half of the rounds after a random time, in
the other half at a random call that writes, syncs or renames, of which a part may be done. In every
third round the power fails too: what was not synced is cut off the ledger at a random byte, and its
head file is the one of before. Then recovery runs, as before every swap, and all of this must hold:

* every output that exists has an entry with the SHA-256 of its bytes, and is published;
* every published entry has its file;
* the chain and every checkpoint are whole, and each half-written line was put aside.

At the end every output is verified. Exit status 1 says that something was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.consent import checkpoints
from edge.consent.chain import file_sha256
from edge.consent.ledger import Ledger
from edge.jobs.deliver import deliver
from edge.provenance.implicit import implicit_json, write_implicit
from edge.provenance.label import Label, plan_label
from edge.publish import Publication, remove_stale
from edge.records import Permit, SwapRecord

SIZE = (96, 128)
CHECKPOINT_EVERY = 7
LONGEST = 0.5
"""Seconds after which a process is killed at the latest."""

CALLS = ("write", "fsync", "replace", "link", "unlink", "ftruncate")
"""Calls of the operating system at which a process may be killed."""

MOST_CALLS = 150


@dataclass
class Tally:
    """What happened over all rounds.

    Attributes:
        rounds: How often a process was killed.
        at_calls: How many of these at a call.
        power: How often the power failed too.
        outputs: Outputs that exist.
        torn: Lines that were put aside.
        missing: Entries whose file never appeared, and which say so.
        checkpoints: Checkpoints that hold.
        losses: What was lost; nothing should be.
    """

    rounds: int = 0
    at_calls: int = 0
    power: int = 0
    outputs: int = 0
    torn: int = 0
    missing: int = 0
    checkpoints: int = 0
    losses: list[str] = field(default_factory=list)


def _record(number: int, target: bytes) -> SwapRecord:
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    permit = Permit("kill-ledger", "synthetic", "research", "picture", "0" * 64, "synthetic", now)
    return SwapRecord(
        output_id=f"urn:uuid:{number:032d}",
        created=now,
        permit=permit,
        models=(),
        label=plan_label(SIZE[1], SIZE[0], [], "en"),
        target_sha256=hashlib.sha256(target).hexdigest(),
        faces=0,
        frames=1,
        generator="edge-swap kill-ledger",
    )


def make_outputs(folder: Path, number: int) -> None:
    """Make labelled, signed and entered pictures until killed."""
    ledger = Ledger()
    target = folder.parent / "target.png"
    for count in range(10_000):
        frame = np.full((*SIZE, 3), (number * 37 + count * 11) % 256, np.uint8)
        record = _record(number * 10_000 + count, target.read_bytes())
        Label(record.label).draw(frame)
        encoded = cv2.imencode(".png", frame)[1].tobytes()
        path = folder / f"out-{number}-{count}.png"
        with Publication(path) as publication:
            data = write_implicit(encoded, "image/png", implicit_json(record))
            deliver(publication, publication.write(data), ledger, record, target, path)


def die_at(
    call: int,
    share: float,
    calls: Sequence[str],
    seen: mmap.mmap,
    after: Callable[[str, Sequence[Any]], None] = lambda name, arguments: None,
) -> None:
    """Make this process kill itself at its n-th call that changes the disk, done in part perhaps.

    Args:
        call: Which one; 0: none, they are only counted.
        share: Of a write, how much of it is done first.
        calls: Names of the calls in `os`.
        seen: Where they are counted, as eight bytes.
        after: Told of each call that was made, and of what it was given.
    """

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **more: Any) -> Any:
            now = int.from_bytes(seen[:8], "big") + 1
            seen[:8] = now.to_bytes(8, "big")
            if now == call:
                with contextlib.suppress(OSError):
                    if name == "write":
                        real(arguments[0], bytes(arguments[1])[: int(len(arguments[1]) * share)])
                    elif share > 0.5:  # the call was done, and nothing after it
                        real(*arguments, **more)
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments, **more)
            after(name, arguments)
            return result

        return instead

    for name in calls:
        setattr(os, name, watched(name, getattr(os, name)))


def _note_synced(handle: int, synced: mmap.mmap, ledger: Path) -> None:
    try:
        state = os.fstat(handle)
        if os.path.samestat(state, ledger.stat()):
            synced[:8] = state.st_size.to_bytes(8, "big")
    except OSError:
        pass


def one_round(number: int, folder: Path, chance: random.Random, tally: Tally) -> None:
    """Start a process, kill it, let the power fail perhaps, recover, and check."""
    ledger = Ledger()
    head = ledger.path.with_suffix(".head")
    old_head = head.read_bytes() if head.exists() else b""
    synced = mmap.mmap(-1, 8)
    at_call = number % 2 == 1
    power = number % 3 == 2
    call, share = chance.randint(1, MOST_CALLS), chance.random()
    size = ledger.path.stat().st_size if ledger.path.exists() else 0
    synced[:8] = size.to_bytes(8, "big")
    process = os.fork()
    if process == 0:
        try:

            def note(name: str, arguments: Sequence[Any]) -> None:
                if name == "fsync":
                    _note_synced(arguments[0], synced, ledger.path)

            die_at(call if at_call else 0, share, CALLS, mmap.mmap(-1, 8), note)
            make_outputs(folder, number)
        finally:
            os._exit(3)
    if not at_call:
        time.sleep(chance.uniform(0, LONGEST))
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        tally.losses.append(f"round {number}: the process ended by itself ({status})")
    tally.rounds += 1
    tally.at_calls += at_call
    if power and ledger.path.exists():
        _power_fails(ledger.path, head, old_head, int.from_bytes(synced[:8], "big"), chance)
        tally.power += 1
    synced.close()
    _check(number, folder, ledger, tally)


def _power_fails(
    ledger: Path, head: Path, old_head: bytes, synced: int, chance: random.Random
) -> None:
    """Cut what was not synced off the ledger, and bring the head file of before back."""
    size = ledger.stat().st_size
    if size > synced:
        os.truncate(ledger, chance.randint(synced, size))
    if old_head:
        head.write_bytes(old_head)


def _check(number: int, folder: Path, ledger: Ledger, tally: Tally) -> None:
    torn = [problem for problem in ledger.verify() if "torn" not in problem.what]
    head_missing = "the head file is missing"
    tally.losses += [
        f"round {number}, before recovery: line {problem.line}: {problem.what}"
        for problem in torn
        if head_missing not in problem.what
    ]
    tally.missing += len(ledger.recover())
    remove_stale(folder)
    ledger.event("interrupted", {"round": str(number)})
    tally.losses += [
        f"round {number}: line {problem.line}: {problem.what}" for problem in ledger.verify()
    ]
    published = {
        Path(str(entry.fields["path"])): str(entry.fields["output_sha256"])
        for entry in ledger.entries()
        if entry.kind == "output" and entry.state == "published"
    }
    tally.losses += losses_among(number, published, folder.glob("out-*.png"))


def losses_among(number: int, published: Mapping[Path, str], there: Iterable[Path]) -> list[str]:
    """Say in what entries and files differ, a line each.

    Args:
        number: Of the round.
        published: By file, the SHA-256 that its entry states.
        there: The files.
    """
    digests = {path: file_sha256(path) for path in there}
    losses = [
        f"round {number}: {path} is there, and its entry is not"
        for path, digest in digests.items()
        if published.get(path) != digest
    ]
    gone = published.keys() - digests.keys()
    return losses + [f"round {number}: {path} is published, and is not there" for path in gone]


def run(rounds: int, seed: int, home: Path) -> Tally:
    """Run all rounds in an empty folder; return what happened."""
    from edge.provenance.verify import verify_file

    os.environ["EDGE_HOME"] = str(home / "home")
    folder = home / "outputs"
    folder.mkdir()
    cv2.imwrite(str(home / "target.png"), np.full((*SIZE, 3), 90, np.uint8))
    checkpoints.PERIOD = CHECKPOINT_EVERY
    chance, tally = random.Random(seed), Tally()
    for number in range(rounds):
        one_round(number, folder, chance, tally)
    ledger = Ledger()
    entries = ledger.entries()
    tally.torn = sum(entry.fields.get("event") == "torn-line" for entry in entries)
    tally.checkpoints = sum(entry.kind == checkpoints.KIND for entry in entries)
    for path in sorted(folder.glob("out-*.png")):  # after the last fork: the library has threads
        tally.outputs += 1
        if verify_file(path).exit_status != 0:
            tally.losses.append(f"{path}: does not verify")
    return tally


def main(argv: list[str] | None = None) -> int:
    """Run it and print what happened."""
    parser = argparse.ArgumentParser(prog="kill-ledger", description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    home = Path(tempfile.mkdtemp(prefix="kill-ledger-"))
    try:
        tally = run(arguments.rounds, arguments.seed, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for line in tally.losses:
        sys.stdout.write(f"LOST: {line}\n")
    sys.stdout.write(
        f"{tally.rounds} kills ({tally.at_calls} at a call, {tally.power} with loss of power): "
        f"{tally.outputs} outputs, {tally.missing} never appeared and say so, {tally.torn} torn "
        f"lines put aside, {tally.checkpoints} checkpoints hold; lost: {len(tally.losses)}\n"
    )
    return 1 if tally.losses else 0


if __name__ == "__main__":
    raise SystemExit(main())
