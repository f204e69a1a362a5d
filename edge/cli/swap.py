"""`edge swap`: one consented identity into a picture, a video or a folder of both."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli._maskers import add_mask, maskers_of
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

if TYPE_CHECKING:
    from edge.swap import Engines, Swapper

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
    need.add_argument(
        "--identity", type=Path, required=True, metavar="PATH", help="identity file (edge enroll)"
    )
    configure_files(need)
    configure_leave(parser)
    configure_faces(parser.add_argument_group("which faces"))
    configure_engines(parser)
    configure_output(parser)


def configure_engines(parser: argparse.ArgumentParser) -> None:
    """Add which models run, and on what."""
    engine = parser.add_argument_group("models and engine")
    engine.add_argument(
        "--model", default="ref_swapper", metavar="NAME", help="swap model (default ref_swapper)"
    )
    configure_boost(engine)
    engine.add_argument(
        "--detector",
        default="",
        metavar="NAME",
        help="face detector (default: ours, in 8 bits where that is quicker)",
    )
    engine.add_argument(
        "--landmarker",
        default="",
        metavar="NAME",
        help="landmarker (default: the detector's)",
    )
    add_mask(engine)
    engine.add_argument(
        "--backend",
        default="ort",
        metavar="NAME",
        help="ort (default), litert, mnn, ncnn, openvino, tflite",
    )
    engine.add_argument(
        "--provider",
        action="append",
        metavar="NAME",
        help="execution provider, best first, repeatable; the first must be the one that runs",
    )
    engine.add_argument(
        "--threads",
        type=threads_or_choice,
        default=0,
        metavar="N",
        help="threads per engine (0: its choice)",
    )
    configure_looks(engine)


def run(arguments: argparse.Namespace) -> int:
    """Swap and print what was made."""
    return swap_all(swapper_of(arguments, arguments.source_picture), arguments)


def engines_of(arguments: argparse.Namespace) -> Engines:
    """Return the models and engine that the options name."""
    from edge.swap import CPU_PROVIDERS, Engines

    return Engines(
        model=arguments.model,
        detector=arguments.detector,
        backend=arguments.backend,
        providers=tuple(arguments.provider or CPU_PROVIDERS),
        threads=arguments.threads,
        min_score=arguments.min_score,
        boost=arguments.boost,
        landmarker=arguments.landmarker,
        masks=maskers_of(arguments),
        look_every=arguments.look_every,
    )


def swapper_of(arguments: argparse.Namespace, source_picture: Path | None = None) -> Swapper:
    """Return a swapper for the identity that the options name."""
    from edge.swap import Swapper

    return Swapper(
        arguments.identity,
        purpose=arguments.purpose,
        target_is=arguments.target_is,
        target_consent=arguments.target_consent,
        faces=arguments.faces,
        match=arguments.match,
        source_picture=source_picture,
        engines=engines_of(arguments),
        label_language=arguments.label_language,
        label_style=arguments.label_style,
    )
