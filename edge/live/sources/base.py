"""What every source of live pictures is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from edge.errors import MediaError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["camera", "network", "file", "synthetic"]
"""What frames come from, as the manifest states it: no address and no name of a device is in it."""

PixelFormat = Literal["mjpeg", "yuyv"]


class SourceError(MediaError):
    """A source cannot be opened, or has gone; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a camera is asked for; it may give something else, which is then taken.

    Attributes:
        width: Pixels.
        height: Pixels.
        rate: Frames a second.
        pixels: What a V4L2 camera sends: motion JPEG, or raw YUYV where USB is fast enough.
    """

    width: int = 640
    height: int = 360
    rate: float = 25.0
    pixels: PixelFormat = "mjpeg"


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """One picture as it came.

    Attributes:
        frame: uint8 (H, W, 3) BGR, C-contiguous; it belongs to the receiver, who may write to it.
        at: When it was taken, as `time.monotonic` counts.
    """

    frame: NDArray[np.uint8]
    at: float


class Source(Protocol):
    """An open source; read and closed by one thread at a time.

    Attributes:
        kind: What its frames come from.
        name: What to call it, for people.
        rate: Frames a second, as far as is known.
    """

    kind: Kind
    name: str
    rate: float

    def read(self) -> Taken | None:
        """Wait for the next picture and return it; None where no more will come.

        Raises:
            SourceError: The source has gone.
        """

    def close(self) -> None:
        """Let go of it; a closed one may be closed again."""


@runtime_checkable
class Paced(Protocol):
    """A source that itself waits for the next picture's moment, which may be seconds away."""

    def wake(self) -> None:
        """End such a wait, from any thread: no more pictures are wanted."""
