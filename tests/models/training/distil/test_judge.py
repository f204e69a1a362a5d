"""Judging a student: PSNR where the teacher paints, a race in turns, a sheet with the label."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.distil import judge
from models.training.distil.net import Student
from models.training.distil.teacher import Shown

SIZE = 64


def crops(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(9)
    return [rng.integers(0, 200, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(count)]


def half() -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:, : SIZE // 2] = 255
    return mask


def lifted(by: int, mask: np.ndarray) -> judge.Swap:
    return lambda crop: Shown(np.where(mask[..., None] > 0, crop + by, crop).astype(np.uint8), mask)


def test_psnr_counts_where_it_is_asked_to() -> None:
    first = np.full((8, 8, 3), 100, np.uint8)
    second = first.copy()
    second[:4] += 10
    top = np.zeros((8, 8), bool)
    top[:4] = True
    assert judge.psnr(first, second, top) == pytest.approx(20 * np.log10(25.5))
    assert judge.psnr(first, second, ~top) == pytest.approx(80.0)
    assert judge.psnr(first, second) == pytest.approx(20 * np.log10(25.5 * 2**0.5))


def test_a_student_that_is_its_teacher_and_one_that_does_nothing() -> None:
    some = crops(4)
    teacher = lifted(40, half())
    truths = [teacher(crop) for crop in some]
    same = judge.nearness(teacher, some, truths)
    assert same.psnr == pytest.approx(80.0)
    assert same.overlap == 1.0
    assert same.targets == 4
    idle = judge.nearness(lambda crop: Shown(crop, np.zeros_like(half())), some, truths)
    assert idle.psnr == pytest.approx(idle.untouched) == pytest.approx(20 * np.log10(255 / 40))
    assert idle.overlap == 0.0
    assert idle.worst_tenth <= idle.psnr


def test_a_target_on_which_the_teacher_paints_nothing_does_not_count() -> None:
    some = crops(3)
    truths = [lifted(40, half())(some[0]), *(Shown(c, np.zeros_like(half())) for c in some[1:])]
    assert judge.nearness(lifted(20, half()), some, truths).targets == 1


def test_a_mask_that_lets_the_target_through_counts_where_the_face_shows() -> None:
    some, thin, share = crops(1), half() // 8 * 2, 0.25  # 62 of 255: a quarter
    truths = [Shown(lifted(40, half())(some[0]).picture, thin, share)]

    def doing(by: int, mask: np.ndarray) -> judge.Nearness:
        return judge.nearness(
            lambda crop: Shown(lifted(by, half())(crop).picture, mask, share), some, truths
        )

    assert doing(40, thin).overlap == 1.0
    assert doing(20, thin).psnr == pytest.approx(20 * np.log10(255 / 20))
    assert doing(40, thin // 4).overlap == 0.0
    opaque = [Shown(truths[0].picture, thin)]  # nobody sees a face where all of it should be
    with pytest.raises(ValueError, match="unpack"):
        judge.nearness(lambda crop: opaque[0], some, opaque)


def test_a_network_as_a_function_on_crops() -> None:
    torch.manual_seed(1)
    net = Student(SIZE)
    crop = crops(1)[0]
    picture, mask = net.eval()(judge.to_tensor(crop[None]))
    shown = judge.of_network(net, 0.25)(crop)
    assert shown.shows == 0.25
    assert shown.picture.shape == (SIZE, SIZE, 3)
    red = picture[0, 0].detach().numpy() * 255  # RGB there, BGR here
    assert np.abs(shown.picture[..., 2] - red).max() <= 0.51
    assert np.abs(shown.mask - mask[0, 0].detach().numpy() * 255).max() <= 0.51


def test_both_take_turns() -> None:
    order: list[str] = []
    speed = judge.race(lambda: order.append("t"), lambda: order.append("s"), rounds=7)
    assert order == ["t", "s"] * 12
    assert speed.ratio == speed.teacher / speed.student
    assert speed.least_ratio == speed.teacher_least / speed.student_least


def test_a_sheet_carries_the_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.provenance.label import Label

    drawn: list[tuple[int, ...]] = []
    draw = Label.draw

    def noted(self: Label, frame: np.ndarray) -> None:
        drawn.append(frame.shape)
        draw(self, frame)

    monkeypatch.setattr(Label, "draw", noted)
    some = crops(6)
    teacher = lifted(40, half())
    path = tmp_path / "new" / "sheet.png"
    judge.sheet(teacher, some, [teacher(crop) for crop in some], path)
    page = cv2.imread(str(path))
    assert page is not None
    assert page.shape == (2 * SIZE + 64, 12 * SIZE, 3)
    assert drawn == [page.shape]
