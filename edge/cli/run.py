"""`edge run`: swap with a bundle, which says what runs and who may be shown."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.cli import one_line
from edge.cli._swapping import (
    configure_boost,
    configure_faces,
    configure_files,
    configure_leave,
    configure_looks,
    configure_output,
    swap_all,
)
from edge.cli._threads import threads_or_choice

HELP = "swap with a bundle (edge build) in a picture, a video or a folder"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `edge run`."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle's folder, or .zip")
    need = parser.add_argument_group("what to swap")
    need.add_argument(
        "--identity", type=Path, help="identity file, for a bundle that holds nobody's"
    )
    configure_files(need)
    configure_leave(parser)
    configure_revocations(parser)
    configure_faces(parser.add_argument_group("which faces"))
    engine = parser.add_argument_group("engine")
    engine.add_argument(
        "--threads",
        type=threads_or_choice,
        metavar="N",
        help="threads per engine (0: its choice; default: what the bundle says)",
    )
    configure_boost(engine)
    configure_looks(engine)
    configure_output(parser)


def configure_revocations(parser: argparse.ArgumentParser) -> None:
    """Add the option that takes revocations over."""
    parser.add_argument(
        "--revocation",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="take over a revocation record first, for good; repeatable",
    )


def run(arguments: argparse.Namespace) -> int:
    """Open the bundle, swap, and print what was made."""
    from edge.bundle.opening import open_bundle

    for file in arguments.revocation:
        take_over(file)
    bundle = open_bundle(arguments.bundle)
    for note in bundle.notes:
        sys.stderr.write(f"edge run: {one_line(note)}\n")
    swapper = bundle.swapper(
        purpose=arguments.purpose,
        target_is=arguments.target_is,
        target_consent=arguments.target_consent,
        identity=arguments.identity,
        faces=arguments.faces,
        match=arguments.match,
        source_picture=arguments.source_picture,
        threads=arguments.threads,
        min_score=arguments.min_score,
        boost=arguments.boost,
        look_every=arguments.look_every,
        label_language=arguments.label_language,
        label_style=arguments.label_style,
    )
    return swap_all(swapper, arguments)


def take_over(file: Path) -> None:
    """Take a revocation over on this device, for good, and enter it."""
    from edge.consent.ledger import Ledger
    from edge.consent.revocation import install_revocation, load_revocation

    revocation = load_revocation(file)
    install_revocation(revocation)
    details = {"consent_id": revocation.consent_id, "reason": revocation.reason, "from": "run"}
    Ledger().event("revoke", details)
