from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.backends import open_session, ort
from edge.backends.base import last_run
from edge.errors import BackendError, EngineMissing, ModelError, ProviderError
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "swapper.onnx"
    path.write_bytes(tiny.swapper(size=16))
    return path


def test_a_model_runs_and_says_how(model: Path) -> None:
    session = open_session(model, threads=1)
    assert session.inputs == ("target", "source")
    assert session.outputs == ("output", "mask")
    assert (session.engine, session.provider) == ("ort", "CPUExecutionProvider")
    assert session.engine_version[0].isdigit()
    target = np.full((1, 3, 16, 16), 0.5, np.float32)
    output, mask = session.run({"target": target, "source": np.zeros((1, 512), np.float32)})
    np.testing.assert_allclose(output, 0.5)
    assert mask.shape == (1, 1, 16, 16)


def test_an_interrupt_while_the_engine_is_loaded_is_no_missing_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "onnxruntime":
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.01)
                except KeyboardInterrupt as error:  # as its binding's own start does
                    raise ImportError("initialization failed") from error
                raise ImportError("it does not come that far")

    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(KeyboardInterrupt):
        ort.engine_version()


def test_a_last_run_gives_the_same_and_keeps_no_memory(model: Path) -> None:
    session = open_session(model, threads=1)
    target = np.random.default_rng(1).random((1, 3, 16, 16), np.float32)
    feeds = {"target": target, "source": np.zeros((1, 512), np.float32)}
    for one, other in zip(session.run(feeds), last_run(session)(feeds), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(BackendError, match=r"swapper\.onnx"):
        last_run(session)({"target": target})


def test_an_engine_that_keeps_nothing_runs_as_ever() -> None:
    session = SimpleNamespace(run=lambda feeds: [feeds])
    assert last_run(session)({}) == [{}]


def test_a_provider_that_is_not_there_is_an_error_that_names_those_that_are(model: Path) -> None:
    with pytest.raises(ProviderError, match=r"TensorrtExecutionProvider is not in .*CPUExec"):
        open_session(model, providers=("TensorrtExecutionProvider", "CPUExecutionProvider"))


def test_without_strictness_the_next_provider_runs_and_is_named(model: Path) -> None:
    wanted = ("TensorrtExecutionProvider", "CPUExecutionProvider")
    session = open_session(model, providers=wanted, strict=False)
    assert session.provider == "CPUExecutionProvider"


def test_a_provider_that_gives_up_at_loading_is_an_error(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    real = onnxruntime.InferenceSession

    def fallen_back(path: str, options: Any, providers: list[str]) -> Any:
        return real(path, options, providers=["CPUExecutionProvider"])

    have = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: have)
    monkeypatch.setattr(onnxruntime, "InferenceSession", fallen_back)
    with pytest.raises(ProviderError, match=r"asked for CUDA.* would run it on CPU"):
        open_session(model, providers=("CUDAExecutionProvider",))


def test_two_packages_over_each_other_are_named(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ["onnxruntime", "onnxruntime-gpu"]
    monkeypatch.setattr(ort, "installed_packages", lambda: both)
    with pytest.raises(ProviderError, match="onnxruntime and onnxruntime-gpu are installed over"):
        open_session(model, providers=("CUDAExecutionProvider",))


def test_the_installed_package_is_seen() -> None:
    assert ort.installed_packages()


def test_a_missing_engine_names_the_extra(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineMissing, match=r"pip install 'edge-swap\[cpu\]'.*JetPack"):
        open_session(model)


def test_threads_and_idling_reach_the_engine() -> None:
    import onnxruntime

    options = ort._options(onnxruntime, 3)
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_graph_that_the_engine_refuses_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.swapper(size=16).replace(b"Sigmoid", b"Sigmund"))
    with pytest.raises(ModelError, match="onnxruntime cannot load it") as caught:
        open_session(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"target": np.zeros((1, 3, 16, 16), np.float32)},
        {
            "target": np.zeros((1, 3, 8, 8), np.float32),
            "source": np.zeros((1, 512), np.float32),
        },
        {
            "target": np.zeros((1, 3, 16, 16), np.float64),
            "source": np.zeros((1, 512), np.float32),
        },
    ],
)
def test_wrong_feeds_are_one_line(model: Path, feeds: dict[str, Any]) -> None:
    session = open_session(model)
    with pytest.raises(BackendError, match=r"swapper\.onnx: onnxruntime failed") as caught:
        session.run(feeds)
    assert "\n" not in str(caught.value)


def test_a_tflite_file_is_sent_to_the_right_engine(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="use --backend litert"):
        open_session(tmp_path / "model.tflite")


def test_errors_of_older_engines_need_not_all_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxruntime import capi

    monkeypatch.setattr(capi, "onnxruntime_pybind11_state", SimpleNamespace(Fail=KeyError))
    assert ort._engine_errors() == (KeyError, RuntimeError, ValueError)
