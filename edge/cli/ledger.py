"""`edge ledger`: what this device made and refused; that the log is whole; proofs for others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli import _ledger_evidence

if TYPE_CHECKING:
    from edge.consent.ledger import Entry, Ledger

HELP = "show what this device made and refused; check, sign, prove and export that log"

EXIT_BROKEN = 4


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from edge.cli import add_action

    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = add_action(actions, "show", "list outputs, refusals and events, oldest first")
    show.set_defaults(action=_show)
    show.add_argument("--json", action="store_true", help="print JSON")
    show.add_argument("--limit", type=int, metavar="N", help="only the newest N")
    verify = add_action(
        actions, "verify", "check the chain of entries; exit status 0: whole, 4: broken"
    )
    verify.set_defaults(action=_verify)
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="compare with a proof or an export that was given away before",
    )
    recover = add_action(
        actions, "recover", "close what a crash left open; every swap does this too"
    )
    recover.set_defaults(action=_recover)
    _ledger_evidence.add_actions(actions)


def run(arguments: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _say(text: str) -> None:
    from edge.cli import one_line

    sys.stdout.write(one_line(text) + "\n")


_COLUMNS = (5, 20, 15)
"""Widths of number, time, and what it is; the rest follows."""


def _show(arguments: argparse.Namespace) -> int:
    import json

    from edge.consent.ledger import Ledger
    from edge.errors import UsageError

    if arguments.limit is not None and arguments.limit < 0:
        raise UsageError("--limit is 0 or more")
    entries = Ledger().entries()
    if not entries and not arguments.json:
        _say("the ledger is empty")
    if arguments.limit is not None:
        entries = entries[len(entries) - min(arguments.limit, len(entries)) :]
    if arguments.json:
        shown = [{**entry.fields, **_state(entry)} for entry in entries]
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
        return 0
    for entry in entries:
        sys.stdout.write(_line(entry) + "\n")
    return 0


def _state(entry: Entry) -> dict[str, str]:
    return {"state": entry.state} if entry.state else {}


def _line(entry: Entry) -> str:
    from edge.cli import one_line

    what, more = (one_line(text) for text in _words(entry))
    number, time, kind = _COLUMNS
    when = one_line(entry.time)
    return f"{entry.seq:>{number}}  {when:<{time}}  {what:<{kind}}  {more}".rstrip()


_LINES = {
    "stamp": ("time stamp", ("checkpoint", "stamped", "authority")),
    "stamped": ("stamped later", ("entry", "stamped", "authority", "was", "output_sha256")),
    "purge": ("purged", ("lines", "through", "before")),
}


def _words(entry: Entry) -> tuple[str, str]:
    """Return what an entry is, in a word, and the rest."""
    fields = entry.fields
    if entry.kind == "output":
        return entry.state, f"{fields.get('purpose')}  {fields.get('path')}"
    if entry.kind == "checkpoint":
        size = str(fields.get("text")).split("\n")[1:2]
        return "checkpoint", f"signs the {''.join(size)} lines before it"
    if entry.kind in _LINES:
        word, names = _LINES[entry.kind]
        return word, " ".join(f"{name}={fields[name]}" for name in names if name in fields)
    if entry.kind == "refusal":
        return "refused", str(fields.get("reason")).removeprefix("refused: ")
    details = fields.get("details")
    listed = details.items() if isinstance(details, dict) else ()
    return str(fields.get("event")), " ".join(f"{key}={value}" for key, value in listed)


def _signed(ledger: Ledger) -> str:
    """Return what the checkpoints cover, in words."""
    from edge.consent.checkpoints import KIND

    entries = ledger.lines()
    last = next((e for e in reversed(ledger.entries()) if e.kind == KIND), None)
    purged = len(ledger.purged())
    gone = f"; {purged} older lines were purged" if purged else ""
    if last is None:
        return f"no checkpoint yet: edge ledger checkpoint signs its {len(entries)} lines{gone}"
    return f"signed up to line {last.seq - 1} of {purged + len(entries)}, {last.time}{gone}"


def _verify(arguments: argparse.Namespace) -> int:
    import json

    from edge.consent.chain import Problem
    from edge.consent.checking import contradiction
    from edge.consent.ledger import Ledger

    ledger = Ledger()
    problems = ledger.verify()
    if arguments.against is not None and not problems:
        what = contradiction(ledger, arguments.against)
        problems = [Problem(0, f"not as in {arguments.against}: {what}")] if what else []
    if arguments.json:
        listed = [{"line": problem.line, "what": problem.what} for problem in problems]
        facts = {"path": str(ledger.path), "intact": not problems, "problems": listed}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        for problem in problems:
            where = f"line {problem.line}: " if problem.line else ""
            _say(f"{ledger.path}: {where}{problem.what}")
        if not problems:
            _say(f"{ledger.path}: whole; every entry continues the one before")
            _say(_signed(ledger))
    return EXIT_BROKEN if problems else 0


def _recover(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger

    missing = Ledger().recover()
    for seq in missing:
        _say(f"entry {seq}: its file never appeared")
    if not missing:
        _say("nothing is missing")
    return 0
