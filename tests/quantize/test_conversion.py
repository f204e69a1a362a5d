"""The record of a conversion."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantize.companion import read_companion
from quantize.conversion import Findings, as_json, document, versions
from quantize.making import Made
from quantize.measuring import Judged, Latency
from quantize.modelfile import load_model
from quantize.prepare import Prepared, prepare
from quantize.quality import Scores
from quantize.sensitivity import Layer
from quantize.settings import Settings
from quantize.targets import load_target
from quantize.timing import Timing
from quantize.truth import TruthScores
from tests.quantize.cards import save
from tests.quantize.graphs import reference_like

SCORES = Scores(50.0, 45.0, 0.99, 0.98, 0.1, 0.01, 0.999, 1, (55.0, 45.0), (1.0, 0.98), 0.2, 0.99)
FILE = {"name": "m.x86_cpu.int8.onnx", "size": 250, "sha256": "ab" * 32}


def timing(ratio: float, quickest: float | None = None) -> Timing:
    return Timing(20, 10.0 / ratio, 11.0, 9.0, ratio, ratio if quickest is None else quickest)


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return prepare(load_model(save(reference_like(), tmp_path / "m.onnx")), load_target("x86_cpu"))


def said(prepared: Prepared, **change: Any) -> dict[str, Any]:
    settings = Settings(model=Path("m.onnx"), output=Path("out"))
    findings = Findings(
        original={"name": "m.onnx", "size": 1000, "sha256": "cd" * 32},
        file=FILE,
        side_files=("m.emap.npy",),
        card_note="",
        memory_before=100,
        peak_memory=2100,
        seconds=1.23456,
        notes=("a note of the format",),
    )
    given = {
        "settings": settings,
        "profile": load_target("x86_cpu"),
        "prepared": prepared,
        "made": Made(prepared.model, quantized=("a",), float_layers=("b",)),
        "judged": Judged(SCORES, None, "default", 99.0, {"CPUExecutionProvider": 7}),
        "latency": Latency(timing(1.0), timing(1.5), 2),
        "findings": findings,
    }
    return document(**{**given, **change})


def test_the_figures(prepared: Prepared) -> None:
    facts = json.loads(as_json(said(prepared)))
    assert facts["ratio"] == 0.25
    assert facts["quality"]["worst"] == {"psnr": 45.0, "ssim": 0.98}
    assert facts["quality"]["mean"] == {"psnr": 50.0, "ssim": 0.99}
    assert facts["quality"]["truth"] is None
    assert facts["latency"]["ratio"] == 1.5
    assert facts["fastest"] == "int8"
    assert facts["memory"] == {"peak_bytes": 2100, "before_bytes": 100, "times_model": 2.0}
    assert facts["side_files"] == ["m.emap.npy"]
    assert facts["seconds"] == 1.235
    assert facts["baked"] is None
    assert "a note of the format" in facts["notes"]
    assert any("a card would do better" in note for note in facts["notes"])


def test_the_truth_is_stated_where_it_is_known(prepared: Prepared) -> None:
    judged = Judged(SCORES, TruthScores(27.0, 27.5, 0.9, 0.91, True), "default", 99.0, {})
    truth = said(prepared, judged=judged)["quality"]["truth"]
    assert truth["loss"] == 0.5
    assert truth["reference_psnr"] == 27.5


@pytest.mark.parametrize(("ratio", "fastest"), [(0.99, "fp32"), (1.0, "int8"), (2.0, "int8")])
def test_what_is_slower_is_never_called_the_fastest(
    ratio: float, fastest: str, prepared: Prepared
) -> None:
    facts = said(prepared, latency=Latency(timing(1.0), timing(ratio), 1))
    assert facts["fastest"] == fastest
    assert facts["latency"]["faster"] == (ratio >= 1)
    slow = [note for note in facts["notes"] if "slower" in note]
    assert bool(slow) == (ratio < 1)


@pytest.mark.parametrize(("ratio", "fastest"), [(0.5, "original"), (1.5, "fp32")])
def test_of_two_float_models_the_fastest_is_told_apart(
    ratio: float, fastest: str, prepared: Prepared
) -> None:
    settings = Settings(model=Path("m.onnx"), output=Path("out"), precision="fp32")
    latency = Latency(timing(1.0), timing(ratio), 1)
    assert said(prepared, settings=settings, latency=latency)["fastest"] == fastest


def test_what_medians_alone_call_quick_is_not_called_so(prepared: Prepared) -> None:
    facts = said(prepared, latency=Latency(timing(1.0), timing(1.4, 0.9), 1))
    assert (facts["fastest"], facts["latency"]["faster"]) == ("fp32", False)
    assert any("1.40 times" in note and "0.90 times" in note for note in facts["notes"])


def test_a_latency_is_this_machines(prepared: Prepared) -> None:
    elsewhere = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    profile = replace(load_target("x86_cpu"), architecture=elsewhere)
    facts = said(prepared, profile=profile)
    assert not facts["latency"]["is_target"]
    assert any(f"this {platform.machine()} machine, not on" in note for note in facts["notes"])
    here = replace(profile, architecture=platform.machine())
    assert said(prepared, profile=here)["latency"]["is_target"]


def test_compare_reads_it(prepared: Prepared, tmp_path: Path) -> None:
    model = tmp_path / str(FILE["name"])
    model.write_bytes(b"")
    facts = said(prepared)
    facts["layers"] = [{"name": "b", "operator": "Conv", "psnr": 40.0}]
    (tmp_path / f"{model.name}.json").write_text(as_json(facts), encoding="utf-8")
    found = read_companion(model, str(FILE["sha256"]))
    assert (found.target, found.precision, found.baked, found.note) == (
        "x86_cpu",
        "int8",
        False,
        "",
    )
    assert [(layer.name, layer.left_float) for layer in found.layers] == [("b", True)]


def test_layers_are_listed_with_their_figures(prepared: Prepared) -> None:
    layer = Layer("b", "Conv", 100, 200, 40.0)

    class Ranked(Made):
        @property
        def layers(self) -> tuple[Layer, ...]:
            return (layer,)

    (row,) = said(prepared, made=Ranked(prepared.model))["layers"]
    assert (row["name"], row["operator"], row["psnr"]) == ("b", "Conv", 40.0)


def test_versions_name_what_has_a_part_in_it() -> None:
    assert {"edge-swap", "python", "numpy", "onnx", "onnxruntime", "onnxslim"} <= set(versions())
