"""Hold a model file of any format against this device's limits before its engine opens it.

What the looks into .tflite, .ort, .mnn and .ncnn files share; ONNX has its own in `_onnx_file`.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.backends._flatbuffer import Table, root_of
from edge.backends._onnx_file import Broken
from edge.backends._onnx_limits import MOST_RANK, Refused, mib
from edge.errors import ModelError
from edge.limits import ModelLimits, device_limits

_TABLES = 40
"""Tables of a flatbuffer for each node that a model may have; real ones have about 10."""


class Counts:
    """What a model has so far, against what it may have.

    Args:
        limits: This device's.
    """

    def __init__(self, limits: ModelLimits) -> None:
        self.limits = limits
        self._nodes = 0

    def nodes(self, more: int) -> None:
        """Count nodes, before they are looked at.

        Raises:
            Refused: There are too many.
        """
        self._nodes += more
        if self._nodes > self.limits.max_nodes:
            raise Refused(f"it has more than {self.limits.max_nodes} nodes")

    def parts(self, count: int, what: str) -> None:
        """Hold another count against the greatest number of nodes, of which it is a small multiple.

        Raises:
            Refused: It is larger.
        """
        most = 10 * self.limits.max_nodes
        if count > most:
            raise Refused(f"it has {count} {what}: at most {most}")

    def size(self, sides: Sequence[int], width: float, what: str) -> int:
        """Return the bytes of a tensor.

        Args:
            sides: Its shape.
            width: Bytes of one value.
            what: What to call it.

        Raises:
            Refused: It has too many sides, a negative one, or too many bytes.
        """
        if len(sides) > MOST_RANK:
            raise Refused(f"{what} has more sides than any has")
        if any(side < 0 for side in sides):
            raise Refused(f"{what} has a negative size")
        size = math.prod(sides) * width
        if size > self.limits.max_tensor_bytes:
            raise Refused(f"{what} has {mib(size)}: at most {mib(self.limits.max_tensor_bytes)}")
        return math.ceil(size)


def check_flatbuffer(
    path: Path, kind: str, walk: Callable[[Table, Counts, int], None], *, letters: bytes = b""
) -> None:
    """Check that a model file is a whole flatbuffer that asks for no more than it may.

    Args:
        path: The file.
        kind: Of model, for the message: "a .tflite".
        walk: Looks at its root; takes what it may have, and the file's length.
        letters: What stands at its fifth byte.

    Raises:
        ModelError: Not readable, no such model, damaged, or over one of this device's limits.
        PolicyError: The device's limits cannot be read.
    """
    limits = device_limits().model
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if letters and data[4:8] != letters:
                raise Broken
            if len(data) > limits.max_bytes:
                raise Refused(f"it has {mib(len(data))}: at most {mib(limits.max_bytes)}")
            walk(root_of(data, _TABLES * limits.max_nodes), Counts(limits), len(data))
    except (OSError, ValueError) as error:  # ValueError: mmap of an empty file
        raise ModelError(f"{path}: cannot be read as {kind} model: {error}") from error
    except (Broken, RecursionError) as error:
        raise ModelError(f"{path}: not {kind} model, or damaged") from error
    except Refused as error:
        raise ModelError(f"{path}: refused: {error}") from error
