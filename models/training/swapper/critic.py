"""A critic beside the losses: it learns what tells a painted face from a rendered one.

Losses against the truth are least at the mean of all that the truth may be. Where an embedding does
not tell pores, hairs and the last pixel of a lid, that mean is a blur. A critic compares patches of
the output with the same patches of the truth, so that blur is what it finds first.

It is relativistic (Jolicoeur-Martineau 2018): which of the two is the rendered one? Everything but
the face is equal in both and cannot be told by. Its layers are spectrally normalised (Miyato et al.
2018), which bounds how much it can ask for. It is not shipped.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from models.training.precision import quick_autocast
from models.training.swapper.batches import Batch
from models.training.wear import luma

WIDTHS = (24, 48, 96)
"""Channels at a half, a quarter and an eighth of the side: a patch is 46 pixels wide."""

_SLOPE = 0.2


class Critic(nn.Module):
    """Picture to one opinion for each patch, the higher the more it looks rendered.

    It sees how bright a picture is, and no colours: those the losses know exactly. One that saw
    them let a swapper of 256 pixels tint beards green, which it took for hairs.
    """

    def __init__(self) -> None:
        super().__init__()
        before, stages = 1, []
        for width in WIDTHS:
            stages.append(spectral_norm(nn.Conv2d(before, width, 4, 2, 1)))
            before = width
        self.stages = nn.ModuleList(stages)
        self.last = spectral_norm(nn.Conv2d(before, 1, 4, 1, 1))

    def forward(self, picture: Tensor) -> Tensor:
        """float32 (N, 3, S, S) RGB in [0, 1] to (N, 1, S / 8 - 1, S / 8 - 1)."""
        x = luma(picture) * 2.0 - 1.0
        for stage in self.stages:
            x = functional.leaky_relu(stage(x), _SLOPE)
        out: Tensor = self.last(x)
        return out


class Judging:
    """A critic and how it learns.

    Args:
        device: where it is.
        rate: of learning, evenly through the run.
    """

    def __init__(self, device: torch.device, rate: float = 4e-4) -> None:
        self.net = Critic().to(device, memory_format=torch.channels_last)
        self.device = device
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=rate, betas=(0.0, 0.99))

    def _opinions(self, picture: Tensor) -> Tensor:
        with quick_autocast(self.device):
            opinion: Tensor = self.net(picture.contiguous(memory_format=torch.channels_last))
        return opinion.float()

    @staticmethod
    def _on_faces(value: Tensor, face: Tensor) -> Tensor:
        weight = functional.adaptive_avg_pool2d(face, value.shape[-2:])
        return (value * weight).sum() / (weight.sum() + 1e-6)

    def learn(self, output: Tensor, batch: Batch) -> Tensor:
        """One step of the critic; returns its loss, 0.69 where it cannot tell.

        Args:
            output: float32 (B, 3, S, S); no gradient reaches it.
            batch: what the output was made of.
        """
        self.net.requires_grad_(True)
        rendered, painted = self._opinions(batch.truth), self._opinions(output.detach())
        loss = self._on_faces(functional.softplus(painted - rendered), batch.face)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def complaint(self, output: Tensor, batch: Batch) -> Tensor:
        """What the swapper is to lessen: how surely the critic takes the truth for the truth."""
        self.net.requires_grad_(False)
        with torch.no_grad():
            rendered = self._opinions(batch.truth)
        painted = self._opinions(output)
        return self._on_faces(functional.softplus(rendered - painted), batch.face)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict()}

    def take_up(self, state: dict[str, Any]) -> None:
        """Go on from a state that was kept."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])


def pull_of(complaint: Tensor, seen: Tensor, others: Tensor, share: float) -> Tensor:
    """The critic's gradient at the output, as strong as a share of that of all other terms.

    A fixed weight is too much once a critic is sure of itself, and nothing before.

    Args:
        complaint: of `Judging.complaint`.
        seen: float32 (B, 3, S, S), the output as a leaf.
        others: the same, the gradient of all other terms there.
        share: of their norm.
    """
    (own,) = torch.autograd.grad(complaint, seen)
    return own * (share * others.norm() / (own.norm() + 1e-12))
