"""One file of a comparison: names are matched, kernels chosen, an identity never mixed up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge.backends import open_session
from edge.errors import EdgeError
from quantize import candidate
from quantize.candidate import (
    InterpreterRuns,
    Setting,
    describe,
    measure_candidate,
    measure_reference,
    without_path,
)
from quantize.companion import Companion
from quantize.contract import ModelContract
from quantize.engine import Engine, Kernels
from quantize.errors import EngineError, MeasureError, ModelFileError
from quantize.footprint import Footprint, _import_engine
from quantize.passes import InputSpec
from quantize.quality import Outputs
from quantize.samples import samples_of
from tests import tiny_tflite
from tests.quantize.graphs import Sketch
from tests.quantize.measured import contract, shifted


def _works(backend: str) -> bool:
    try:
        _import_engine(backend)
    except EdgeError:
        return False
    return True


_LITE = [backend for backend in ("litert", "tflite") if _works(backend)]

PICTURE = np.random.default_rng(0).random((1, 3, 16, 16), np.float32)


class _Session:
    """Stands for an interpreter: gives back what it is fed, under its own names."""

    def __init__(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.engine = self.engine_version = self.provider = "fake"
        self.fed: dict[str, NDArray[Any]] = {}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        self.fed = dict(feeds)
        return [np.full(1, number) for number, _ in enumerate(self.outputs)]


def _two_inputs() -> ModelContract:
    specs = {"target": InputSpec("picture"), "source": InputSpec("unit")}
    return replace(contract(mask="mask"), inputs=specs, source="source")


def test_names_are_matched_whatever_their_order() -> None:
    session = _Session(("source", "target"), ("mask", "extra", "output"))
    runs = InterpreterRuns(session, _two_inputs())
    feeds = {"target": PICTURE, "source": np.ones((1, 4), np.float32)}
    results = runs.run(feeds)
    assert session.fed["target"] is PICTURE
    assert {name: int(value[0]) for name, value in results.items()} == {"mask": 0, "output": 2}


def test_an_input_that_is_baked_in_is_not_fed() -> None:
    session = _Session(("target",), ("output", "mask"))
    runs = InterpreterRuns(session, _two_inputs())
    runs.run({"target": PICTURE, "source": np.ones((1, 4), np.float32)})
    assert list(session.fed) == ["target"]


def test_one_on_either_side_needs_no_name() -> None:
    session = _Session(("serving_default_x",), ("StatefulPartitionedCall",))
    results = InterpreterRuns(session, contract()).run({"target": PICTURE})
    assert session.fed["serving_default_x"] is PICTURE
    assert list(results) == ["output"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "text"),
    [
        (("a", "b"), ("output", "mask"), "its inputs are a, b"),
        (("target", "source"), ("output",), "its outputs are output,"),
        (("target", "other"), ("output", "mask"), "its inputs are target, other"),
    ],
)
def test_names_that_cannot_be_matched_are_said(
    inputs: tuple[str, ...], outputs: tuple[str, ...], text: str
) -> None:
    with pytest.raises(MeasureError, match=text):
        InterpreterRuns(_Session(inputs, outputs), _two_inputs())


def _setting(**changes: Any) -> Setting:
    samples = samples_of([{"target": PICTURE}, {"target": PICTURE * np.float32(0.5)}], "drawn")
    return replace(Setting(contract(), samples, 1, None, True), **changes)


def _saved(folder: Path, name: str, model: onnx.ModelProto) -> Path:
    onnx.save(model, folder / name)
    return folder / name


@pytest.fixture
def reference() -> list[Outputs]:
    engine = Engine(shifted(0.0))
    return [engine.run(feeds) for feeds in _setting().samples.feeds]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No child process: that is tested elsewhere, and takes a second."""
    found = Footprint("ort", "1.0", "CPUExecutionProvider", peak=2000, added=1000)
    monkeypatch.setattr(candidate, "measure_footprint", lambda *_, **__: found)


@pytest.mark.usefixtures("quick")
def test_a_candidate_gets_all_its_figures(tmp_path: Path, reference: list[Outputs]) -> None:
    path = _saved(tmp_path, "other.onnx", shifted(0.01))
    row, companion = describe(path, "other.onnx", 1000)
    assert row.size == path.stat().st_size
    assert row.size_ratio == row.size / 1000
    measured = measure_candidate(path, row, companion, _setting(), reference)
    done = measured.row
    assert done.scores is not None
    assert done.scores.psnr_worst == pytest.approx(40, abs=1e-2)
    assert done.providers["CPUExecutionProvider"] >= 1
    assert (done.engine, done.kernels, done.memory_added) == ("ort 1.0", "default", 1000)
    assert done.truth is None
    assert done.worst is not None
    assert done.worst.sample == f"sample {done.scores.worst + 1}"
    assert measured.runs is not None


@pytest.mark.usefixtures("quick")
def test_swapped_pictures_are_shown_only_where_they_may_be(
    tmp_path: Path, reference: list[Outputs]
) -> None:
    path = _saved(tmp_path, "other.onnx", shifted(0.01))
    row, companion = describe(path, "other.onnx", 1000)
    for shown in (True, False):
        setting = _setting(show_swaps=shown)
        worst = measure_candidate(path, row, companion, setting, reference).row.worst
        assert worst is not None
        assert (worst.picture is not None, worst.reference is not None) == (shown, shown)
        assert worst.heat is not None


@pytest.mark.usefixtures("quick")
def test_kernels_are_the_targets_and_said(tmp_path: Path, reference: list[Outputs]) -> None:
    path = _saved(tmp_path, "other.onnx", shifted(0.01))
    row, _ = describe(path, "other.onnx", 1000)
    done = measure_candidate(path, row, Companion(target="jetson"), _setting(), reference).row
    assert done.kernels == "precise"
    done = measure_candidate(path, row, Companion(target="toaster"), _setting(), reference).row
    assert done.kernels == "default"
    assert "toaster" in done.notes[-1]


@pytest.mark.usefixtures("quick")
def test_kernels_that_do_not_load_give_way_and_it_is_said(
    tmp_path: Path, reference: list[Outputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_way(model: Path, *, kernels: Kernels, threads: int) -> Engine:
        return Engine(model, kernels="reference", threads=threads)

    monkeypatch.setattr(candidate, "open_engine", give_way)
    path = _saved(tmp_path, "other.onnx", shifted(0.01))
    row, _ = describe(path, "other.onnx", 1000)
    done = measure_candidate(path, row, Companion(target="jetson"), _setting(), reference).row
    assert done.kernels == "reference"
    assert "does not run it with precise kernels" in done.notes[-1]


@pytest.mark.usefixtures("quick")
def test_kernels_that_load_but_do_not_run_give_way_too(
    tmp_path: Path, reference: list[Outputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Engine):
        def run(self, feeds: Any) -> dict[str, NDArray[Any]]:
            if self.kernels == "precise":
                raise EngineError("it fails at run time")
            return super().run(feeds)

    monkeypatch.setattr(candidate, "open_engine", Failing)
    path = _saved(tmp_path, "other.onnx", shifted(0.01))
    row, _ = describe(path, "other.onnx", 1000)
    done = measure_candidate(path, row, Companion(target="jetson"), _setting(), reference).row
    assert done.kernels == "reference"
    assert "does not run it with precise kernels" in done.notes[-1]
    assert done.scores is not None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("baked", [True, False])
@pytest.mark.parametrize("given_as", ["source", "source_picture"])
def test_a_baked_identity_is_timed_but_not_judged(
    tmp_path: Path, reference: list[Outputs], baked: bool, given_as: str
) -> None:
    path = _saved(tmp_path, "baked.onnx", shifted(0.01))
    row, _ = describe(path, "baked.onnx", 1000)
    known: dict[str, Any] = {given_as: "source"}
    setting = _setting(contract=replace(contract(), **known))
    measured = measure_candidate(path, row, Companion(baked=baked), setting, reference)
    assert measured.row.scores is None
    assert measured.row.worst is None
    assert "baked in" in measured.row.notes[-1]
    assert measured.runs is not None


def test_trouble_in_the_trial_ends_it(
    tmp_path: Path, reference: list[Outputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(tmp_path, "other.onnx", shifted(0.01))
    trouble = Footprint(trouble=f"{path}: it crashes")
    monkeypatch.setattr(candidate, "measure_footprint", lambda *_, **__: trouble)
    row, companion = describe(path, "other.onnx", 1000)
    measured = measure_candidate(path, row, companion, _setting(), reference)
    assert measured.row.trouble == "it crashes"
    assert measured.runs is None
    with pytest.raises(MeasureError, match="the float model does not run: it crashes"):
        measure_reference(path, "other.onnx", _setting())


@pytest.mark.usefixtures("quick")
def test_another_shape_of_picture_is_an_error(tmp_path: Path, reference: list[Outputs]) -> None:
    path = _saved(tmp_path, "other.onnx", shifted(0.01, side=32))
    row, companion = describe(path, "other.onnx", 1000)
    with pytest.raises(EngineError) as caught:
        measure_candidate(path, row, companion, _setting(), reference)
    assert isinstance(caught.value, EdgeError)


@pytest.mark.usefixtures("quick")
def test_ort_format_is_judged_like_onnx(tmp_path: Path, reference: list[Outputs]) -> None:
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "other.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.log_severity_level = 3
    ort.InferenceSession(shifted(0.01).SerializeToString(), options)
    path = tmp_path / "other.ort"
    row, companion = describe(path, "other.ort", 1000)
    done = measure_candidate(path, row, companion, _setting(), reference).row
    assert done.format == "ort"
    assert done.scores is not None
    assert done.scores.psnr_worst == pytest.approx(40, abs=1e-2)


@pytest.mark.skipif(not _LITE, reason="neither LiteRT nor tflite-runtime works here")
def test_tflite_is_judged_in_the_layout_of_the_float_model(tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(tiny_tflite.swapper(16))
    rng = np.random.default_rng(1)
    sources = [np.zeros((1, 512), np.float32), rng.standard_normal((1, 512)).astype(np.float32)]
    samples = samples_of([{"target": PICTURE, "source": each} for each in sources], "drawn")
    setting = _setting(contract=_two_inputs(), samples=samples)
    expected = InterpreterRuns(open_session(path, backend=_LITE[0], threads=1), setting.contract)
    reference = [expected.run(feeds) for feeds in samples.feeds]
    # Without a source it is half the picture and half of grey: worked out by hand.
    assert np.allclose(reference[0]["output"], PICTURE / 2 + 0.25, atol=1e-6)
    row, companion = describe(path, "other.tflite", 1000)
    done = measure_candidate(path, row, companion, setting, reference).row
    assert done.trouble == ""
    assert done.engine.startswith(_LITE[0])
    assert done.scores is not None
    assert done.scores.psnr_worst == 99
    assert (done.kernels, dict(done.providers)) == ("", {})


@pytest.mark.skipif(not _LITE, reason="neither LiteRT nor tflite-runtime works here")
def test_tflite_of_a_model_that_takes_channels_last_is_judged(tmp_path: Path) -> None:
    from quantize.export.tflite import to_tflite

    s = Sketch()
    x = s.op("Transpose", s.input("target", 1, 16, 16, 3), perm=[0, 3, 1, 2])
    mask = s.op("Sigmoid", s.conv(x, 3, 1))
    s.op("Transpose", mask, perm=[0, 2, 3, 1], output="mask")
    s.op("Transpose", s.op("Sigmoid", s.conv(x, 3, 3)), perm=[0, 2, 3, 1], output="output")
    model = s.model("output", "mask")
    path = tmp_path / "other.tflite"
    path.write_bytes(to_tflite(model))
    feeds = {"target": np.ascontiguousarray(PICTURE.transpose(0, 2, 3, 1))}
    setting = _setting(contract=contract(mask="mask"), samples=samples_of([feeds], "drawn"))
    row, companion = describe(path, "other.tflite", 1000)
    done = measure_candidate(path, row, companion, setting, [Engine(model).run(feeds)]).row
    assert done.trouble == ""
    assert done.scores is not None
    assert done.scores.psnr_worst > 90
    assert done.scores.mask_error is not None
    assert done.scores.mask_error < 1e-5


def test_a_broken_file_is_refused_before_any_engine_sees_it(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelFileError):
        describe(path, "broken.onnx", 1000)


def test_messages_do_not_repeat_the_file() -> None:
    path = Path("out/model.onnx")
    assert without_path("out/model.onnx: it is\n broken", path) == "it is broken"
    assert without_path("model.onnx: it is broken", path) == "it is broken"
    assert without_path("another: it is broken", path) == "another: it is broken"
