"""`edge swap`: one consented identity into a picture, a video or a folder of both."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.records import LABEL_LANGUAGES, LABEL_STYLES, PURPOSES

if TYPE_CHECKING:
    from edge.jobs.results import Done, FolderSummary
    from edge.swap import Swapper

_EXAMPLE = """example:
  edge swap --identity alice.identity --input in.mp4 --output out.mp4 --purpose film
            --target-is self

edge models list shows the names that --model and the like take.
"""

HELP = "swap a consented identity into a picture, a video or a folder"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `edge swap`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLE
    need = parser.add_argument_group("what to swap")
    for option, text in (
        ("--identity", "identity file (edge enroll)"),
        ("--input", "picture, video, or folder of both"),
        ("--output", "file to write: .jpg, .png, .webp, .mp4 or .mov; a folder for a folder"),
    ):
        need.add_argument(option, type=Path, required=True, metavar="PATH", help=text)
    need.add_argument("--overwrite", action="store_true", help="replace an existing output")
    need.add_argument(
        "--source-picture",
        type=Path,
        metavar="FILE",
        help="picture of the identity's person, for a model that takes one; the consent names it",
    )

    leave = parser.add_argument_group("by whose leave")
    leave.add_argument(
        "--purpose", choices=PURPOSES, required=True, help="what it is for; the consent must say so"
    )
    who = leave.add_mutually_exclusive_group()
    who.add_argument(
        "--target-is",
        choices=("self", "synthetic", "covered-by-consent"),
        help="your statement about the person in the target; it goes into the manifest",
    )
    who.add_argument(
        "--target-consent", type=Path, metavar="FILE", help="or that person's own consent file"
    )

    which = parser.add_argument_group("which faces")
    which.add_argument(
        "--faces",
        default="all",
        metavar="WHICH",
        help="all (default); left, right, top, bottom, largest or smallest; a number, counted from "
        "the left; or the face at x,y in pixels",
    )
    which.add_argument(
        "--match", type=Path, metavar="FILE", help="only the face that matches this picture"
    )
    which.add_argument(
        "--min-score",
        type=float,
        metavar="S",
        help="least detector score in [0, 1] (default: the detector's own)",
    )
    which.add_argument(
        "--on-no-face",
        choices=("error", "skip"),
        default="error",
        help="skip: write nothing for a file without a face, and list it",
    )
    _configure_engines(parser)
    label = parser.add_argument_group("the label, which is always there")
    label.add_argument(
        "--label-language", choices=LABEL_LANGUAGES, help="of its words (default: the locale's)"
    )
    label.add_argument(
        "--label-style",
        choices=LABEL_STYLES,
        default="words",
        help="words (default), or the European Union's icon AI with its word",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _configure_engines(parser: argparse.ArgumentParser) -> None:
    engine = parser.add_argument_group("models and engine")
    engine.add_argument(
        "--model", default="ref_swapper", metavar="NAME", help="swap model (default ref_swapper)"
    )
    engine.add_argument(
        "--boost",
        type=int,
        default=1,
        metavar="N",
        help="swap crops N times as large, in N x N interleaved runs (default 1)",
    )
    engine.add_argument(
        "--detector",
        default="ref_detector",
        metavar="NAME",
        help="face detector (default ref_detector)",
    )
    engine.add_argument(
        "--landmarker",
        default="",
        metavar="NAME",
        help="landmarker (default: the detector's)",
    )
    engine.add_argument(
        "--mask",
        type=_names,
        default=(),
        metavar="NAME,..",
        help="maskers: what they take for no face is not replaced, e.g. xseg,bisenet",
    )
    engine.add_argument(
        "--backend", default="ort", metavar="NAME", help="ort (default), litert, tflite"
    )
    engine.add_argument(
        "--provider",
        action="append",
        metavar="NAME",
        help="execution provider, best first, repeatable; the first must be the one that runs",
    )
    engine.add_argument(
        "--threads", type=int, default=0, metavar="N", help="threads per engine (0: its choice)"
    )
    engine.add_argument(
        "--look-every",
        type=int,
        default=0,
        metavar="N",
        help="videos: look at the whole of every Nth frame and follow faces between "
        "(default 5; 1 to anonymise)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Swap and print what was made."""
    from edge.jobs.file import swap_file
    from edge.jobs.folder import swap_folder
    from edge.progress import bar, nested_bars

    swapper = _swapper(arguments)
    skip = arguments.on_no_face == "skip"
    if arguments.input.is_dir():
        with nested_bars("swapping", " ", arguments.json) as (progress, frames):
            summary = swap_folder(
                swapper,
                arguments.input,
                arguments.output,
                overwrite=arguments.overwrite,
                skip_without_face=skip,
                progress=progress,
                frames=frames,
            )
        _print_folder(summary, as_json=arguments.json)
        return 2 if summary.failed else 0
    with bar("swapping", arguments.json) as progress:
        done = swap_file(
            swapper,
            arguments.input,
            arguments.output,
            overwrite=arguments.overwrite,
            skip_without_face=skip,
            progress=progress,
        )
    _print_file(done, as_json=arguments.json)
    return 0


def _swapper(arguments: argparse.Namespace) -> Swapper:
    from edge.swap import CPU_PROVIDERS, Engines, Swapper

    return Swapper(
        arguments.identity,
        purpose=arguments.purpose,
        target_is=arguments.target_is,
        target_consent=arguments.target_consent,
        faces=arguments.faces,
        match=arguments.match,
        source_picture=arguments.source_picture,
        engines=Engines(
            model=arguments.model,
            detector=arguments.detector,
            backend=arguments.backend,
            providers=tuple(arguments.provider or CPU_PROVIDERS),
            threads=arguments.threads,
            min_score=arguments.min_score,
            boost=arguments.boost,
            landmarker=arguments.landmarker,
            masks=arguments.mask,
            look_every=arguments.look_every,
        ),
        label_language=arguments.label_language,
        label_style=arguments.label_style,
    )


def _print_file(done: Done, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(done.to_dict(), indent=2) + "\n")
    else:
        sys.stdout.write(done.describe() + "\n")


def _print_folder(summary: FolderSummary, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(summary.to_dict(), indent=2) + "\n")
    else:
        sys.stdout.write(summary.describe() + "\n")
