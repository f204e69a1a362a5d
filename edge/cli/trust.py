"""`edge trust`: whose signatures and time stamps count on this device."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.provenance.trusting import Trusted

HELP = "say whose signatures and time stamps count on this device"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from edge.cli import add_action

    parser.epilog = (
        "Issuers of consents: edge consent trust. Builders of bundles: edge bundle trust. "
        "docs/trust.md tells the three apart."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = add_action(actions, "list", "fingerprints, validity and revocation lists")
    show.set_defaults(action=_list)
    show.add_argument("--json", action="store_true", help="print JSON")
    new = add_action(
        actions,
        "add",
        "trust authorities from a file: PEM, DER, the C2PA trust lists (PEM or JSON); or a CRL",
    )
    new.set_defaults(action=_add)
    new.add_argument("file", type=Path, metavar="FILE", help="compare its fingerprints first")
    new.add_argument(
        "--for",
        dest="role",
        choices=("signers", "time"),
        default="signers",
        help="whose word they vouch for: signers of manifests, or time-stamping authorities",
    )
    new.add_argument("--name", help="name to keep them under; the file's by default")
    old = add_action(actions, "remove", "trust them no longer")
    old.set_defaults(action=_remove)
    old.add_argument("name", metavar="NAME", help="as the list names it, or a fingerprint")


def run(arguments: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _say(text: str) -> None:
    from edge.cli import one_line

    sys.stdout.write(one_line(text) + "\n")


def _list(arguments: argparse.Namespace) -> int:
    from edge.provenance.trusting import trusted

    listed = trusted()
    if arguments.json:
        sys.stdout.write(json.dumps([_facts(item) for item in listed], indent=2) + "\n")
        return 0
    for item in listed:
        facts = _facts(item)
        what = {"signers": "signers", "time": "time stamps", "revocations": "revocations"}
        until = f"until {facts['not_after']}" if facts["not_after"] else "no end"
        state = "  EXPIRED" if facts["state"] == "expired" else ""
        _say(f"{item.name}  {what[item.role]}  {item.subject}  {until}{state}")
        if item.sha256:
            sys.stdout.write(f"    sha256 {item.sha256}\n")
    if not listed:
        _say("nobody is trusted yet: not even this device, which has made no key")
    return 0


def _facts(item: Trusted) -> dict[str, Any]:
    import datetime

    now = datetime.datetime.now(datetime.timezone.utc)
    ended = item.not_after is not None and item.not_after < now
    return {
        "name": item.name,
        "for": item.role,
        "subject": item.subject,
        "sha256": item.sha256 or None,
        "not_after": f"{item.not_after:%Y-%m-%dT%H:%M:%SZ}" if item.not_after else None,
        "state": "expired" if ended else "valid",
    }


def _add(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger
    from edge.provenance.trusting import add, trusted

    added = add(arguments.file, arguments.role, arguments.name)
    for reason in added.left_out:
        _say(f"left out: {reason}")
    if added.certificates:
        whose = "signatures" if arguments.role == "signers" else "time stamps"
        count = f"{added.certificates} authorit{'y' if added.certificates == 1 else 'ies'}"
        _say(f"{added.path.name}: {count}, trusted for {whose} from now on")
        for item in trusted():
            if item.name == added.path.name and item.role == arguments.role:
                _say(f"  {item.subject}  sha256 {item.sha256}")
    else:
        _say(f"{added.path.name}: certificates that it lists count as revoked from now on")
    details = {"what": "anchors added", "name": added.path.name, "for": arguments.role}
    Ledger().event("trust", {**details, "certificates": str(added.certificates)})
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger
    from edge.provenance.trusting import remove

    for path in remove(arguments.name):
        _say(f"{path.name}: trusted no longer")
        Ledger().event("trust", {"what": "anchors removed", "name": path.name})
    return 0
