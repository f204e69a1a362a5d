"""Kill every kind of long work at random points, and see whether anything is lost or half-written.

    scripts/bench kill [--rounds 500] [--seed 1] [--only video]

Each round starts one command in a process of its own: a picture, a folder, a video that goes on
where it was (`--resume`), a live recording, a conversion or a bundle. It is killed (SIGKILL): in
half of the rounds after a random time, in the other half at a random call that writes, syncs,
renames or removes; rounds go on until so many processes were killed.
Then recovery runs, and all of this must hold:

* what has a final name is whole: an output has a published entry with the SHA-256 of its bytes, a
  model has its JSON and the hash in it, a bundle every part that its seal names;
* what the ledger calls published is there, and its chain is whole;
* nothing hidden is left once the next command has tidied up.

A video is killed and gone on with until it is done, and must then hold the very packets of one that
nobody interrupted. At the end every output is verified. Exit status 1 says that something was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.bundle.checking import check_parts, read_papers
from edge.bundle.holders import FolderHolder
from edge.cli import main as edge_main
from edge.consent.entries import path_of
from edge.consent.ledger import Ledger
from edge.jobs.unfinished import KEPT_DAYS, remove_outlived
from edge.progress import bar
from edge.publish import remove_stale, remove_stale_folders
from edge.registry import sha256_of
from scripts.fuzz_corpus import make_quick
from scripts.kill_ledger import die_at, losses_among

SHARES = {"picture": 30, "folder": 18, "video": 26, "live": 8, "quantize": 12, "build": 6}
"""Of a hundred rounds."""

CALLS = ("write", "fsync", "replace", "link", "unlink", "rename", "mkdir", "rmdir", "ftruncate")
SEGMENT = 12
FRAMES = 60
TINY = ("--model", "tiny_swapper", "--detector", "tiny_detector", "--threads", "1")
LEAVE = ("--purpose", "film", "--target-is", "synthetic")


@dataclass
class Tally:
    """What happened over all rounds.

    Attributes:
        killed: Rounds by kind of work in which the process was killed.
        ended: Rounds in which it came to its end before.
        outputs: Outputs that exist.
        missing: Entries whose file never appeared, and which say so.
        videos: Videos that came to their end.
        resumed: Of these, those that went on behind finished segments.
        models: Conversions and bundles that came to their end.
        losses: What was lost; nothing should be.
    """

    killed: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    outputs: int = 0
    missing: int = 0
    videos: int = 0
    resumed: int = 0
    models: int = 0
    losses: list[str] = field(default_factory=list)


class Place:
    """Where the bench works: inputs, outputs, and how long each kind of work takes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.out = root / "out"
        self.out.mkdir()
        self.log = root / "log"
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self.seen = mmap.mmap(-1, 8)
        self.video = 0

    def words(self, kind: str, number: int) -> list[str]:
        """Return the command of a round."""
        out = self.out / f"{kind}-{number}"
        swap = ["swap", "--identity", str(self.root / "nobody.identity"), *LEAVE, *TINY]
        if kind == "picture":
            return [*swap, "--input", str(self.root / "in.png"), "--output", f"{out}.png"]
        if kind == "folder":
            return [*swap, "--input", str(self.root / "in"), "--output", str(out)]
        if kind == "video":
            name = f"{self.out / 'video'}-{self.video}.mp4"
            return [*swap, "--input", str(self.root / "in.mp4"), "--output", name, "--resume"]
        if kind == "live":
            identity = ["--identity", str(self.root / "nobody.identity")]
            record = ["--record", str(out), "--segment", "0.5", "--seconds", "3"]
            source = ["--source", str(self.root / "in.mp4"), "--size", "208x160"]
            return ["live", *identity, *source, *record, *LEAVE, *TINY]
        model, card = str(self.root / "face.onnx"), str(self.root / "face.toml")
        little = ["--card", card, "--count", "2", "--threads", "1", "-o", str(out)]
        if kind == "quantize":
            return ["quantize", model, *little, "--precision", ("int8", "fp16")[number % 2]]
        who = ["--identity", str(self.root / "nobody.identity"), "--target", "x86_cpu"]
        form = ["--precision", "fp32", "--detector", "tiny_detector"]
        return ["build", "--model", model, *little, *who, *form]


# One round ---------------------------------------------------------------------------------------


def _child(
    words: list[str], log: Path, call: int, share: float, seen: mmap.mmap, video: int
) -> None:
    """Run a command in a child of this process; never returns."""
    handle = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    for stream in (1, 2):
        os.dup2(handle, stream)
    status = 3
    try:
        from edge.jobs import video as job

        setattr(job, "SEGMENT", SEGMENT)  # noqa: B010 - not exported by name
        make_quick()
        if words[-1] == "--resume":  # the watermark depends on the output's id
            uuid.uuid4 = lambda: uuid.UUID(int=video + 1)
        die_at(call, share, CALLS, seen)
        status = edge_main(words)
    except BaseException:  # noqa: BLE001 - told by the log
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def run_command(
    place: Place, words: list[str], *, call: int = 0, share: float = 0.0, after: float | None = None
) -> int:
    """Run a command in a child; return its status, -9 when it was killed."""
    place.seen[:8] = bytes(8)
    process = os.fork()
    if process == 0:
        _child(words, place.log, call, share, place.seen, place.video)
    if after is not None:
        time.sleep(after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def one_round(place: Place, number: int, kind: str, chance: random.Random, tally: Tally) -> None:
    """Start a command, kill it, recover, and check."""
    words = place.words(kind, number)
    if number % 2:
        given: dict[str, Any] = {
            "call": chance.randint(1, place.calls[kind]),
            "share": chance.random(),
        }
    else:
        given = {"after": chance.uniform(0, 1.1 * place.seconds[kind])}
    status = run_command(place, words, **given)
    (tally.killed if status == -signal.SIGKILL else tally.ended)[kind] += 1
    if status not in {0, -signal.SIGKILL}:
        said = place.log.read_text("utf-8", "replace")[-600:]
        tally.losses.append(f"round {number}: edge {words[0]} ended with {status}: {said}")
    check_ledger(place, number, tally)
    check_models(place, number, tally)
    if kind == "video" and (place.out / f"video-{place.video}.mp4").exists():
        check_video(place, number, tally)
        place.video += 1


# What must hold ----------------------------------------------------------------------------------


def _media(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        hidden |= path.parts[len(folder.parts)].startswith("build-")  # crops, not outputs
        if not hidden and path.suffix in {".png", ".jpg", ".mp4"} and path.is_file():
            yield path


def check_ledger(place: Place, number: int, tally: Tally) -> None:
    """See that outputs and entries are the same things, and that the chain is whole."""
    ledger = Ledger()
    before = [p for p in ledger.verify() if "torn" not in p.what and "head file" not in p.what]
    tally.missing += len(ledger.recover())
    problems = [*before, *ledger.verify()]
    tally.losses += [f"round {number}: line {one.line}: {one.what}" for one in problems]
    published = {
        path_of(entry.fields): str(entry.fields["output_sha256"])
        for entry in ledger.entries()
        if entry.kind == "output" and entry.state == "published"
    }
    ours = {path: one for path, one in published.items() if path.is_relative_to(place.out)}
    tally.losses += losses_among(number, ours, _media(place.out))


def check_models(place: Place, number: int, tally: Tally) -> None:
    """See that every model and bundle under its final name is whole."""
    tally.models = 0
    for model in place.out.glob("quantize-*/*.onnx"):
        tally.models += 1
        report = model.with_name(f"{model.name}.json")
        try:
            facts = json.loads(report.read_text())
            if facts["sha256"] != sha256_of(model):
                tally.losses.append(f"round {number}: {model} is not the file of its JSON")
        except (OSError, ValueError, KeyError) as error:
            tally.losses.append(f"round {number}: {model} has no whole JSON: {error}")
    for bundle in place.out.glob("build-*"):
        tally.models += 1
        try:
            holder = FolderHolder(bundle)
            check_parts(holder, read_papers(holder).contents)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it
            tally.losses.append(f"round {number}: {bundle} is not whole: {error}")


def packets_of(path: Path) -> list[tuple[int | None, int | None, bytes]]:
    """Return time stamps and bytes of a video's packets, and of its sound's."""
    import av

    with av.open(str(path)) as container:
        return [(p.pts, p.dts, bytes(p)) for p in container.demux() if p.size]


def check_video(place: Place, number: int, tally: Tally) -> None:
    """See that a video that was killed and gone on with is the one of an uninterrupted run."""
    tally.videos += 1
    tally.resumed += "gone on behind" in place.log.read_text("utf-8", "replace")
    output = place.out / f"video-{place.video}.mp4"
    whole = place.root / "whole.mp4"
    words = place.words("video", number)
    words[words.index("--output") + 1] = str(whole)
    status = run_command(place, words)
    if status or packets_of(whole) != packets_of(output):
        tally.losses.append(f"round {number}: {output} is not that of an uninterrupted run")
    whole.unlink(missing_ok=True)


def check_tidy(place: Place, tally: Tally) -> None:
    """Tidy up as the next command does, and see that nothing hidden stays."""
    for folder in [place.out, *(path for path in place.out.rglob("*") if path.is_dir())]:
        if folder.is_dir():
            remove_stale(folder)
            remove_stale_folders(folder)
            remove_outlived(folder, time.time() + (KEPT_DAYS + 1) * 86_400)
    hidden = list(place.out.rglob(".*"))
    tally.losses += [f"{path} stays for ever" for path in hidden]


# All rounds --------------------------------------------------------------------------------------


def prepare(root: Path) -> Place:
    """Make inputs, models and an identity of nobody, and take the time of each kind of work."""
    from scripts import fuzz_seeds
    from tests.quantize.cards import write_card

    place = Place(root)
    # In a child: what a library starts in here must not be forked.
    process = os.fork()
    if process == 0:
        status = 1
        try:
            fuzz_seeds.FRAMES = FRAMES
            fuzz_seeds.make_seeds(root)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(process, 0)[1]:
        raise RuntimeError("the inputs could not be made")
    seeds = root / fuzz_seeds.SEEDS
    shutil.copy(seeds / "png-plain.png", root / "in.png")
    shutil.copy(seeds / "mp4-plain.mp4", root / "in.mp4")
    (root / "in").mkdir()
    for name in ("a.png", "b.png", "c.png", "d.png"):
        shutil.copy(seeds / "png-plain.png", root / "in" / name)
    shutil.copy(seeds / "mp4-plain.mp4", root / "in" / "e.mp4")
    shutil.copy(seeds / "onnx-reference.onnx", root / "face.onnx")
    write_card(root / "face.toml", root / "face.onnx", mask="mask")
    return place


def take_times(place: Place, kinds: Sequence[str]) -> None:
    """Run each kind of work once, whole."""
    for kind in kinds:
        start = time.monotonic()
        status = run_command(place, place.words(kind, 999_999))
        place.seconds[kind] = time.monotonic() - start
        place.calls[kind] = int.from_bytes(place.seen[:8], "big")
        if status:
            raise RuntimeError(f"{kind} does not run: {place.log.read_text()[-2000:]}")
        place.video += kind == "video"


def run(rounds: int, seed: int, root: Path, kinds: Sequence[str] = tuple(SHARES)) -> Tally:
    """Run all rounds in an empty folder; return what happened."""
    os.environ["EDGE_HOME"] = str(root / "home")
    place, chance, tally = prepare(root), random.Random(seed), Tally()
    take_times(place, kinds)
    weights = [SHARES[kind] for kind in kinds]
    with bar("killing", False) as progress:
        number = -1
        while (killed := tally.killed.total()) < rounds:
            number += 1
            # The first rounds have every kind.
            kind = kinds[number] if number < len(kinds) else chance.choices(kinds, weights)[0]
            one_round(place, number, kind, chance, tally)
            progress(killed, rounds, kind)
    tally.outputs = sum(1 for _ in _media(place.out))
    _verify_all(sorted(_media(place.out)), tally)
    check_tidy(place, tally)
    return tally


def _verify_all(paths: Sequence[Path], tally: Tally) -> None:
    """Verify every output, in one process of its own."""
    for at in range(0, len(paths), 200):
        words = [sys.executable, "-m", "edge", "verify", "--json", "--no-isolate"]
        given = list(map(str, paths[at : at + 200]))
        done = subprocess.run([*words, *given], capture_output=True, text=True, check=False)
        facts = json.loads(done.stdout)
        for one in facts.get("files", [facts]):
            if one["exit_status"] != 0:
                tally.losses.append(f"{one['file']}: does not verify: {one['problem']}")


def describe(tally: Tally) -> str:
    """Return one line for people."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.killed.items()))
    return (
        f"{tally.killed.total()} kills ({kinds}; {tally.ended.total()} ended before): "
        f"{tally.outputs} outputs, {tally.missing} never appeared and say so; {tally.videos} "
        f"videos done, {tally.resumed} of them gone on with, each that of an uninterrupted run; "
        f"{tally.models} models and bundles whole; lost: {len(tally.losses)}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what happened."""
    parser = argparse.ArgumentParser(prog="scripts/bench kill")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(SHARES), action="append", help="repeatable")
    arguments = parser.parse_args(argv)
    root = Path(tempfile.mkdtemp(prefix="kill-bench-"))
    try:
        tally = run(arguments.rounds, arguments.seed, root, tuple(arguments.only or SHARES))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    for line in tally.losses:
        sys.stdout.write(f"LOST: {line}\n")
    sys.stdout.write(describe(tally) + "\n")
    return 1 if tally.losses else 0


if __name__ == "__main__":
    raise SystemExit(main())
