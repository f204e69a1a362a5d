"""Training: it learns, its checkpoint is whole, it goes on, it stops when asked."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from models.training.distil import train as training
from models.training.distil.judge import to_tensor
from models.training.distil.labels import Labels, open_labels
from models.training.distil.teacher import Shown, blended
from models.training.distil.train import Plan, Run, batches, loss_of

SIZE, COUNT = 32, 12
QUICK = Plan(minutes=60.0, batch=4, every=5)


def mask() -> np.ndarray:
    grid = (np.arange(SIZE) + 0.5) / SIZE - 0.5
    inside = (grid[None] ** 2 + grid[:, None] ** 2) < 0.12
    return (inside * 255).astype(np.uint8)


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    """A teacher that paints a face of one colour."""
    made = open_labels(tmp_path / "labels", COUNT, SIZE)
    rng = np.random.default_rng(2)
    for i in range(COUNT):
        made.crops[i] = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        made.masks[i] = mask()
        face = np.full((SIZE, SIZE, 3), (60, 120, 200), np.uint8)
        made.shown[i] = blended(made.crops[i], face, mask())
        made.done[i] = 1
    return made


def watched(labels: Labels) -> tuple[list[np.ndarray], list[Shown]]:
    some = [np.array(crop) for crop in labels.crops[:3]]
    return some, [Shown(np.array(labels.shown[i]), mask()) for i in range(3)]


def steps(run: Run, labels: Labels, count: int) -> list[str]:
    """Train for some steps; return what was told."""
    lines: list[str] = []
    last = run.step + count
    run.train(
        *watched(labels),
        stopped=lambda: run.step >= last,
        told=lambda part, text: lines.append(text),
    )
    return lines


def test_the_loss_falls_and_the_log_says_so(labels: Labels, tmp_path: Path) -> None:
    run = Run(tmp_path, SIZE, labels, QUICK)
    lines = steps(run, labels, 60)
    log = [json.loads(line) for line in (tmp_path / training.LOG).read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(5, 61, 5))
    assert log[-1]["loss"] < 0.6 * log[0]["loss"]
    assert len(lines) == 60
    assert lines[-1].startswith("step 60  ")
    assert lines[-1].endswith("dB to the teacher")


def test_it_goes_on_from_its_checkpoint(labels: Labels, tmp_path: Path) -> None:
    first = Run(tmp_path, SIZE, labels, QUICK)
    steps(first, labels, 7)
    second = Run(tmp_path, SIZE, labels, QUICK)
    assert second.step == 7
    assert second.clock.used > 0
    for mine, theirs in zip(second.net.parameters(), first.net.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(
        second.average.net.parameters(), first.average.net.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_time_that_was_used_up_is_used_up(labels: Labels, tmp_path: Path) -> None:
    steps(Run(tmp_path, SIZE, labels, QUICK), labels, 2)
    run = Run(tmp_path, SIZE, labels, Plan(minutes=1e-6, batch=4))
    assert run.finished
    assert steps(run, labels, 5) == []


def test_each_label_comes_once_in_an_epoch() -> None:
    drawn = batches(np.arange(10, 22), 4, seed=1)
    for _ in range(3):
        epoch = [next(drawn) for _ in range(3)]
        assert sorted(np.concatenate(epoch).tolist()) == list(range(10, 22))
        assert all((np.diff(part) > 0).all() for part in epoch)


def test_too_few_labels_for_a_batch() -> None:
    with pytest.raises(ValueError, match="3 labels are no batch of 4"):
        next(batches(np.arange(3), 4, seed=1))


def test_a_perfect_answer_costs_next_to_nothing(labels: Labels) -> None:
    target, shown = to_tensor(labels.crops[:2]), to_tensor(labels.shown[:2])
    soft = torch.from_numpy(np.array(labels.masks[:2]))[:, None].float() / 255
    face = torch.tensor([200, 120, 60]).view(1, 3, 1, 1).expand(2, 3, SIZE, SIZE) / 255
    perfect = torch.cat([torch.logit(face), (soft - 0.5) * 40], dim=1)
    wrong = torch.cat([torch.logit(1 - face), (soft - 0.5) * 40], dim=1)
    assert float(loss_of(target, perfect, shown, soft)) < 0.01
    assert float(loss_of(target, wrong, shown, soft)) > 0.3


def test_an_exact_share_is_what_is_learnt() -> None:
    generator = torch.Generator().manual_seed(3)
    target = torch.rand(1, 3, SIZE, SIZE, generator=generator)
    face = torch.full_like(target, 0.7)
    share = torch.full((1, 1, SIZE, SIZE), 0.3)
    shown = target + (face - target) * share

    def loss(face: Any, share: Any) -> float:
        logits = torch.logit(torch.cat([face, share], dim=1), eps=1e-6)
        return float(loss_of(target, logits, shown, torch.full_like(share, 0.3), 0.25))

    least = loss(face, share)
    painted = loss(shown, torch.ones_like(share))  # the same picture, without the target's skin
    thin, strong = loss(face, share * 0.6), loss(face, share * 1.5)
    wrong = loss(1 - face, share)
    assert least < min(painted, thin, strong, wrong) - 0.005
    # What is faint counts in full, where people see it.
    half = torch.logit(torch.cat([1 - face, share], dim=1))
    faint = float(loss_of(target, half, shown, share, 1.0))
    assert wrong > faint
