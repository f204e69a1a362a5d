"""`edge consent`: make, show and revoke consents, and choose the issuers that are trusted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.records import MEDIA, PURPOSES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edge.consent.record import Consent

_WORDS = "WORD[,WORD...]"
_EXAMPLE = """example:
  edge consent new --subject Alice --purpose film --photos a.jpg b.jpg --adult yes --intimate no
                   -o alice.json

The operator's own key makes a self-attested consent. With --witness-key and --form it is
agent-attested; signed with --key of an issuer that the device trusts, trusted-issuer.
"""

HELP = "make, show and revoke consents; choose trusted issuers"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from edge.cli import add_action

    actions = parser.add_subparsers(metavar="ACTION", required=True)
    new = add_action(
        actions, "new", "make and sign a consent; at a terminal it asks what is missing"
    )
    _configure_new(new)
    _configure_show(add_action(actions, "show", "say what a consent permits, and its state"))
    _configure_revoke(
        add_action(actions, "revoke", "end a consent, here or by a file from elsewhere")
    )
    _configure_trust(add_action(actions, "trust", "choose the issuers that are trusted"))


def _configure_new(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_new)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "--subject", metavar="NAME", help="name or pseudonym of whose face may be swapped in"
    )
    parser.add_argument(
        "--purpose",
        "--purposes",
        action="append",
        metavar=_WORDS,
        help=f"what for: {', '.join(PURPOSES)}",
    )
    parser.add_argument(
        "--media",
        "--medium",
        action="append",
        metavar=_WORDS,
        help=f"kinds of output: {', '.join(MEDIA)} (default all)",
    )
    parser.add_argument(
        "--targets",
        "--target",
        action="append",
        metavar=_WORDS,
        help="who may be in the target: self, synthetic, covered-by-consent (default these "
        "three), any, consent:<id>; other text is a note and permits nothing",
    )
    parser.add_argument("--from", dest="start", metavar="DATE", help="first day, UTC (default now)")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--to", dest="end", metavar="DATE", help="last day, UTC")
    end.add_argument("--days", type=int, help="days that it is valid (default 365)")
    parser.add_argument("--granted-by", metavar="NAME", help="who grants it (default the subject)")
    parser.add_argument(
        "--photos",
        "--photo",
        nargs="+",
        action="extend",
        metavar="PICTURE",
        help="pictures of the subject: enrolment takes these alone; named by salted hash, not kept",
    )
    age = parser.add_mutually_exclusive_group()
    age.add_argument("--born", metavar="YYYY-MM-DD", help="date of birth; checked, and not kept")
    age.add_argument(
        "--adult",
        nargs="?",
        const="yes",
        metavar="yes|no",
        help="is the subject 18 or older? if not, it is refused",
    )
    parser.add_argument(
        "--intimate",
        nargs="?",
        const="yes",
        metavar="yes|no",
        help="is it for intimate or sexual use? if so, it is refused",
    )
    parser.add_argument(
        "--synthetic", action="store_true", help="the faces were rendered and are nobody's"
    )
    parser.add_argument("--key", metavar="PEM", help="an issuer's Ed25519 key (default operator's)")
    parser.add_argument(
        "--enroller",
        action="append",
        default=[],
        metavar="KEY",
        help="public key of a device that may enrol too",
    )
    parser.add_argument("--witness-key", metavar="PEM", help="Ed25519 key of who saw them consent")
    parser.add_argument(
        "--witness-name", metavar="NAME", help="who that is (default: the key file's name)"
    )
    parser.add_argument("--form", metavar="FILE", help="the signed form, or recorded statement")
    parser.add_argument(
        "-o", "--output", "--out", required=True, metavar="FILE", help="consent file to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_show)
    parser.add_argument("consent", help="consent file, identity file, or id of a consent made here")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _configure_revoke(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_revoke)
    parser.add_argument(
        "consent", nargs="?", help="consent file, identity file, or id of a consent made here"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why, for people")
    parser.add_argument(
        "--key", metavar="PEM", help="key of its signer, witness or a trusted issuer"
    )
    parser.add_argument(
        "-o", "--output", "--out", metavar="FILE", help="also write it here, for other devices"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--import", dest="imported", metavar="FILE", help="take over a revocation made elsewhere"
    )


def _configure_trust(parser: argparse.ArgumentParser) -> None:
    from edge.cli import add_action

    parser.epilog = (
        "Signers of pictures and time stamps: edge trust. Builders of bundles: edge bundle trust. "
        "docs/trust.md tells the three apart."
    )
    steps = parser.add_subparsers(metavar="STEP", required=True)
    add = add_action(steps, "add", "trust an issuer: consents signed with this key count as theirs")
    add.set_defaults(action=_trust_add)
    add.add_argument("key", metavar="KEY", help="Ed25519 public key: 64 hex digits, or a PEM file")
    add.add_argument("--name", metavar="NAME", help="name to show (default the start of the key)")
    remove = add_action(steps, "remove", "trust an issuer no longer")
    remove.set_defaults(action=_trust_remove)
    remove.add_argument(
        "key", metavar="KEY", help="Ed25519 public key: 64 hex digits, or a PEM file"
    )
    add_action(steps, "list", "list trusted issuers").set_defaults(action=_trust_list)


def run(arguments: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _say(text: str) -> None:
    from edge.cli import one_line

    sys.stdout.write(one_line(text) + "\n")


def _warn(text: str) -> None:
    from edge.cli import one_line

    sys.stderr.write(f"edge consent: {one_line(text)}\n")


def _new(arguments: argparse.Namespace) -> int:
    from edge.cli._consent_form import read_form
    from edge.consent.canonical import utc_now, utc_text
    from edge.consent.ledger import Ledger
    from edge.consent.record import load_consent, new_consent, save_consent
    from edge.consent.refusals import recording_refusals
    from edge.consent.store import keep_consent
    from edge.errors import OutputError

    output = Path(arguments.output)
    if output.exists() and not arguments.overwrite:
        raise OutputError(f"{output} exists: choose another name, or give --overwrite")
    with recording_refusals(Ledger(), {"command": "consent new", "output": arguments.output}):
        form = read_form(arguments)
        consent = new_consent(
            form.terms,
            form.photos,
            _key(arguments.key),
            attestation=form.attestation,
            enrollers=_enrollers(arguments),
        )
    save_consent(consent, output, overwrite=arguments.overwrite)
    keep_consent(load_consent(output))
    _say(f"{output}: {_level_words(consent)} consent of {consent.subject}, id {consent.id}")
    _say(f"valid {utc_text(consent.not_before)} to {utc_text(consent.not_after)}")
    if consent.not_after < utc_now():
        _warn("this consent has expired already: nothing can be made with it")
    return 0


def _enrollers(arguments: argparse.Namespace) -> list[str]:
    from edge.consent.operator import operator_key
    from edge.consent.signing import public_hex, read_public_key

    named = [read_public_key(text) for text in arguments.enroller]
    if arguments.key is not None and not named:
        # An issuer's key signs and the operator's enrols: the device it is made on, by default.
        return [public_hex(operator_key())]
    return named


def _key(path: str | None) -> Ed25519PrivateKey:
    from edge.consent.operator import operator_key
    from edge.consent.signing import load_private_key

    return operator_key() if path is None else load_private_key(Path(path))


def _level_words(consent: Consent) -> str:
    from edge.consent.operator import operator_public_key
    from edge.consent.trust import assurance_of, load_trust

    return assurance_of(consent, load_trust(), operator_public_key()).level


def _show(arguments: argparse.Namespace) -> int:
    import json

    from edge.consent.store import find_consent
    from edge.consent.summary import summary, summary_lines

    facts = summary(find_consent(arguments.consent))
    if arguments.json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        for line in summary_lines(facts):
            _say(line)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    from edge.errors import UsageError

    if (arguments.consent is None) == (arguments.imported is None):
        raise UsageError("name the consent to revoke, or give --import FILE; one of the two")
    if arguments.imported is not None:
        return _import_revocation(arguments)
    return _make_revocation(arguments)


def _make_revocation(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger
    from edge.consent.revocation import (
        NO_REASON,
        install_revocation,
        new_revocation,
        save_revocation,
    )
    from edge.consent.store import find_consent
    from edge.consent.trust import load_trust

    consent = find_consent(arguments.consent)
    key = _key(arguments.key)
    revocation = new_revocation(consent, key, load_trust(), arguments.reason or NO_REASON)
    if arguments.output is not None:
        save_revocation(revocation, arguments.output, overwrite=arguments.overwrite)
    place = install_revocation(revocation)
    Ledger().event("revoke", {"consent_id": consent.id, "reason": revocation.reason})
    _say(f"revoked the consent {consent.id} of {consent.subject}; this device refuses it from now")
    _say(f"take {arguments.output or place} to other devices: edge consent revoke --import FILE")
    return 0


def _import_revocation(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger
    from edge.consent.revocation import install_revocation, load_revocation, may_revoke
    from edge.consent.store import find_consent
    from edge.consent.trust import load_trust
    from edge.errors import ConsentError

    revocation = load_revocation(arguments.imported)
    try:
        consent = find_consent(revocation.consent_id)
    except ConsentError:
        consent = None
    install_revocation(revocation)
    details = {"consent_id": revocation.consent_id, "reason": revocation.reason, "from": "import"}
    Ledger().event("revoke", details)
    if consent is None:
        _say(f"kept; it counts for the consent {revocation.consent_id} if its signer may revoke it")
    elif may_revoke(consent, revocation.signer_key, load_trust()):
        _say(f"the consent {consent.id} of {consent.subject} is revoked on this device")
    else:
        _warn(f"its signer may not revoke the consent {consent.id}: kept, and not honoured")
    return 0


def _trust_add(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger
    from edge.consent.signing import read_public_key
    from edge.consent.trust import add_issuer

    key = read_public_key(arguments.key)
    name = arguments.name or f"issuer {key[:8]}"
    add_issuer(key, name)
    Ledger().event("trust", {"step": "add", "key": key, "name": name})
    _say(f"trusted from now on: {name}, {key}")
    return 0


def _trust_remove(arguments: argparse.Namespace) -> int:
    from edge.consent.ledger import Ledger
    from edge.consent.signing import read_public_key
    from edge.consent.trust import remove_issuer

    key = read_public_key(arguments.key)
    remove_issuer(key)
    Ledger().event("trust", {"step": "remove", "key": key})
    _say(f"trusted no longer: {key}")
    return 0


def _trust_list(arguments: argparse.Namespace) -> int:
    from edge.consent.trust import load_trust

    issuers = load_trust().issuers
    for key, name in issuers.items():
        _say(f"{key}  {name}")
    if not issuers:
        _say("no trusted issuer: add one with 'edge consent trust add KEY'")
    return 0
