"""Engines that are built ahead."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from edge import engines
from edge.bundle.opening import open_bundle
from edge.cli import main
from edge.engines import Builder, engine_folder
from edge.errors import BackendError, ModelError, UsageError
from edge.providers import Provider
from edge.warmup import Warmed, warm_up
from tests.bundles import VARIANT, Made

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def orin(monkeypatch: pytest.MonkeyPatch, edge_home: Path) -> None:
    """TensorRT by name: it builds a file where it is told to, and the CPU computes."""
    import onnxruntime

    real = onnxruntime.InferenceSession

    class Session:
        def __init__(self, path: str, options: Any, providers: list[Any]) -> None:
            given = dict(one for one in providers if not isinstance(one, str))
            folder = given.get("TensorrtExecutionProvider", {}).get("trt_engine_cache_path")
            if folder:
                (Path(folder) / "a.engine").write_bytes(b"built")
            self._real = real(path, options, providers=["CPUExecutionProvider"])
            self._names = [one if isinstance(one, str) else one[0] for one in providers]

        def get_providers(self) -> list[str]:
            return self._names

        def io_binding(self) -> Any:
            raise AssertionError("no GPU is here to bind to")

        def get_outputs(self) -> Any:
            return self._real.get_outputs()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    have = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: have)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr("edge.backends.ort.can_bind", lambda session: False)
    builder = Builder("10.3.0", "Orin", "8.7", "12.6")
    monkeypatch.setattr(engines, "this_builder", lambda: builder)


def one(model: str, target: str | None = None, **more: Any) -> Warmed:
    (warmed,) = warm_up(model, target, **more)
    return warmed


def test_engines_are_built_and_found(orin: None) -> None:
    said: list[str] = []
    done = one("ref_landmarker", "jetson", told=said.append)
    assert (done.way, done.provider) == ("tensorrt", "TensorrtExecutionProvider")
    assert done.folder is not None
    assert sorted(one.name for one in done.folder.iterdir()) == ["a.engine", "made-for.json"]
    assert (done.files, done.bytes > 5) == (2, True)
    assert done.first > 0
    assert done.again > 0
    assert stat.S_IMODE(done.folder.stat().st_mode) == 0o700
    assert "ref_landmarker: building for tensorrt (minutes" in said[0]
    assert one("ref_landmarker", "jetson").folder == done.folder


def test_the_command_tells(orin: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warmup", "ref_landmarker", "ref_embedder", "--target", "jetson"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("ref_landmarker: ready on TensorrtExecutionProvider (tensorrt, ort")
    assert main(["warmup", "ref_landmarker", "--target", "jetson", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts[0]["files"] == 2


def test_without_the_provider_the_next_way_is_taken(edge_home: Path) -> None:
    done = one("ref_landmarker", "jetson")
    assert (done.way, done.provider, done.folder) == ("cpu", "CPUExecutionProvider", None)
    assert [reason.split(":")[0] for reason in done.skipped] == ["tensorrt", "cuda"]


def test_ways_that_are_not_here_are_told(
    edge_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["warmup", "ref_landmarker", "--target", "jetson"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ref_landmarker: ready on CPUExecutionProvider (cpu")
    assert lines[1].startswith("  not tensorrt: provider TensorrtExecutionProvider is not in")
    assert len(lines) == 3


def test_what_cannot_be_done_is_one_line(
    edge_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"no way 'moon' .*known: tensorrt, cuda, cpu"):
        one("ref_landmarker", "jetson", way="moon")
    with pytest.raises(UsageError, match="say what this device is"):
        one("ref_landmarker", None)
    with pytest.raises(ModelError):
        one("no_such_model", "jetson")
    with pytest.raises(BackendError, match="no target 'toaster'"):
        one("ref_landmarker", "toaster")
    assert main(["warmup", "ref_landmarker", "--target", "jetson", "--way", "tensorrt"]) == 2
    error = capsys.readouterr().err
    assert "TensorrtExecutionProvider is not in this onnxruntime" in error
    assert error.count("\n") == 1
    assert not engines.engines_dir().exists()


def test_nothing_of_the_target_is_here(edge_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["Azure"])
    with pytest.raises(BackendError, match="nothing of target jetson is here: tensorrt: provider"):
        one("ref_landmarker", "jetson")


def test_engines_are_of_this_machine_alone(orin: None, tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(b"x")
    assert engine_folder(model).parent == engines.engines_dir()


JETSON: dict[str, Any] = {
    "target": "jetson",
    "variants": [
        VARIANT
        | {
            "name": "tensorrt",
            "providers": ["TensorrtExecutionProvider", "CPUExecutionProvider"],
        },
        VARIANT | {"name": "cpu"},
    ],
}


def test_all_models_of_a_bundle_are_made_ready(orin: None, made: Made) -> None:
    made.seal(**JETSON)
    swapper, detector = warm_up(str(made.folder))
    assert (swapper.card, detector.card) == ("tiny_baked", "tiny_detector")
    assert swapper.way == detector.way == "tensorrt"
    assert swapper.folder is not None
    assert swapper.folder != detector.folder
    assert [one.way for one in warm_up(str(made.folder), way="cpu")] == ["cpu", "cpu"]


def test_a_bundles_options_are_this_devices_own(made: Made) -> None:
    made.seal(**JETSON)
    bundle = open_bundle(made.folder)
    first = bundle.providers(bundle.fits[0])[0]
    assert first == "TensorrtExecutionProvider"
    assert isinstance(first, Provider)
    assert first.options["trt_engine_cache_path"] == "{engines}"


def test_a_bundle_without_what_it_needs(made: Made) -> None:
    made.seal(**JETSON)
    (swapper, _) = warm_up(str(made.folder))
    assert (swapper.way, len(swapper.skipped)) == ("cpu", 1)
    with pytest.raises(BackendError, match="tensorrt: provider Tensorrt"):
        one(str(made.folder), way="tensorrt")
    with pytest.raises(UsageError, match=r"no way 'moon'; known: tensorrt, cpu"):
        one(str(made.folder), way="moon")
