"""What a written file is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from quantize import measuring
from quantize.contract import ModelContract, contract_of
from quantize.engine import Engine
from quantize.errors import CheckError
from quantize.measuring import float_outputs, judge, measure_latency, with_source
from quantize.samples import Samples, drawn_samples
from tests.quantize.cards import save
from tests.quantize.graphs import reference_like


@pytest.fixture
def model() -> onnx.ModelProto:
    return reference_like()


@pytest.fixture
def contract(model: onnx.ModelProto) -> ModelContract:
    return contract_of(model)


@pytest.fixture
def samples(contract: ModelContract) -> Samples:
    return drawn_samples(contract, 3, 1)


def scaled(model: onnx.ModelProto, factor: float) -> onnx.ModelProto:
    """Return the model with its largest weight changed a little."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    tensor = max(other.graph.initializer, key=lambda t: len(t.raw_data))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * factor, tensor.name))
    return other


def judged(
    file: Path, model: onnx.ModelProto, samples: Samples, contract: ModelContract, **more: Any
) -> Any:
    given: dict[str, Any] = {"integer": False, "kernels": "default", "threads": 1, **more}
    reference = float_outputs(file.parent / "m.onnx", samples, threads=1, progress=lambda *_: None)
    return judge(file, model, reference, samples, contract, **given)


def test_the_same_model_is_as_good(
    model: onnx.ModelProto, samples: Samples, contract: ModelContract, tmp_path: Path
) -> None:
    file = save(model, tmp_path / "m.onnx")
    found = judged(file, model, samples, contract)
    assert found.scores.psnr_worst == found.agreement == 99
    assert (found.kernels, found.truth, found.note) == ("default", None, "")
    assert sum(found.providers.values()) > 5


def test_a_worse_model_is_worse(
    model: onnx.ModelProto, samples: Samples, contract: ModelContract, tmp_path: Path
) -> None:
    save(model, tmp_path / "m.onnx")
    other = scaled(model, 1.05)
    found = judged(save(other, tmp_path / "n.onnx"), other, samples, contract)
    assert found.scores.psnr_worst < 90
    assert found.agreement == 99


def test_a_file_that_is_not_what_was_meant_is_refused(
    model: onnx.ModelProto, samples: Samples, contract: ModelContract, tmp_path: Path
) -> None:
    save(model, tmp_path / "m.onnx")
    wrong = save(scaled(model, -3.0), tmp_path / "n.onnx")
    with pytest.raises(CheckError, match=r"written n\.onnx failed its own test: it agrees .* dB"):
        judged(wrong, model, samples, contract)


def test_a_file_that_does_not_run_is_refused(
    model: onnx.ModelProto, samples: Samples, contract: ModelContract, tmp_path: Path
) -> None:
    save(model, tmp_path / "m.onnx")
    broken = tmp_path / "n.onnx"
    broken.write_bytes(b"broken")
    with pytest.raises(CheckError, match=r"n\.onnx failed its own test: .*cannot load") as caught:
        judged(broken, model, samples, contract)
    assert str(tmp_path) not in str(caught.value)
    other = tmp_path / "n.tflite"
    other.write_bytes(b"broken")
    with pytest.raises(CheckError, match=r"n\.tflite failed its own test: ") as caught:
        judged(other, model, samples, contract)
    assert str(tmp_path) not in str(caught.value)  # of a folder that is soon gone


def test_a_file_that_gives_no_numbers_is_refused(
    model: onnx.ModelProto, samples: Samples, contract: ModelContract, tmp_path: Path
) -> None:
    save(model, tmp_path / "m.onnx")
    broken = save(scaled(model, np.inf), tmp_path / "n.onnx")
    with pytest.raises(CheckError, match="holds values that are no numbers"):
        judged(broken, model, samples, contract)


def test_an_ort_file_for_arm_is_judged_by_what_it_was_written_from(
    model: onnx.ModelProto, samples: Samples, contract: ModelContract, tmp_path: Path
) -> None:
    from quantize.export.ort_format import to_ort

    save(model, tmp_path / "m.onnx")
    to_ort(model, tmp_path / "m.ort", style="fixed", target="aarch64")
    found = judged(tmp_path / "m.ort", model, samples, contract, kernels="reference")
    assert found.kernels == "reference"
    assert "the ONNX model that the .ort file was written from" in found.note
    here = judged(tmp_path / "m.ort", model, samples, contract)
    assert (here.kernels, here.note) == ("default", "")


def test_kernels_that_cannot_be_had_are_said(
    model: onnx.ModelProto,
    samples: Samples,
    contract: ModelContract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from quantize import opened

    def other(path: Any, *, kernels: str, threads: int) -> Engine:
        return Engine(path, kernels="reference", threads=threads)

    monkeypatch.setattr(opened, "open_engine", other)
    found = judged(save(model, tmp_path / "m.onnx"), model, samples, contract, kernels="precise")
    assert found.kernels == "reference"
    assert "does not load it with precise kernels: measured as reference" in found.note


def test_what_was_baked_away_is_put_back(samples: Samples) -> None:
    values = np.full((1, 512), 0.5, np.float32)
    full = with_source(samples, "source", values)
    assert all(np.array_equal(feeds["source"], values) for feeds in full.feeds)
    assert all(feeds["target"] is full.feeds[n]["target"] for n, feeds in enumerate(samples.feeds))
    assert with_source(samples, None, None) is samples
    assert with_source(samples, "source", None) is samples


@pytest.mark.parametrize(
    ("seconds", "more", "rounds"), [(1e9, 0.0, 20), (0.0, 0.0, 5), (1e9, 1e9, 100)]
)
def test_files_are_timed_in_turns(
    seconds: float,
    more: float,
    rounds: int,
    model: onnx.ModelProto,
    samples: Samples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "_SECONDS_FOR_TIMING", seconds)
    monkeypatch.setattr(measuring, "_SECONDS_FOR_MORE", more)
    file = save(model, tmp_path / "m.onnx")
    seen: list[tuple[str, int, int]] = []
    feeds = samples.feeds[0]
    found = measure_latency(
        file,
        file,
        feeds,
        feeds,
        kernels="default",
        threads=1,
        progress=lambda *step: seen.append(step),
    )
    assert found.original.ratio == 1
    assert found.this.rounds == rounds
    assert found.this.p50 > 0
    assert found.threads == 1
    assert seen[-1] == ("timing", rounds, rounds)


def with_mask_moved(model: onnx.ModelProto, amount: float) -> onnx.ModelProto:
    """Return the model with another mask behind the same picture."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    (last,) = [node for node in other.graph.node if "mask" in node.output]
    other.graph.initializer.append(numpy_helper.from_array(np.array([amount], np.float32), "moved"))
    other.graph.node.append(onnx.helper.make_node("Add", ["old_mask", "moved"], ["mask"]))
    last.output[:] = ["old_mask"]
    return other


@pytest.mark.parametrize("integer", [False, True])
def test_a_file_with_another_mask_is_refused(
    integer: bool,
    model: onnx.ModelProto,
    samples: Samples,
    contract: ModelContract,
    tmp_path: Path,
) -> None:
    save(model, tmp_path / "m.onnx")
    wrong = save(with_mask_moved(model, 0.5), tmp_path / "n.onnx")
    with pytest.raises(CheckError, match=r"failed its own test: its mask agrees .* 6\.0 dB alone"):
        judged(wrong, model, samples, contract, integer=integer)


def test_the_self_test_states_what_agrees_less(
    model: onnx.ModelProto, samples: Samples, contract: ModelContract, tmp_path: Path
) -> None:
    save(model, tmp_path / "m.onnx")
    other = save(with_mask_moved(model, 0.001), tmp_path / "n.onnx")
    found = judged(other, model, samples, contract)
    assert found.agreement == pytest.approx(60, abs=0.01)
    assert found.scores.mask_worst == pytest.approx(60, abs=0.01)
    assert found.scores.psnr_worst == 99
