"""The losses: quality focal for scores, CIoU for boxes, normalised smooth L1 for landmarks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SCORE_WEIGHT, BOX_WEIGHT, POINT_WEIGHT = 1.0, 1.6, 6.0
# Below this size (root of the box's area, pixels) landmarks count less: their errors are mostly the
# picture's own, and would drown what larger faces teach.
SURE_SIZE = 48.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The faces of a batch.

    Attributes:
        picture: int64 (G,), the picture that a face lies in.
        boxes: float32 (G, 4) x, y, width, height in pixels.
        points: float32 (G, 5, 2) in pixels.
        places: int64 (G, K) cells that may answer, -1 where there is none.
        ignored: bool (B, N), cells whose score is not judged.
    """

    picture: Tensor
    boxes: Tensor
    points: Tensor
    places: Tensor
    ignored: Tensor


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and CIoU of boxes (..., 4) given as centre x, y, width, height."""
    a_low, a_high = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2
    b_low, b_high = b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    shared = (torch.minimum(a_high, b_high) - torch.maximum(a_low, b_low)).clamp(min=0).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared
    iou = shared / union.clamp(min=1e-6)
    hull = (torch.maximum(a_high, b_high) - torch.minimum(a_low, b_low)).square().sum(-1)
    apart = (a[..., :2] - b[..., :2]).square().sum(-1) / hull.clamp(min=1e-6)
    turn = torch.atan(a[..., 2] / a[..., 3]) - torch.atan(b[..., 2] / b[..., 3])
    shape = 4 / math.pi**2 * turn.square()
    weight = (shape / (1 - iou + shape + 1e-6)).detach()
    return iou, iou - apart - weight * shape


def decode(shapes: Tensor, cells: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Turn head numbers (..., 14) into boxes (..., 4; centre, size) and points (..., 5, 2)."""
    centre = (cells + shapes[..., :2]) * strides[..., None]
    size = shapes[..., 2:4].clamp(-4, 6).exp() * strides[..., None]
    points = shapes[..., 4:].unflatten(-1, (5, 2))
    points = (cells[..., None, :] + points) * strides[..., None, None]
    return torch.cat((centre, size), -1), points


def point_scale(truth: Truth) -> Tensor:
    """Return the length (G,) that landmark errors are divided by.

    It is the distance of the eyes, but for a turned head, whose eyes fall together in the picture,
    no less than a part of the face's size.
    """
    eyes = (truth.points[:, 0] - truth.points[:, 1]).norm(dim=-1)
    return torch.maximum(eyes, 0.28 * truth.boxes[:, 2:].prod(-1).sqrt())


def losses(
    scores: Tensor, shapes: Tensor, cells: Tensor, strides: Tensor, truth: Truth
) -> dict[str, Tensor]:
    """Judge a batch.

    Args:
        scores: float32 (B, N) logits.
        shapes: float32 (B, N, 14) box and point numbers.
        cells: float32 (N, 2) column and row.
        strides: float32 (N,).
        truth: the faces.

    Returns:
        Scalars: loss, score, box, point, iou and nme (landmark error by eye distance).
    """
    target = torch.zeros_like(scores)
    zero = shapes.sum() * 0
    box_loss = point_loss = iou_mean = nme_mean = zero
    if len(truth.boxes):
        valid = truth.places >= 0
        places, picture = truth.places.clamp(min=0), truth.picture[:, None]
        boxes, points = decode(shapes[picture, places], cells[places], strides[places])
        wanted = torch.cat((truth.boxes[:, :2] + truth.boxes[:, 2:] / 2, truth.boxes[:, 2:]), -1)
        iou, ciou = overlap(boxes, wanted[:, None].expand_as(boxes))
        error = (points - truth.points[:, None]) / point_scale(truth)[:, None, None, None]
        distance = error.norm(dim=-1).mean(-1)
        with torch.no_grad():
            quality, picked = choose(scores[picture, places], iou, distance, valid)
            flat = (truth.picture[:, None] * scores.shape[1] + places)[picked]
            target.view(-1).scatter_reduce_(0, flat, quality[picked], "amax")
        weight = quality * picked
        total = weight.sum().clamp(min=1.0)
        box_loss = ((1 - ciou) * weight).sum() / total
        smooth = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.02)
        sure = (truth.boxes[:, 2:].prod(-1).sqrt() / SURE_SIZE).clamp(max=1.0)[:, None]
        point_loss = (smooth.mean((-1, -2)) * weight * sure).sum() / total
        iou_mean, nme_mean = (iou * weight).sum() / total, (distance * weight).sum() / total
    probability = torch.sigmoid(scores)
    focal = (target - probability).abs().square()
    score_loss = F.binary_cross_entropy_with_logits(scores, target, reduction="none") * focal
    score_loss = (score_loss * ~(truth.ignored & (target == 0))).sum() / target.sum().clamp(min=4.0)
    loss = SCORE_WEIGHT * score_loss + BOX_WEIGHT * box_loss + POINT_WEIGHT * point_loss
    return {
        "loss": loss, "score": score_loss, "box": box_loss, "point": point_loss,
        "iou": iou_mean, "nme": nme_mean,
    }  # fmt: skip


def choose(logits: Tensor, iou: Tensor, distance: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Let the cells that already answer best be the ones that learn to answer.

    Args:
        logits: float32 (G, K) scores of the candidates.
        iou: float32 (G, K) of their boxes.
        distance: float32 (G, K), landmark error by eye distance.
        valid: bool (G, K).

    Returns:
        The score that each candidate should give (G, K), and which are chosen (G, K).
    """
    fit = torch.sigmoid(logits).sqrt() * (iou + 0.02).square() * torch.exp(-3 * distance)
    fit = torch.where(valid, fit + 1e-9, torch.zeros_like(fit))
    wanted = (iou * valid).topk(min(10, iou.shape[1]), dim=1).values.sum(1)
    count = wanted.round().clamp(2, 7)
    rank = fit.argsort(dim=1, descending=True).argsort(dim=1)
    picked = valid & (rank < count[:, None])
    best = (iou * picked).amax(1, keepdim=True)
    share = fit / fit.amax(1, keepdim=True).clamp(min=1e-9)
    return share * (0.55 + 0.45 * best), picked
