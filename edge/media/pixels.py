"""Pixels of FFmpeg's frames, and frames of pixels: bit for bit what PyAV makes of them, for less.

PyAV sets its converter up anew for every frame, with a thread for each core. Here one converter
serves a whole stream; and what is read comes plane by plane, which FFmpeg does in half the time.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import MediaError
from edge.media.pyav import EXACT_COLOURS, working_matrix
from edge.media.video_info import LIMITED, VideoInfo


class Pixels:
    """Converts frames between BGR and what codecs take; for one thread at a time."""

    def __init__(self, av: ModuleType) -> None:
        """Set the converter up.

        Args:
            av: PyAV.
        """
        self._av = av
        self._converter = av.video.reformatter.VideoReformatter()

    def of(
        self, frame: Any, size: tuple[int, int], matrix: int, **source_range: int
    ) -> NDArray[np.uint8]:
        """Return a frame's pixels, uint8 (H, W, 3) BGR; a new array.

        Args:
            frame: PyAV's.
            size: Width and height of the result.
            matrix: YCbCr matrix of the frame; see `working_matrix`.
            source_range: `src_color_range`, where the frame does not tell it.
        """
        planar = self._converter.reformat(
            frame,
            format="gbrp",
            width=size[0],
            height=size[1],
            src_colorspace=matrix,
            interpolation=EXACT_COLOURS,
            threads=1,
            **source_range,
        )
        green, blue, red = (
            np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: size[1], : size[0]]
            for plane in planar.planes
        )
        return cast(NDArray[np.uint8], cv2.merge((blue, green, red)))

    def coded(self, frame: NDArray[np.uint8], info: VideoInfo) -> Any:
        """Return a frame as PyAV's, in 4:2:0, limited range, with even sides.

        Args:
            frame: uint8 (H, W, 3) BGR, upright.
            info: The video.

        Raises:
            MediaError: The frame is of another size than the video.
        """
        if frame.shape != (info.height, info.width, 3):
            raise MediaError(
                f"a frame of shape {frame.shape} does not fit a video of {info.width}x{info.height}"
            )
        right, bottom = info.width % 2, info.height % 2
        if right or bottom:
            padded = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
            frame = np.asarray(padded, np.uint8)
        picture = self._av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame), "bgr24")
        return self._converter.reformat(
            picture,
            format="yuv420p",
            dst_colorspace=working_matrix(self._av, info.colour.matrix),
            dst_color_range=LIMITED,
            interpolation=EXACT_COLOURS,
            threads=1,
        )
