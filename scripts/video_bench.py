"""Measure the line that videos are swapped on: `scripts/bench video`.

The shipped sample video, repeated and brought to the sizes asked for, goes through each step alone
and through the whole line, in turns in one process. The line can be as fast as its slowest step
where there are cores enough; where there are not, it can be as fast as all cores together, and the
page says which of the two it is held against.

What the line itself loses shows where it has nothing to do: each step is replaced by one that
waits, frame by frame, as long as the step took alone, and so needs no processor, as if each step
had a core of its own. That is no measurement of a machine with more cores: there, steps would also
share caches and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge import resources
from edge.faces.embed import open_embedder
from edge.jobs.file import swap_file
from edge.jobs.line import InOrder
from edge.jobs.results import Stopwatch
from edge.jobs.video import _Way
from edge.machine import this_machine
from edge.media.video_in import open_video
from edge.media.video_info import VideoFrame, VideoInfo
from edge.media.video_out import VideoWriter
from edge.occasion import home_in, identity_of_nobody
from edge.progress import bar
from edge.provenance.label import Label
from edge.provenance.watermark.embed import VideoWatermark, Watermark
from edge.swap import Engines, Swapper

SIZES = ((640, 360), (1920, 1080))
BAR = 0.9
"""Share of the slowest step's throughput that the line reaches."""

EVERY_SECOND = 0.5  # between two looks at the memory


@dataclass(frozen=True, slots=True)
class Row:
    """What one step, or the line, did with all frames.

    Attributes:
        step: Its name.
        frames: Frames a second, best of the rounds.
        cpu: Milliseconds of processor time a frame, all threads together, in that round.
        times: Seconds that each frame took in that round; of steps alone.
    """

    step: str
    frames: float
    cpu: float
    times: tuple[float, ...] = ()


def make_video(path: Path, size: tuple[int, int], count: int) -> Path:
    """Write the sample video again and again, forwards and backwards, at another size.

    Args:
        path: Where to write.
        size: Width and height in pixels.
        count: Frames to write.
    """
    with open_video(resources.samples_dir() / "sample.mp4") as reader:
        info = reader.info
        frames = [frame.frame for frame in reader]
    there_and_back = [*frames, *frames[-2:0:-1]]
    step = round(1 / ((info.rate or Fraction(25)) * info.time_base))
    with VideoWriter(path, replace(info, width=size[0], height=size[1]), {}) as writer:
        for number in range(count):
            frame = there_and_back[number % len(there_and_back)]
            shown = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)
            writer.write(np.asarray(shown, np.uint8), number * step)
    return path


def _swapper(folder: Path, threads: int) -> Swapper:
    """Return a swapper with an identity of nobody, made for the occasion."""
    from edge.faces.detect import open_detector
    from edge.media.image import read_picture

    photo = resources.samples_dir() / "source-1.jpg"
    frame = read_picture(photo).frame
    face = open_detector().detect(frame)[0]
    identity = identity_of_nobody(open_embedder("ref_embedder"), frame, face, photo)
    engines = Engines(threads=threads)
    return Swapper(identity, purpose="research", target_is="synthetic", engines=engines)


def _timed(name: str, count: int, work: Callable[[], object]) -> Row:
    start, before = time.perf_counter(), time.process_time()
    times = work()
    spent, used = time.perf_counter() - start, time.process_time() - before
    kept = tuple(times) if isinstance(times, list) else ()
    return Row(name, count / spent, used / count * 1e3, kept)


def _drained(items: Iterator[object]) -> list[float]:
    """Take everything; return the seconds that each took."""
    times, last = [], time.perf_counter()
    for _ in items:
        now = time.perf_counter()
        times.append(now - last)
        last = now
    return times


def one_round(swapper: Swapper, source: Path, folder: Path) -> list[Row]:
    """Run every step alone over all frames, and then the line."""
    with open_video(source) as reader:
        frames = list(reader)
        info = reader.info
    count = len(frames)
    label = Label(swapper.plan_label(frames[0].frame, ()))
    marks = label, VideoWatermark("0123456789abcdef", info.width, info.height)
    rows = [_timed("decode", count, lambda: _decode(source))]
    way = _Way(swapper, info, marks, Stopwatch())
    rows.append(_timed("find faces", count, lambda: _drained(map(way.look, frames))))
    fresh = _Way(swapper, info, marks, Stopwatch())
    seen = [fresh.look(frame) for frame in frames]
    rows.append(_timed("swap, label and mark", count, lambda: _drained(map(way.swap, seen))))
    rows.append(_timed("encode", count, lambda: _encode(folder / "alone.mp4", info, frames)))
    rows.append(
        _timed("the line", count, lambda: _line(swapper, source, folder / "line.mp4", marks))
    )
    return rows


def _decode(source: Path) -> list[float]:
    with open_video(source) as reader:
        return _drained(iter(reader))


def _encode(path: Path, info: VideoInfo, frames: Sequence[VideoFrame]) -> list[float]:
    with VideoWriter(path, info, {}) as writer:
        times = []
        for frame in frames:
            start = time.perf_counter()
            writer.write(frame.frame, frame.pts)
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
    times[-1] += time.perf_counter() - start  # what the encoder still held
    return times


def _line(swapper: Swapper, source: Path, output: Path, marks: tuple[Label, Watermark]) -> None:
    with open_video(source) as reader, VideoWriter(output, reader.info, {}) as writer:
        way = _Way(swapper, reader.info, marks, Stopwatch())
        with InOrder(way.read(iter(reader)), way.look, way.swap) as line:
            for seen in line:
                writer.write(seen.frame.frame, seen.frame.pts)


def waiting(steps: Sequence[Row]) -> tuple[float, float]:
    """Run the line with steps that wait as long as those given took, and need no processor.

    Args:
        steps: The steps alone, in their order: the first feeds the line, the last empties it.

    Returns:
        Frames a second of the line, and of its slowest step alone, which waits likewise.
    """
    first, *between, last = [row.times for row in steps]
    count = len(first)

    def wait(times: Sequence[float]) -> Callable[[int], int]:
        def step(number: int) -> int:
            time.sleep(times[number])
            return number

        return step

    slowest = max((first, *between, last), key=sum)
    start = time.perf_counter()
    _drained(map(wait(slowest), range(count)))
    alone = count / (time.perf_counter() - start)
    start = time.perf_counter()
    with InOrder(map(wait(first), range(count)), *map(wait, between)) as line:
        _drained(map(wait(last), line))
    return count / (time.perf_counter() - start), alone


def best_of(rounds: Sequence[Sequence[Row]]) -> list[Row]:
    """Return each step's best round."""
    return [max(rows, key=lambda row: row.frames) for rows in zip(*rounds, strict=True)]


def ceiling(rows: Sequence[Row], cores: int) -> tuple[float, str]:
    """Return the frames a second that a line of these steps can reach, and why not more.

    Args:
        rows: The steps and, last, the line.
        cores: Cores of the machine.
    """
    *steps, _ = rows
    slowest = min(steps, key=lambda row: row.frames)
    together = cores / (sum(row.cpu for row in steps) / 1e3)
    if together < slowest.frames:
        return together, f"{cores} cores"
    return slowest.frames, slowest.step


def memory_of(swapper: Swapper, source: Path, output: Path) -> list[tuple[float, float]]:
    """Swap a video whole and watch the memory: (seconds, MB) again and again."""
    seen: list[tuple[float, float]] = []
    done = threading.Event()
    start = time.monotonic()

    def watch() -> None:
        page = resource.getpagesize()
        while not done.wait(EVERY_SECOND):
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * page
            seen.append((time.monotonic() - start, resident / 1e6))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        with bar("swapping", False) as progress:
            swap_file(swapper, source, output, overwrite=True, progress=progress)
    finally:
        done.set()
        watcher.join()
    return seen


def plot_memory(seen: Sequence[tuple[float, float]], path: Path) -> None:
    """Draw memory over time.

    Args:
        seen: Pairs of seconds and megabytes.
        path: Where to write; the suffix says as what (.svg, .png).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(*np.array(seen).T, linewidth=1)
    axes.set_xlabel("seconds")
    axes.set_ylabel("resident memory, MB")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _circumstances(threads: int) -> dict[str, object]:
    import av
    import onnxruntime

    machine = this_machine()
    return {
        "processor": machine.processor,
        "cores": machine.cores,
        "system": machine.system,
        "threads": threads,
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "onnxruntime": onnxruntime.__version__,
            "av": av.__version__,
        },
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench video", description=__doc__)
    parser.add_argument("--frames", type=int, default=150, help="frames a round (default 150)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the best counts (default 3)")
    parser.add_argument("--threads", type=int, default=1, help="threads per engine (default 1)")
    parser.add_argument("--minutes", type=float, default=0, help="also swap a video so long")
    parser.add_argument("--plot", type=Path, help="write the memory over that time as SVG")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def _table(
    size: tuple[int, int], rows: Sequence[Row], waits: tuple[float, float], cores: int
) -> tuple[Table, str]:
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{size[0]}x{size[1]}")
    table.add_column("frames/s", justify="right")
    table.add_column("CPU ms/frame", justify="right")
    for row in rows:
        table.add_row(row.step, f"{row.frames:.1f}", f"{row.cpu:.2f}")
    most, why = ceiling(rows, cores)
    share = rows[-1].frames / most
    of_all = f"the line: {share:.2f} of what {why} can do (bar {BAR}), {_verdict(share)}"
    line, alone = waits
    table.add_row("the line, steps that wait", f"{line:.1f}", "")
    own = (
        f"the line, each step as if it had a core of its own (it waits as long as it took alone): "
        f"{line / alone:.2f} of the slowest step (bar {BAR}), {_verdict(line / alone)}"
    )
    return table, f"{of_all}\n{own}"


def _verdict(share: float) -> str:
    return "reached" if share >= BAR else "MISSED"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=options.json)
    shown = _circumstances(options.threads)
    console.print(f"{shown['processor']}, {shown['cores']} cores, {options.threads} thread(s) each")
    cores = this_machine().cores
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name, home_in(Path(name)):
        folder = Path(name)
        swapper = _swapper(folder, options.threads)
        for size in SIZES:
            source = make_video(folder / f"{size[0]}.mp4", size, options.frames)
            rounds = [one_round(swapper, source, folder) for _ in range(options.rounds)]
            rows = best_of(rounds)
            waits = waiting(rows[:-1])
            shown[f"{size[0]}x{size[1]}"] = {
                "rows": [asdict(replace(row, times=())) for row in rows],
                "waiting": {"line": waits[0], "slowest step alone": waits[1]},
            }
            table, verdict = _table(size, rows, waits, cores)
            console.print(table)
            console.print(verdict, highlight=False)
        if options.minutes:
            source = make_video(folder / "long.mp4", SIZES[0], round(options.minutes * 60 * 25))
            seen = memory_of(swapper, source, folder / "long-out.mp4")
            half = [megabytes for _, megabytes in seen[len(seen) // 2 :]]
            shown["memory"] = seen
            console.print(
                f"{options.minutes:g} min of video: {min(half):.0f} to {max(half):.0f} MB in the "
                "second half"
            )
            if options.plot:
                plot_memory(seen, options.plot)
    if options.json:
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
