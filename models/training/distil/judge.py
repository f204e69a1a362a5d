"""How near a student comes to its teacher, and how much quicker it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from edge.provenance.label import Label, default_language, plan_label
from models.training.crops import Pixels
from models.training.distil.net import Student
from models.training.distil.teacher import Shown, soft_of
from models.training.swapper.data import from_unit

Swap = Callable[[Pixels], Shown]


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near a student's pictures come to its teacher's, over held-out targets.

    Attributes:
        psnr: mean PSNR in dB inside the teacher's mask: where people see the new face.
        worst_tenth: the PSNR that nine of ten targets exceed.
        whole: mean PSNR over the whole crop.
        untouched: mean PSNR inside the mask of the target as it is: what doing nothing comes to.
        overlap: mean overlap (intersection over union) of the masks.
        targets: how many targets.
    """

    psnr: float
    worst_tenth: float
    whole: float
    untouched: float
    overlap: float
    targets: int


def psnr(first: Pixels, second: Pixels, where: np.ndarray | None = None) -> float:
    """PSNR in dB of two uint8 pictures, over the chosen pixels; 80 dB at most."""
    error = (first.astype(np.float64) - second) ** 2
    mean = float(error.mean() if where is None else error[where].mean())
    return float(10 * np.log10(255.0**2 / max(mean, 255.0**2 * 1e-8)))


def nearness(student: Swap, crops: list[Pixels], truths: list[Shown]) -> Nearness:
    """Compare a student with what its teacher made of the same crops."""
    rows = []
    for crop, truth in zip(crops, truths, strict=True):
        face = truth.face
        if not face.any():
            continue
        own = student(crop)
        both, either = own.face & face, own.face | face
        rows.append(
            (
                psnr(own.picture, truth.picture, face),
                psnr(own.picture, truth.picture),
                psnr(crop, truth.picture, face),
                both.sum() / either.sum(),
            )
        )
    inside, whole, untouched, overlap = np.array(rows).T
    return Nearness(
        psnr=float(inside.mean()),
        worst_tenth=float(np.quantile(inside, 0.1)),
        whole=float(whole.mean()),
        untouched=float(untouched.mean()),
        overlap=float(overlap.mean()),
        targets=len(rows),
    )


def to_tensor(crops: Pixels) -> torch.Tensor:
    """uint8 (N, S, S, 3) BGR to float32 (N, 3, S, S) RGB in [0, 1]."""
    rgb = np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2))
    return torch.from_numpy(rgb).float().div_(255.0)


def of_network(net: Student, shows: float) -> Swap:
    """A network in training as a function on crops.

    Args:
        net: the student.
        shows: its teacher's, see `Shown`.
    """

    @torch.no_grad()
    def swap(crop: Pixels) -> Shown:
        picture, mask = net.eval()(to_tensor(crop[None]))
        return Shown(from_unit(picture[0].numpy()), soft_of(mask[0, 0].numpy()), shows)

    return swap


@dataclass(frozen=True, slots=True)
class Speed:
    """Processor time of one run in milliseconds, medians and shortest, of rounds in turns."""

    teacher: float
    student: float
    teacher_least: float
    student_least: float

    @property
    def ratio(self) -> float:
        """How many times as quick the student is, by the medians."""
        return self.teacher / self.student

    @property
    def least_ratio(self) -> float:
        """The same by the shortest rounds, which other programs disturb least."""
        return self.teacher_least / self.student_least


def race(teacher: Callable[[], object], student: Callable[[], object], rounds: int = 200) -> Speed:
    """Run both in turns in this process, each on one thread.

    Processor time is what counts: on a machine that is busy with other things, the longer of the
    two runs is put aside more often, and a clock on the wall would flatter the shorter one.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 5):
        for run, own in zip((teacher, student), times, strict=True):
            began = time.process_time()
            run()
            if number >= 5:  # the first rounds warm caches
                own.append(1e3 * (time.process_time() - began))
    first, second = times
    return Speed(statistics.median(first), statistics.median(second), min(first), min(second))


def sheet(student: Swap, crops: list[Pixels], truths: list[Shown], path: Path) -> None:
    """Draw target | teacher | student | student's mask, three to a row, with the label on it."""
    strips = []
    for crop, truth in zip(crops, truths, strict=True):
        own = student(crop)
        grey = cv2.cvtColor(own.mask, cv2.COLOR_GRAY2BGR)
        strips.append(np.hstack([crop, truth.picture, own.picture, grey]))
    rows = [np.hstack(strips[i : i + 3]) for i in range(0, len(strips) - 2, 3)]
    page = np.vstack(rows)
    strip = np.full((max(64, page.shape[0] // 6), page.shape[1], 3), 60, np.uint8)
    page = np.ascontiguousarray(np.vstack([page, strip]))  # the label hides no picture there
    Label(plan_label(page.shape[1], page.shape[0], [], default_language())).draw(page)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), page)
