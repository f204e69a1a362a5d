"""What `edge ledger` gives to others: checkpoints, time stamps, proofs, exports; and the purge."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.consent.checking import Checked
    from edge.consent.seals import Seal
    from edge.stamping import Later

EXIT_NOT_DONE = 2


def add_actions(actions: Any) -> None:
    """Add the actions to the command's."""
    from edge.cli import add_action

    sign = add_action(actions, "checkpoint", "sign all that the ledger holds now")
    sign.set_defaults(action=_checkpoint)
    stamp = add_action(
        actions, "stamp", "have queued outputs, named ones, and the ledger itself time-stamped"
    )
    stamp.set_defaults(action=_stamp)
    stamp.add_argument("files", nargs="*", type=Path, metavar="FILE", help="outputs, moved or not")
    prove = add_action(actions, "prove", "write a proof that an output stands in the ledger")
    prove.set_defaults(action=_prove)
    prove.add_argument(
        "output", nargs="?", type=Path, metavar="OUTPUT", help="a picture or video made here"
    )
    prove.add_argument(
        "--entry",
        type=int,
        metavar="N",
        help="prove this entry, which edge verify --ledger finds for a stripped file, too",
    )
    prove.add_argument(
        "-o", "--proof", type=Path, metavar="FILE", help="OUTPUT.proof.json by default"
    )
    prove.add_argument("--overwrite", action="store_true", help="replace an existing proof")
    check = add_action(
        actions, "check", "check a proof or an export; exit status as of edge verify: 0, 3 or 4"
    )
    check.set_defaults(action=_check)
    check.add_argument("file", type=Path, metavar="FILE", help="a proof or an export")
    check.add_argument(
        "output", nargs="?", type=Path, metavar="OUTPUT", help="the file a proof should be about"
    )
    check.add_argument("--json", action="store_true", help="print one JSON object")
    export = add_action(actions, "export", "write the ledger into one file for an authority")
    export.set_defaults(action=_export)
    export.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the file to write"
    )
    export.add_argument(
        "--since", metavar="DATE", help="YYYY-MM-DD: what is older goes out as hashes alone"
    )
    export.add_argument("--overwrite", action="store_true", help="replace an existing file")
    purge = add_action(
        actions, "purge", "list what is past the retention; with --yes remove it and say so"
    )
    purge.set_defaults(action=_purge)
    purge.add_argument("--yes", action="store_true", help="remove it")


def _say(text: str) -> None:
    from edge.cli import one_line

    sys.stdout.write(one_line(text) + "\n")


def _checkpoint(_: argparse.Namespace) -> int:
    from edge.consent.checkpoints import write_checkpoint
    from edge.consent.ledger import Ledger

    made = write_checkpoint(Ledger())
    _say(f"signed: {made.size} lines, {made.time}, root {made.root.hex()}")
    return 0


def _stamp(arguments: argparse.Namespace) -> int:
    from edge import stamping
    from edge.consent.ledger import Ledger
    from edge.errors import UsageError
    from edge.provenance.stamping import authority_path, load_authority

    authority = load_authority()
    if authority is None:
        raise UsageError(
            f'no time-stamping authority is configured: write url = "http://..." into '
            f"{authority_path()}"
        )
    ledger = Ledger()
    if arguments.files:
        done = stamping.stamp_named(ledger, arguments.files, authority)
        return EXIT_NOT_DONE if _told(done) else 0
    failed = _told(stamping.stamp_queued(ledger, authority))
    if failed:
        return EXIT_NOT_DONE
    token = stamping.stamp_checkpoint(ledger, authority)
    if token is None:
        _say("the ledger: signed and stamped already")
    else:
        _say(
            f"the ledger: signed, and stamped {token.time:%Y-%m-%dT%H:%M:%SZ} by {token.authority}"
        )
    return 0


def _told(done: Iterable[Later]) -> bool:
    """Print how it went, output by output; return whether something failed."""
    failed = False
    for later in done:
        if later.outcome == "failed":
            failed = True
            _say(f"{later.path}: not stamped: {later.why}")
        elif later.outcome == "detached":
            _say(f"{later.path}: stamped {later.time} in the ledger alone: {later.why}")
        elif later.outcome == "already":
            _say(f"{later.path}: has a time stamp already, and an earlier one says more")
        else:
            _say(f"{later.path}: stamped {later.time}")
    return failed


def _prove(arguments: argparse.Namespace) -> int:
    from edge.consent.canonical import readable_json
    from edge.consent.ledger import Ledger
    from edge.consent.proof import prove, prove_entry
    from edge.consent.storage import write_private
    from edge.errors import UsageError

    output: Path | None = arguments.output
    if (output is None) == (arguments.entry is None):
        raise UsageError("name one of OUTPUT and --entry N")
    if output is not None:
        proof, what = prove(Ledger(), output), output.name
        path = arguments.proof or output.with_name(f"{output.name}.proof.json")
    else:
        proof, what = prove_entry(Ledger(), arguments.entry), f"entry {arguments.entry}"
        path = arguments.proof or Path(f"entry-{arguments.entry}.proof.json")
    write_private(path, readable_json(proof.to_record()), overwrite=arguments.overwrite)
    newest = proof.signed[-1].checkpoint
    _say(
        f"{path}: {len(proof.lines)} lines about {what}, in the tree of {newest.size} that was "
        f"signed {newest.time}; it holds the file's path and the consent's id, and nothing about "
        "other outputs"
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from edge.consent.checking import check_file

    found = check_file(arguments.file, arguments.output)
    if arguments.json:
        sys.stdout.write(json.dumps(found.to_dict(), indent=2) + "\n")
        return found.exit_status
    _say(str(arguments.file))
    for name, value in _facts(found):
        _say_fact(name, value)
    return found.exit_status


_RESULTS = {
    0: "holds, signer trusted",
    3: "holds, signer unknown: anybody can sign a ledger of their own",
    4: "DOES NOT HOLD",
}
_PARTLY = "holds, signer trusted, but only as far as it is signed: not to its end"


def _facts(found: Checked) -> Iterable[tuple[str, str]]:
    yield "kind", f"{found.kind}, {found.lines} lines"
    if found.entry is not None:
        entry = found.entry
        yield "entry", f"{entry.get('seq')}, {entry.get('time')}, {entry.get('kind')}"
        yield "output", f"sha256 {entry.get('output_sha256')}, id {entry.get('output_id')}"
        yield "consent", f"{entry.get('consent_id')}, purpose {entry.get('purpose')}"
    if found.output is not None:
        yield "file", "the one that the ledger means" if found.output else "ANOTHER FILE"
    for seal in found.seals if len(found.seals) < 3 else (found.seals[0], found.seals[-1]):
        yield from _seal(seal)
    for problem in found.problems:
        yield "problem", problem
    if found.unsigned is not None:
        yield "unsigned", found.unsigned.text
    partly = found.unsigned is not None and any(seal.trusted for seal in found.seals)
    yield "result", f"{found.exit_status}: {_PARTLY if partly else _RESULTS[found.exit_status]}"


def _seal(seal: Seal) -> Iterable[tuple[str, str]]:
    trust = "trusted" if seal.trusted else "not known to this device"
    yield "checkpoint", f"{seal.size} lines, {seal.time} by the device's clock"
    yield "signer", f"{seal.signer}, root sha256 {seal.root_sha256}, {trust}"
    for stamp in seal.stamps:
        what = "" if stamp.trusted else f"; does not count: {stamp.problem}"
        yield "time stamp", f"{stamp.time} by {stamp.authority or 'nobody'}{what}"


def _say_fact(name: str, value: str) -> None:
    from edge.cli import one_line

    sys.stdout.write(f"  {name:<11} {one_line(value)}\n")


def _export(arguments: argparse.Namespace) -> int:
    from edge.consent.canonical import FormError, parse_utc, readable_json
    from edge.consent.export import export
    from edge.consent.ledger import Ledger
    from edge.consent.storage import write_private
    from edge.errors import UsageError

    since = None
    if arguments.since is not None:
        try:
            since = parse_utc(f"{arguments.since}T00:00:00Z")
        except FormError as error:
            raise UsageError(f"--since {arguments.since}: not a date like 2026-01-31") from error
    from edge.consent.checkpoints import write_checkpoint

    ledger = Ledger()
    last = write_checkpoint(ledger).size + 1 if ledger.path.exists() else None
    record = export(ledger, since, last)
    write_private(arguments.output, readable_json(record), overwrite=arguments.overwrite)
    lines, before = record["lines"], record["leaves_before"]
    assert isinstance(lines, list)
    assert isinstance(before, list)
    _say(f"{arguments.output}: {len(lines)} lines, and {len(before)} before them by their hashes")
    _say(f"check it: edge ledger check {arguments.output}")
    return 0


def _purge(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger
    from edge.consent.retention import past_retention, purge, retention_days

    ledger = Ledger()
    found = purge(ledger) if arguments.yes else past_retention(ledger)
    kept = f"lines are kept for {retention_days()} days"
    if found is None:
        _say(f"nothing is past the retention: {kept}")
        return 0
    what = f"{found.lines} lines, up to number {found.through}, from before {found.before}"
    if arguments.yes:
        _say(f"purged: {what}; their hashes stay, and the ledger says so")
    else:
        _say(f"past the retention: {what}; {kept}. Export them first if anybody may ask for them")
        _say("remove them: edge ledger purge --yes")
    return 0
