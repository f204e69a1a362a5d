"""How models are run on a kind of device."""

from __future__ import annotations

import pytest

from edge.errors import BackendError
from edge.providers import Provider
from edge.tables import Table
from edge.targets import parse_backends, ways_of, with_options


def test_a_jetson_asks_for_tensorrt_cuda_and_the_processor_in_this_order() -> None:
    ways = ways_of("jetson")
    assert [way.name for way in ways] == ["tensorrt", "cuda", "cpu"]
    assert ways[0].providers == (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    )
    first = ways[0].providers[0]
    assert isinstance(first, Provider)
    assert first.options["trt_engine_cache_path"] == "{engines}"
    assert first.static_options == {"trt_cuda_graph_enable": "1"}
    assert first.device == "cuda"


def test_a_pi_takes_four_threads() -> None:
    assert {way.threads for way in ways_of("raspberry_pi")} == {4}


def test_nnapi_has_its_flags_and_api_levels() -> None:
    nnapi = ways_of("android_nnapi")[0]
    assert nnapi.api == (27, 34)
    first = nnapi.providers[0]
    assert isinstance(first, Provider)
    assert first.options == {"USE_FP16": "1", "CPU_DISABLED": "1"}
    assert all(way.api is None for way in ways_of("android_nnapi")[1:])


@pytest.mark.parametrize("name", ["toaster", "../models", ""])
def test_no_such_target(name: str) -> None:
    with pytest.raises(BackendError, match=r"no target .*; known: android_nnapi"):
        ways_of(name)


def test_options_come_from_the_installed_profile() -> None:
    plain = ("CUDAExecutionProvider", "CPUExecutionProvider")
    found = with_options("jetson", "cuda", plain)
    assert found == plain
    assert isinstance(found[0], Provider)
    assert found[0].static_options == {"enable_cuda_graph": "1"}
    assert with_options("toaster", "cuda", plain) is plain
    assert with_options("jetson", "another", plain) == plain


def parsed(**more: object) -> object:
    values = {"name": "a", "engine": "ort", "format": "onnx", "oldest": "1.22", **more}
    top = Table("target x", {"backends": [values]}, BackendError)
    return parse_backends(top.tables("backends"), top)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"options": 3}, "'options' must be a table"),
        ({"options": {"Other": {}}}, "unknown key 'Other'"),
        ({"options": {"CPUExecutionProvider": {"a": 1}}}, "'a' must be text"),
        ({"options": {"CPUExecutionProvider": {"a b": "1"}}}, "no name of an option"),
        ({"binding": "moon"}, "'binding' must be one of"),
        ({"api": [27]}, "the oldest and the newest"),
        ({"api": [34, 27]}, "the oldest and the newest"),
    ],
)
def test_what_is_malformed(more: dict[str, object], words: str) -> None:
    with pytest.raises(BackendError, match=words):
        parsed(**more)
    assert parsed()
