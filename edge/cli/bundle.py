"""`edge bundle`: renew bundles, and choose whose bundles this device runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

HELP = "renew bundles, and choose the builders whose bundles this device runs"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    text = "sign a bundle for another 90 days, or for as long as its consent lasts"
    renew = actions.add_parser("renew", help=text, description=text)
    renew.set_defaults(action=_renew)
    renew.add_argument("bundle", type=Path, metavar="BUNDLE", help="its folder, or its .zip file")
    renew.add_argument(
        "--key", metavar="PEM", help="a builder's Ed25519 key (default: this device's)"
    )
    text = "choose the builders whose bundles are run here"
    trust = actions.add_parser("trust", help=text, description=text)
    trust.epilog = (
        "Signers of pictures and time stamps: edge trust. Issuers of consents: edge consent trust. "
        "docs/trust.md tells the three apart."
    )
    steps = trust.add_subparsers(metavar="STEP", required=True)
    for name, text, action in (
        ("add", "run the bundles of a builder from now on", _add),
        ("remove", "run them no longer", _remove),
        ("list", "show them", _list),
    ):
        step = steps.add_parser(name, help=text, description=text)
        step.set_defaults(action=action)
        if name != "list":
            step.add_argument("key", help="its public key: 64 hex digits, or a PEM file")
        if name == "add":
            step.add_argument("--name", metavar="NAME", help="to show (default: from the key)")


def run(arguments: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _say(text: str) -> None:
    from edge.cli import one_line

    sys.stdout.write(one_line(text) + "\n")


def _renew(arguments: argparse.Namespace) -> int:
    from edge.bundle.contents import SEAL
    from edge.bundle.renewal import renew
    from edge.consent.canonical import utc_text
    from edge.consent.signing import load_private_key

    key = None if arguments.key is None else load_private_key(Path(arguments.key))
    seal = renew(arguments.bundle, key)
    _say(f"{arguments.bundle}: may be used until {utc_text(seal.expires)}")
    if arguments.bundle.is_dir():
        _say(f"nothing but {SEAL} has changed: copies of the bundle need that file alone")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    from edge.bundle.builders import add_builder
    from edge.consent.ledger import Ledger
    from edge.consent.signing import read_public_key

    key = read_public_key(arguments.key)
    name = arguments.name or f"builder {key[:8]}"
    add_builder(key, name)
    Ledger().event("trust", {"step": "add", "key": key, "name": name, "of": "bundles"})
    _say(f"bundles are run from now on of: {name}, {key}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from edge.bundle.builders import remove_builder
    from edge.consent.ledger import Ledger
    from edge.consent.signing import read_public_key

    key = read_public_key(arguments.key)
    remove_builder(key)
    Ledger().event("trust", {"step": "remove", "key": key, "of": "bundles"})
    _say(f"bundles are run no longer of: {key}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from edge.bundle.builders import THIS_DEVICE, trusted_builders
    from edge.consent.operator import operator_public_key

    own = operator_public_key()
    if own is not None:
        _say(f"{own} {THIS_DEVICE}")
    builders = trusted_builders()
    for key, name in builders.items():
        _say(f"{key} {name}")
    if not builders:
        _say("no other builder: add one with 'edge bundle trust add KEY'")
    return 0
