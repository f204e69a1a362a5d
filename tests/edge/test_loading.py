from __future__ import annotations

from pathlib import Path

import pytest

from edge.cards import find_card
from edge.errors import BackendError, CardError, ModelError, ProviderError
from edge.loading import named, open_card, use_of
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def test_a_model_is_opened_by_the_name_of_its_card(edge_home: Path) -> None:
    tiny.install(edge_home)
    card, session = open_card("tiny_embedder", "recogniser", threads=1)
    assert card.name == "tiny_embedder"
    use = use_of(card, session)
    assert (use.licence, use.commercial) == (card.licence.name, card.licence.commercial)
    assert (use.sha256, use.backend, use.provider) == (card.sha256, "ort", "CPUExecutionProvider")
    assert use.engine_version == session.engine_version


def test_a_changed_file_is_never_opened(edge_home: Path) -> None:
    tiny.install(edge_home)
    path = edge_home / "data" / "models" / "tiny_embedder.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ModelError, match="SHA-256"):
        open_card("tiny_embedder", "recogniser")


def test_every_way_to_fail_is_an_error_of_ours(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError):
        open_card("tiny_embedder", "swapper")
    with pytest.raises(ProviderError):
        open_card("tiny_embedder", "recogniser", providers=("CUDAExecutionProvider",))
    with pytest.raises(BackendError):
        open_card("tiny_embedder", "recogniser", backend="tpu")


@pytest.mark.parametrize(
    ("name", "expected"), [("a", "a"), ("gone", "gone"), ("", ""), ("#0", "a"), ("#1", "b")]
)
def test_a_place_becomes_a_name(name: str, expected: str) -> None:
    assert named(find_card("ref_swapper"), name, ("a", "b")) == expected


@pytest.mark.parametrize("name", ["#2", "#-1", "#x", "#", "#99999999999"])
def test_a_place_that_is_not_there_does_not_fit(name: str) -> None:
    with pytest.raises(ModelError, match="nothing is in place"):
        named(find_card("ref_swapper"), name, ("a", "b"))
