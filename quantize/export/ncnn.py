"""ncnn files, by pnnx: the program in the package of that name, without the package itself.

The package wants PyTorch; the program in it does not. Install it alone, with
`pip install --no-deps pnnx`.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import onnx

from edge.backends.ncnn import BINARY, NAMES, PARAM
from edge.errors import EngineMissing
from quantize.errors import ConverterError
from quantize.export.tool import run_tool, telling_line
from quantize.modelfile import save_model, write_from
from quantize.passes._infra.model import inputs_of
from quantize.passes._infra.shapes import shape_of

__all__ = ["Weights", "to_ncnn"]

Weights = Literal["fp32", "fp16"]
"""How weights are stored."""

_LEFT = re.compile(r"^todo (\S+)", re.MULTILINE)
"""What the program prints of a layer that it could not translate; it goes on all the same."""

_STAMP = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes


def program() -> Path:
    """Return where pnnx lies.

    Raises:
        EngineMissing: it is not installed.
    """
    found = find_spec("pnnx")  # finding it imports nothing
    for folder in () if found is None else found.submodule_search_locations or ():
        path = Path(folder) / "pnnx"
        if path.is_file():
            return path
    raise EngineMissing("pnnx is not installed: pip install --no-deps pnnx (it needs no PyTorch)")


def to_ncnn(model: onnx.ModelProto, path: Path, *, weights: Weights = "fp32") -> None:
    """Write a model as ncnn: one archive of what `edge.backends.ncnn` reads.

    Args:
        model: as `quantize.prepare` makes it: static shapes, float32.
        path: where to write; .ncnn.
        weights: how they are stored. All are computed with as float32.

    Raises:
        EngineMissing: pnnx is not installed.
        ConverterError: it cannot convert the model; the message names the layer.
        OutputError: the disk is full.
    """
    binary = program()
    with tempfile.TemporaryDirectory(prefix="edge-swap-") as name:
        folder = Path(name)
        save_model(model, folder / "model.onnx")
        shapes = ",".join(_shape(value) for value in inputs_of(model))
        half = int(weights == "fp16")
        command = [str(binary), "model.onnx", f"inputshape={shapes}", f"fp16={half}"]
        text = run_tool("pnnx", command, folder)
        param, weights_file = folder / "model.ncnn.param", folder / "model.ncnn.bin"
        left = _LEFT.search(text)
        if left is not None:
            raise ConverterError(f"pnnx cannot convert this model: ncnn has no {left[1]}")
        if not param.exists() or not weights_file.exists():
            raise ConverterError(f"pnnx cannot convert this model: {telling_line(text)}")
        archive = folder / "model.ncnn"
        _pack(archive, param, weights_file, _names(model))
        write_from(archive, path)


def _shape(value: onnx.ValueInfoProto) -> str:
    return f"[{','.join(map(str, shape_of(value) or ()))}]f32"


def _names(model: onnx.ModelProto) -> dict[str, Any]:
    """Return names and shapes of inputs and outputs: ncnn calls them in0, in1, out0, ..."""
    return {
        "inputs": [
            {"name": value.name, "blob": f"in{place}", "shape": shape_of(value)}
            for place, value in enumerate(inputs_of(model))
        ],
        "outputs": [
            {"name": value.name, "blob": f"out{place}", "shape": shape_of(value)}
            for place, value in enumerate(model.graph.output)
        ],
    }


def _pack(path: Path, param: Path, weights: Path, names: dict[str, Any]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        texts = {NAMES: json.dumps(names, indent=1), PARAM: param.read_text(encoding="utf-8")}
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _STAMP), text)
        entry = zipfile.ZipInfo(BINARY, _STAMP)
        entry.file_size = weights.stat().st_size
        with archive.open(entry, "w") as target, weights.open("rb") as source:
            while block := source.read(1 << 20):
                target.write(block)
