"""PyAV, where it is installed, and what its errors mean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from edge.errors import EngineMissing

OLDEST = 17
"""Earlier ones convert BT.709 and full-range pictures with the wrong matrix or range."""

# Playlists and image sequences would open other files, or the network.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
OPEN_OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
"""For FFmpeg, of every file that is read."""

_LENIENT = 19  # from here on PyAV takes no word on how to read bad metadata

# SWS_BILINEAR, SWS_ACCURATE_RND, SWS_FULL_CHR_H_INT. Without the last two, grey 20 comes back as
# (16, 19, 17) from one trip through 4:2:0: a tint that every generation adds to.
EXACT_COLOURS = 0x2 | 0x40000 | 0x2000


def load_av() -> ModuleType:
    """Return the module `av`.

    Raises:
        EngineMissing: PyAV is not installed, or too old.
    """
    try:
        import av
    except ImportError as error:
        raise EngineMissing("videos need PyAV: pip install 'edge-swap[video]'") from error
    if int(av.__version__.split(".")[0]) < OLDEST:
        raise EngineMissing(
            f"PyAV {av.__version__} is too old for videos: pip install -U 'edge-swap[video]'"
        )
    module: ModuleType = av
    return module


def open_to_read(av: ModuleType, path: Path, options: Mapping[str, str]) -> Any:
    """Open a file with PyAV to read; metadata that is no UTF-8 does no harm.

    Args:
        av: The module.
        path: Made absolute, so that it cannot be taken for a protocol ("concat:...") by FFmpeg.
        options: For FFmpeg.
    """
    named = os.path.abspath(path)
    if int(av.__version__.split(".")[0]) >= _LENIENT:
        return av.open(named, "r", options=dict(options))
    return av.open(named, "r", options=dict(options), metadata_errors="replace")


def reason(error: BaseException) -> str:
    """Return an FFmpeg error as half a sentence, without the file name that PyAV adds."""
    if isinstance(error, MemoryError):
        return "it has more streams than any file has, or asks for more memory than there is"
    said = getattr(error, "strerror", None) or str(error)
    return said[:1].lower() + said[1:]


def working_matrix(av: ModuleType, matrix: int) -> int:
    """Return the YCbCr matrix that this PyAV can convert with, nearest to the wanted one.

    PyAV before 18 does not know BT.2020 and would take BT.601 one way and BT.2020 the other. Any
    matrix gives the stored numbers back as long as both ways use the same one.

    Args:
        av: The module.
        matrix: H.273 code point of the stream.
    """
    known = {int(entry) for entry in av.video.reformatter.Colorspace}
    bt709, bt2020 = 1, 9
    return bt709 if matrix == bt2020 and bt2020 not in known else matrix
