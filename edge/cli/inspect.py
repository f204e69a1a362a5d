"""`edge inspect`: what a bundle is, whose it is, and whether it would run here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.bundle.inspection import Inspection

_EPILOG = """exit status:
  0  the bundle would run here
  2  it would not, and the lines say why; or it is no bundle, or cannot be read
"""

HELP = "show a bundle: signer, consent, models, quality, and whether it runs here"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle's folder, or .zip")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Show it; return 0 for a bundle that would run here, 2 for any other."""
    from edge.bundle.inspection import inspect_bundle
    from edge.cli import one_line

    found = inspect_bundle(arguments.bundle)
    if arguments.json:
        sys.stdout.write(json.dumps(found.to_dict(), indent=2) + "\n")
    else:
        for name, text in _rows(found):
            sys.stdout.write(f"{name:<11}{one_line(text)}\n")
    return 2 if found.problems else 0


def _rows(found: Inspection) -> Iterator[tuple[str, str]]:
    from edge.bundle.inspection import quality_rows
    from edge.consent.canonical import utc_text
    from edge.consent.summary import summary, summary_lines

    contents, seal = found.papers.contents, found.papers.seal
    yield "bundle", found.where
    yield "id", contents.id
    yield "target", f"{contents.target} ({contents.architecture}): {contents.title}"
    yield "made with", contents.made_with
    yield "signer", f"{found.signer or 'NOT TRUSTED HERE'}, key {seal.key}"
    yield "valid", f"{utc_text(seal.signed)} to {utc_text(seal.expires)}"
    yield "files", f"{len(contents.parts)}, {contents.size / 1e6:.2f} MB"
    if contents.identity:
        yield "identity", f"baked in, commitment {contents.identity}"
    else:
        yield "identity", "none: edge run takes one with --identity"
    if found.consent is not None:
        for line in summary_lines(summary(found.consent)):
            key, _, text = line.partition(": ")
            yield key, text
    for model in found.models:
        yield (
            "model",
            f"{model['name']} ({model['kind']}, {model['precision']}, {model['size']}, "
            f"{model['licence']}, commercial use: {model['commercial']})",
        )
    for form, worst in quality_rows(found.quality).items():
        figures = ", ".join(f"{key.upper()} {value:.4g}" for key, value in worst.items())
        yield "quality", f"{form}: worst picture {figures}, against the float model"
    for fit in found.fits:
        yield "way to run", f"{fit.variant.name}: {fit.reason or 'nothing is in the way here'}"
    for note in found.notes:
        yield "note", note
    for problem in found.problems:
        yield "PROBLEM", problem
    yield "result", "would not run here" if found.problems else "would run here"
