"""Long and crowded work on small pictures: does memory stay flat, does anything get lost?

    scripts/bench load [--pictures 10000] [--minutes 60] [--plot docs/load.svg] [--only threads]

* pictures: so many in one process, whole: read, swapped, labelled, signed, entered, named;
* video: so many minutes of video time, in one file;
* threads: 32 of them call one `Swapper`;
* processes: 8 of them share one ledger and one key.

Each runs in a process of its own, on tiny models: this is about what adds up, not about speed. Exit
status 1 says that memory grew, or that something was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from edge.machine import this_machine
from scripts.fuzz_corpus import open_files

ROOT = Path(__file__).resolve().parents[1]

GROWTH = 0.05
"""Share by which the mean of the last quarter of the memory may be over that of the second."""

THREADS, PROCESSES = 32, 8
_SAMPLES = 400  # of the memory, per run at most

Samples = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Row:
    """One load.

    Attributes:
        name: pictures, video, threads or processes.
        count: Pictures, frames, frames and pictures.
        seconds: How long all of it took.
        first: Resident memory in the second quarter of the run, MB, in the mean.
        last: The same in the last quarter.
        files: Open files at the end, more than at the first quarter.
        lost: What is wrong, in words; empty where nothing is.
        memory: Pairs of (share of the work, MB).
    """

    name: str
    count: int
    seconds: float
    first: float
    last: float
    files: int
    lost: list[str]
    memory: Samples

    @property
    def flat(self) -> bool:
        """Whether memory did not grow."""
        return self.last <= self.first * (1 + GROWTH)


def resident() -> float:
    """Return this process's resident memory, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Watch:
    """Notes the memory while work goes on."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.memory: Samples = []
        self._step = max(1, total // _SAMPLES)
        self._files = 0
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def at(self, done: int) -> None:
        """Take note, now and then; any thread may call."""
        if done % self._step:
            return
        with self._lock:
            self.memory.append((done / self.total, resident()))
            if not self._files and done >= self.total / 4:
                self._files = open_files()

    def row(self, name: str, lost: list[str]) -> Row:
        """Return what was seen."""
        seconds = time.monotonic() - self._start
        second = [mb for share, mb in self.memory if 0.25 <= share < 0.5]
        last = [mb for share, mb in self.memory if share >= 0.75]
        more = open_files() - self._files if self._files else 0
        first, end = (float(np.mean(part)) if part else 0.0 for part in (second, last))
        return Row(name, self.total, seconds, first, end, max(0, more), lost, sorted(self.memory))


# The loads, each in a process of its own ----------------------------------------------------------


def pictures(root: Path, count: int) -> Row:
    """Swap so many pictures in one process, and see that the ledger has them all."""
    from edge.jobs.file import swap_file
    from tests.scene import target, write

    swapper = _stage(root).swapper()
    out = root / "out"
    out.mkdir()
    sources = [write(root / f"in-{n}.jpg", target((144, 176), ((4 + n, 6),))) for n in range(8)]
    watch = Watch(count)
    for number in range(count):
        output = out / f"{number % 500}.jpg"  # a folder of many thousands is another test
        swap_file(swapper, sources[number % 8], output, overwrite=True)
        watch.at(number + 1)
    published = sum(e.kind == "output" and e.state == "published" for e in swapper.ledger.entries())
    lost = [] if published == count else [f"the ledger has {published} of {count} outputs"]
    lost += [str(problem) for problem in swapper.ledger.verify()]
    return watch.row("pictures", lost)


def video(root: Path, minutes: int) -> Row:
    """Swap a video of so many minutes, 10 frames a second."""
    from dataclasses import replace

    from edge.jobs.file import swap_file
    from edge.media.video_in import open_video
    from edge.media.video_out import VideoWriter
    from edge.provenance.verify import verify_file
    from scripts.fuzz_seeds import _video
    from tests.scene import target

    stage = _stage(root)
    frames = max(40, minutes * 600)
    with open_video(_video(root / "short.mp4")) as reader:
        info = replace(reader.info, width=176, height=144, has_audio=False, rate=Fraction(10))
    tick = round(1 / (10 * info.time_base))
    with VideoWriter(root / "long.mp4", replace(info, path=None), {}) as writer:
        for number in range(frames):
            cell = (4 + number // 8 % 10, 6)
            writer.write(target((144, 176), (cell,)), number * tick)
    watch = Watch(frames)

    def seen(done: int, total: int | None, what: str) -> None:
        if what == "frames":
            watch.at(done)

    done = swap_file(stage.swapper(), root / "long.mp4", root / "out.mp4", progress=seen)
    lost = [] if verify_file(root / "out.mp4").exit_status == 0 else ["it does not verify"]
    assert done.record is not None
    if done.record.frames != frames:
        lost.append(f"{done.record.frames} of {frames} frames")
    return watch.row("video", lost)


def threads(root: Path, count: int) -> Row:
    """Let 32 threads call one `Swapper`; every frame must be what one thread makes of it."""
    from tests.scene import target

    swapper = _stage(root).swapper()
    inputs = [target((144, 176), ((4 + n, 6),)) for n in range(8)]
    uuid.uuid4 = lambda: uuid.UUID(int=1)  # one id, and so one watermark for all
    plain = [swapper.swap(frame).frame for frame in inputs]
    watch, lost = Watch(count), []

    def one(number: int) -> None:
        got = swapper.swap(inputs[number % 8])
        if not np.array_equal(got.frame, plain[number % 8]):
            lost.append(f"frame {number} is another than one thread makes")
        watch.at(number + 1)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(count)))
    entries = sum(e.fields.get("event") == "frame" for e in swapper.ledger.entries())
    if entries != count + len(inputs):
        lost.append(f"the ledger has {entries} of {count + len(inputs)} frames")
    lost += [str(problem) for problem in swapper.ledger.verify()]
    return watch.row("threads", lost)


def processes(root: Path, count: int) -> Row:
    """Let 8 processes make pictures with one ledger and one key; nothing may be lost or twice."""
    from edge.consent.ledger import Ledger
    from edge.provenance.verify import verify_file
    from tests.scene import target, write

    _stage(root)
    write(root / "in.jpg", target((144, 176), ((6, 6),)))
    each = max(1, count // PROCESSES)
    watch = Watch(each * PROCESSES)
    words = [sys.executable, "-m", "scripts.load_bench", "worker", str(root), str(each)]
    running = [subprocess.Popen([*words, str(n)], cwd=ROOT) for n in range(PROCESSES)]
    lost = [f"a process ended with {one.returncode}" for one in running if one.wait()]
    ledger = Ledger()
    lost += [str(problem) for problem in ledger.verify()]
    outputs = [e for e in ledger.entries() if e.kind == "output" and e.state == "published"]
    ids = {e.fields["output_id"] for e in outputs}
    if not len(outputs) == len(ids) == each * PROCESSES:
        lost.append(f"{len(outputs)} entries, {len(ids)} ids of {each * PROCESSES} outputs")
    for path in sorted((root / "out").iterdir())[:: max(1, each // 4)]:
        if verify_file(path).exit_status:
            lost.append(f"{path.name} does not verify")
    return watch.row("processes", lost)


def worker(root: Path, count: int, number: int) -> None:
    """Be one of the processes."""
    from edge.consent.identity import load_identity
    from edge.jobs.file import swap_file
    from edge.swap import Swapper
    from tests.scene import ENGINES

    identity = load_identity(root / "stage" / "nobody.identity")
    swapper = Swapper(identity, purpose="film", target_is="synthetic", engines=ENGINES)
    (root / "out").mkdir(exist_ok=True)
    for each in range(count):
        swap_file(swapper, root / "in.jpg", root / "out" / f"{number}-{each}.jpg")


def _stage(root: Path):  # type: ignore[no-untyped-def]
    from tests.scene import stage

    return stage(Path(os.environ["EDGE_HOME"]), root / "stage")


# All of them --------------------------------------------------------------------------------------

LOADS: dict[str, Callable[[Path, int], Row]] = {
    "pictures": pictures,
    "video": video,
    "threads": threads,
    "processes": processes,
}


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="edge-load-") as name:
        os.environ["EDGE_HOME"] = str(Path(name) / "home")
        yield Path(name)


def measure(name: str, count: int) -> Row:
    """Run one load in a process of its own."""
    words = [sys.executable, "-m", "scripts.load_bench", "one", name, str(count)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    facts = json.loads(done.stdout)
    facts["memory"] = [tuple(pair) for pair in facts["memory"]]
    return Row(**facts)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw memory over the share of the work that is done.

    Args:
        rows: What was measured.
        path: Where to write; the suffix says as what (.svg, .png).
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "edge-swap", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 3), layout="constrained")
        axes = figure.subplots()
        names = {"pictures": "{:,} pictures", "video": "{:,} frames of one video",
                 "threads": "{:,} frames by 32 threads"}  # fmt: skip
        for row in rows:
            if row.memory:
                done, megabytes = np.array(row.memory).T
                name = names[row.name].format(row.count)
                axes.plot(done * 100, megabytes, linewidth=1, label=name)
        axes.set_xlabel("done, %")
        axes.set_ylabel("resident memory, MB")
        top = max((mb for row in rows for _, mb in row.memory), default=1.0)
        axes.set_ylim(0, 1.1 * top)
        axes.set_xlim(0, 100)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _show(rows: Sequence[Row]) -> bool:
    table = Table(box=None, pad_edge=False)
    for name in ("load", "count", "seconds", "MB", "MB at the end", "files more", "lost"):
        table.add_column(name, justify="left" if name == "load" else "right")
    for row in rows:
        memory = (f"{row.first:.0f}", f"{row.last:.0f}") if row.memory else ("", "")
        figures = (f"{row.count}", f"{row.seconds:.0f}", *memory, str(row.files))
        table.add_row(row.name, *figures, str(len(row.lost)))
    console = Console()
    console.print(f"{this_machine().processor}, {this_machine().cores} cores; tiny models")
    console.print(table)
    for row in rows:
        for text in row.lost[:20]:
            console.print(f"{row.name}: LOST: {text}", markup=False)
        if not row.flat:
            console.print(f"{row.name}: memory GREW from {row.first:.0f} to {row.last:.0f} MB")
    return all(row.flat and not row.lost for row in rows)


def main(words: Sequence[str]) -> int:
    """Measure and print."""
    if words[:1] == ["one"]:
        with _place() as root:
            row = LOADS[words[1]](root, int(words[2]))
        sys.stdout.write(json.dumps(asdict(row)))
        return 0
    if words[:1] == ["worker"]:
        worker(Path(words[1]), int(words[2]), int(words[3]))
        return 0
    parser = argparse.ArgumentParser(prog="scripts/bench load")
    parser.add_argument("--pictures", type=int, default=10_000, help="in one process (10000)")
    parser.add_argument("--minutes", type=int, default=60, help="of video, 10 frames a second (60)")
    parser.add_argument("--frames", type=int, default=3_200, help="by 32 threads (3200)")
    parser.add_argument("--shared", type=int, default=800, help="pictures by 8 processes (800)")
    parser.add_argument("--only", choices=sorted(LOADS), action="append", help="repeatable")
    parser.add_argument("--plot", type=Path, help="write the memory as SVG or PNG")
    options = parser.parse_args(words)
    counts = {
        "pictures": options.pictures,
        "video": options.minutes,
        "threads": options.frames,
        "processes": options.shared,
    }
    rows = [measure(name, counts[name]) for name in options.only or LOADS]
    if options.plot:
        plot(rows, options.plot)
    return 0 if _show(rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
