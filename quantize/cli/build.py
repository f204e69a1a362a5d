"""`edge build`: from a model, an identity and a target to a bundle."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli._maskers import add_mask, maskers_of
from edge.cli._threads import one_thread_or_more

if TYPE_CHECKING:
    from quantize.build import Built

HELP = "build a bundle for a device: models, identity, consent, signed (edge run runs it)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from quantize.settings import PRECISIONS
    from quantize.targets import EXTRA_ENGINES, target_names

    parser.add_argument(
        "--model", required=True, metavar="MODEL", help="an .onnx file, or a card's name"
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument(
        "--identity",
        type=Path,
        metavar="FILE",
        help="identity that is baked in; needs a consent in force",
    )
    who.add_argument(
        "--no-identity", action="store_true", help="bake nobody in: the bundle takes identities"
    )
    parser.add_argument("--target", required=True, metavar="NAME", help=", ".join(target_names()))
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="int8", help="of the swap model (int8)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="the bundle's folder"
    )
    parser.add_argument("--zip", action="store_true", help="also write it as DIR.zip")
    parser.add_argument(
        "--card",
        metavar="CARD",
        help="the model's card: a .toml file or a name (default: the one that means this file)",
    )
    parser.add_argument(
        "--budget",
        metavar="B",
        help="what the worst picture must keep: psnr:45, ssim:0.99, identity:0.98",
    )
    parser.add_argument(
        "--recipe", metavar="NAME", help="how int8 is made (default: the target's own)"
    )
    parser.add_argument(
        "--source-picture",
        type=Path,
        metavar="FILE",
        help="picture of that person, for a model that takes one; the consent names it",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="crops, pictures or videos to calibrate with (default: faces of nobody)",
    )
    parser.add_argument(
        "--count", type=int, default=32, metavar="N", help="samples to calibrate with (32)"
    )
    parser.add_argument("--detector", default="ref_detector", help="card of the face detector")
    add_mask(parser)
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="engines",
        metavar="ENGINE",
        help=f"also for this engine: {', '.join(EXTRA_ENGINES)}; repeatable (edge tune compares)",
    )
    parser.add_argument(
        "--key", type=Path, metavar="PEM", help="a builder's Ed25519 key (default: this device's)"
    )
    parser.add_argument(
        "--threads",
        type=one_thread_or_more,
        metavar="N",
        help="of the engines (default: all cores, at most 4)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier bundle")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Build and print; nothing is left when it fails."""
    from edge.consent.signing import load_private_key
    from edge.isolation.looking import try_stranger_isolated
    from quantize.build import build
    from quantize.cli.quantize import bars

    folder: Path = arguments.output
    archive = folder.parent / f"{folder.name}.zip" if arguments.zip else None
    model, card = _model(arguments.model, arguments.card)
    try_stranger_isolated(model)
    with bars(quiet=arguments.json) as progress:
        built = build(
            model,
            folder,
            target=arguments.target,
            identity=arguments.identity,
            precision=arguments.precision,
            card=card,
            recipe=arguments.recipe,
            budget=arguments.budget,
            source_picture=arguments.source_picture,
            calibration=arguments.calibration,
            count=arguments.count,
            threads=arguments.threads,
            detector=arguments.detector,
            masks=maskers_of(arguments),
            engines=tuple(arguments.engines),
            key=None if arguments.key is None else load_private_key(arguments.key),
            archive=archive,
            overwrite=arguments.overwrite,
            progress=progress,
        )
    if arguments.json:
        sys.stdout.write(json.dumps(_facts(built), indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(built)) + "\n")
    return 0


def _model(text: str, card: str | None) -> tuple[Path, str | None]:
    """Return the model's file and card: a file may be named by its card alone."""
    from edge.cards import card_names, find_card
    from edge.registry import locate

    path = Path(text)
    looks_a_path = path.exists() or path.name != text or bool(path.suffix)
    if path.is_file() or (looks_a_path and text not in card_names()):
        return path, card
    return locate(find_card(text, "swapper")), card or text


def _facts(built: Built) -> dict[str, Any]:
    from edge.consent.canonical import utc_text

    return {
        "bundle": str(built.folder),
        "zip": None if built.archive is None else str(built.archive),
        "id": built.id,
        "size": built.size,
        "signed_by": built.seal.key,
        "expires": utc_text(built.seal.expires),
        "baked": built.private,
        "formats": dict(built.conversions),
        "left_out": dict(built.left_out),
    }


def _lines(built: Built) -> Iterator[str]:
    from edge.cli import one_line
    from edge.consent.canonical import utc_text

    yield f"{one_line(str(built.folder))}: bundle {built.id}, {built.size / 1e6:.2f} MB"
    for form, facts in built.conversions.items():
        worst, latency = facts["quality"]["worst"], facts["latency"]
        yield (
            f"  {form:<7} {facts['size'] / 1e6:.2f} MB, worst picture {worst['psnr']:.2f} dB, SSIM "
            f"{worst['ssim']:.4f} ({facts['quality']['kernels']} kernels); "
            f"{latency['ratio']:.2f} times as quick as the float model on this machine"
        )
    for form, why in built.left_out.items():
        yield f"  {form:<7} left out: {one_line(why)}"
    whose = "one consented identity is baked in" if built.private else "takes identities"
    yield f"  {whose}; signed by {built.seal.key}"
    yield f"  may be used until {utc_text(built.seal.expires)}; edge bundle renew signs it again"
    if built.archive is not None:
        yield f"wrote {one_line(str(built.archive))}"
