from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cards import find_card
from edge.converter import Converter, open_converter
from edge.errors import BackendError, CardError, ModelError
from tests import families, tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def _embedding() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((1, 512)).astype(np.float32)


def test_it_says_what_it_takes_and_how_it_runs(edge_home: Path) -> None:
    families.install(edge_home, "crossface_simswap")
    converter = open_converter("crossface_simswap", threads=1)
    assert converter.recogniser == "arcface_w600k_r50"
    assert (converter.use.kind, converter.use.name) == ("converter", "crossface_simswap")
    given = converter.convert(_embedding())
    assert given.shape == (1, 512)
    assert given.dtype == np.float32
    # It brings embeddings to unit length itself, so unit vectors may stand for raw ones.
    np.testing.assert_allclose(converter.convert(_embedding() * 20), given, atol=1e-3)


def test_a_model_of_another_kind_or_shape_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError, match="is a swapper, but a converter is needed"):
        open_converter("tiny_swapper")
    families.install(edge_home, "crossface_simswap", tiny.embedder())
    with pytest.raises(ModelError, match="does not fit its card"):
        open_converter("crossface_simswap")


class _Fake:
    inputs, outputs = ("input",), ("output",)
    engine, engine_version, provider = "ort", "0", "CPUExecutionProvider"

    def __init__(self, result: NDArray[Any]) -> None:
        self._result = result

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return [self._result]


@pytest.mark.parametrize("result", [np.full((1, 512), np.nan), np.ones((1, 256)), np.ones(512)])
def test_what_is_no_embedding_is_an_error(result: NDArray[Any]) -> None:
    converter = Converter(find_card("crossface_ghost"), _Fake(result))
    with pytest.raises(BackendError, match="512 usable ones"):
        converter.convert(_embedding())
