"""Hostile .tflite files: each is refused in one line, before any engine is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.backends._tflite_limits import check_tflite_file
from edge.errors import ModelError
from edge.limits import limits_path
from tests import tiny, tiny_tflite
from tests.flat import Number
from tests.flat_models import tflite_model as model
from tests.flat_models import tflite_tensor as tensor


def save(folder: Path, data: bytes) -> Path:
    path = folder / "m.tflite"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        model(),
        tiny.tflite_product((1, 6, 8, 3)),
        tiny.tflite_product((1, 6, 8, 3), signature=True, dynamic=True),
        tiny_tflite.swapper(32),
    ],
    ids=["one operator", "product", "signature", "swapper"],
)
def test_sound_models_pass(data: bytes, tmp_path: Path) -> None:
    check_tflite_file(save(tmp_path, data))


SCALES = {2: np.ones(4, np.float32), 3: np.zeros(3, np.int64), 6: Number("Int32", 1)}
HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "shape": ({"tensors": [tensor(1 << 20, 1 << 20), tensor(1)]}, "has 4.194e[+]06 MiB: at most"),
    "negative": ({"tensors": [tensor(-1, 4), tensor(1, 4)]}, "has a negative size"),
    "sides": ({"tensors": [tensor(*[1] * 33), tensor(1)]}, "damaged"),
    "custom": ({"code": {0: Number("Int8", 32), 1: "Flex"}}, "custom operator 'Flex'"),
    "custom 2": ({"code": {3: Number("Int32", 32), 1: "x\x1b[2J"}}, r"custom operator 'x\\x1b"),
    "nodes": ({"operators": [{}] * 300}, "more than 200 nodes"),
    "code": ({"operator": {0: Number("Uint32", 1)}}, "damaged"),
    "input": ({"inputs": [2]}, "damaged"),
    "output": ({"outputs": [-1]}, "damaged"),
    "taken": ({"operator": {1: np.array([7], np.int32)}}, "damaged"),
    "given": ({"operator": {2: np.array([-1], np.int32)}}, "damaged"),
    "no buffer": ({"tensors": [tensor(1, _2=Number("Uint32", 9))]}, "damaged"),
    "short": (
        {
            "tensors": [tensor(100, _2=Number("Uint32", 1)), tensor(1)],
            "buffers": [{}, {0: b"abcd"}],
        },
        "holds fewer or more values than its shape: 4 bytes, not 400",
    ),
    "behind": (
        {"buffers": [{1: Number("Uint64", 1 << 40), 2: Number("Uint64", 64)}]},
        "damaged",
    ),
    "outside": ({"more": {9: [{}]}}, "keeps weights in other files"),
    "sparse": ({"tensors": [tensor(4, _6={}), tensor(1)]}, "stored sparsely"),
    "scales": ({"tensors": [tensor(1, 4, _4=SCALES), tensor(1)]}, "4 scales and 3 zero points"),
    "axis": (
        {"tensors": [tensor(1, 4, _4={**SCALES, 6: Number("Int32", 9)}), tensor(1)]},
        "4 scales, which its shape has no use for",
    ),
    "signature": ({"more": {7: [{0: [{0: "a", 1: Number("Uint32", 99)}]}]}}, "damaged"),
    "version": ({"version": 4}, "of version 4 of the format"),
    "letters": ({"letters": b"ABCD"}, r"not a \.tflite model"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\nmax_nodes = 200\n")
    change, words = HOSTILE[name]
    with pytest.raises(ModelError, match=words) as caught:
        check_tflite_file(save(tmp_path, model(**change)))
    assert "\n" not in str(caught.value)


def test_a_custom_operator_can_be_named(tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\ndomains = ['Flex']\n")
    check_tflite_file(save(tmp_path, model(code={3: Number("Int32", 32), 1: "Flex"})))


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\nmax_mib = 1\n")
    with pytest.raises(ModelError, match="refused: it has 2 MiB: at most 1 MiB"):
        check_tflite_file(save(tmp_path, model() + bytes((2 << 20) - len(model()))))
