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
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="list outputs, refusals and events, oldest first")
    show.set_defaults(action=_show)
    show.add_argument("--json", action="store_true")
    show.add_argument("--limit", type=int, metavar="N", help="only the newest N")
    verify = actions.add_parser("verify", help="exit status 0: whole; 4: broken")
    verify.set_defaults(action=_verify)
    verify.add_argument("--json", action="store_true")
    recover = actions.add_parser(
        "recover", help="close what a crash left open; every swap does this too"
    )
    recover.set_defaults(action=_recover)


def run(arguments: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _say(text: str) -> None:
    from edge.cli import one_line

    sys.stdout.write(one_line(text) + "\n")


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
        _say(_line(entry))
    if not entries:
        _say("the ledger is empty")
    return 0


def _state(entry: Entry) -> dict[str, str]:
    return {"state": entry.state} if entry.state else {}


def _line(entry: Entry) -> str:
    fields = entry.fields
    start = f"{entry.seq:>5}  {entry.time}"
    if entry.kind == "output":
        return f"{start}  {entry.state:<9}  {fields.get('purpose')}  {fields.get('path')}"
    if entry.kind == "refusal":
        return f"{start}  refused    {fields.get('reason')}"
    details = fields.get("details")
    words = " ".join(f"{k}={v}" for k, v in details.items()) if isinstance(details, dict) else ""
    return f"{start}  {fields.get('event')}  {words}"


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
