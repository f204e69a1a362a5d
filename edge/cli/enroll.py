"""`edge enroll`: from a consent and the pictures that it names to an identity file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.identity import add_secret, secret_of
from edge.isolation.whole import add_isolate

if TYPE_CHECKING:
    from edge.consent.enrol import Photo
    from edge.consent.identity import Identity
    from edge.consent.record import Consent

DEFAULT_RECOGNISERS = ("ref_embedder",)

_EXAMPLE = """example:
  edge enroll --consent alice.json --photos a.jpg b.jpg -o alice.identity

The identity holds embeddings and the consent, and no picture.
"""

HELP = "make an identity from a consent and the pictures that it names"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "--consent", required=True, metavar="FILE", help="consent file (edge consent new)"
    )
    parser.add_argument(
        "--photos",
        "--photo",
        nargs="+",
        action="extend",
        required=True,
        metavar="PICTURE",
        help="pictures of the subject that the consent names, one face each",
    )
    parser.add_argument(
        "-o", "--output", "--out", required=True, metavar="FILE", help="identity file to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_secret(parser, required=False)
    add_isolate(parser)
    parser.add_argument(
        "--recogniser",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="cards of the recognisers that the swap models take (default ref_embedder)",
    )
    parser.add_argument(
        "--detector",
        default="",
        metavar="NAME",
        help="card of the face detector (default: ours, in 8 bits where that is quicker)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from edge.cli import one_line
    from edge.consent.erase import register_derivative
    from edge.consent.identity import save_identity
    from edge.consent.ledger import Ledger
    from edge.consent.record import load_consent
    from edge.consent.refusals import recording_refusals
    from edge.consent.store import keep_consent
    from edge.errors import OutputError

    output = Path(arguments.output)
    if output.exists() and not arguments.overwrite:
        raise OutputError(f"{output} exists: choose another name, or give --overwrite")
    secret = secret_of(arguments)  # asked for before the work, not after it
    ledger = Ledger()
    asked = {"command": "enroll", "consent": arguments.consent, "output": arguments.output}
    with recording_refusals(ledger, asked) as people:
        consent = load_consent(arguments.consent)
        people.append(consent.subject)
        identity = _enrol(consent, arguments)
    save_identity(identity, output, overwrite=arguments.overwrite, secret=secret)
    register_derivative(identity.commitment, output)
    keep_consent(consent)
    ledger.event("enrol", {"identity": identity.commitment, "consent_id": consent.id})
    pictures = "1 picture" if len(arguments.photos) == 1 else f"{len(arguments.photos)} pictures"
    names = ", ".join(identity.recognisers)
    text = f"{output}: {consent.subject}, from {pictures}, with {names}"
    sys.stdout.write(one_line(text) + "\n")
    return 0


def _enrol(consent: Consent, arguments: argparse.Namespace) -> Identity:
    from edge.consent.enrol import CLEARLY_DIFFERENT, Recogniser, check_may_enrol, enrol
    from edge.consent.operator import operator_key
    from edge.consent.trust import load_trust

    paths = [Path(photo) for photo in arguments.photos]
    key, trust = operator_key(), load_trust()
    # First what costs nothing: a picture that the consent does not name is not even opened.
    check_may_enrol(consent, paths, key, trust)
    photos = [_read(path) for path in paths]

    from edge.faces.detect import open_detector
    from edge.faces.embed import open_embedder
    from edge.faces.quality import check_photo

    recognisers = []
    for name in dict.fromkeys(arguments.recogniser or DEFAULT_RECOGNISERS):
        embedder = open_embedder(name)
        # Never stricter than the recogniser itself, which knows best what it counts as one person.
        below = min(CLEARLY_DIFFERENT, embedder.match_threshold)
        recognisers.append(Recogniser(embedder.card.name, embedder.card.sha256, embedder, below))
    detector = open_detector(arguments.detector)
    return enrol(
        consent, photos, *recognisers, detector=detector, check=check_photo, key=key, trust=trust
    )


def _read(path: Path) -> Photo:
    from edge.consent.enrol import Photo
    from edge.media.image import read_picture

    return Photo(path, read_picture(path).frame)
