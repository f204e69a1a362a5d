"""What a swap is judged by in training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training import crops
from models.training.embedder.net import Embedder
from models.training.precision import quick_autocast
from models.training.swapper.batches import Batch
from models.training.swapper.data import TEMPLATE
from models.training.swapper.looks import Looks
from models.training.swapper.recrop import Places, moved, to_embedder
from models.training.wear import luma


@dataclass(frozen=True)
class Weights:
    """How much each term counts."""

    square: float = 30.0
    colour: float = 8.0
    tint: float = 16.0
    weave: float = 3000.0
    paint: float = 1.0
    edges: float = 3.0
    structure: float = 0.5
    looks: float = 0.5
    features: float = 0.5
    alike: float = 1.0
    identity: float = 1.5
    nearer: float = 3.0
    moved: float = 2.5
    mask: float = 0.3
    flicker: float = 8.0


_NEARER = 0.1  # cosine by which an output is to be nearer to the source than to the target's own

_MOVED = 0.025  # eye distances by which landmarks may lie beside the target's

_EARLY = ("square", "paint", "mask")
"""Terms that a first, blurred attempt at the right face already lowers; the others take the
untouched target for the better guess until a swap is nearly right."""


def _mean_in(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / (weight.sum() * value.shape[1] + 1e-6)


def _edges(picture: Tensor) -> tuple[Tensor, Tensor]:
    return picture[..., :, 1:] - picture[..., :, :-1], picture[..., 1:, :] - picture[..., :-1, :]


def _squares(error: Tensor, weight: Tensor) -> Tensor:
    """Squared error at 1, 1/2, 1/4 and 1/8 of the size, the smaller ones counting for more."""
    total = _mean_in(error.square(), weight)
    for scale in (2, 4, 8):
        error, weight = functional.avg_pool2d(error, 2), functional.avg_pool2d(weight, 2)
        total = total + scale * _mean_in(error.square(), weight)
    return total


def tint(error: Tensor, weight: Tensor) -> Tensor:
    """Absolute error of the mean colour of patches of 4 x 4 pixels, brightness left out.

    Args:
        error: float32 (B, 3, S, S) RGB.
        weight: float32 (B, 1, S, S).
    """
    patches, counts = functional.avg_pool2d(error, 4), functional.avg_pool2d(weight, 4)
    return _mean_in((patches - luma(patches)).abs(), counts)


_PERIOD = 4
"""Pixels after which a pattern of two upsampling steps comes again."""

_REPEATS = 4
"""Times that it does so, across and down, in the windows in which `woven` looks for it."""


def woven(picture: Tensor) -> Tensor:
    """How much of a weave there is: what comes again every 4 pixels, as no hair and no pore does.

    Nearest upsampling and convolutions make such patterns for texture where nothing tells them of
    any (Odena et al. 2016), and a critic of patches lets them pass for hairs.

    Args:
        picture: float32 (B, 3, S, S) RGB, sides multiples of 16.

    Returns:
        float32 (B, 1, S / 16, S / 16): mean square of the pattern in each window.
    """
    grey = luma(picture)
    kernel = grey.new_tensor([0.5, 1.0, 1.0, 1.0, 0.5]) / _PERIOD  # blind to that period alone
    across = functional.conv2d(grey, kernel[None, None, None], padding=(0, 2))
    fine = grey - functional.conv2d(across, kernel[None, None, :, None], padding=(2, 0))
    count = fine.shape[-1] // (_PERIOD * _REPEATS)
    parts = fine.reshape(-1, 1, count, _REPEATS, _PERIOD, count, _REPEATS, _PERIOD)
    return parts.mean(dim=(3, 6)).square().mean(dim=(3, 5))


def focus_map(size: int) -> Tensor:
    """Eyes and mouth count for more than cheeks: (1, 1, S, S), from 1 to 2.5.

    They are few pixels and much of what a viewer looks at; the template says where they lie.
    """
    ys, xs = np.mgrid[:size, :size]
    eyes_and_mouth = crops.TEMPLATES[TEMPLATE] * size
    focus = np.ones((size, size), np.float32)
    reach = 9.0 * size / 128
    for (x, y), more in zip(eyes_and_mouth, (1.5, 1.5, 0.0, 0.7, 0.7), strict=True):
        focus += more * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * reach**2))
    return torch.from_numpy(focus.astype(np.float32))[None, None]


@lru_cache(maxsize=4)
def _means_along(side: int, device: torch.device) -> Tensor:
    """The matrix that takes the mean of 7 neighbours, fewer at the ends: float32 (side, side).

    On a CPU two matrix products take a third of the time of a pooling layer.
    """
    places = torch.arange(side, device=device)
    near = ((places[:, None] - places).abs() <= 3).float()
    return near / near.sum(dim=1, keepdim=True)


def structure(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity in windows of 7 pixels, float32 (N, 3, S, S); 1 where both are alike.

    Constants are those of Wang et al. 2004, for pictures in [0, 1].
    """
    rows, columns = (_means_along(side, first.device) for side in first.shape[-2:])

    def mean(x: Tensor) -> Tensor:
        return rows @ x @ columns.T

    one, two = mean(first), mean(second)
    spread = mean(first * first) - one * one + mean(second * second) - two * two
    shared = mean(first * second) - one * two
    small, less = 0.01**2, 0.03**2
    return ((2 * one * two + small) * (2 * shared + less)) / (
        (one * one + two * two + small) * (spread + less)
    )


def _unlike(found: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """How far feature maps are from others, as a share of those."""
    parts = [
        (a.float() - b.float()).abs().mean() / (b.float().abs().mean() + 1e-3)
        for a, b in zip(found, wanted, strict=True)
    ]
    return torch.stack(parts).mean()


class SwapLoss(nn.Module):
    """The terms of the loss, against the exact ground truth.

    1. square: squared error at four scales; a blurred attempt at the right face already lowers
       it. colour: absolute error of pixels. tint: that of the mean colour of patches, whatever
       their brightness: a grey picture is to stay grey, and hair's colour is not brightness. paint:
       that of what is painted, before the target is mixed in: a brow is not taken away by yellow at
       half strength, which shows at a frame's own size.
    2. edges: on differences of neighbours, which keeps lids, lips and brows crisp; structure: what
       structural similarity lacks of 1. weave: patterns that come again every few pixels, as far as
       the truth has none.
    3. looks: features of a network that reads traits, gaze and expression, at three scales.
    4. features, alike: the recogniser's feature maps and embedding of output and truth.
    5. identity: the output is to be as near to the source as the ground truth is, not nearer; a
       plain cosine pull past that point only breeds patterns that please the recogniser. nearer: it
       is to be nearer to the source than to the target's own face, which few outputs are not.
       moved: landmarks are to lie about where the target's do: pose and expression stay.
    6. mask: the cross-entropy where target and truth do not differ: there it is to be closed. How
       much of the target's own skin shows through a face is left to all other terms.
    7. flicker: what changes from frame to frame and does not in the truth.

    Args:
        embedder: frozen.
        looks: frozen.
        places: where a frozen landmarker sees the five points.
        size: side of the crops.
        share: of the single swaps that the recogniser looks at; it costs as much as the swapper.
        weights: how much each term counts.
    """

    def __init__(
        self,
        embedder: Embedder,
        looks: Looks,
        places: Places,
        size: int,
        share: float = 1.0,
        weights: Weights | None = None,
    ) -> None:
        super().__init__()
        self.embedder, self.looks, self.places = embedder, looks, places
        self.cut = to_embedder()
        self.share = share
        self.weights = weights or Weights()
        self.focus: Tensor
        self.register_buffer("focus", focus_map(size), persistent=False)

    def _seen(self, picture: Tensor) -> tuple[list[Tensor], Tensor]:
        with quick_autocast(picture.device):
            maps = self.embedder.features(self.cut(picture))
            return maps, self.embedder.head(maps[-1]).float()

    def _looked_at(self, picture: Tensor) -> list[Tensor]:
        with quick_autocast(picture.device):
            seen = picture.contiguous(memory_format=torch.channels_last)
            return self.looks.features(seen)[:3]

    def forward(
        self, output: Tensor, painted: Tensor, batch: Batch, ease: float = 0.0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Total loss and its unweighted terms.

        Args:
            output: float32 (B, 3, S, S), not held to [0, 1]: what goes past is an error too.
            painted: float32 (B, 3 + 1, S, S), the face and the mask, both before the sigmoid.
            batch: what the output was made of.
            ease: 0 to 1, how much less those terms count that hold back a beginner; at 1 the looks
                of networks are not even taken.
        """
        truth, region = batch.truth, batch.region
        weight = 0.1 + (region + batch.face) * self.focus
        error = output - truth
        terms = {
            "square": _squares(error, weight),
            "colour": _mean_in(error.abs(), weight),
            "tint": tint(error, weight),
        }
        across, down = _edges(error)
        terms["edges"] = _mean_in(across.abs(), weight[..., :, 1:]) + _mean_in(
            down.abs(), weight[..., 1:, :]
        )
        terms["structure"] = _mean_in(1.0 - structure(output, truth), batch.face * self.focus)
        if ease < 1.0:
            terms |= self._perceived(output.clamp(0.0, 1.0), batch)
        face = functional.avg_pool2d(batch.face, _PERIOD * _REPEATS)
        terms["weave"] = _mean_in(functional.relu(woven(output) - woven(truth)), face)
        paint = torch.sigmoid(painted[:, :3])
        terms["paint"] = _mean_in((paint - truth).abs(), batch.face)
        terms["mask"] = (functional.softplus(painted[:, 3:]) * (1.0 - region)).mean()
        if batch.neighbours:
            terms["flicker"] = self._flicker(error, batch)
        counts = {k: getattr(self.weights, k) for k in terms}
        counts |= {k: (1.0 - ease) * v for k, v in counts.items() if k not in _EARLY}
        return torch.stack([counts[k] * v for k, v in terms.items()]).sum(), terms

    def _perceived(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        some = max(1, round(self.share * (len(output) - 2 * batch.neighbours)))
        output, truth, centre = output[:some], batch.truth[:some], batch.centre[:some]
        own = batch.own[:some]
        maps, embedding = self._seen(output)
        looks = self._looked_at(output)
        with torch.no_grad():
            true_maps, true_embedding = self._seen(truth)
            true_looks = self._looked_at(truth)
            stand = self.places(batch.target[:some])
        goal = (true_embedding * centre).sum(dim=1)
        near = (embedding * centre).sum(dim=1)
        return {
            "looks": _unlike(looks, true_looks),
            "features": _unlike(maps[:3], true_maps[:3]),
            "alike": 1.0 - (embedding * true_embedding).sum(dim=1).mean(),
            "identity": functional.relu(goal - near).mean(),
            "nearer": functional.relu((embedding * own).sum(dim=1) + _NEARER - near).mean(),
            "moved": functional.relu(moved(self.places(output), stand) - _MOVED).mean(),
        }

    @staticmethod
    def _flicker(error: Tensor, batch: Batch) -> Tensor:
        """Both frames' truths are known: whatever else changes between them is flicker."""
        count = batch.neighbours
        first, second = error[-2 * count : -count], error[-count:]
        seen = torch.maximum(batch.face[-2 * count : -count], batch.face[-count:])
        return _mean_in((second - first).abs(), seen)
