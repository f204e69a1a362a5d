"""Convert a model for a target: prepare, calibrate, quantize, export, test, measure, write.

Nothing appears in the output folder before all of it has come to a good end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.machine import this_machine
from quantize.budget import parse_budget
from quantize.conversion import Conversion
from quantize.errors import TargetError
from quantize.outputs import Staging, check_outputs, names_of
from quantize.settings import Precision, Progress, Settings, silent
from quantize.targets import Format, OrtStyle, load_target
from quantize.way import Way

if TYPE_CHECKING:
    pass

__all__ = ["Conversion", "convert"]

MOST_THREADS = 4
"""Threads that are used unless told otherwise: more do little for models of this size."""


def convert(
    model: Path | str,
    output: Path | str,
    *,
    card: Path | str | None = None,
    precision: Precision = "int8",
    format: Format = "onnx",  # the word that users know
    target: str = "x86_cpu",
    recipe: str | None = None,
    ort_style: OrtStyle | None = None,
    budget: str | None = None,
    bake: Path | str | None = None,
    source_picture: Path | str | None = None,
    calibration: Path | str | None = None,
    count: int = 32,
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Conversion:
    """Convert a swap model for a target, and measure what that costs.

    Args:
        model: .onnx file; never written to.
        output: folder for the model, its JSON and side files; made when it is missing.
        card: the model's card, as a TOML file or by its name; by default the one that means this
            very file, if there is one. Without a card, names and shapes are the graph's.
        precision: fp32, fp16, int8 or w8 (8-bit weights, computed in float).
        format: onnx, ort or tflite.
        target: name of a target, a folder in targets/: jetson, raspberry_pi, android_nnapi, ...
        recipe: name of the recipe for int8; the target's own by default.
        ort_style: when an .ort file is rewritten for speed; as the target wants it by default.
        budget: what the worst picture must keep: "psnr:45", "ssim:0.99", "identity:0.98".
        bake: identity file whose person becomes part of the model; needs a consent in force.
        source_picture: picture of that person, for a model that takes one; the consent names it.
        calibration: folder of crops, pictures or videos; faces of nobody by default.
        count: samples to calibrate with.
        threads: of the engines; by default all cores, at most 4.
        overwrite: whether files of an earlier conversion are replaced.
        progress: told of each step.

    Returns:
        Where the files are, and all that was measured.

    Raises:
        BudgetError: the budget cannot be met; says how near it came, and with what.
        QuantizeError: the model cannot be converted; the message says why.
        ConsentError: the identity's consent is not in force.
        OutputError: a file exists, or cannot be written.
        TargetError: the target has no use for that precision in that format.
        UsageError: an option makes no sense.
    """
    settings = Settings(
        model=Path(model),
        output=Path(output),
        card=card,
        precision=precision,
        form=format,
        target=target,
        recipe=recipe,
        ort_style=ort_style,
        budget=budget,
        bake=Path(bake) if bake is not None else None,
        source_picture=Path(source_picture) if source_picture is not None else None,
        calibration=Path(calibration) if calibration is not None else None,
        count=count,
        threads=min(MOST_THREADS, this_machine().cores) if threads is None else threads,
        overwrite=overwrite,
    )
    return _run(settings, progress)


def _run(settings: Settings, progress: Progress) -> Conversion:
    settings.check()
    budget = parse_budget(settings.budget) if settings.budget is not None else None
    profile = load_target(settings.target)
    if (settings.precision, settings.form, profile.half) == ("fp16", "ort", "stored"):
        raise TargetError(
            f"on {profile.title} half precision is only stored, and an .ort file would hold it as "
            "float32: take --format onnx or tflite"
        )
    names = names_of(settings.model, profile.name, settings.precision, settings.form)
    check_outputs(settings.output, names, settings.inputs(), overwrite=settings.overwrite)
    with Staging(settings.output) as staging:
        return Way(settings, profile, names, staging, budget, progress).walk()
