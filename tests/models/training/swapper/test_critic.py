"""The critic tells blur from truth, and its pull is held to a share."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional

from models.training.swapper.batches import Batch
from models.training.swapper.critic import Critic, Judging, pull_of

CPU = torch.device("cpu")


def batch(seed: int, count: int = 4, side: int = 64) -> Batch:
    """Noise as truth, whose face is the upper half."""
    truth = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    face = torch.zeros(count, 1, side, side)
    face[:, :, : side // 2] = 1.0
    centre = torch.zeros(count, 512)
    return Batch(truth, truth, face, face, centre, centre, centre, 0)


def blurred(picture: Any) -> Any:
    return functional.avg_pool2d(picture, 5, 1, 2)


def test_an_opinion_is_given_for_each_patch() -> None:
    assert Critic()(torch.rand(2, 3, 64, 64)).shape == (2, 1, 7, 7)


def test_it_sees_brightness_and_no_colours() -> None:
    critic, picture = Critic(), torch.rand(2, 3, 64, 64) * 0.8
    tint = torch.tensor([0.587, -0.299, 0.0]).reshape(1, 3, 1, 1) * 0.3  # as bright as before
    before = critic.eval()(picture)
    assert torch.allclose(critic(picture + tint), before, atol=1e-4)
    assert not torch.allclose(critic(picture + 0.1), before, atol=1e-3)


def test_what_is_blurred_is_found_also_where_it_was_not_learnt() -> None:
    torch.manual_seed(1)
    judging = Judging(CPU, rate=2e-3)
    losses = [float(judging.learn(blurred(batch(k).truth), batch(k))) for k in range(60)]
    assert losses[0] == pytest.approx(0.69, abs=0.1)
    assert losses[-1] < 0.3
    unseen = batch(99)
    assert float(judging.complaint(blurred(unseen.truth), unseen)) > 1.2
    assert float(judging.complaint(unseen.truth, unseen)) == pytest.approx(0.693, abs=0.01)


def test_what_is_not_face_is_not_complained_of() -> None:
    torch.manual_seed(2)
    judging = Judging(CPU)
    some = batch(1, side=128)
    output = some.truth.clone().requires_grad_()
    judging.complaint(output, some).backward()
    by_row = output.grad.abs().sum(dim=(0, 1, 3))
    assert (by_row[:64] > 0).all()
    assert (by_row[64 + 32 :] == 0).all()  # a patch that touches the face ends before
    assert all(weight.grad is None for weight in judging.net.parameters())


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_the_pull_is_a_share_of_that_of_the_losses(share: float) -> None:
    torch.manual_seed(3)
    some = batch(2)
    seen = blurred(some.truth).requires_grad_()
    others = torch.rand_like(seen)
    pull = pull_of(Judging(CPU).complaint(seen, some), seen, others, share)
    assert float(pull.norm()) == pytest.approx(share * float(others.norm()), rel=1e-4)


def test_a_critic_goes_on_where_it_stopped() -> None:
    torch.manual_seed(4)
    first, second = Judging(CPU), Judging(CPU)
    some = batch(3)
    first.learn(blurred(some.truth), some)
    second.take_up(first.state())
    losses = [float(j.learn(blurred(some.truth), some)) for j in (first, second)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
