"""Pictures to tensors and back, as a card's contract says."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contracts import PictureSpec, TensorSpec


def to_tensor(picture: NDArray[np.uint8], spec: TensorSpec) -> NDArray[np.float32]:
    """Turn a picture into what a model takes: (uint8 * scale - mean) / std.

    Args:
        picture: uint8 (H, W, 3) BGR.
        spec: The input's contract.

    Returns:
        float32 (1, 3, H, W) in the contract's channel order and range; (1, H, W, 3) where its
        layout is NHWC.
    """
    tensor = _planes(picture, spec)
    if spec.layout == "NHWC":
        tensor = np.ascontiguousarray(tensor.transpose(0, 2, 3, 1))
    return tensor


def _planes(picture: NDArray[np.uint8], spec: TensorSpec) -> NDArray[np.float32]:
    flip = spec.channels == "RGB"
    # The subtraction comes first in OpenCV, in uint8 units and in the output's channel order.
    offset = tuple(mean / spec.scale for mean in spec.mean)
    if len(set(spec.std)) == 1:
        gain = spec.scale / spec.std[0]
        tensor = cv2.dnn.blobFromImage(picture, gain, mean=offset, swapRB=flip)
        return cast(NDArray[np.float32], tensor)
    tensor = cv2.dnn.blobFromImage(picture, spec.scale, mean=offset, swapRB=flip)
    spread = np.asarray(spec.std, np.float32).reshape(1, 3, 1, 1)
    return cast(NDArray[np.float32], tensor / spread)


def to_picture(tensor: NDArray[np.float32], spec: PictureSpec) -> NDArray[np.uint8]:
    """Turn what a model gives into a picture.

    Args:
        tensor: float32 (1, 3, H, W) in the contract's channel order and range.
        spec: The output's contract.

    Returns:
        uint8 (H, W, 3) BGR; values outside the range are clipped.
    """
    black, white = spec.range
    gain = 255.0 / (white - black)
    height, width = tensor.shape[2:]
    # What is darker than black is cut off first: OpenCV takes absolute values, and cuts off above.
    values = cv2.max(tensor.reshape(3 * height, width), black)  # type: ignore[call-overload]
    planes = cv2.convertScaleAbs(values, alpha=gain, beta=-black * gain)
    order = (2, 1, 0) if spec.channels == "RGB" else (0, 1, 2)
    parts = [planes[channel * height : (channel + 1) * height] for channel in order]
    return cast(NDArray[np.uint8], cv2.merge(parts))
