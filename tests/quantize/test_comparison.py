"""What stands out in a comparison, and its JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from quantize.comparison import FORMAT
from quantize.timing import Timing
from tests.quantize.measured import comparison, row


def _timing(ratio: float) -> Timing:
    return Timing(20, 10 / ratio, 12, 9, ratio, ratio)


def test_findings_name_the_quickest_the_smallest_and_the_nearest() -> None:
    quick = row("quick.onnx", timing=_timing(1.5))
    scores = quick.scores
    assert scores is not None
    near = row("near.onnx", timing=_timing(0.7), scores=replace(scores, psnr_worst=83.0))
    small = row("small.onnx", timing=_timing(1.1), size=10, size_ratio=0.05)
    broken = row("broken.onnx", size=1, trouble="it is broken", scores=None, timing=None)
    said = comparison(quick, near, small, broken).findings()
    assert said == [
        "Quickest here: quick.onnx, 1.50 times as fast as float.",
        "Smallest: small.onnx, 0.05 of the float model's size.",
        "Nearest to float: near.onnx, its worst picture at 83.0 dB.",
        "Not measured: broken.onnx.",
    ]


def test_nothing_is_called_quick_that_is_slower_than_float() -> None:
    said = comparison(row("slow.onnx", timing=_timing(0.9))).findings()
    assert said[0] == "Nothing is quicker than the float model on this machine."


def test_the_quickest_is_quick_by_medians_and_by_quickest_rounds() -> None:
    lucky = row("lucky.onnx", timing=replace(_timing(3.0), ratio_min=0.9))
    said = comparison(lucky, row("quick.onnx", timing=_timing(1.5))).findings()
    assert said[0] == "Quickest here: quick.onnx, 1.50 times as fast as float."


def test_nothing_that_does_not_run_stands_out() -> None:
    broken = row("broken.onnx", trouble="it is broken", scores=None, timing=None)
    assert comparison(broken).findings() == ["Not measured: broken.onnx."]


def test_json_holds_every_figure_and_no_picture() -> None:
    made = comparison(row("a.onnx"), notes=("A note.",))
    values = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert values["format"] == FORMAT
    one = values["candidates"][0]
    assert one["quality"]["psnr"] == [52.3, 44.1]
    assert one["timing_ms"]["p90"] == 14.0
    assert one["truth"]["masked"] is True
    assert one["providers"] == {"CPUExecutionProvider": 57}
    assert values["machine"]["features"] == ["avx2", "fma"]
    assert values["notes"] == ["A note."]
    assert "worst" not in one
