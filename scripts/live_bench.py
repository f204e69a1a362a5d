"""Measure a live stream as a viewer sees it: `scripts/bench live`.

`edge live` runs as its users run it, with the synthetic camera, whose pictures hold their number
and the time at which they were taken. Pages in headless Chromium read both back from what they
show, so that what is measured is the way from the camera to the screen, whole: found, swapped,
labelled, marked, encoded, signed, sent, decoded and drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from edge import resources
from edge.machine import this_machine
from edge.progress import bar

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BAR = 150.0
"""Milliseconds from capture to screen, p95, at 640x360 with ref_swapper on 4 cores."""

EVERY = 2.0  # seconds between two looks at the memory
WARM = 5.0  # seconds that do not count at the beginning of a phase
GROWTH = 1.10  # of the memory from the first quarter to the last, that still counts as flat

# Reads the counter of the synthetic camera from every picture that is shown; the cells are those of
# edge.live.sources.synthetic.
_READER = """() => {
  const stream = document.getElementById("stream"), canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  window.seen = [];
  stream.addEventListener("load", () => requestAnimationFrame(() => {
    const now = Date.now(), width = stream.naturalWidth, cell = Math.floor(width / 80);
    if (!cell) return;
    const left = Math.floor((width - 32 * cell) / 2), top = Math.max(1, Math.floor(cell / 2));
    [canvas.width, canvas.height] = [32 * cell, cell];
    context.drawImage(stream, left, top, 32 * cell, cell, 0, 0, 32 * cell, cell);
    const pixels = context.getImageData(0, 0, 32 * cell, cell).data;
    let number = 0, taken = 0;
    for (let place = 0; place < 32; place += 1) {
      const at = (Math.floor(cell / 2) * 32 * cell + place * cell + Math.floor(cell / 2)) * 4;
      const bit = pixels[at + 1] > 128 ? 1 : 0;
      if (place < 16) number = number * 2 + bit; else taken = taken * 2 + bit;
    }
    window.seen.push([number, ((now - taken) % 65536 + 65536) % 65536]);
  }));
}"""


@dataclass(frozen=True, slots=True)
class Phase:
    """What some viewers saw for some time.

    Attributes:
        viewers: How many there were.
        seconds: How long.
        made: Frames a second that went out of the line.
        shown: Frames a second that each page showed.
        p50: Milliseconds from capture to screen, all pages together.
        p95: The same.
        worst: The oldest picture that was shown, milliseconds.
        drift: Milliseconds by which the p50 of the last quarter is above that of the first.
        memory: Megabytes that the process held at the end.
        cpu: Cores that it used.
    """

    viewers: int
    seconds: float
    made: float
    shown: tuple[float, ...]
    p50: float
    p95: float
    worst: float
    drift: float
    memory: float
    cpu: float


@contextmanager
def edge_live(
    folder: Path, size: str, cores: str, more: Sequence[str]
) -> Iterator[tuple[int, str]]:
    """Run `edge live` with the synthetic camera; yield its process and the link of its page."""
    environment = os.environ | {"EDGE_HOME": str(folder / "home"), "PYTHONUNBUFFERED": "1"}
    edge = [sys.executable, "-m", "edge"]
    photos = [str(path) for path in sorted(resources.samples_dir().glob("source-*.jpg"))]
    consent, identity = str(folder / "nobody.json"), str(folder / "nobody.identity")
    for words in (
        [
            *("consent", "new", "--synthetic", "--purpose", "research", "--adult", "yes"),
            *("--intimate", "no", "--photos", *photos, "-o", consent),
        ],
        ["enroll", "--consent", consent, "--photos", *photos, "-o", identity],
    ):
        subprocess.run([*edge, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    call = ["live", "--identity", identity, "--source", "synthetic", "--size", size, "--view"]
    call += ["--listen", "127.0.0.1:0", "--purpose", "research", "--target-is", "synthetic"]
    pinned = ["taskset", "-c", cores] if cores else []
    process = subprocess.Popen(
        [*pinned, *edge, *call, "--label-language", "en", *more],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("page: "):
                break
        else:
            raise SystemExit("edge live did not begin")
        yield process.pid, line.split()[1]
    finally:
        process.send_signal(signal.SIGTERM)  # SIGINT is ignored below a script with "&"
        process.communicate(timeout=60)


def memory_of(pid: int) -> float:
    """Return what a process holds, in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def seconds_of(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def at(sorted_values: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values; 0 where there are none."""
    return sorted_values[round((len(sorted_values) - 1) * share)] if sorted_values else 0.0


def watch(
    browser: Browser, pid: int, link: str, viewers: int, seconds: float, memory: list[float]
) -> Phase:
    """Let some viewers watch for some time."""
    pages = [_opened(browser, link) for _ in range(viewers)]
    time.sleep(WARM)
    for page in pages:
        page.evaluate(_READER)
    start, used, made = time.monotonic(), seconds_of(pid), _status(pages[0])["frames"]
    with bar(f"{viewers} viewers", quiet=False) as progress:
        while (spent := time.monotonic() - start) < seconds:
            progress(round(spent), round(seconds), "seconds")
            time.sleep(min(EVERY, seconds - spent))
            memory.append(memory_of(pid))
    spent = time.monotonic() - start
    made = _status(pages[0])["frames"] - made
    used = seconds_of(pid) - used
    seen: list[list[list[float]]] = [page.evaluate("window.seen") for page in pages]
    for page in pages:
        page.context.close()
    ages = [age for each in seen for _, age in each]
    quarter = [len(each) // 4 for each in seen]
    first = sorted(age for each, n in zip(seen, quarter, strict=True) for _, age in each[:n])
    last = sorted(age for each, n in zip(seen, quarter, strict=True) for _, age in each[-n:])
    return Phase(
        viewers=viewers,
        seconds=round(spent, 1),
        made=made / spent,
        shown=tuple(len(each) / spent for each in seen),
        p50=at(sorted(ages), 0.5),
        p95=at(sorted(ages), 0.95),
        worst=max(ages, default=0.0),
        drift=at(last, 0.5) - at(first, 0.5),
        memory=memory[-1] if memory else memory_of(pid),
        cpu=used / spent,
    )


def _opened(browser: Browser, link: str) -> Page:
    page = browser.new_context(viewport={"width": 1000, "height": 800}).new_page()
    page.goto(link)
    page.wait_for_selector("#stream:not([hidden])")
    return page


def _status(page: Page) -> dict[str, Any]:
    status: dict[str, Any] = page.context.request.get(page.url + "status").json()
    return status


def flat(memory: Sequence[float]) -> float:
    """Return by what factor the memory has grown from the first quarter to the last."""
    quarter = max(1, len(memory) // 4)
    return max(memory[-quarter:]) / max(memory[:quarter]) if memory else 1.0


def show(phases: Sequence[Phase], memory: Sequence[float]) -> None:
    """Print what was measured."""
    seconds = phases[0].seconds
    table = Table(title=f"a live stream as it is seen, {seconds:.0f} s each", title_justify="left")
    for column in ("viewers", "made /s", "shown /s", "p50 ms", "p95 ms", "worst", "drift"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("MB", "cores"):
        table.add_column(column, justify="right", no_wrap=True)
    for phase in phases:
        table.add_row(
            str(phase.viewers),
            f"{phase.made:.1f}",
            " ".join(f"{rate:.1f}" for rate in phase.shown),
            f"{phase.p50:.0f}",
            f"{phase.p95:.0f}",
            f"{phase.worst:.0f}",
            f"{phase.drift:+.0f}",
            f"{phase.memory:.0f}",
            f"{phase.cpu:.2f}",
        )
    console = Console()
    console.print(table)
    growth = flat(memory)
    console.print(
        f"memory: {memory[0]:.0f} to {memory[-1]:.0f} MB, most {max(memory):.0f}; last quarter "
        f"{growth:.3f} of the first ({'flat' if growth < GROWTH else 'GROWS'})"
    )
    worst = max(phase.p95 for phase in phases)
    console.print(
        f"p95 {worst:.0f} ms: {'within' if worst <= BAR else 'ABOVE'} the {BAR:.0f} ms bar"
    )
    machine = this_machine()
    console.print(
        f"{machine.processor}, {machine.cores} cores, load {os.getloadavg()[0]:.1f}; pages and "
        "`edge live` share them"
    )


def plot(memory: Sequence[float], path: Path) -> None:
    """Draw memory over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3), dpi=110)
    axes.plot([EVERY * place / 60 for place in range(len(memory))], memory)
    axes.set(xlabel="minutes", ylabel="MB", ylim=(0, max(memory) * 1.15))
    axes.set_title("memory of edge live --view --record")
    figure.tight_layout()
    figure.savefig(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bench live", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each phase")
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 2], help="one phase each")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--cores", default="", help="run edge live on these alone, as in 0-3")
    parser.add_argument("--no-record", action="store_true", help="only watch")
    parser.add_argument("--json", type=Path, help="write what was measured")
    parser.add_argument("--plot", type=Path, help="draw the memory (needs matplotlib)")
    wanted = parser.parse_args(argv)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("live: no Chromium here: apt install chromium\n")
        return 2
    from playwright.sync_api import sync_playwright

    memory: list[float] = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        more = [] if wanted.no_record else ["--record", str(Path(name) / "out")]
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with edge_live(Path(name), wanted.size, wanted.cores, more) as (pid, link):
            phases = [
                watch(browser, pid, link, viewers, wanted.seconds, memory)
                for viewers in wanted.viewers
            ]
        browser.close()
    show(phases, memory)
    if wanted.json is not None:
        content = {"phases": [asdict(phase) for phase in phases], "memory_mb": memory}
        wanted.json.write_text(json.dumps(content, indent=2) + "\n", encoding="ascii")
    if wanted.plot is not None:
        plot(memory, wanted.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
