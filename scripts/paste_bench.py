"""Measure what a swap costs around the model: `scripts/bench paste`.

One face in a 1920x1080 frame, one thread, the model replaced by one that gives a fixed picture at
once. The same face goes through InsightFace's `INSwapper.get(paste_back=True)`, in turns in the
same process. Both follow the contract of inswapper_128, so both do the same work: align,
normalise, de-normalise, mask and paste.

Each runs five times in its turn. The first run finds the processor's caches and the memory as
another one left them, which is InsightFace's hundred megabytes as often as not; it is shown for
itself, and what the other four take is held against the bars.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edge.cards import find_card
from edge.faces.templates import TEMPLATE_POINTS
from edge.machine import this_machine
from edge.provenance.label import Label, plan_label
from edge.records import Face
from edge.swapmodel import SwapModel
from edge.timing import WARM_UP, Timing, timing_of

WIDTH, HEIGHT = 1920, 1080
SIDES = (400, 150)
"""Sides of the face in pixels: of the square that arcface_112_v2 is aligned to."""

EXACT = ", exact mask"
"""Added to the name of those that composite with the frame's own pixels (`edge.paste.lay_over`)."""

FIRST = ", first"
"""What is added to the name of the run that comes after another one's."""

RUNS = 5
"""Of each in its turn, the first included."""

ROLL = 5.0
"""Degrees, so that no warp is an axis-aligned one."""

BARS = {400: 1.7, 150: 0.6}
"""Milliseconds for everything around the model."""

LABEL_BAR = 0.1
PEER_BAR = 60.0
"""How many times as fast as InsightFace."""

CHANCE = 1.05
"""Two equal faces may differ by this factor in time."""

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A session that gives the same arrays whatever it is fed; see `edge.backends.base.Session`.

    Attributes:
        given: float32 (1, 3, 128, 128) RGB in [0, 1], and of a model with a mask that too,
            (1, 1, 128, 128).
        outputs: Their names.
    """

    given: tuple[NDArray[np.float32], ...]
    outputs: tuple[str, ...] = ("output",)
    inputs: tuple[str, ...] = ("target", "source")
    engine: str = "none"
    engine_version: str = "0"
    provider: str = "CPUExecutionProvider"
    free_batch: bool = False

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Give them."""
        return list(self.given)


class Peer:
    """InsightFace's swapper with a model that gives the same picture at once."""

    def __init__(self, picture: NDArray[np.float32]) -> None:
        """Build it without its loader, which wants a model file.

        Args:
            picture: float32 (1, 3, 128, 128) RGB in [0, 1].
        """
        from insightface.model_zoo.inswapper import INSwapper

        peer = INSwapper.__new__(INSwapper)
        peer.input_mean, peer.input_std = 0.0, 255.0
        peer.input_size = (128, 128)
        peer.input_names, peer.output_names = ["target", "source"], ["output"]
        peer.emap = np.eye(512, dtype=np.float32)
        peer.session = SimpleNamespace(run=lambda names, feeds: [picture])
        self._peer = peer
        self._source = SimpleNamespace(normed_embedding=np.eye(1, 512, dtype=np.float32)[0])

    def swap(self, frame: Frame, face: Face) -> Frame:
        """Swap one face; the frame stays as it is, a new one comes back."""
        given: Frame = self._peer.get(frame, SimpleNamespace(kps=face.landmarks), self._source)
        return given


def frame_of(seed: int) -> Frame:
    """Return a smooth picture, uint8 (1080, 1920, 3) BGR."""
    small = np.random.default_rng(seed).integers(0, 256, (27, 48, 3), np.uint8)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def face_of(side: int) -> Face:
    """Return a face in the middle of the frame, turned a little."""
    turn = np.radians(ROLL)
    across = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (np.array(TEMPLATE_POINTS["arcface_112_v2"]) - 0.5) * side @ across.T + (
        WIDTH / 2,
        HEIGHT / 2,
    )
    box = (WIDTH / 2 - side / 2, HEIGHT / 2 - side / 2, float(side), float(side))
    return Face(box=box, score=1.0, landmarks=points.astype(np.float32))


def around_the_model(model: SwapModel, frame: Frame, faces: Sequence[Face]) -> None:
    """Do what `edge.swap` does with the faces of a frame, in place."""
    crops = [model.align(frame, face) for face in faces]
    source = np.eye(1, 512, dtype=np.float32)[0]
    for crop, (picture, mask) in zip(crops, model._swap_crops(crops, source), strict=True):
        model.put_back(frame, crop, picture, mask)


def of_exact_mask(picture: NDArray[np.float32]) -> SwapModel:
    """A model that lets the target show through half of an oval; its picture is no such mixture.

    Args:
        picture: float32 (1, 3, 128, 128) RGB in [0, 1].
    """
    grid = (np.arange(128) + 0.5) / 64 - 1
    oval = (grid[None] / 0.76) ** 2 + (grid[:, None] / 0.88) ** 2
    mask = (0.5 * np.clip(8 * (1 - oval), 0, 1)).astype(np.float32)[None, None]
    session = Fixed((picture, mask), ("output", "mask"))
    return SwapModel(find_card("ref_swapper", "swapper"), session)


def largest_allocation(work: Callable[[], object]) -> int:
    """Return the bytes of memory that `work` held at once at most, arrays included."""
    work()  # caches
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def stages_of(rounds: int) -> tuple[dict[str, Timing], dict[str, int]]:
    """Measure everything in turns; return times and the most memory held, by name."""
    picture = (frame_of(2)[:128, :128, ::-1].transpose(2, 0, 1)[None] / 255).astype(np.float32)
    picture = np.ascontiguousarray(picture)
    card = find_card("inswapper_128", "swapper")
    model = SwapModel(card, Fixed((picture,)), emap=np.eye(512, dtype=np.float32))
    peer = Peer(picture)
    frame = frame_of(1)
    work = frame.copy()
    label = Label(plan_label(WIDTH, HEIGHT, [], "en"))
    two = [face_of(400), face_of(400)]
    # The 150 px face comes right after InsightFace; one face of 400 px and two are alike in what
    # came before them, so that the difference is the second face.
    stages: dict[str, Callable[[], object]] = {}
    for side in SIDES:
        stages[f"insightface {side} px"] = partial(peer.swap, frame, face_of(side))
    for side in reversed(SIDES):
        stages[f"edge-swap {side} px"] = partial(around_the_model, model, work, [face_of(side)])
    stages["edge-swap 400 px twice"] = partial(around_the_model, model, work, two)
    exact = of_exact_mask(picture)
    for side in reversed(SIDES):
        name = f"edge-swap {side} px{EXACT}"
        stages[name] = partial(around_the_model, exact, work, [face_of(side)])
    stages["label"] = lambda: label.draw(work)
    timings = measured(stages, rounds)
    memory = {name: largest_allocation(stage) for name, stage in stages.items()}
    return timings, memory


def measured(stages: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Run all stages in turn, round by round, each several times; see the module."""
    spent: dict[str, list[int]] = {}
    for number in range(WARM_UP + rounds):
        for name, stage in stages.items():
            for run in range(RUNS):
                start = time.perf_counter_ns()
                stage()
                elapsed = time.perf_counter_ns() - start
                if number >= WARM_UP:
                    spent.setdefault(name if run else f"{name}{FIRST}", []).append(elapsed)
    return {name: timing_of(name, values) for name, values in spent.items()}


def verdicts(timings: Mapping[str, Timing]) -> list[tuple[str, str, bool]]:
    """Return what was asked, what was measured, and whether it is reached."""
    rows = []
    for side in SIDES:
        ours = timings[f"edge-swap {side} px"]
        theirs = timings[f"insightface {side} px"]
        for name, each in (("", ours), (EXACT, timings[f"edge-swap {side} px{EXACT}"])):
            bar = f"{side} px face{name} <= {BARS[side]} ms"
            rows.append((bar, _told(each), each.p50 <= BARS[side]))
        times, by_best = theirs.p50 / ours.p50, theirs.quickest / ours.quickest
        text = f"{times:.0f}x (quickest: {by_best:.0f}x)"
        rows.append((f">= {PEER_BAR:.0f}x InsightFace, {side} px", text, times >= PEER_BAR))
    label = timings["label"]
    rows.append((f"label on 1080p <= {LABEL_BAR} ms", _told(label), label.p50 <= LABEL_BAR))
    one, two = timings["edge-swap 400 px"], timings["edge-swap 400 px twice"]
    second, best = two.p50 - one.p50, two.quickest - one.quickest
    text = f"{second:.2f} ms (quickest: {best:.2f} ms)"
    rows.append(("a second face <= the first", text, second <= one.p50 * CHANCE))
    return rows


def _told(timing: Timing) -> str:
    return f"{timing.p50:.3f} ms (quickest: {timing.quickest:.3f} ms)"


def circumstances(rounds: int) -> dict[str, object]:
    """The machine and the versions that the figures hold for."""
    machine = this_machine()
    packages = ("numpy", "opencv-python-headless", "scikit-image", "insightface")
    return {
        "processor": machine.processor,
        "features": list(machine.features),
        "system": machine.system,
        "threads": 1,
        "rounds": rounds,
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench paste", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="rounds that count (default 60)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    timings, memory = stages_of(options.rounds)
    rows, found = verdicts(timings), circumstances(options.rounds)
    if options.json:
        shown = {
            **found,
            "unit": "ms",
            "timings": [asdict(each) for each in timings.values()],
            "memory": memory,
            "bars": [
                {"bar": bar, "measured": text, "reached": reached} for bar, text, reached in rows
            ],
        }
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
        return 0
    console = Console()
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())  # type: ignore[attr-defined]
    console.print(f"{found['processor']}, one thread; {versions}")
    table = Table(box=None, pad_edge=False)
    for title in ("1920x1080, model replaced", "p50 ms", "p90 ms", "quickest", "most memory, MB"):
        table.add_column(title, justify="left" if title.startswith("1920") else "right")
    for name, each in timings.items():
        table.add_row(
            name,
            f"{each.p50:.3f}",
            f"{each.p90:.3f}",
            f"{each.quickest:.3f}",
            f"{memory[name] / 1e6:.2f}" if name in memory else "",
        )
    console.print(table)
    for bar, text, reached in rows:
        console.print(f"{bar}: {text}, {'reached' if reached else 'MISSED'}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
