"""`edge quantize`: convert one model for one target, and say what that costs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli._threads import one_thread_or_more
from edge.harmless import raw
from edge.isolation.whole import add_isolate

if TYPE_CHECKING:
    from quantize.settings import Progress

HELP = "convert a model for a device: FP16, INT8, ORT format, TFLite"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from quantize.settings import PRECISIONS
    from quantize.targets import FORMATS, ORT_STYLES, target_names

    parser.add_argument("model", type=Path, metavar="MODEL", help="an .onnx file; never changed")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="where the results go"
    )
    parser.add_argument(
        "--card",
        metavar="CARD",
        help="the model's card: a .toml file or a name (default: the one that means this file)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="int8",
        help="int8 (default); w8 keeps 8-bit weights and computes in float",
    )
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="onnx by default")
    parser.add_argument(
        "--target", default="x86_cpu", metavar="NAME", help=", ".join(target_names())
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
        "--ort-style",
        choices=ORT_STYLES,
        help="of an .ort file: fixed is rewritten for speed now, for the processor; runtime when "
        "it is loaded, for NNAPI (default: the target's own)",
    )
    parser.add_argument(
        "--bake",
        type=Path,
        metavar="FILE",
        help="make this identity part of the model; its consent must be in force",
    )
    parser.add_argument(
        "--source-picture",
        type=Path,
        metavar="FILE",
        help="picture of the baked person, for a model that takes one; the consent names it",
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
    parser.add_argument(
        "--threads",
        type=one_thread_or_more,
        metavar="N",
        help="of the engines (default: all cores, at most 4)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier conversion")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    add_isolate(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert and print; nothing is left in the output folder when it fails."""
    from edge.isolation.looking import try_stranger_isolated
    from quantize.conversion import as_json
    from quantize.convert import convert

    try_stranger_isolated(arguments.model)
    with bars(quiet=arguments.json) as progress:
        done = convert(
            arguments.model,
            arguments.output,
            card=arguments.card,
            precision=arguments.precision,
            format=arguments.format,
            target=arguments.target,
            recipe=arguments.recipe,
            ort_style=arguments.ort_style,
            budget=arguments.budget,
            bake=arguments.bake,
            source_picture=arguments.source_picture,
            calibration=arguments.calibration,
            count=arguments.count,
            threads=arguments.threads,
            overwrite=arguments.overwrite,
            progress=progress,
        )
    if arguments.json:
        sys.stdout.write(as_json(done.facts))
    else:
        files = [done.model, done.report, *done.side_files]
        sys.stdout.write("\n".join([*_table(done.facts), *map(_written, files)]) + "\n")
    return 0


@contextmanager
def bars(*, quiet: bool) -> Iterator[Progress]:
    """Show one bar per stage on standard error; nothing where that is no terminal."""
    from quantize.settings import silent

    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from edge.cli import one_line

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=raw(sys.stderr)), transient=True) as shown:
        task = shown.add_task("reading", total=None)

        def report(stage: str, done: int, total: int) -> None:
            text = one_line(stage)
            # A stage of one step has no end that could be foreseen.
            shown.update(task, description=text, completed=done, total=total if total > 1 else None)

        yield report


def _written(path: Path) -> str:
    from edge.cli import one_line

    return f"wrote {one_line(str(path))}"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.2f} MB"


def _table(facts: Mapping[str, Any]) -> list[str]:
    """Return the figures as lines of a plain table."""
    from edge.cli import one_line

    rows = dict(_rows(facts))
    width = max(len(name) for name in rows)
    lines = [f"{name:<{width}}  {one_line(text)}" for name, text in rows.items()]
    return lines + [f"note: {one_line(note)}" for note in facts["notes"]]


def _rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    quality, latency, memory = facts["quality"], facts["latency"], facts["memory"]
    worst, mean = quality["worst"], quality["mean"]
    recipe = f", recipe {facts['recipe']}" if facts["recipe"] else ""
    yield "model", f"{facts['file']} ({facts['precision']}, {facts['target']}{recipe})"
    before = facts["original"]["size"]
    yield "size", f"{_megabytes(facts['size'])}, {facts['ratio']:.3f} of {_megabytes(before)}"
    yield (
        "quality",
        f"worst picture {worst['psnr']:.2f} dB, SSIM {worst['ssim']:.4f}; "
        f"mean {mean['psnr']:.2f} dB, SSIM {mean['ssim']:.4f} "
        f"({quality['samples']} held-out samples, {quality['kernels']} kernels)",
    )
    if quality["mask_error"] is not None:
        yield (
            "mask",
            f"worst mask {quality['mask_psnr']:.2f} dB, "
            f"largest difference {quality['mask_error']:.4f}",
        )
    if quality["identity_cosine"] is not None:
        yield (
            "identity",
            f"cosine to the float model's face {quality['identity_cosine']:.4f}, "
            f"worst {quality['identity_cosine_worst']:.4f}",
        )
    if quality["truth"] is not None:
        truth = quality["truth"]
        yield (
            "truth",
            f"{truth['psnr']:.2f} dB, the float model {truth['reference_psnr']:.2f} dB",
        )
    yield (
        "latency",
        f"{latency['ratio']:.2f} times as quick as the float model on this machine: "
        f"{latency['p50_ms']:.1f} ms, float {latency['original_p50_ms']:.1f} ms "
        f"(median of {latency['rounds']}, {latency['threads']} threads)",
    )
    yield "fastest", f"{facts['fastest']} (on this machine)"
    yield from _layer_rows(facts)
    yield (
        "memory",
        f"at most {_megabytes(memory['peak_bytes'])}, {_megabytes(memory['before_bytes'])} of it "
        f"before the model was read; the rest is {memory['times_model']:.1f} times its size",
    )


def _layer_rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    floats, quantized = facts["float_layers"], facts["quantized_layers"]
    if quantized:
        shown = ", ".join(floats[:4]) + (", ..." if len(floats) > 4 else "")
        total = len(floats) + len(quantized)
        yield "float", f"{len(floats)} of {total} layers" + (f": {shown}" if floats else "")
    if facts["kept_float"]:
        yield "float32", f"{len(facts['kept_float'])} nodes stay in single precision"
    if facts["budget"] is not None:
        budget = facts["budget"]
        yield "budget", f"{budget['asked']}: reached {budget['reached']:.4g}"
    test = facts["checks"]["self_test"]["agreement_db"]
    yield "self-test", f"passed: the file agrees with the model in memory to {test:.1f} dB"
    saturation = facts["checks"]["saturation"]
    if saturation is not None:
        yield "kernels", saturation["text"]
    yield from _static_rows(facts["checks"]["static"])
    baked = facts["baked"]
    if baked is not None:
        yield (
            "baked",
            f"identity {baked['identity'][:12]}.., consent {baked['consent'][:12]} "
            f"until {baked['not_after']}",
        )


_SHOWN = 5  # findings; the JSON has all


def _static_rows(static: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if static is None or not static["verdicts"]:
        return
    yield "target", "; ".join(static["verdicts"].values())
    findings = static["findings"]
    for number, one in enumerate(findings[:_SHOWN], start=1):
        where = f"{one['node']} ({one['operator']})" if one["operator"] else one["node"]
        where = f"{where}: " if where else ""
        yield f"finding {number}", f"{where}{one['problem']}; {one['fix']}"
    if len(findings) > _SHOWN:
        yield "findings", f"{len(findings) - _SHOWN} more in the JSON"
