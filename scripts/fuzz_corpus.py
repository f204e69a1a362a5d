"""Run damaged files through the real commands, and see that every run ends as it should.

Each file goes through `edge verify` and through what else takes its kind: `edge swap` for pictures
and videos, `edge quantize` and `edge models add` for models, `edge inspect` and `edge run` for
bundles. A run must end in success, or in one clear line and exit status 2 (`edge verify` has its
own statuses); within its limits of time and memory; without a traceback, a crash, a hang, an open
file that stays, or a file that nobody asked for.

The commands run one after another in a worker, a process of its own for every batch, so that a
crash costs one file and is told as a finding. What was found is kept: the file, and a note beside
it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.provenance import xmp
from scripts.fuzz_mutate import KINDS, mutated, xmp_packet
from scripts.fuzz_seeds import HOME, IDENTITY, SEEDS

ROOT = Path(__file__).resolve().parents[1]

SHARE = {"jpeg": 20, "png": 18, "webp": 18, "mp4": 16, "xmp": 12, "onnx": 10, "zip": 6}
"""Of a hundred files."""

CPU_SECONDS = 30.0
"""Processor time that one command may take; a good file takes below one second."""

MEMORY = 1_500_000_000
"""Bytes by which one command may grow; a picture of the greatest size that is read takes them."""

ADDRESS_SPACE = 12 << 30
"""The process's own limit: a machine must survive what a test finds."""

SILENCE = 300.0
"""Seconds without a finished command after which a worker hangs."""

FILES = 2
"""Open files that may come with a process's first commands and stay; later ones may not add any."""

VERIFY_STATUSES = frozenset({0, 2, 3, 4, 5})


@dataclass(frozen=True, slots=True)
class Finding:
    """One run that did not end as it should.

    Attributes:
        number: The file's.
        kind: Its kind.
        command: What was run.
        what: crash, traceback, hang, slow, memory, files, stray, output or status.
        text: What was seen.
    """

    number: int
    kind: str
    command: str
    what: str
    text: str


# Files --------------------------------------------------------------------------------------------


def kind_of(number: int) -> str:
    """Return the kind of the n-th file."""
    place = number * 37 % 100  # mixed, so that a short run has all kinds
    for kind, share in SHARE.items():
        if place < share:
            return kind
        place -= share
    raise AssertionError("the shares are less than a hundred")


def make_file(number: int, seed: int, stage: Path) -> tuple[str, str, bytes]:
    """Return kind, suffix and bytes of the n-th file: always the same for one seed."""
    chance = random.Random(f"{seed}/{number}")
    kind = kind_of(number)
    seeds = sorted((stage / SEEDS).glob(f"{kind}-*"))
    source = chance.choice(seeds)
    data = source.read_bytes()
    if kind == "xmp":
        media = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}[source.suffix]
        packet = xmp_packet(xmp.get(data, media) or b"", chance)
        with contextlib.suppress(ValueError, OverflowError):
            return kind, source.suffix, _with_packet(data, media, packet)
        return kind, source.suffix, mutated(data, "xmp", chance, [data])
    others = [path.read_bytes() for path in sorted((stage / SEEDS).iterdir())]
    return kind, source.suffix, mutated(data, kind, chance, others)


def _with_packet(data: bytes, media: str, packet: bytes) -> bytes:
    try:
        return xmp.put(data, media, packet)
    except Exception as error:
        raise ValueError(str(error)) from error


# One command, in a worker -------------------------------------------------------------------------


def commands_for(kind: str, number: int, file: Path, stage: Path) -> Iterator[list[str]]:
    """Yield the commands that a file goes through; they write into the folder `out` beside it."""
    out = file.parent / "out"
    leave = ["--purpose", "film", "--target-is", "synthetic", "--threads", "1"]
    # In this process, where a library's crash is seen; one in twenty as people run it.
    isolate = "--isolate" if number % 20 == 0 else "--no-isolate"
    yield ["verify", str(file), isolate, *(["--json"] if number % 3 == 0 else [])]
    if kind == "onnx":
        card = _card_for(file)
        little = ["--count", "2", "--threads", "1", "-o", str(out / "model")]
        precision = ("int8", "fp16", "w8")[number % 3]
        yield ["quantize", str(file), "--card", str(card), "--precision", precision, *little]
        yield ["models", "add", str(file), "--json"]
    elif kind == "zip":
        yield ["inspect", str(file)]
        picture = stage / SEEDS / "png-plain.png"
        words = ["--input", str(picture), "--output", str(out / "out.png")]
        yield ["run", str(file), *words, *leave]
    else:
        suffix = ".mp4" if file.suffix in {".mp4", ".mov"} else file.suffix
        words = ["--input", str(file), "--output", str(out / f"out{suffix}")]
        models = ["--model", "tiny_swapper", "--detector", "tiny_detector"]
        yield ["swap", "--identity", str(stage / IDENTITY), *words, *models, *leave]


def _card_for(model: Path) -> Path:
    """Write the card of a swapper that means these very bytes: what is damaged must get further."""
    from tests.quantize.cards import write_card

    mask = "mask" if b"Split" in model.read_bytes() else ""
    return write_card(model.with_suffix(".toml"), model, mask=mask)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


@contextlib.contextmanager
def _streams_in(folder: Path) -> Iterator[None]:
    """Turn standard output and error into files, for C libraries too."""
    kept = [os.dup(1), os.dup(2)]
    try:
        for stream, name in ((1, "stdout"), (2, "stderr")):
            handle = os.open(folder / name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            os.dup2(handle, stream)
            os.close(handle)
        yield
    finally:
        for pipe in (sys.stdout, sys.stderr):
            pipe.flush()
        for stream, handle in zip((1, 2), kept, strict=True):
            os.dup2(handle, stream)
            os.close(handle)


def run_one(words: list[str], number: int, kind: str, folder: Path) -> list[Finding]:
    """Run one command in this process and return what is wrong with how it ended.

    Args:
        words: The command line.
        number: The file's.
        kind: The file's.
        folder: Empty but for the file; whatever the command wrote there is removed.
    """
    from edge.cli import main

    before, resting = set(_files_in(folder)), _memory("VmRSS")
    files, started = open_files(), time.process_time()
    Path("/proc/self/clear_refs").write_text("5")  # the greatest size is that of now
    (folder / "out").mkdir()
    status: int | str
    streams = folder.parent / "streams"
    streams.mkdir(exist_ok=True)
    try:
        with _streams_in(streams):
            try:
                status = main(words)
            except SystemExit as leaving:
                status = leaving.code if isinstance(leaving.code, int) else str(leaving.code)
    except BaseException:  # noqa: BLE001 - this is what is looked for
        shutil.rmtree(folder / "out", ignore_errors=True)
        return [Finding(number, kind, words[0], "traceback", traceback.format_exc())]
    text = [(streams / name).read_text("utf-8", "replace") for name in ("stdout", "stderr")]
    found = list(_complaints(words, status, *text))
    seconds = time.process_time() - started
    grown = _memory("VmHWM") - resting
    if seconds > CPU_SECONDS:
        found.append(("slow", f"{seconds:.1f} s of processor time"))
    if grown > MEMORY:
        found.append(("memory", f"{grown / 1e6:.0f} MB more than before"))
    left = sorted(set(_files_in(folder)) - before)
    wanted = bool(left) and status == 0
    if left and not (wanted and all(Path(name).parts[0] == "out" for name in left)):
        found.append(("stray", f"status {status}, and left: {', '.join(left)}"))
    shutil.rmtree(folder / "out", ignore_errors=True)
    for name in left:
        (folder / name).unlink(missing_ok=True)
    if open_files() > files + FILES:
        found.append(("files", f"{files} open files before, {open_files()} after"))
    return [Finding(number, kind, words[0], what, text) for what, text in found]


def _files_in(folder: Path) -> list[str]:
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()]


def _complaints(
    words: Sequence[str], status: int | str, output: str, errors: str
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with how a command ended."""
    command = words[0]
    if "Traceback (most recent call last)" in output + errors:
        yield "traceback", output + errors
    allowed = VERIFY_STATUSES if command == "verify" else {0, 2}
    if status not in allowed:
        yield "status", f"exit status {status}: {errors[-2000:]}"
    lines = errors.splitlines()
    if command == "verify" and "--json" in words:
        with contextlib.suppress(ValueError):
            facts = json.loads(output)
            errors = "" if facts["exit_status"] == status else "another status than the JSON's"
            lines = errors.splitlines() if status != 2 else [f"edge verify: {facts['problem']}"]
    if command == "inspect" and status == 2 and not errors:
        lines = ["edge inspect"] if "\nPROBLEM " in output else []  # it says so with all the rest
    if status == 2:
        if len(lines) != 1 or not lines[0].startswith(f"edge {command}"):
            yield "output", f"exit status 2 and not one line: {errors[:2000]!r}"
    elif lines and not all(line.startswith(f"edge {command}: ") for line in lines):
        yield "output", f"exit status {status} and on standard error: {errors[:2000]!r}"
    for char in output + errors:
        if char != "\n" and not char.isprintable():
            yield "output", f"a control character {char!r} on the terminal"
            return


def work(numbers: Sequence[int], seed: int, stage: Path, folder: Path, journal: Path) -> None:
    """Run a batch; write a line into the journal before and after every command."""
    limit = (ADDRESS_SPACE, ADDRESS_SPACE)
    resource.setrlimit(resource.RLIMIT_AS, limit)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    make_quick()
    with journal.open("a", buffering=1) as notes:
        for number in numbers:
            kind, suffix, data = make_file(number, seed, stage)
            place = folder / "work"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            file = place / f"in{suffix}"
            file.write_bytes(data)
            for words in commands_for(kind, number, file, stage):
                notes.write(json.dumps({"begin": number, "command": words[0]}) + "\n")
                found = run_one(words, number, kind, place)
                notes.write(json.dumps({"end": [asdict(one) for one in found]}) + "\n")
            notes.write(json.dumps({"done": number}) + "\n")


def make_quick() -> None:
    """Let `edge quantize` measure little: how long a good model takes is not asked here.

    Nor does it try a model in a child first: what crashes must crash where it is seen.
    """
    from edge.isolation import looking
    from quantize import measuring, way

    looking.try_stranger_isolated = lambda path, start=None: None

    way.HELD_OUT = 2
    measuring._SECONDS_FOR_TIMING = 0.0


# Batches, in the parent ---------------------------------------------------------------------------


@dataclass(slots=True)
class Batch:
    """What came of a batch: the numbers that are done with, and what was found."""

    done: list[int]
    findings: list[Finding]


def run_batch(numbers: Sequence[int], seed: int, stage: Path, folder: Path) -> Batch:
    """Run a batch in a worker; where it dies or hangs, that is a finding, and the rest waits.

    Args:
        numbers: The files.
        seed: See `make_file`.
        stage: Where the seeds are.
        folder: A folder of this batch's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home, scratch, journal = folder / "home", folder / "tmp", folder / "journal"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(stage / HOME, home)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    journal.write_bytes(b"")
    words = [sys.executable, "-m", "scripts.fuzz_corpus", str(seed), str(stage), str(folder)]
    environment = os.environ | {
        "EDGE_HOME": str(home),
        "TMPDIR": str(scratch),
        "OMP_NUM_THREADS": "1",
        "PYTHONFAULTHANDLER": "1",
        "COLUMNS": "200",
    }
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [*words, *map(str, numbers)], cwd=ROOT, env=environment, stdout=said, stderr=said
        )
        try:
            hung = _wait(process, journal)
        finally:
            process.kill()
            process.wait()
    said_text = (folder / "said").read_text("utf-8", "replace")[-4000:]
    batch = _read(journal, process.returncode, hung, said_text)
    stray = [str(path.relative_to(scratch)) for path in scratch.rglob("*")]
    if stray and batch.done and not hung and process.returncode == 0:
        first = batch.done[0]
        text = f"temporary files left by {first} and after: {', '.join(stray[:9])}"
        batch.findings.append(Finding(first, kind_of(first), "batch", "stray", text))
    return batch


def _wait(process: subprocess.Popen[bytes], journal: Path) -> bool:
    """Wait for a worker; return whether it hangs."""
    seen, since = -1, time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            return False
        size = journal.stat().st_size
        if size != seen:
            seen, since = size, time.monotonic()
        elif time.monotonic() - since > SILENCE:
            return True


def _read(journal: Path, status: int, hung: bool, said: str) -> Batch:
    batch = Batch([], [])
    begun: dict[str, object] = {}
    for line in journal.read_text().splitlines():
        note = json.loads(line)
        if "begin" in note:
            begun = note
        elif "end" in note:
            batch.findings += [Finding(**one) for one in note["end"]]
            begun = {}
        else:
            batch.done.append(note["done"])
    if status == 0 and not hung:
        return batch
    if begun:
        number = int(str(begun["begin"]))
        what, text = ("hang", f"no end after {SILENCE:.0f} s") if hung else ("crash", said)
        text = text if hung else f"the process ended with {status}: {text}"
        command = str(begun["command"])
        batch.findings.append(Finding(number, kind_of(number), command, what, text))
        batch.done.append(number)
    else:
        raise RuntimeError(f"a worker of the fuzzer failed by itself ({status}):\n{said}")
    return batch


def keep(finding: Finding, seed: int, stage: Path, folder: Path) -> Path:
    """Keep the file of a finding, and a note beside it; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    _, suffix, data = make_file(finding.number, seed, stage)
    path = folder / f"{finding.what}-{finding.command}-{finding.number}{suffix}"
    path.write_bytes(data)
    path.with_suffix(f"{suffix}.txt").write_text(f"{finding}\n\n{finding.text}\n", "utf-8")
    return path


def main(words: Sequence[str]) -> int:
    """Be a worker: seed, stage, folder, numbers."""
    seed, stage, folder, *numbers = words
    place = Path(folder)
    work([int(n) for n in numbers], int(seed), Path(stage), place, place / "journal")
    return 0


assert set(SHARE) == set(KINDS)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
