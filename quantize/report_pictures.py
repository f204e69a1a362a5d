"""Pictures of a report: enlarged, and each with the visible label burned in.

A report is an output like any other: no swapped picture stands in it unlabelled.
"""

from __future__ import annotations

import base64
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.media.image import encode_picture
from edge.provenance.label import Label, default_language, plan_label
from edge.records import Region
from quantize.comparison import WorstPicture

SIDE = 384
"""Pixels that a picture's sides are enlarged to, at least: the label must be legible."""

_LARGEST = 768  # pixels of a side: the page holds three pictures of every model
_LEAST_SCALE = 1 / 255  # the heat map of equal pictures is dark, not noise
_FACE = 0.7  # share of a crop's side that the face takes, which the label keeps clear of


def worst_picture(
    got: NDArray[np.float32],
    wanted: NDArray[np.float32],
    *,
    sample: str,
    psnr: float,
    show_swap: bool,
) -> WorstPicture:
    """Make the pictures of the worst sample, labelled.

    Args:
        got: float32 (1, 3, H, W) RGB in [0, 1], what the model gave.
        wanted: the same of the float model.
        sample: name of the sample.
        psnr: dB between them.
        show_swap: whether the swapped pictures themselves may be shown; else the heat map alone.
    """
    difference = np.abs(got - wanted).max(axis=1)[0]
    scale = max(float(difference.max()), _LEAST_SCALE)
    grey = np.rint(difference / scale * 255).astype(np.uint8)
    heat = cast("NDArray[np.uint8]", cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO))
    return WorstPicture(
        sample=sample,
        psnr=psnr,
        scale=scale,
        heat=labelled(heat),
        reference=labelled(_bgr(wanted)) if show_swap else None,
        picture=labelled(_bgr(got)) if show_swap else None,
    )


def _bgr(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    planes = np.rint(picture[0, ::-1].clip(0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def labelled(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture, large enough for the visible label and with the label in it.

    Args:
        picture: uint8 (H, W, 3) BGR; it stays as it is.

    Returns:
        uint8 BGR, both sides between 384 and 768 pixels. Proportions are kept up to 2 to 1; a
        longer picture is squeezed.
    """
    height, width = picture.shape[:2]
    factor = max(1.0, SIDE / min(height, width))
    size = tuple(min(_LARGEST, max(SIDE, round(side * factor))) for side in (width, height))
    method = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    large = cast("NDArray[np.uint8]", cv2.resize(picture, size, interpolation=method))
    margin = (1 - _FACE) / 2
    face = Region(
        round(size[0] * margin),
        round(size[1] * margin),
        round(size[0] * _FACE),
        round(size[1] * _FACE),
    )
    Label(plan_label(size[0], size[1], [face], default_language())).draw(large)
    return large


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture as the text that a page embeds it with.

    Args:
        picture: uint8 (H, W, 3) BGR, labelled.
    """
    encoded = encode_picture(picture, None, "image/jpeg")
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")
