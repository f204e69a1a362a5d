"""Train a student: a small swap model that shows one consented person alone.

    scripts/train distil --teacher ref_swapper --identity alice.identity --minutes 90 -o alice.onnx

The teacher is any swap model that has a card. It is asked about faces of nobody, which are rendered
once for all students. Ctrl-C stops at the next step; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from edge.backends import open_session
from edge.consent.erase import register_derivative
from edge.consent.storage import make_private_dir
from edge.errors import EdgeError, OutputError, UsageError
from models.training import pairs
from models.training.crops import Pixels
from models.training.distil import labels as labelling
from models.training.distil.judge import (
    Nearness,
    Speed,
    Swap,
    nearness,
    of_network,
    race,
    sheet,
    to_tensor,
)
from models.training.distil.net import MOST_GMAC, MOST_PARAMETERS, Student, cost_of, patch_of
from models.training.distil.publish import publish
from models.training.distil.teacher import Shown, Teacher, open_teacher, soft_of
from models.training.distil.train import CHECKPOINT, Plan, Run
from models.training.folders import data_folder
from models.training.memory import keep_memory
from models.training.swapper.data import from_unit
from quantize.baking import identity_in_force

HELD_OUT = 240
_WATCHED = 48  # held-out targets that are looked at during training
_ASKING, _LEAST_HELD = 120.0, 24  # seconds for held-out targets, but so many at least
_LABELLING = 0.25  # of the minutes, at most, in addition to them
_STOPPED = 130
console = Console()


class Stopper:
    """Turns Ctrl-C into a wish that long work asks for between two steps."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Whether somebody wants it to stop."""
        return self.asked

    def note(self, number: int, frame: FrameType | None) -> None:
        """Be the handler of a signal; the second one ends the program as usual."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM for the length of a block."""
        usual = {one: signal.signal(one, self.note) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in usual.items():
                signal.signal(one, handler)


def bar() -> Progress:
    """A progress bar with a line of text beside it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
        console=console,
    )


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for, and the folder where it is worked on.

    Attributes:
        options: of the command line.
        teacher: the teacher.
        size: side of its crops.
        folder: checkpoint, log and labels; its owner's alone, and erased with the identity.
        lock: held as long as this is worked on.
    """

    options: argparse.Namespace
    teacher: Teacher
    size: int
    folder: Path
    lock: TextIO


def opened(options: argparse.Namespace) -> Job:
    """Check everything that can be checked before any work is done.

    Raises:
        ConsentError: the identity's consent is not in force.
        EdgeError: the teacher cannot be used, or something is in the way of the output.
    """
    output: Path = options.output
    if output.suffix != ".onnx":
        raise UsageError(f"{output}: a student's file ends in .onnx: choose another name with -o")
    for path in (output, output.with_suffix(".toml")):
        if os.path.lexists(path) and not options.overwrite:
            raise OutputError(f"{path}: exists already; choose another name or give --overwrite")
    teacher = open_teacher(
        options.teacher,
        options.identity,
        card=options.card,
        picture=options.source_picture,
        threads=options.threads,
    )
    size = teacher.crop.size
    try:
        patch_of(size)
    except ValueError as error:
        raise UsageError(f"model {teacher.card.name}: {error}") from error
    baked = teacher.baked
    # The values that are fed count too: another emap or picture is another teacher. So does what
    # its mask means: it is what the labels hold.
    means = f"{teacher.sha256} {teacher.shows}".encode()
    key = hashlib.sha256(means + baked.values.tobytes()).hexdigest()
    folder = data_folder() / "students" / f"{baked.commitment[:16]}-{key[:16]}"
    make_private_dir(folder)
    register_derivative(baked.commitment, folder)
    lock = _taken(folder)
    if options.fresh:
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return Job(options, teacher, size, folder, lock)


def _taken(folder: Path) -> TextIO:
    """Lock a folder until the process ends.

    Raises:
        UsageError: another process works in it.
    """
    handle = (folder / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise UsageError(
            f"{folder}: another run trains this student: wait for it, or stop it with Ctrl-C"
        ) from error
    return handle


def rendered(options: argparse.Namespace, size: int) -> list[labelling.Place]:
    """Render what is missing of the targets, and of those that students are judged on."""
    crop = pairs.crops_for(size)
    pairs.fill("targets", options.workers, options.targets, crop)
    pairs.fill("swaps", options.workers, crop=crop)
    found = labelling.pool(size)
    if not found:
        raise UsageError("there is no target to learn from: give more --targets")
    return found


def labelled(job: Job, places: list[labelling.Place], stop: Stopper) -> labelling.Labels:
    """Ask the teacher about its crops, within its part of the time."""
    options, teacher = job.options, job.teacher
    count = labelling.most_labels(options.labels, job.size)
    labels = labelling.open_labels(job.folder / "labels", count, job.size)
    with bar() as progress, stop.listening():
        task = progress.add_task("teacher", total=count, text="")
        labelling.fill(
            labels,
            teacher,
            places,
            teacher.crop,
            seconds=60 * _LABELLING * options.minutes,
            stopped=stop,
            told=lambda done: progress.update(task, completed=done),
        )
    ready = len(labels.ready())
    if ready < count and not stop():
        console.print(f"the teacher answered {ready} of {count} crops in its part of the time")
    if ready < options.batch and not stop():
        raise UsageError(
            f"the teacher answered {ready} crops in {_LABELLING * options.minutes:g} minutes, "
            "which is not a batch: give more --minutes, or a smaller --batch"
        )
    return labels


def trained(job: Job, labels: labelling.Labels, watched: Watched, stop: Stopper) -> Run:
    """Train until the time is used up, or until Ctrl-C."""
    options = job.options
    plan = Plan(
        options.minutes,
        options.batch,
        options.rate,
        options.every,
        options.seed,
        job.teacher.shows,
    )
    run = Run(job.folder, job.size, labels, plan)
    if run.step:
        console.print(f"going on from step {run.step}, {run.clock.spent() / 60:.0f} minutes in")
    with bar() as progress, stop.listening():
        task = progress.add_task("student", total=1.0, text="")
        run.train(
            watched.crops,
            watched.truths,
            stopped=stop,
            told=lambda part, text: progress.update(task, completed=part, text=text),
        )
    return run


@dataclass(frozen=True, slots=True)
class Watched:
    """Held-out crops and what the teacher makes of them."""

    crops: list[Pixels]
    truths: list[Shown]

    @classmethod
    def of(cls, teacher: Teacher, count: int) -> Watched:
        """Cut crops of held-out targets, and ask the teacher: a slow one about fewer of them.

        Raises:
            UsageError: it paints no face on any of them.
        """
        crops, truths = labelling.held_out_crops(teacher.crop, count), []
        began = time.monotonic()
        for crop in crops:
            truths.append(teacher(crop))
            if len(truths) >= _LEAST_HELD and time.monotonic() - began > _ASKING:
                break
        if not any(truth.face.any() for truth in truths):
            raise UsageError(
                f"model {teacher.card.name} paints no face on any of {len(truths)} targets: there "
                "is nothing to learn from it"
            )
        return cls(crops[: len(truths)], truths)


def exported(path: Path, shows: float, threads: int = 1) -> Swap:
    """The written file as a function on crops; `shows` is its teacher's, see `Shown`."""
    session = open_session(path, backend="ort", threads=threads)

    def swap(crop: Pixels) -> Shown:
        picture, mask = session.run({"target": to_tensor(crop[None]).numpy()})
        return Shown(from_unit(picture[0]), soft_of(mask[0, 0]), shows)

    return swap


def speed_of(path: Path, teacher: Teacher, crop: Pixels) -> Speed:
    """Run teacher and student in turns, one thread each, on the same crop."""
    theirs, own = teacher.feeds(crop), {"target": to_tensor(crop[None]).numpy()}
    first = open_session(teacher.file, backend="ort", threads=1)
    second = open_session(path, backend="ort", threads=1)
    return race(lambda: first.run(theirs), lambda: second.run(own))


def told(net: Student, found: Nearness, speed: Speed, minutes: float) -> None:
    """Print what the student is."""
    parameters, gmac = cost_of(net)
    console.print(
        f"{parameters / 1e3:.0f} thousand parameters (at most {MOST_PARAMETERS / 1e3:.0f}), "
        f"{gmac:.3f} GMAC (at most {MOST_GMAC:g})"
    )
    console.print(
        f"to the teacher, on {found.targets} held-out targets: {found.psnr:.2f} dB inside the mask "
        f"(nine of ten above {found.worst_tenth:.2f}; the target as it is: {found.untouched:.2f}), "
        f"{found.whole:.2f} dB over the crop, masks overlap by {found.overlap:.3f}"
    )
    console.print(
        f"{speed.student:.2f} ms where the teacher takes {speed.teacher:.2f}: {speed.ratio:.1f} "
        f"times as quick by medians, {speed.least_ratio:.1f} by the shortest runs (processor "
        "time, one thread, this machine)"
    )
    console.print(f"{minutes:.0f} minutes of training")


def distil(options: argparse.Namespace) -> int:
    """Make a student; returns the exit status."""
    keep_memory()
    torch.set_num_threads(options.threads)
    job = opened(options)
    with job.lock:
        return worked(job)


def worked(job: Job) -> int:
    """Do all of the work of a job; returns the exit status."""
    options, stop = job.options, Stopper()
    places = rendered(options, job.size)
    labels = labelled(job, places, stop)
    if stop():
        return stopped_at(job)
    watched = Watched.of(job.teacher, _WATCHED)
    run = trained(job, labels, watched, stop)
    if not run.finished:
        return stopped_at(job)
    # The consent may have been revoked, or have ended, in the meantime.
    identity_in_force(options.identity, {"command": "distil", "model": job.teacher.card.name})
    net, minutes = run.average.net, run.clock.spent() / 60
    model, card = publish(net, job.teacher, options.output, overwrite=options.overwrite)
    judged = Watched.of(job.teacher, HELD_OUT)
    found = nearness(exported(model, job.teacher.shows), judged.crops, judged.truths)
    told(net, found, speed_of(model, job.teacher, judged.crops[0]), minutes)
    page = job.folder / "sheet.png"
    drawn = of_network(net, job.teacher.shows)
    sheet(drawn, judged.crops[:36], judged.truths[:36], page)
    shutil.rmtree(job.folder / "labels", ignore_errors=True)
    console.print(f"target, teacher, student and its mask: {page}", soft_wrap=True)
    console.print(
        f"wrote {model} and {card}; bundle it with: edge build --model {model} --card {card} "
        f"--identity {options.identity} --target raspberry_pi -o {model.stem}-pi/",
        soft_wrap=True,
    )
    return 0


def stopped_at(job: Job) -> int:
    """Say how to go on."""
    console.print(f"stopped; the same command goes on from {job.folder}", soft_wrap=True)
    return _STOPPED


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="scripts/train distil",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--teacher", required=True, help="a swap model: an .onnx file or a card")
    made.add_argument("--card", help="card of that file; by default the one that means it")
    made.add_argument("--identity", required=True, type=Path, help="whom the student will show")
    made.add_argument("-o", "--output", required=True, type=Path, help="the student, .onnx")
    made.add_argument("--source-picture", type=Path, help="for a teacher that takes a picture")
    made.add_argument("--minutes", type=float, default=75.0, help="of training")
    made.add_argument("--targets", type=int, default=8000, help="rendered faces of nobody")
    made.add_argument("--labels", type=int, default=24_000, help="crops to ask the teacher about")
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--rate", type=float, default=2e-3)
    made.add_argument("--every", type=int, default=250, help="steps between two checkpoints")
    made.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    made.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1))
    made.add_argument("--seed", type=int, default=7)
    made.add_argument("--fresh", action="store_true", help="do not go on from a checkpoint")
    made.add_argument("--overwrite", action="store_true", help="replace the student of this name")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command; errors are one line and exit status 2."""
    options = parser().parse_args(arguments)
    try:
        return distil(options)
    except EdgeError as error:
        sys.stderr.write(f"distil: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("distil: stopped\n")
        return _STOPPED


if __name__ == "__main__":
    sys.exit(main())
