"""What `edge swap` and `edge run` share: what is swapped, by whose leave, and doing it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.isolation.whole import add_isolate
from edge.records import LABEL_LANGUAGES, LABEL_STYLES, PURPOSES

if TYPE_CHECKING:
    from edge.jobs.results import Done, FolderSummary
    from edge.swap import Swapper


def configure_files(group: argparse._ArgumentGroup) -> None:
    """Add input and output."""
    for option, text in (
        ("--input", "picture, video, or folder of both"),
        ("--output", "file to write: .jpg, .png, .webp, .mp4 or .mov; a folder for a folder"),
    ):
        group.add_argument(option, type=Path, required=True, metavar="PATH", help=text)
    group.add_argument("--overwrite", action="store_true", help="replace an existing output")
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on where an interrupted call stopped: a video behind its last finished segment, "
        "a folder with what the ledger does not have",
    )
    group.add_argument(
        "--source-picture",
        type=Path,
        metavar="FILE",
        help="picture of the identity's person, for a model that takes one; the consent names it",
    )


def configure_leave(parser: argparse.ArgumentParser) -> None:
    """Add purpose and statement about the target."""
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


def configure_faces(group: argparse._ArgumentGroup) -> None:
    """Add which faces are swapped, and what becomes of a file without one."""
    configure_faces_live(group)
    group.add_argument(
        "--on-no-face",
        choices=("error", "skip"),
        default="error",
        help="skip: write nothing for a file without a face, and list it",
    )


def configure_faces_live(group: argparse._ArgumentGroup) -> None:
    """Add which faces are swapped."""
    group.add_argument(
        "--faces",
        default="all",
        metavar="WHICH",
        help="all (default); left, right, top, bottom, largest or smallest; a number, counted from "
        "the left; or the face at x,y in pixels",
    )
    group.add_argument(
        "--match", type=Path, metavar="FILE", help="only the face that matches this picture"
    )
    group.add_argument(
        "--min-score",
        type=float,
        metavar="S",
        help="least score of a face in [0, 1] (default: the landmarker's own, 0.7 for ours; the "
        "detector's where the landmarker judges no face)",
    )


def configure_looks(group: argparse._ArgumentGroup) -> None:
    """Add how often the whole of a video's frame is looked at."""
    group.add_argument(
        "--look-every",
        type=int,
        default=0,
        metavar="N",
        help="videos: look at the whole of every Nth frame and follow faces between "
        "(default 5; 1 to anonymise)",
    )


def configure_boost(group: argparse._ArgumentGroup) -> None:
    """Add how large the crops are."""
    group.add_argument(
        "--boost",
        type=int,
        default=1,
        metavar="N",
        help="swap crops N times as large, in N x N interleaved runs (default 1)",
    )


def configure_output(parser: argparse.ArgumentParser) -> None:
    """Add the label's language and style, and the form of the report."""
    configure_label(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_isolate(parser)


def configure_label(parser: argparse.ArgumentParser) -> None:
    """Add the label's language and style."""
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


def swap_all(swapper: Swapper, arguments: argparse.Namespace) -> int:
    """Swap the input, whatever it is, and print what was made; return the exit status."""
    from edge.jobs.file import swap_file
    from edge.jobs.folder import swap_folder
    from edge.progress import bar, nested_bars

    skip = arguments.on_no_face == "skip"
    if arguments.input.is_dir():
        with nested_bars("swapping", " ", arguments.json) as (progress, frames):
            summary = swap_folder(
                swapper,
                arguments.input,
                arguments.output,
                overwrite=arguments.overwrite,
                skip_without_face=skip,
                resume=arguments.resume,
                progress=progress,
                frames=frames,
            )
        _print(summary, as_json=arguments.json)
        return 2 if summary.failed else 0
    with bar("swapping", arguments.json) as progress:
        done = swap_file(
            swapper,
            arguments.input,
            arguments.output,
            overwrite=arguments.overwrite,
            skip_without_face=skip,
            resume=arguments.resume,
            progress=progress,
        )
    _print(done, as_json=arguments.json)
    return 0


def _print(result: Done | FolderSummary, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(result.to_dict(), indent=2) + "\n")
    else:
        sys.stdout.write(result.describe() + "\n")
