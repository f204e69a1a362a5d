"""What the emulated boards are held to: two probes that agree, and each way to differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edge.backends import open_session
from scripts import pi_test
from scripts.pi_probe import Arrays, load, save, seeded, sha256
from scripts.pi_roots import BOOKWORM
from scripts.pi_test import Failed, compared, main, missing, selftested, verified, write_core
from tests import tiny


def probe() -> tuple[dict[str, Any], Arrays]:
    arrays: Arrays = {
        "int8/0": np.arange(12, dtype=np.int8).reshape(3, 4),
        "float/0": seeded((2, 3)),
        "ort/0": seeded((3, 2, 2)),
        "litert/0": seeded((3, 2, 2)),
        "faces/landmarks": seeded((1, 5, 2)),
        "picture/ort": np.full((4, 4, 3), 90, np.uint8),
        "picture/litert": np.full((4, 4, 3), 90, np.uint8),
    }
    facts = {
        "processor": "Cortex-A72",
        "python": "3.11.2",
        "imports": {"numpy": "2.4.6"},
        "sha256": {name: sha256(array) for name, array in arrays.items()},
    }
    return facts, arrays


def test_two_probes_that_agree(tmp_path: Path) -> None:
    save(tmp_path, *probe())
    lines = list(compared(probe(), load(tmp_path)))
    assert lines[0] == "Cortex-A72, Python 3.11.2: imports numpy 2.4.6"
    assert lines[1].startswith("int8: 12 integers bit-identical")
    assert sum("picture of" in line and "100.0%" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("int8/0", lambda a: a + np.int8(1), "int8"),
        ("float/0", lambda a: a + 2e-5, "float"),
        ("litert/0", lambda a: a + 2e-5, "litert"),
        ("ort/0", lambda a: a * np.nan, "ort"),
        ("ort/0", lambda a: a[:1], "ort"),
        ("faces/landmarks", lambda a: a + 0.2, "landmarks"),
        ("picture/litert", lambda a: a + np.uint8(2), "picture of litert"),
    ],
)
def test_each_difference_is_found(name: str, change: Callable[[Any], Any], says: str) -> None:
    facts, arrays = probe()
    with pytest.raises(Failed, match=says):
        list(compared(probe(), (facts, {**arrays, name: change(arrays[name])})))


def test_a_core_ends_with_the_last_integers(tmp_path: Path) -> None:
    scale, zero = tiny._constant("scale", 0.1), tiny._constant("zero", 0, np.int8)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("Sigmoid", ["d"], ["y"]),
    ]
    whole = tmp_path / "whole.onnx"
    shape = (1, 4)
    data = tiny.model_bytes(
        nodes, [tiny._value("x", shape)], [tiny._value("y", shape)], [scale, zero]
    )
    whole.write_bytes(data)
    write_core(whole, tmp_path / "core.onnx")
    assert whole.read_bytes() == data
    session = open_session(tmp_path / "core.onnx", threads=1)
    (found,) = session.run({"x": np.array([[0.1, 0.2, -0.3, 5]], np.float32)})
    assert found.dtype == np.int8
    assert found.tolist() == [[1, 2, -3, 50]]
    assert onnx.load(str(whole)).graph.output[0].name == "y"


def test_without_the_tools_it_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert "mmdebstrap" in missing()
    assert main() == 0
    assert "skipped" in capsys.readouterr().out


@pytest.mark.parametrize("lacking", ["integrity", "label", "implicit", "on ort"])
def test_a_file_that_lacks_something_is_not_good(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        "  integrity   intact",
        "  model       x on ort 1.32.0",
        "  label       'AI-generated' bottom right",
        "  implicit    made by AI; as the manifest says: yes",
    ]
    whole = "\n".join(told)
    monkeypatch.setattr(pi_test, "run", lambda *_, **__: whole)
    assert len(list(verified([], {}, Path("a.jpg"), "ort", "here"))) == 1
    whole = "\n".join(line for line in told if lacking not in line)
    with pytest.raises(Failed, match="does not say"):
        list(verified([], {}, Path("a.jpg"), "ort", "here"))


def test_other_versions_are_other_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pi_test, "version", lambda _: "1.0")
    one = pi_test.sites(tmp_path, BOOKWORM)
    assert one == pi_test.sites(tmp_path, BOOKWORM)
    monkeypatch.setattr(pi_test, "version", lambda _: "2.0")
    assert not {*one} & {*pi_test.sites(tmp_path, BOOKWORM)}


def _selftest(**changed: Any) -> str:
    way = {
        "way": "ort",
        "left_out": "",
        "holds": True,
        "psnr": 84.6,
        "identical": 1,
        "latency": None,
    }
    other = {**way, "way": "tflite", "left_out": "not here"}
    top = {"invalid": "the processor is emulated", "vectors": 3}
    top |= {key: value for key, value in changed.items() if key in top}
    way |= {key: value for key, value in changed.items() if key in way}
    return json.dumps({**top, "ways": [way, other]})


def test_a_selftest_of_a_board_is_held_to_its_word() -> None:
    (line,) = selftested(_selftest())
    assert line.startswith("edge selftest: ort: 1 of 3 golden pictures bit-identical")
    with pytest.raises(Failed, match="from what the same model gave here"):
        selftested(_selftest(holds=False))
    for change in ({"latency": {"p50": 1.0}}, {"invalid": ""}):
        with pytest.raises(Failed, match="shown as a latency"):
            selftested(_selftest(**change))
    with pytest.raises(Failed, match="no way was run"):
        selftested(_selftest(left_out="no engine"))
