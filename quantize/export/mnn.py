"""MNN files, by MNN's own converter.

The converter is a function of the module `_tools`. The command line around it (`mnnconvert`) is
never imported: it installs a package and sends usage over the network.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import onnx

from edge.errors import EngineMissing
from quantize.errors import ConverterError
from quantize.export.tool import run_tool, telling_line
from quantize.modelfile import save_model, write_from

__all__ = ["Weights", "to_mnn"]

Weights = Literal["fp32", "fp16", "w8"]
"""How weights are stored: float32, float16, or int8 with a scale per output channel."""

_STORED: dict[Weights, tuple[str, ...]] = {
    "fp32": (),
    "fp16": ("--fp16",),
    "w8": ("--weightQuantBits", "8"),
}
_UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# It returns whether all went well, and nothing else does.
_CHILD = "import sys, _tools; sys.exit(0 if _tools.mnnconvert(sys.argv[1:]) else 1)"


def to_mnn(model: onnx.ModelProto, path: Path, *, weights: Weights = "fp32") -> None:
    """Write a model as MNN.

    Args:
        model: as `quantize.prepare` makes it: static shapes, float32.
        path: where to write; .mnn.
        weights: how they are stored. All are computed with as float32.

    Raises:
        EngineMissing: MNN is not installed.
        ConverterError: it cannot convert the model.
        OutputError: the disk is full.
    """
    if find_spec("_tools") is None or find_spec("MNN") is None:
        raise EngineMissing("MNN is not installed: pip install 'edge-swap[mnn]'")
    with tempfile.TemporaryDirectory(prefix="edge-swap-") as name:
        folder = Path(name)
        save_model(model, folder / "model.onnx")
        made = folder / "model.mnn"
        options = ["-f", "ONNX", "--modelFile", "model.onnx", "--MNNModel", made.name]
        own = ["--bizCode", "edge-swap", *_STORED[weights]]
        command = [sys.executable, "-c", _CHILD, "mnnconvert", *options, *own]
        text = run_tool("MNN's converter", command, folder)
        if not made.exists():
            raise ConverterError(f"MNN's converter cannot convert this model: {telling_line(text)}")
        _without_chance(made)
        write_from(made, path)


def _without_chance(path: Path) -> None:
    """Replace the random UUID in a file by one made of its content: same model, same bytes.

    The engine uses it as a name for the file and for nothing else.
    """
    data = bytearray(path.read_bytes())
    place = _UUID.search(data)
    if place is None:
        return
    data[place.start() : place.end()] = bytes(36)
    name = uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(data).hexdigest())
    data[place.start() : place.end()] = str(name).encode()
    path.write_bytes(data)
