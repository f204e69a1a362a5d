"""`edge demo`: the main job on shipped samples, every step shown as the command that does it."""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge.harmless import raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.jobs.results import Done
    from edge.swap import Swapper

HELP = "enrol, swap, label, sign and verify, on shipped pictures of nobody"

PICTURE = "sample-two.jpg"
VIDEO = "sample.mp4"
SOURCES = "source-*.jpg"
MADE = ("demo.consent.json", "demo.identity", "picture.jpg", "video.mp4", "verify.json")
"""What the demo writes, in this order; a second run replaces these and nothing else."""
MODEL = "ref_swapper"
CONVERSIONS = (("fp16", ()), ("int8", ("--budget", "psnr:45")))
REPORT = "report.html"
"""What the toolchain adds, where it is installed: smaller models in `models/`, and the report."""
BUNDLE, FROM_BUNDLE = "bundle", "from-bundle.jpg"
"""And a bundle with the identity baked in, and what `edge run` makes with it."""
TARGETS = {"x86_64": "x86_cpu", "aarch64": "raspberry_pi"}
"""The target that a machine like this one is, by its architecture."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `edge demo`."""
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("demo-out"), help="folder (default: demo-out)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return the exit status."""
    from edge.errors import MediaError, OutputError
    from edge.resources import samples_dir

    folder: Path = arguments.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    samples = samples_dir()
    for name in (PICTURE, VIDEO, SOURCES):
        if not any(samples.glob(name)):
            raise MediaError(f"{samples / name}: the shipped sample is missing; install again")
    start = time.perf_counter()
    _say("edge-swap demo: every person in it was rendered and is nobody.\n")
    seconds = {"enrol": _enrol(folder, sorted(samples.glob(SOURCES)))}
    swapper, seconds["load models"] = _swapper(folder / "demo.identity")
    done = [
        _swap(swapper, samples / PICTURE, folder / "picture.jpg"),
        _swap(swapper, samples / VIDEO, folder / "video.mp4"),
    ]
    status, seconds["verify"] = _verify(folder)
    made = [*MADE, *_quantize(folder)]
    if made[-1] == REPORT:  # the toolchain is here
        made += _bundle(folder, samples / PICTURE)
    _print_times(seconds, done)
    _print_made(folder, made, time.perf_counter() - start)
    return status


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _show(words: Sequence[str | Path]) -> None:
    _say("$ edge " + " ".join(shlex.quote(str(word)) for word in words))


def _command(words: list[str]) -> None:
    """Show a command and run it as if it had been typed."""
    from edge.cli import main
    from edge.errors import EdgeError

    _show(words)
    if main(words) != 0:
        raise EdgeError(f"the step 'edge {words[0]}' failed; its message is above")


def _enrol(folder: Path, photos: list[Path]) -> float:
    start = time.perf_counter()
    consent, identity = folder / "demo.consent.json", folder / "demo.identity"
    pictures = [str(photo) for photo in photos]
    _command(
        [
            *["consent", "new", "--synthetic", "--subject", "nobody", "--purpose", "film"],
            *["--media", "picture,video,live", "--adult", "yes", "--intimate", "no"],
            *["--photos", *pictures, "-o", str(consent), "--overwrite"],
        ]
    )
    _command(
        [
            *["enroll", "--consent", str(consent), "--photos", *pictures],
            *["-o", str(identity), "--overwrite"],
        ]
    )
    return time.perf_counter() - start


def _swapper(identity: Path) -> tuple[Swapper, float]:
    from edge.swap import Swapper

    start = time.perf_counter()
    swapper = Swapper(identity, purpose="film", target_is="synthetic")
    return swapper, time.perf_counter() - start


def _swap(swapper: Swapper, source: Path, output: Path) -> Done:
    from edge.jobs.file import swap_file
    from edge.progress import bar

    identity = output.with_name("demo.identity")
    files: list[str | Path] = ["--identity", identity, "--input", source, "--output", output]
    _show(["swap", *files, "--purpose", "film", "--target-is", "synthetic", "--overwrite"])
    with bar("swapping", quiet=False) as progress:
        done = swap_file(swapper, source, output, overwrite=True, progress=progress)
    _say(done.describe())
    return done


def _verify(folder: Path) -> tuple[int, float]:
    from edge.cli import main
    from edge.provenance.verdict import worst
    from edge.provenance.verify import verify_file

    files = [folder / "picture.jpg", folder / "video.mp4"]
    words = ["verify", *map(str, files)]
    _show(words)
    start = time.perf_counter()
    status = main(words)
    seconds = time.perf_counter() - start
    verdicts = [verify_file(file) for file in files]
    report = {
        "files": [verdict.to_dict() for verdict in verdicts],
        "exit_status": worst(verdict.exit_status for verdict in verdicts),
    }
    text = json.dumps(report, indent=2, ensure_ascii=True) + "\n"
    (folder / "verify.json").write_text(text, encoding="ascii")
    return status, seconds


def _quantize(folder: Path) -> list[str]:
    """Make the swap model smaller and compare; return what was written, by names in `folder`."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    from edge.cards import find_card
    from edge.registry import locate

    if not entry_points(group="edge.commands", name="quantize") or find_spec("onnx") is None:
        _say("the toolchain is not installed: pip install 'edge-swap[quantize]' adds it\n")
        return []
    model = str(locate(find_card(MODEL)))
    names = []
    for precision, more in CONVERSIONS:
        words = ["quantize", model, "--card", MODEL, "--precision", precision, *more]
        _command([*words, "-o", str(folder / "models"), "--overwrite"])
        names.append(f"models/{MODEL}.x86_cpu.{precision}.onnx")
    smaller = [str(folder / name) for name in names]
    _command(["compare", model, *smaller, "--card", MODEL, "--report", str(folder / REPORT)])
    return [*names, REPORT]


def _bundle(folder: Path, picture: Path) -> list[str]:
    """Build a bundle for a machine like this one and swap with it; return what was written."""
    target = TARGETS.get(platform.machine())
    if target is None:
        _say(f"no target is a machine like this one ({platform.machine()}): no bundle is built\n")
        return []
    bundle, output = str(folder / BUNDLE), str(folder / FROM_BUNDLE)
    who = ["--identity", str(folder / "demo.identity")]
    _command(
        ["build", "--model", MODEL, *who, "--target", target, "-o", bundle, "--overwrite"],
    )
    files = ["--input", str(picture), "--output", output, "--overwrite"]
    _command(["run", bundle, *files, "--purpose", "film", "--target-is", "synthetic"])
    return [BUNDLE, FROM_BUNDLE]


def _print_times(seconds: dict[str, float], done: list[Done]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="\nhow long each stage took, in milliseconds", title_justify="left")
    table.add_column("stage")
    for one in done:
        what = "picture" if one.record is None or one.record.frames == 1 else "video"
        table.add_column(what, justify="right")
    table.add_column("per video frame", justify="right")
    frames = max(one.record.frames for one in done if one.record is not None)
    stages = dict.fromkeys(stage for one in done for stage in one.seconds)
    for stage in stages:
        cells = [f"{one.seconds[stage] * 1e3:.1f}" if stage in one.seconds else "" for one in done]
        spent = done[-1].seconds.get(stage)
        table.add_row(stage, *cells, "" if spent is None else f"{spent * 1e3 / frames:.2f}")
    for stage, spent in seconds.items():
        table.add_row(f"{stage} (both)", f"{spent * 1e3:.1f}")
    Console(file=raw(sys.stdout)).print(table)


def _print_made(folder: Path, made: Sequence[str], seconds: float) -> None:
    _say(f"\nmade in {seconds:.1f} s:")
    for name in made:
        path = folder / name
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        _say(f"  {path}  {sum(each.stat().st_size for each in files) / 1000:.0f} kB")
    _say(
        "\nLook at the pictures: who is shown has changed, pose and light have not; the label is\n"
        "in a corner, and 'edge verify' tells the rest. 'edge ledger show' lists what was made."
    )
