"""The bars of the reference models on held-out faces of nobody.

`scripts/train evaluate` runs the exported ONNX files with ONNX Runtime, makes what held-out data is
missing (it renders faces, and fetches photographs of things by apt-get), and ends with status 1 if
a bar is missed. `--only` judges one model.
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
from models.training.swapper.files import model_name


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure has to reach: a least value, or a most one.

    Attributes:
        figure: its name.
        least: it is at least so large.
        most: it is at most so large.
    """

    figure: str
    least: float = float("-inf")
    most: float = float("inf")

    def reached(self, value: float) -> bool:
        """Whether a value reaches it; one that is no number does not."""
        return self.least <= value <= self.most

    def __str__(self) -> str:
        return f">= {self.least:g}" if self.most == float("inf") else f"<= {self.most:g}"


EMBEDDER = (Bar("auc", least=0.995), Bar("nearest_of_500", least=0.97))
SWAPPER = (
    Bar("psnr", least=27.0),  # dB in the face mask, against exact ground truth
    Bar("ssim", least=0.90),
    Bar("nearer_source", least=0.98),
    Bar("cosine_share", least=0.75),
    Bar("landmarks", most=0.03),  # eye distances, from the target's
    Bar("flicker", most=1.5),  # steps of 8 bits
)
MODELS = ("detector", "embedder", "swapper")
Figures = dict[str, float]


def bars_of(model: str) -> dict[str, Bar]:
    """The bars of a model's figures, by their names."""
    bars = EMBEDDER if model == "embedder" else SWAPPER
    return {bar.figure: bar for bar in bars}


def figures(count: int, models: tuple[str, ...] = MODELS) -> dict[str, Figures]:
    """Measure on `count` held-out identities and pairs, and keep the figures."""
    for store in ("photos", "swaps", "crowd"):
        pairs.fill(store, workers=2)
    out: dict[str, Figures] = {}
    if "embedder" in models:
        embed = embedder.exported()
        own = embedder.judged(embed, count) | embedder.among_others(embed)
        out["embedder"] = {"identities": count, **own}
    if "swapper" in models:
        for size in pairs.CROPS:
            name = model_name(size)
            if (WEIGHTS / f"{name}.onnx").exists():
                pairs.fill("swaps", workers=2, crop=size)
                found = swapper.judged(swapper.exported(size), size, count)
                out[name.removeprefix("ref_")] = found
    for model, values in out.items():
        (LOGS / f"{model}_metrics.json").write_text(json.dumps(values, indent=2) + "\n")
    return out


def report(measured: dict[str, Figures], console: Console) -> bool:
    """Print every figure and say whether all bars are reached."""
    table = Table("model", "figure", "value", "bar", "")
    all_reached = True
    for model, values in measured.items():
        bars = bars_of(model)
        for figure, value in values.items():
            bar = bars.get(figure)
            good = bar is None or bar.reached(value)
            all_reached &= good
            verdict = "" if bar is None else "reached" if good else "MISSED"
            table.add_row(model, figure, f"{value:.4g}", "" if bar is None else str(bar), verdict)
        lacking = [figure for figure in bars if figure not in values]
        all_reached &= not lacking
        for figure in lacking:
            table.add_row(model, figure, "", str(bars[figure]), "NOT MEASURED")
    console.print(table)
    return all_reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=240, help="held-out identities and pairs")
    parser.add_argument("--only", choices=MODELS, help="judge this model alone")
    options = parser.parse_args()
    models = MODELS if options.only is None else (options.only,)
    reached = True
    if set(models) & {"embedder", "swapper"}:
        reached = report(figures(options.count, models), Console())
    if "detector" in models:
        reached &= detector.judged_model(WEIGHTS / "ref_detector.onnx", None, picking=False)
    raise SystemExit(0 if reached else 1)


if __name__ == "__main__":
    main()
