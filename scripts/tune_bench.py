"""Is what `edge tune` chooses never slower than an engine that nobody tuned? `scripts/bench tune`.

For every swap model at hand (the shipped one, and those in a folder of topologies, see
docs/measuring.md) the engines that are installed are tuned as `edge tune` does it, with the model
converted for MNN and ncnn as `edge quantize` does it. Then, in rounds of their own, the choice is
held against every engine as it comes: with as many threads as the engine itself takes.

The choice runs twice in these rounds, under two names: by how much the two differ is what chance
makes of equal things.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edge.backends import missing_reason
from edge.backends.base import CPU_PROVIDER
from edge.cards import load_card
from edge.contracts import Card, Kind
from edge.errors import CardError, EdgeError
from edge.machine import this_machine
from edge.records import Crop
from edge.registry import sha256_of
from edge.shelf import INSTALLED, Shelf
from edge.swapmodel import SwapModel, open_swap_model
from edge.timing import Timing, measure
from edge.trials import Turns, sample_of, source_for
from edge.tune import ENGINES, ROUNDS, Tuned, tune_models

SHIPPED = "ref_swapper"
FORMATS = ("mnn", "ncnn")
"""Forms that a model is converted to, for the engines of these names."""

CHANCE = 1.05
"""Two equal ways may differ by this factor in time."""

LARGE = 200_000_000  # bytes; a larger model takes minutes, and is measured where it is named
PACKAGES = ("onnxruntime", "openvino", "MNN", "ncnn", "numpy")


class Folder(Shelf):
    """Models of a folder beside those that are installed."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self._own: dict[str, Card] = {}

    def put(self, card: Card, path: Path) -> None:
        """Add a model."""
        self._own[card.name] = card
        self.files[card.name] = path

    def cards(self) -> Mapping[str, Card]:
        """Return every card, by name."""
        return {**INSTALLED.cards(), **self._own}

    def find(self, name: str, kind: Kind | None = None) -> Card:
        """Return a card by its name; see `Shelf.find`."""
        card = self._own.get(name)
        if card is None:
            return INSTALLED.find(name, kind)
        if kind is not None and card.kind != kind:
            raise CardError(f"model '{name}' is a {card.kind}, not a {kind}")
        return card

    def file_of(self, card: Card) -> Path | None:
        """Return the file that a card names."""
        return self.files.get(card.name) or INSTALLED.file_of(card)

    def locate(self, card: Card) -> Path:
        """Return the file that a card means."""
        return self.files.get(card.name) or INSTALLED.locate(card)


@dataclass(frozen=True, slots=True)
class Untuned:
    """An engine as it comes.

    Attributes:
        name: Of the way, as `edge tune` names it.
        card: Card name of the model's form.
        engine: Backend.
    """

    name: str
    card: str
    engine: str


def prepare(name: str, source: Path, card: Card, work: Path, shelf: Folder) -> list[str]:
    """Put a model on the shelf, with its forms for other engines; return what could not be made.

    Args:
        name: Of the model.
        source: Its .onnx file.
        card: Its card.
        work: Where conversions are kept; one that is there is not made again.
        shelf: Where they are put.
    """
    if name != SHIPPED:
        shelf.put(card, source)
    notes = []
    for form in FORMATS:
        if missing_reason(form, (CPU_PROVIDER,), "0"):
            notes.append(f"{form} is not installed")
            continue
        folder = work / f"{name}-{form}"
        found = next(folder.glob(f"*.{form}"), None) if folder.is_dir() else None
        if found is None:
            command = [sys.executable, "-m", "edge", "quantize", str(source), "-o", str(folder)]
            command += ["--precision", "fp32", "--format", form, "--count", "4", "--overwrite"]
            named = source.with_suffix(".toml")
            command += ["--card", str(named) if named.exists() else name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found = next(folder.glob(f"*.{form}"), None) if folder.is_dir() else None
            if done.returncode or found is None:
                said = done.stderr.strip().splitlines() or ["no file was written"]
                notes.append(f"no {form}: {said[-1].rpartition(': ')[2]}")
                continue
        digest, size = sha256_of(found), found.stat().st_size
        own = f"{name}_{form}"
        made = replace(card, name=own, file=found.name, sha256=digest, size=size)
        shelf.put(made, found)
    return notes


def forms_of(name: str, shelf: Folder) -> list[str]:
    """Return the card names of a model's forms, the model itself first."""
    return [name, *(f"{name}_{form}" for form in FORMATS if f"{name}_{form}" in shelf.files)]


def untuned_of(names: Sequence[str], shelf: Shelf) -> list[Untuned]:
    """Return every engine that is here with every form, as `edge tune` names the ways."""
    found = []
    for name in names:
        for engine in ENGINES.get(Path(shelf.find(name, "swapper").file).suffix, ()):
            if not missing_reason(engine, (CPU_PROVIDER,), "0"):
                way = engine if len(names) == 1 else f"{name} {engine}"
                found.append(Untuned(way, name, engine))
    return found


def held_against(tuned: Tuned, ways: Sequence[Untuned], shelf: Shelf, rounds: int) -> list[Timing]:
    """Run the choice, the choice again, and every engine as it comes, in turns.

    Returns:
        Their times; the choice's two come first.
    """
    by_name = {way.name: way for way in ways}
    good = {trial.way for trial in tuned.trials if trial.timing is not None}
    best = by_name[tuned.order[0]]

    def opened(way: Untuned, threads: int) -> SwapModel:
        return open_swap_model(way.card, backend=way.engine, threads=threads, shelf=shelf)

    models = {
        "the choice": opened(best, tuned.threads[best.name]),
        "the choice again": opened(best, tuned.threads[best.name]),
        **{way.name: opened(way, 0) for way in ways if way.name in good},
    }
    frame, faces, detector = sample_of("ref_detector", shelf)
    first = models["the choice"]
    crop, source = first.align(frame, faces[0]), source_for(first, detector)
    stages = {name: partial(_run, model, crop, source) for name, model in models.items()}
    return list(measure(stages, rounds, before=Turns(stages).before))


def _run(model: SwapModel, crop: Crop, source: Any) -> None:
    model._swap_crop(crop, source)


def verdict(timings: Sequence[Timing]) -> tuple[str, bool]:
    """Say whether the choice is no slower than the quickest engine as it comes.

    On a busy machine medians of equal things differ by more than chance: slower is what is slower
    by the median and by the quickest run as well.

    Args:
        timings: As `held_against` returns them.
    """
    choice, again, *untuned = timings
    best = min(untuned, key=lambda timing: timing.p50)
    quickest = min(untuned, key=lambda timing: timing.quickest)
    median = min(choice.p50, again.p50)
    least = min(choice.quickest, again.quickest)
    text = (
        f"the choice {choice.p50:.2f} ms, again {again.p50:.2f}; the best untuned, {best.stage}, "
        f"{best.p50:.2f}: {best.p50 / median:.2f} times as quick (by the quickest runs, "
        f"{least:.2f} and {quickest.quickest:.2f}, {quickest.quickest / least:.2f})"
    )
    return text, median <= best.p50 * CHANCE or least <= quickest.quickest * CHANCE


def best_trials(tuned: Tuned) -> list[Any]:
    """Return the quickest trial of each way, the quickest way first."""
    seen: dict[str, Any] = {}
    for trial in tuned.trials:
        if trial.timing is not None:
            seen.setdefault(trial.way, trial)
    return list(seen.values())


def models_in(folder: Path, wanted: Sequence[str]) -> list[tuple[str, Path, Card]]:
    """Return names, files and cards of the shipped model and of a folder's.

    Args:
        folder: Of .onnx files with a card (.toml) beside each.
        wanted: Names; all but large ones where it is empty.
    """
    card = INSTALLED.find(SHIPPED, "swapper")
    found = [(SHIPPED, INSTALLED.locate(card), card)]
    for path in sorted(folder.glob("*.onnx")):
        stated = path.with_suffix(".toml")
        if stated.exists() and (path.stem in wanted or path.stat().st_size < LARGE):
            found.append((path.stem, path, load_card(stated)))
    return [each for each in found if not wanted or each[0] in wanted]


def circumstances() -> dict[str, object]:
    """The machine and the versions that the figures hold for."""
    machine, versions = this_machine(), {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return {"processor": machine.processor, "cores": machine.cores, "versions": versions}


def _table(name: str, tuned: Tuned) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{name}, {tuned.roof.multiply_adds / 1e9:.3g} GMAC")
    for title in ("threads", "p50 ms", "quickest", "GOP/s", "of peak"):
        table.add_column(title, justify="right")
    for trial in best_trials(tuned):
        table.add_row(
            f"{trial.way} ({trial.engine})",
            str(trial.threads),
            f"{trial.timing.p50:.2f}",
            f"{trial.timing.quickest:.2f}",
            "" if trial.gops is None else f"{trial.gops:.0f}",
            "" if trial.share is None else f"{trial.share:.0%}",
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit status 1 where a choice is slower than an untuned engine."""
    parser = argparse.ArgumentParser(prog="scripts/bench tune", description=__doc__)
    parser.add_argument("name", nargs="*", help="models (default: all but very large ones)")
    parser.add_argument("--models", type=Path, default=Path(".train-data/topologies"))
    parser.add_argument("--work", type=Path, default=Path(".train-data/tune"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="where the figures go as well")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    shown: dict[str, Any] = circumstances()
    console.print(f"{shown['processor']}, {shown['cores']} cores; {shown['versions']}")
    good = True
    for name, path, card in models_in(options.models, options.name):
        shelf = Folder()
        notes = prepare(name, path, card, options.work, shelf)
        try:
            names = forms_of(name, shelf)
            tuned = tune_models(names, rounds=options.rounds, shelf=shelf)
            timings = held_against(tuned, untuned_of(names, shelf), shelf, options.rounds)
        except EdgeError as error:
            console.print(f"{name}: {error}", markup=False)
            good = False
            continue
        text, reached = verdict(timings)
        console.print(_table(name, tuned))
        console.print(f"{text}, {'reached' if reached else 'MISSED'}", markup=False)
        left_out = [f"{t.way}: {t.trouble}" for t in tuned.trials if t.trouble]
        for note in (*notes, *left_out):
            console.print(f"  {note}", markup=False)
        good &= reached
        shown[name] = {
            "trials": [trial.to_dict() for trial in tuned.trials],
            "peaks": {f"{kind} {n}": gops for (kind, n), gops in tuned.roof.peaks.items()},
            "against": {one.stage: [one.p50, one.quickest] for one in timings},
            "reached": reached,
        }
    if options.json:
        options.json.write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
