"""What a camera does to a picture, for batches and on any device.

The same kinds of wear as `photometric` draws for single pictures: tone curves, grey, blur, low
resolution, noise and JPEG. It is drawn once for a batch and can be laid on several pictures of the
same scenes, so that a swap's target and its ground truth are worn alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Tables K.1 and K.2 of ITU-T T.81, which almost every JPEG encoder scales by its quality.
_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
_CHROMA = np.full((8, 8), 99.0, np.float32)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# ITU-R BT.601, as JFIF uses it.
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
_FROM_YCC = np.linalg.inv(_TO_YCC)
_REACH = 5  # pixels that a blur reaches to each side


@dataclass(frozen=True, slots=True, eq=False)
class Wear:
    """One change of colour, sharpness and compression for each of B pictures.

    Attributes:
        gamma, contrast, lift, grey, blur, noise, quality: float32 (B,); blur is an sd in pixels,
            noise an sd in parts of white, quality that of a JPEG encoder. 0 means none.
        gain: float32 (B, 3) R, G, B.
        shrunk: bool (B,) which went through a smaller picture.
        part: that picture's side, as a part of their own.
    """

    gamma: Tensor
    contrast: Tensor
    lift: Tensor
    grey: Tensor
    gain: Tensor
    blur: Tensor
    noise: Tensor
    quality: Tensor
    shrunk: Tensor
    part: float

    def for_two_frames(self, pairs: int) -> Wear:
        """Let the last `pairs` pictures be worn like the `pairs` before them: one camera's."""
        if not pairs:
            return self

        def alike(values: Tensor) -> Tensor:
            return torch.cat([values[:-pairs], values[-2 * pairs : -pairs]])

        names = [f.name for f in fields(self) if f.name != "part"]
        return Wear(**{name: alike(getattr(self, name)) for name in names}, part=self.part)

    def field(self, pictures: Tensor) -> Tensor:
        """Draw the sensor's noise for some pictures; at sd 0 there is none."""
        return torch.randn_like(pictures) * self.noise[:, None, None, None]

    def __call__(self, pictures: Tensor, field: Tensor) -> Tensor:
        """The worn pictures; the argument stays as it is.

        Args:
            pictures: float32 (B, 3, H, W) RGB in [0, 1], sides multiples of 8.
            field: noise, from `field`.
        """

        def each(values: Tensor) -> Tensor:
            return values[:, None, None, None]

        out = pictures.clamp(1e-4, 1.0) ** each(self.gamma)
        out = ((out - 0.5) * each(self.contrast) + 0.5) * self.gain[:, :, None, None]
        out = (out + each(self.lift)).clamp(0.0, 1.0)
        out = torch.lerp(out, luma(out).expand_as(out), each(self.grey))
        out = for_some(self.blur > 0, out, lambda some, at: blurred(some, self.blur[at]))
        out = for_some(self.shrunk, out, lambda some, _: _through_less(some, self.part))
        out = (out + field).clamp(0.0, 1.0)
        return for_some(self.quality > 0, out, lambda some, at: compressed(some, self.quality[at]))


def luma(pictures: Tensor) -> Tensor:
    """How bright they are by ITU-R BT.601: float32 (B, 3, H, W) RGB to (B, 1, H, W)."""
    weighed = pictures * _tensor(_TO_YCC[0], pictures)[:, None, None]
    return weighed.sum(dim=1, keepdim=True)


def for_some(
    chosen: Tensor, pictures: Tensor, change: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Change the chosen pictures alone, which are few: a CPU has no time for the others.

    Args:
        chosen: bool (B,).
        pictures: float32 (B, 3, H, W); changed in place.
        change: takes some pictures and their places in the batch, int64, and gives them changed.
    """
    at = chosen.nonzero().squeeze(1)
    if len(at):
        pictures[at] = change(pictures[at], at)
    return pictures


def _tensor(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)


def _through_less(pictures: Tensor, part: float) -> Tensor:
    size = pictures.shape[-2:]
    small = [max(8, round(side * part)) for side in size]
    less = functional.interpolate(pictures, small, mode="area")
    return functional.interpolate(less, size, mode="bilinear", align_corners=False)


def blurred(pictures: Tensor, sd: Tensor) -> Tensor:
    """Gaussian blurs with an sd (in pixels) for each picture; where it is 0 nothing is promised."""
    count, channels, height, width = pictures.shape
    steps = torch.arange(-_REACH, _REACH + 1, device=pictures.device, dtype=torch.float32)
    kernels = torch.exp(-(steps**2) / (2 * sd.clamp(min=0.05)[:, None] ** 2))
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    flat = pictures.reshape(1, count * channels, height, width)
    groups = count * channels
    flat = functional.pad(flat, (_REACH, _REACH, _REACH, _REACH), mode="replicate")
    flat = functional.conv2d(flat, kernels[:, None, None, :], groups=groups)
    flat = functional.conv2d(flat, kernels[:, None, :, None], groups=groups)
    return flat.reshape(pictures.shape)


def _cosines() -> np.ndarray:
    """The 8-point DCT of type II, orthonormal, float32 (8, 8)."""
    k, n = np.mgrid[:8, :8]
    basis = np.cos((2 * n + 1) * k * np.pi / 16) * 0.5
    basis[0] /= np.sqrt(2.0)
    return basis.astype(np.float32)


def compressed(pictures: Tensor, quality: Tensor) -> Tensor:
    """What JPEG's rounding leaves (4:4:4), float32 (B, 3, H, W) RGB; quality 1 to 100 for each.

    Scaled as the reference encoder of the Independent JPEG Group scales its tables.
    """
    to_ycc = _tensor(_TO_YCC, pictures)
    middle = _tensor(np.array([128.0, 0.0, 0.0], np.float32), pictures)[:, None, None]
    ycc = torch.einsum("dc,bchw->bdhw", to_ycc, pictures * 255.0) - middle
    count, _, height, width = ycc.shape
    blocks = ycc.reshape(count, 3, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    basis = _tensor(_cosines(), pictures)
    waves = basis @ blocks @ basis.T
    quality = quality.clamp(1.0, 100.0)
    percent = torch.where(quality < 50, 5000.0 / quality, 200.0 - 2.0 * quality) / 100.0
    tables = _tensor(np.stack([_LUMA, _CHROMA, _CHROMA]), pictures)[:, None, None]
    tables = (tables * percent[:, None, None, None, None, None]).round().clamp(1.0, 255.0)
    blocks = basis.T @ (torch.round(waves / tables) * tables) @ basis
    ycc = blocks.permute(0, 1, 2, 4, 3, 5).reshape(count, 3, height, width) + middle
    rgb = torch.einsum("dc,bchw->bdhw", _tensor(_FROM_YCC, pictures), ycc)
    return (rgb / 255.0).clamp(0.0, 1.0)


def covered(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Hide a part of each picture behind an ellipse or a bar of one colour.

    Args:
        pictures: float32 (B, 3, H, W) in [0, 1].
        rng: source of all chance.
    """
    count, _, height, width = pictures.shape
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    middle = rng.uniform(0, 1, (count, 2)) * (width, height)
    half = rng.uniform(0.06, 0.28, (count, 2)) * (width, height)
    turn = rng.uniform(0, np.pi, count)[:, None, None]
    x, y = xs - middle[:, 0, None, None], ys - middle[:, 1, None, None]
    along = np.abs(np.cos(turn) * x + np.sin(turn) * y) / half[:, 0, None, None]
    across = np.abs(np.cos(turn) * y - np.sin(turn) * x) / half[:, 1, None, None]
    round_one = (rng.random(count) < 0.5)[:, None, None]
    inside = np.where(round_one, along**2 + across**2, np.maximum(along, across)) < 1
    colour = rng.random((count, 3, 1, 1)).astype(np.float32)
    hidden = torch.from_numpy(inside)[:, None].to(pictures.device)
    return torch.where(hidden, torch.from_numpy(colour).to(pictures.device), pictures)


def sample_wear(
    rng: np.random.Generator, count: int, device: torch.device, strength: float = 1.0
) -> Wear:
    """Draw wear for `count` pictures; `strength` 1 is what an embedder bears, lower is milder."""

    def chance(value: float) -> np.ndarray:
        return rng.random(count) < value * strength

    def normal(sd: float, *shape: int) -> np.ndarray:
        return rng.normal(0, sd * strength, (count, *shape))

    grey = np.where(rng.random(count) < 0.5, 1.0, rng.random(count))
    drawn = {
        "gamma": np.exp(normal(0.22)),
        "contrast": np.exp(normal(0.18)),
        "lift": normal(0.05),
        "grey": chance(0.2) * grey,
        "gain": np.exp(normal(0.10)[:, None] + normal(0.07, 3)),
        "blur": chance(0.25) * rng.uniform(0.4, 1.8, count),
        "noise": chance(0.4) * (rng.exponential(5.0, count) + 0.5) / 255.0,
        "quality": chance(0.5) * rng.integers(30, 96, count),
    }
    tensors = {k: torch.from_numpy(v.astype(np.float32)).to(device) for k, v in drawn.items()}
    shrunk = torch.from_numpy(chance(0.3)).to(device)
    return Wear(**tensors, shrunk=shrunk, part=float(rng.uniform(0.25, 0.9)))


def some_unworn(wear: Wear, unworn: Tensor) -> Wear:
    """Leave the pictures of bool (B,) as they are."""

    def where(value: float, drawn: Tensor) -> Tensor:
        keep = unworn if drawn.ndim == 1 else unworn[:, None]
        return torch.where(keep, torch.full_like(drawn, value), drawn)

    ones = {name: where(1.0, getattr(wear, name)) for name in ("gamma", "contrast", "gain")}
    rest = ("lift", "grey", "blur", "noise", "quality")
    zeros = {name: where(0.0, getattr(wear, name)) for name in rest}
    return Wear(**ones, **zeros, shrunk=wear.shrunk & ~unworn, part=wear.part)
