"""Hostile .mnn files: each is refused in one line, before the engine is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.backends._mnn_limits import check_mnn_file
from edge.errors import ModelError
from edge.limits import limits_path
from tests.flat import Number, written
from tests.flat_models import MNN_BLOB as BLOB
from tests.flat_models import MNN_CONVOLUTION as CONVOLUTION
from tests.flat_models import MNN_INPUT as INPUT
from tests.flat_models import mnn_blob as blob
from tests.flat_models import mnn_model as model
from tests.flat_models import mnn_operator as operator
from tests.flat_models import sides_of as dims


def save(folder: Path, data: bytes) -> Path:
    path = folder / "m.mnn"
    path.write_bytes(data)
    return path


def convolution(kernel: int, channels: int) -> dict[int, Any]:
    common = {2: kernel, 3: kernel, 10: channels, 11: channels}
    return {0: {slot: Number("Int32", value) for slot, value in common.items()}}


def test_sound_models_pass(tmp_path: Path) -> None:
    check_mnn_file(save(tmp_path, model()))
    parts = (blob(2, 2, values=4), operator(CONVOLUTION, convolution(3, 8)))
    check_mnn_file(save(tmp_path, model(*parts)))


HOSTILE: dict[str, tuple[bytes, str]] = {
    "input": (
        model(operator(INPUT, {0: dims(1 << 20, 1 << 20)})),
        "its input 'op' has 4.194e[+]06 MiB",
    ),
    "constant": (model(blob(1 << 20, 1 << 20)), "its constant 'op' has"),
    "short": (model(blob(100, values=2)), "holds fewer values than its shape: 8 bytes, not 400"),
    "negative": (model(blob(-1, 4)), "has a negative size"),
    "path": (model(operator(BLOB, {}, _7="/etc/passwd")), "asks for weights in another file"),
    "outside": (model(blob(2, _9=np.zeros(2, np.int64))), "lies in another file"),
    "kernel": (
        model(operator(CONVOLUTION, convolution(1 << 15, 1 << 15))),
        "the weight of its node 'op' has",
    ),
    "weights": (
        model(operator(CONVOLUTION, {6: np.zeros(3, np.int64)})),
        "the weights of its node 'op' lie in another file",
    ),
    "place": (model(operator(BLOB, {}, _0=dims(5))), "damaged"),
    "nodes": (model(*[{}] * 300), "more than 200 nodes"),
    "tensors": (model(_8=Number("Int32", 1 << 30)), "it states 1073741824 tensors"),
    "nothing": (written({7: ["a"]}), "it holds no graph"),
    "inner": (model(_10=[{3: ["a"], 4: [blob(1 << 30, 1 << 30)]}]), "its constant 'op' has"),
    "cut": (model()[:50], "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    limits_path().parent.mkdir(parents=True)
    limits_path().write_text("[model]\nmax_nodes = 200\n")
    data, words = HOSTILE[name]
    with pytest.raises(ModelError, match=words) as caught:
        check_mnn_file(save(tmp_path, data))
    assert "\n" not in str(caught.value)


def test_a_file_that_the_engine_would_open_unasked(tmp_path: Path) -> None:
    (tmp_path / "m.mnn.weight").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match=r"m\.mnn\.weight lies beside it"):
        check_mnn_file(save(tmp_path, model()))
