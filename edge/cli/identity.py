"""`edge identity`: show and erase identities."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.consent.identity import Identity
    from edge.consent.vault import Secret

HELP = "show, encrypt or erase an identity; erase takes all that was made from it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from edge.cli import add_action

    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = add_action(actions, "show", "say whose identity it is and what covers it")
    show.set_defaults(action=_show)
    show.add_argument("identity", metavar="FILE", help="identity file")
    show.add_argument("--json", action="store_true", help="print JSON")
    erase = add_action(
        actions,
        "erase",
        "remove an identity and every bundle and cache made from it on this device",
    )
    erase.set_defaults(action=_erase)
    erase.add_argument("identity", metavar="FILE", help="identity file")
    erase.add_argument(
        "--yes", action="store_true", help="do not ask (a script, without a terminal, is not asked)"
    )
    _add_encryption(actions)


def _add_encryption(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from edge.cli import add_action

    encrypt = add_action(actions, "encrypt", "encrypt an identity file where it is")
    encrypt.set_defaults(action=_encrypt)
    encrypt.add_argument("identity", metavar="FILE", help="identity file")
    add_secret(encrypt, required=True)
    decrypt = add_action(actions, "decrypt", "write it in the clear again, its owner's alone")
    decrypt.set_defaults(action=_decrypt)
    decrypt.add_argument("identity", metavar="FILE", help="encrypted identity file")
    key = add_action(actions, "new-key", "write a key file to encrypt identities with")
    key.set_defaults(action=_new_key)
    key.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="key file")


def add_secret(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add what an identity is encrypted with."""
    secret = parser.add_mutually_exclusive_group(required=required)
    secret.add_argument(
        "--key-file",
        type=Path,
        metavar="KEY",
        help="encrypt it with this file (edge identity new-key); keep it elsewhere. Whoever swaps "
        "names it in EDGE_IDENTITY_KEY",
    )
    secret.add_argument(
        "--passphrase", action="store_true", help="encrypt it with a passphrase, asked for here"
    )


def secret_of(arguments: argparse.Namespace) -> Secret | None:
    """Return what to encrypt with, asking for a passphrase where that was chosen."""
    from edge.consent.vault import key_file, new_passphrase

    if arguments.key_file is not None:
        return key_file(arguments.key_file)
    return new_passphrase() if arguments.passphrase else None


def run(arguments: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _say(text: str) -> None:
    from edge.cli import one_line

    sys.stdout.write(one_line(text) + "\n")


def _facts(identity: Identity) -> dict[str, object]:
    from edge.consent.canonical import utc_text
    from edge.consent.summary import summary

    return {
        "subject": identity.subject,
        "created": utc_text(identity.created),
        "commitment": identity.commitment,
        "recognisers": {name: item.model_sha256 for name, item in identity.recognisers.items()},
        "enroller_key": identity.enroller_key,
        "consent": summary(identity.consent),
    }


def _show(arguments: argparse.Namespace) -> int:
    import json

    from edge.consent.identity import load_identity
    from edge.consent.summary import summary, summary_lines

    identity = load_identity(arguments.identity)
    facts = _facts(identity)
    if arguments.json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return 0
    _say(f"identity: {identity.subject}, enrolled {facts['created']}")
    _say(f"commitment: {identity.commitment}")
    for name, item in identity.recognisers.items():
        _say(f"recogniser: {name} ({item.model_sha256})")
    for line in summary_lines(summary(identity.consent)):
        _say(line)
    return 0


def _encrypt(arguments: argparse.Namespace) -> int:
    from edge.consent.identity import identity_file, load_identity
    from edge.consent.storage import replace_private

    path = Path(arguments.identity)
    identity = load_identity(path)
    replace_private(path, identity_file(identity, secret_of(arguments)))
    _say(f"{path}: encrypted; without its secret nobody, you neither, can use it again")
    return 0


def _decrypt(arguments: argparse.Namespace) -> int:
    from edge.consent.identity import identity_file, load_identity
    from edge.consent.storage import replace_private

    path = Path(arguments.identity)
    replace_private(path, identity_file(load_identity(path), None))
    _say(f"{path}: in the clear; whoever reads it has the person's embeddings")
    return 0


def _new_key(arguments: argparse.Namespace) -> int:
    from edge.consent.vault import KEY_FILE_VARIABLE, new_key_file

    new_key_file(arguments.output)
    _say(f"{arguments.output}: name it in {KEY_FILE_VARIABLE}, and keep a copy elsewhere")
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    from edge.consent.erase import erase_identity
    from edge.consent.ledger import Ledger
    from edge.errors import OutputError

    path = Path(arguments.identity)
    if not arguments.yes and not _agreed(path):
        _say("nothing was erased")
        return 1
    erased = erase_identity(path, Ledger())
    for gone in erased.removed:
        _say(f"erased {gone}")
    if erased.kept:
        raise OutputError(f"not everything could be erased: {'; '.join(erased.kept)}")
    _say("its consent stays, as the proof that what was done was permitted")
    return 0


def _agreed(path: Path) -> bool:
    """Ask where a person is there; a script that calls this means it."""
    from edge.cli import one_line

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    sys.stderr.write(one_line(f"Erase {path} and all that was made from it? (yes/no)") + " ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
