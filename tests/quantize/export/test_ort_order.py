"""The same model gives the same .ort file, and the file says what the engine wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quantize.engine import Engine
from quantize.errors import CheckError
from quantize.export.ort_format import to_ort
from quantize.export.ort_order import in_order
from quantize.passes import draw_feeds
from quantize.targets import OrtStyle
from tests.quantize.half_graphs import prepared

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def written(path: Path) -> bytes:
    """Write a model as the engine does, in its own order."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    model = prepared("mobile", "baked").SerializeToString()
    ort.InferenceSession(
        model,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer"],  # as for ARM: see the module
    )
    return path.read_bytes()


def test_whatever_order_the_engine_chose(tmp_path: Path) -> None:
    files = [written(tmp_path / f"{number}.ort") for number in range(3)]
    ordered = [in_order(data) for data in files]
    assert len(set(ordered)) == 1
    assert in_order(ordered[0]) == ordered[0]
    assert len(ordered[0]) % 16 == 0


def test_it_computes_the_same(tmp_path: Path) -> None:
    (tmp_path / "ordered.ort").write_bytes(in_order(written(tmp_path / "own.ort")))
    feeds = draw_feeds(prepared("mobile", "baked"), count=1)[0]
    own, ordered = (Engine(tmp_path / name, threads=1) for name in ("own.ort", "ordered.ort"))
    for name, values in own.run(feeds).items():
        np.testing.assert_array_equal(values, ordered.run(feeds)[name])


@pytest.mark.parametrize("style", ["fixed", "runtime"])
def test_the_same_file_twice(tmp_path: Path, style: OrtStyle) -> None:
    model = prepared("mobile", "baked")
    first, second = tmp_path / "one.ort", tmp_path / "two.ort"
    for path in (first, second):
        to_ort(model, path, style=style, target="aarch64")
    assert first.read_bytes() == second.read_bytes()


def test_another_layout_is_refused(tmp_path: Path) -> None:
    data = bytearray(written(tmp_path / "own.ort"))
    root = int.from_bytes(data[:4], "little")
    vtable = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    data[vtable + 10 : vtable + 12] = b"\0\0"  # where the table is
    with pytest.raises(CheckError, match="lacks a part"):
        in_order(bytes(data))
