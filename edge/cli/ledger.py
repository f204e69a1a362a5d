"""`edge ledger`: show what this device made and refused, and check that the log is whole."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.consent.ledger import Entry

HELP = "show what this device made and refused; check that the log is whole"

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
    recover = add_action(
        actions, "recover", "close what a crash left open; every swap does this too"
    )
    recover.set_defaults(action=_recover)


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
    if arguments.limit is not None:
        entries = entries[len(entries) - min(arguments.limit, len(entries)) :]
    if arguments.json:
        shown = [{**entry.fields, **_state(entry)} for entry in entries]
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
        return 0
    for entry in entries:
        sys.stdout.write(_line(entry) + "\n")
    if not entries:
        _say("the ledger is empty")
    return 0


def _state(entry: Entry) -> dict[str, str]:
    return {"state": entry.state} if entry.state else {}


def _line(entry: Entry) -> str:
    from edge.cli import one_line

    what, more = (one_line(text) for text in _words(entry))
    number, time, kind = _COLUMNS
    when = one_line(entry.time)
    return f"{entry.seq:>{number}}  {when:<{time}}  {what:<{kind}}  {more}".rstrip()


def _words(entry: Entry) -> tuple[str, str]:
    """Return what an entry is, in a word, and the rest."""
    fields = entry.fields
    if entry.kind == "output":
        return entry.state, f"{fields.get('purpose')}  {fields.get('path')}"
    if entry.kind == "refusal":
        return "refused", str(fields.get("reason")).removeprefix("refused: ")
    details = fields.get("details")
    listed = details.items() if isinstance(details, dict) else ()
    return str(fields.get("event")), " ".join(f"{key}={value}" for key, value in listed)


def _verify(arguments: argparse.Namespace) -> int:
    import json

    from edge.consent.ledger import Ledger

    ledger = Ledger()
    problems = ledger.verify()
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
    return EXIT_BROKEN if problems else 0


def _recover(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger

    missing = Ledger().recover()
    for seq in missing:
        _say(f"entry {seq}: its file never appeared")
    if not missing:
        _say("nothing is missing")
    return 0
