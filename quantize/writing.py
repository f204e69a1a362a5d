"""Write a converted model in the format that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from quantize.making import Made
from quantize.modelfile import save_model, write_file
from quantize.settings import Settings
from quantize.targets import TargetProfile

__all__ = ["write_model"]


def write_model(
    made: Made, path: Path, settings: Settings, profile: TargetProfile
) -> tuple[str, ...]:
    """Write a model and what belongs beside it.

    Args:
        made: the model.
        path: where; its suffix is that of the format.
        settings: what was asked for.
        profile: of the target.

    Returns:
        What a user of the file has to know, one sentence each.

    Raises:
        OutputError: the disk is full, or the folder may not be written to.
        QuantizeError: the format cannot hold the model; the message names the node.
    """
    if settings.form == "ort":
        from quantize.export.ort_format import to_ort

        style = settings.ort_style or profile.ort_style
        files = to_ort(made.model, path, style=style, target=profile.architecture)
        return files.notes
    if settings.form == "mnn":
        from quantize.export import mnn

        mnn.to_mnn(made.model, path, weights=cast(mnn.Weights, settings.precision))
    elif settings.form == "ncnn":
        from quantize.export import ncnn

        ncnn.to_ncnn(made.model, path, weights=cast(ncnn.Weights, settings.precision))
    elif settings.form == "tflite":
        from quantize.export.tflite import to_tflite

        half = settings.precision == "fp16"
        write_file(path, to_tflite(made.model, weights="fp16" if half else "fp32"))
    else:
        save_model(made.model, path)
    return ()
