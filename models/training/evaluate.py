"""The bars of the reference models on held-out faces of nobody.

`python -m models.training.evaluate` runs the exported ONNX files with ONNX Runtime, makes what
held-out data is missing (it renders faces, and fetches photographs of things by apt-get), and ends
with status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from models.training import pairs
from models.training.detector import evaluate as detector
from models.training.embedder import evaluate as embedder
from models.training.runs import LOGS, WEIGHTS
from models.training.swapper import evaluate as swapper


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that has to reach a least value."""

    model: str
    figure: str
    least: float


BARS = (
    Bar("embedder", "auc", 0.98),
    Bar("swapper", "psnr", 22.0),
    Bar("swapper", "nearer_source", 0.90),
)


def figures(count: int) -> dict[str, dict[str, float]]:
    """Measure both models on `count` held-out identities and pairs, and keep the figures."""
    for store in ("photos", "swaps"):
        pairs.fill(store, workers=2)
    out = {
        "embedder": {"identities": count, **embedder.judged(embedder.exported(), count)},
        "swapper": {"pairs": count, **swapper.measure(swapper.exported(), count)},
    }
    for model, values in out.items():
        (LOGS / f"{model}_metrics.json").write_text(json.dumps(values, indent=2) + "\n")
    return out


def report(measured: dict[str, dict[str, float]], console: Console) -> bool:
    """Print every figure and say whether all bars are reached."""
    least = {(bar.model, bar.figure): bar.least for bar in BARS}
    table = Table("model", "figure", "value", "bar", "")
    reached = True
    for model, values in measured.items():
        for figure, value in values.items():
            bar = least.get((model, figure))
            good = bar is None or value >= bar
            reached &= good
            verdict = "" if bar is None else "reached" if good else "MISSED"
            table.add_row(model, figure, f"{value:.4g}", "" if bar is None else f"{bar:g}", verdict)
    console.print(table)
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=240, help="held-out identities and pairs")
    options = parser.parse_args()
    reached = report(figures(options.count), Console())
    reached &= detector.judged_model(WEIGHTS / "ref_detector.onnx", None, picking=False)
    raise SystemExit(0 if reached else 1)


if __name__ == "__main__":
    main()
