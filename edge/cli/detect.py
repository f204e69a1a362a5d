"""`edge detect`: find the faces in pictures and say where they are."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli._threads import threads_or_choice
from edge.isolation.whole import add_isolate

if TYPE_CHECKING:
    from edge.faces.detect import Detector
    from edge.records import Face

HELP = "find the faces in pictures"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures")
    parser.add_argument(
        "--min-score",
        type=float,
        metavar="S",
        help="leave out faces below this score in [0, 1] (default: the landmarker's own, 0.7 for "
        "ours; the detector's where the landmarker judges no face)",
    )
    parser.add_argument(
        "--detector",
        default="",
        metavar="NAME",
        help="detector (default: ours, in 8 bits where that is quicker)",
    )
    parser.add_argument(
        "--landmarker",
        default="",
        metavar="NAME",
        help="landmarker (default: the detector's)",
    )
    parser.add_argument(
        "--backend", default="ort", metavar="NAME", help="ort (default), litert, tflite"
    )
    parser.add_argument(
        "--provider",
        action="append",
        metavar="NAME",
        help="execution provider, best first, repeatable; the first must be the one that runs",
    )
    parser.add_argument(
        "--threads",
        type=threads_or_choice,
        default=0,
        metavar="N",
        help="threads (0: the engine's choice)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: boxes, scores, landmarks")
    add_isolate(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is found; a file that cannot be read ends it before anything is printed."""
    from edge.faces.detect import open_detector

    detector = open_detector(
        arguments.detector,
        backend=arguments.backend,
        providers=tuple(arguments.provider or ("CPUExecutionProvider",)),
        threads=arguments.threads,
        landmarker=arguments.landmarker,
    )
    found = [(path, _faces(detector, path, arguments.min_score)) for path in arguments.files]
    if arguments.json:
        images = [_as_json(path, faces) for path, faces in found]
        document = images[0] if len(images) == 1 else {"images": images}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        for path, faces in found:
            sys.stdout.write("\n".join(_as_text(path, faces)) + "\n")
    return 0


def _faces(detector: Detector, path: Path, min_score: float | None) -> tuple[Face, ...]:
    from edge.media.image import read_picture

    return detector.detect(read_picture(path).frame, min_score=min_score)


def _as_json(path: Path, faces: tuple[Face, ...]) -> dict[str, Any]:
    return {
        "file": str(path),
        "faces": [
            {
                "box": [round(value, 2) for value in face.box],
                "score": round(face.score, 4),
                "landmarks": [[round(float(x), 2), round(float(y), 2)] for x, y in face.landmarks],
            }
            for face in faces
        ],
    }


def _as_text(path: Path, faces: tuple[Face, ...]) -> list[str]:
    from edge.cli import one_line

    count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    lines = [f"{one_line(str(path))}: {count}"]
    for face in faces:
        x, y, width, height = (round(value) for value in face.box)
        lines.append(f"  {width}x{height} at {x},{y}  score {face.score:.2f}")
    return lines
