"""The whole way of a model, on tiny ones."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest

import quantize
from edge.backends._onnx_contents import metadata_of
from edge.cards import find_card
from edge.consent.erase import derivatives_of, erase_identity
from edge.consent.ledger import Ledger
from edge.errors import ConsentError, EdgeError, OutputError, UsageError
from edge.registry import sha256_of
from edge.resources import cache_dir
from quantize import equalise as equalising
from quantize import making, measuring, way
from quantize.budget import Budget, parse_budget
from quantize.conversion import Conversion
from quantize.engine import Engine
from quantize.errors import (
    BudgetError,
    CheckError,
    ContractError,
    ModelFileError,
    QuantizeError,
    TargetError,
)
from quantize.metrics import psnr
from quantize.passes import draw_feeds
from quantize.saturation import Saturation
from quantize.settings import MADE_AS, PRECISIONS
from quantize.targets import FORMATS, Format, target_names
from tests import tiny
from tests.quantize.cards import save, write_card
from tests.quantize.graphs import TOPOLOGIES, reference_like
from tests.scene import Stage, stage

LITERT = importlib.util.find_spec("ai_edge_litert") is not None


@dataclass(frozen=True)
class Bench:
    """A model with its card, and a folder for results."""

    model: Path
    card: Path
    out: Path

    def convert(self, **values: Any) -> Conversion:
        given = {"card": self.card, "count": 3, "precision": "fp16", "threads": 1, **values}
        return quantize.convert(self.model, self.out, **given)

    def listing(self) -> list[str]:
        return sorted(path.name for path in self.out.iterdir()) if self.out.exists() else []

    def strangers(self) -> list[str]:
        """Return what lies beside the output folder and should not."""
        own = {self.out.name, "home", "stage", self.model.parent.name}
        return [path.name for path in self.out.parent.iterdir() if path.name not in own]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few samples and few rounds: nothing here is about figures."""
    monkeypatch.setattr(way, "HELD_OUT", 3)
    monkeypatch.setattr(measuring, "_SECONDS_FOR_TIMING", 0.0)


@pytest.fixture
def bench(edge_home: Path, tmp_path: Path) -> Bench:
    return bench_of(reference_like(), edge_home, tmp_path, mask="mask")


def bench_of(model: onnx.ModelProto, home: Path, folder: Path, **card: Any) -> Bench:
    tiny.install_one(home, "tiny_embedder", "recogniser", tiny.RECOGNISER, tiny.embedder())
    (folder / "model").mkdir()
    path = save(model, folder / "model" / "face.onnx")
    return Bench(path, write_card(folder / "model" / "face.toml", path, **card), folder / "out")


def test_the_answer_says_where_everything_is(bench: Bench) -> None:
    before = bench.model.read_bytes()
    done = bench.convert()
    assert done.model == bench.out / "face.x86_cpu.fp16.onnx"
    assert done.report == bench.out / "face.x86_cpu.fp16.onnx.json"
    assert bench.listing() == [done.model.name, done.report.name]
    assert bench.strangers() == []
    assert bench.model.read_bytes() == before
    facts = json.loads(done.report.read_text(encoding="utf-8"))
    assert facts == json.loads(json.dumps(done.facts))
    assert facts["size"] == done.size == done.model.stat().st_size
    assert done.ratio == facts["ratio"] == done.size / len(before) < 0.6


def test_what_the_json_says(bench: Bench) -> None:
    facts = bench.convert(precision="int8", budget="psnr:20").facts
    assert facts["schema"] == "edge-swap/conversion-1"
    assert (facts["target"], facts["precision"], facts["format"]) == ("x86_cpu", "int8", "onnx")
    assert facts["recipe"] == "x86_cpu"
    quality = facts["quality"]
    assert quality["worst"]["psnr"] == min(quality["psnr"])
    assert len(quality["psnr"]) == quality["samples"] == 3
    assert quality["identity_cosine"] is not None
    assert quality["mask_error"] is not None
    assert 20 < quality["mask_psnr"] < 99
    assert facts["budget"]["asked"] == "psnr:20"
    assert facts["budget"]["met"]
    assert set(facts["float_layers"]).isdisjoint(facts["quantized_layers"])
    assert facts["checks"]["self_test"]["passed"]
    assert facts["checks"]["saturation"]["verdict"] in ("none", "saturates", "differs")
    assert sum(facts["checks"]["nodes_per_provider"].values()) > 0
    assert facts["fastest"] == ("int8" if facts["latency"]["faster"] else "fp32")
    assert facts["memory"]["peak_bytes"] > facts["memory"]["before_bytes"] > 0
    assert {"onnx", "onnxruntime", "numpy", "edge-swap", "python"} <= set(facts["versions"])
    assert facts["machine"]["cores"] >= 1
    assert facts["card"] == "tiny_graph"
    assert [step["name"] for step in facts["passes"]][:2] == ["lift_emap", "static_shapes"]


def test_memory_that_lay_free_before_is_counted_when_it_is_used(bench: Bench) -> None:
    blocks = [bytearray(60_000) for _ in range(4_000)]
    last = blocks[-1]  # keeps what lies below it from going back to the system by itself
    del blocks
    memory = bench.convert(precision="fp32").facts["memory"]
    assert len(last) == 60_000
    assert memory["peak_bytes"] - memory["before_bytes"] > 2_000_000
    assert memory["times_model"] > 0


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_in_every_format(precision: str, form: str, bench: Bench) -> None:
    if form == "tflite" and not LITERT:
        pytest.skip("ai-edge-litert is not installed")
    if precision not in MADE_AS.get(cast("Format", form), PRECISIONS):
        pytest.skip(f"{form} files are not made as {precision}")
    needed = {"mnn": ("MNN",), "ncnn": ("ncnn", "pnnx")}.get(form, ())
    if not all(importlib.util.find_spec(name) for name in needed):
        pytest.skip(f"{' and '.join(needed)} are not installed")
    done = bench.convert(precision=precision, format=form)
    assert done.model.suffix == f".{form}"
    least = {"fp32": 80, "fp16": 55, "int8": 20, "w8": 35}[precision]
    assert done.facts["quality"]["worst"]["psnr"] > least
    assert set(bench.listing()) == {done.model.name, done.report.name} | {
        path.name for path in done.side_files
    }


@pytest.mark.parametrize("target", target_names())
def test_every_target(target: str, bench: Bench) -> None:
    facts = bench.convert(precision="int8", target=target).facts
    assert facts["target"] == target
    assert facts["quality"]["kernels"] == ("default" if target == "x86_cpu" else "precise")
    elsewhere = [note for note in facts["notes"] if "not on" in note]
    assert bool(elsewhere) == (target != "x86_cpu")


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_without_a_card(name: str, edge_home: Path, tmp_path: Path) -> None:
    bench = bench_of(TOPOLOGIES[name](), edge_home, tmp_path)
    done = quantize.convert(bench.model, bench.out, precision="int8", count=2, threads=1)
    assert done.facts["card"] is None
    assert any("a card would do better" in note for note in done.facts["notes"])
    assert [path.name for path in done.side_files] == (
        ["face.x86_cpu.int8.onnx.emap.npy"] if name == "inswapper" else []
    )
    onnx.checker.check_model(str(done.model))


def test_the_emap_lies_beside_the_model(edge_home: Path, tmp_path: Path) -> None:
    bench = bench_of(TOPOLOGIES["inswapper"](), edge_home, tmp_path)
    done = bench.convert()
    emap = np.load(done.side_files[0])
    assert emap.shape == (512, 512)
    assert emap.dtype == np.float32
    assert done.facts["side_files"] == [done.side_files[0].name]
    assert done.facts["emap_sha256"] == sha256_of(done.side_files[0])


def test_the_card_of_a_known_file_is_found(edge_home: Path, tmp_path: Path) -> None:
    tiny.install(edge_home)
    model = edge_home / "data" / "models" / "tiny_swapper.onnx"
    done = quantize.convert(model, tmp_path / "out", precision="fp32")
    assert done.facts["card"] == "tiny_swapper"
    assert any("found by the file's SHA-256" in note for note in done.facts["notes"])
    again = quantize.convert(model, tmp_path / "two", card="tiny_swapper", precision="fp32")
    assert again.facts["card"] == find_card("tiny_swapper").name


def test_a_card_of_another_file_is_said(bench: Bench) -> None:
    data = bench.model.read_bytes()
    text = bench.card.read_text(encoding="utf-8")
    bench.card.write_text(text.replace(text.split('sha256 = "')[1][:8], "0" * 8), encoding="utf-8")
    notes = bench.convert(precision="fp32").facts["notes"]
    assert any("states the SHA-256 of another file" in note for note in notes)
    assert bench.model.read_bytes() == data


def test_weights_in_a_file_of_their_own(edge_home: Path, tmp_path: Path) -> None:
    bench = bench_of(reference_like(), edge_home, tmp_path, mask="mask")
    whole = bench.convert().facts["original"]["size"]
    onnx.save(
        onnx.load(str(bench.model)),
        str(bench.model),
        save_as_external_data=True,
        location="face.weights",
        size_threshold=100,
    )
    done = bench.convert(overwrite=True)
    assert done.facts["original"]["size"] == pytest.approx(whole, rel=0.1)
    assert "face.weights" not in bench.listing()


def test_earlier_results_stay_unless_told_otherwise(bench: Bench) -> None:
    first = bench.convert().model.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        bench.convert()
    assert bench.convert(overwrite=True).model.read_bytes() == first


def test_weights_beside_an_earlier_result_go_with_it(bench: Bench) -> None:
    done = bench.convert()
    beside = done.model.with_name(f"{done.model.name}.data")
    beside.write_bytes(b"weights of the earlier one")
    bench.convert(overwrite=True)
    assert not beside.exists()


def test_the_input_is_never_overwritten(bench: Bench) -> None:
    bench.out.mkdir()
    (bench.out / "face.x86_cpu.fp16.onnx").symlink_to(bench.model)
    before = bench.model.read_bytes()
    with pytest.raises(UsageError, match="is an input itself"):
        bench.convert(overwrite=True)
    assert bench.model.read_bytes() == before


def test_a_budget_that_cannot_be_met_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(BudgetError, match=r"cannot be met: the nearest is psnr"):
        bench.convert(precision="int8", budget="psnr:98")
    with pytest.raises(BudgetError, match=r"w8 as onnx reaches psnr [\d.]+ on the worst picture;"):
        bench.convert(precision="w8", budget="psnr:98")
    assert bench.listing() == []
    assert bench.strangers() == []


def test_a_file_that_falls_short_is_searched_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = making.make
    goals: list[Budget | None] = []

    def noted(settings: Any, material: making.Material, progress: Any) -> making.Made:
        goals.append(material.budget)
        return real(settings, material, progress)

    judge = measuring.judge

    def worse(*args: Any, **more: Any) -> measuring.Judged:
        found = judge(*args, **more)
        if len(goals) == 1:
            return replace(found, scores=replace(found.scores, psnr_worst=19.5))
        return found

    monkeypatch.setattr(way, "make", noted)
    monkeypatch.setattr(way, "judge", worse)
    facts = bench.convert(precision="int8", budget="psnr:20").facts
    assert facts["budget"]["asked"] == "psnr:20"
    assert str(goals[0]) == "psnr:20"
    # The search had reached more than was asked for, and the file half a dB less: both count.
    assert len(goals) == 2
    assert goals[1] is not None
    assert goals[1].value > 22.1


def test_channels_are_balanced_once_however_often_a_model_is_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Balancing edits the prepared model: again, it would be another one, to be calibrated anew."""
    judge = measuring.judge
    asked_of: list[int] = []
    judged: list[float] = []

    def balanced(model: Any, *_: Any, **__: Any) -> list[str]:
        asked_of.append(id(model))
        return ["a", "b"]

    def worse(*args: Any, **more: Any) -> measuring.Judged:
        found = judge(*args, **more)
        judged.append(found.scores.psnr_worst)
        worst = 19.5 if len(judged) == 1 else found.scores.psnr_worst
        return replace(found, scores=replace(found.scores, psnr_worst=worst))

    monkeypatch.setattr(equalising, "equalise", balanced)
    monkeypatch.setattr(way, "judge", worse)
    facts = bench.convert(precision="int8", budget="psnr:20").facts
    assert len(judged) == 2
    assert len(asked_of) == 1
    assert facts["notes"].count("the channels of 2 layers were balanced") == 1


def test_a_file_that_always_falls_short(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = measuring.judge

    def worse(*args: Any, **more: Any) -> measuring.Judged:
        found = judge(*args, **more)
        return replace(found, scores=replace(found.scores, psnr_worst=19.9))

    monkeypatch.setattr(way, "judge", worse)
    with pytest.raises(BudgetError, match=r"psnr:20 cannot be met: int8 as onnx reaches psnr 19.9"):
        bench.convert(precision="int8", budget="psnr:20")
    monkeypatch.setattr(Budget, "tightened", lambda *_: parse_budget("psnr:98"))
    with pytest.raises(BudgetError, match=r"psnr:20 cannot be met: int8 as onnx reaches psnr 19.9"):
        bench.convert(precision="int8", budget="psnr:20")
    assert bench.listing() == []


@pytest.mark.parametrize("cured", [True, False])
def test_kernels_that_saturate_are_cured_or_refused(
    cured: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seven_bits = making.make, []

    def noted(settings: Any, material: making.Material, progress: Any) -> making.Made:
        seven_bits.append(material.reduce_range)
        return real(settings, material, progress)

    def checked(*_: Any, **__: Any) -> Saturation:
        bad = not (cured and seven_bits[-1])
        verdict: Any = "saturates" if bad else "none"
        return Saturation(30, 45, 45, "float", verdict, "reduce_range" if bad else "", (), ())

    monkeypatch.setattr(way, "make", noted)
    monkeypatch.setattr(way, "check_saturation", checked)
    if cured:
        assert bench.convert(precision="int8").facts["checks"]["saturation"]["verdict"] == "none"
    else:
        with pytest.raises(CheckError, match="worse than its file: kernels saturate and lose 15"):
            bench.convert(precision="int8")
        assert bench.listing() == []
    assert seven_bits == [False, True]
    bench.convert(precision="int8", target="raspberry_pi")
    assert seven_bits[2:] == [False]


def test_slower_than_float_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = measuring.measure_latency

    def slower(*args: Any, **more: Any) -> measuring.Latency:
        found = real(*args, **more)
        return replace(found, this=replace(found.this, ratio=0.5))

    monkeypatch.setattr(way, "measure_latency", slower)
    facts = bench.convert(precision="int8").facts
    assert facts["fastest"] == "fp32"
    assert not facts["latency"]["faster"]
    assert any("slower than the untouched float model" in note for note in facts["notes"])


@pytest.fixture
def nobody(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "stage")


@pytest.mark.parametrize(("precision", "least"), [("fp32", 80), ("int8", 20)])
def test_a_baked_model(precision: str, least: float, bench: Bench, nobody: Stage) -> None:
    done = bench.convert(precision=precision, bake=nobody.identity_file)
    assert done.facts["baked"]["identity"] == nobody.identity.commitment
    assert done.facts["baked"]["consent"] == nobody.consent.id
    assert nobody.consent.subject not in json.dumps(done.facts["baked"])
    engine = Engine(done.model)
    assert engine.inputs == ("target",)
    original = reference_like()
    feeds = draw_feeds(original, count=1)[0]
    feeds["source"] = nobody.identity.embeddings["tiny_embedder"].reshape(1, -1)
    wanted = Engine(original).run(feeds)["output"]
    assert psnr(engine.run(feeds)["output"], wanted) > least
    assert {path.stat().st_mode & 0o777 for path in bench.out.iterdir()} == {0o600}
    assert done.model in derivatives_of(nobody.identity.commitment)
    erase_identity(nobody.identity_file, Ledger())
    assert bench.listing() == []


def test_a_model_that_holds_somebody_is_converted_as_theirs(
    bench: Bench, nobody: Stage, tmp_path: Path
) -> None:
    first = bench.convert(precision="fp32", bake=nobody.identity_file)
    again = replace(bench, model=first.model, out=tmp_path / "again")
    card = tmp_path / "held.toml"
    write_card(card, first.model, mask="mask")
    text = card.read_text(encoding="utf-8")
    before, _, after = text.partition("[source]")
    after = after[after.index("\n[") :]
    card.write_text(f'{before}[source]\nkind = "baked"\n{after}', encoding="utf-8")
    done = replace(again, card=card).convert(precision="int8")
    assert done.facts["baked"] == first.facts["baked"]
    assert any("identity erase" in note for note in done.facts["notes"])
    assert metadata_of(done.model)["edge_swap.identity"] == nobody.identity.commitment
    assert {path.stat().st_mode & 0o777 for path in again.out.iterdir()} == {0o600}
    assert not (cache_dir() / "calibration").exists()  # its ranges tell of them
    erase_identity(nobody.identity_file, Ledger())
    assert again.listing() == bench.listing() == []


def test_baking_needs_leave(bench: Bench, nobody: Stage) -> None:
    changed = nobody.identity_file.read_bytes().replace(b"nobody", b"nobodi")
    nobody.identity_file.write_bytes(changed)
    with pytest.raises(ConsentError):
        bench.convert(bake=nobody.identity_file)
    assert bench.listing() == []
    assert bench.strangers() == []


def test_what_cannot_be_noted_is_not_published(
    bench: Bench, nobody: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(baked: Any, path: Path) -> None:
        if path.suffix == ".onnx":
            raise OutputError("cannot note")

    monkeypatch.setattr(way, "register_baked", refuse)
    with pytest.raises(OutputError, match="cannot note"):
        bench.convert(bake=nobody.identity_file)
    assert bench.listing() == []


@pytest.mark.parametrize(
    "stage_name", ["reading", "rewriting", "calibrating", "checking", "timing"]
)
def test_an_interruption_leaves_nothing(stage_name: str, bench: Bench) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == stage_name:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.convert(progress=interrupt)
    assert bench.listing() == []
    assert bench.strangers() == []


def test_a_full_disk_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        bench.convert(precision="fp32")
    assert bench.listing() == []
    assert bench.strangers() == []


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"target": "toaster"}, TargetError, "no target 'toaster'"),
        ({"budget": "beauty:3"}, BudgetError, "cannot be read"),
        ({"card": "no_such_card"}, EdgeError, r"no model 'no_such_card'.*\.toml"),
        ({"card": "ref_embedder"}, ContractError, "is of a recogniser"),
        ({"recipe": "cake", "precision": "int8"}, QuantizeError, "cake"),
        ({"calibration": Path("/nowhere"), "precision": "int8"}, QuantizeError, "nowhere"),
        ({"bake": Path("/nowhere.identity")}, ConsentError, "no identity at"),
    ],
)
def test_what_cannot_be_done(values: Any, error: Any, words: str, bench: Bench) -> None:
    with pytest.raises(error, match=words) as caught:
        bench.convert(**values)
    assert "\n" not in str(caught.value)
    assert bench.listing() == []
    assert bench.strangers() == []


def test_a_broken_model_is_refused(bench: Bench) -> None:
    bench.model.write_bytes(b"broken")
    with pytest.raises(ModelFileError, match=r"face\.onnx"):
        bench.convert()
    assert bench.listing() == []


def test_stored_halves_have_no_ort_file(bench: Bench) -> None:
    with pytest.raises(TargetError, match=r"is only stored.*--format onnx or tflite"):
        bench.convert(target="raspberry_pi", format="ort")
    assert bench.listing() == []
    facts = bench.convert(target="raspberry_pi").facts
    assert facts["checks"]["static"]["findings"] == []
    assert facts["ratio"] < 0.62


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
def test_identity_that_nobody_can_judge_is_no_budget(precision: str, bench: Bench) -> None:
    text = bench.card.read_text(encoding="utf-8")
    bench.card.write_text(text.replace("tiny_embedder", "somebody_elses"), encoding="utf-8")
    stages: list[str] = []
    with pytest.raises(BudgetError, match=r"identity:0\.9 cannot be judged: the card names no"):
        bench.convert(
            precision=precision,
            budget="identity:0.9",
            progress=lambda stage, *_: stages.append(stage),
        )
    assert set(stages) <= {"reading", "rewriting"}
    assert bench.listing() == []


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_that_came_while_it_was_made(overwrite: bool, bench: Bench) -> None:
    mine = bench.out / "face.x86_cpu.w8.onnx"

    def late(stage: str, done: int, total: int) -> None:
        if stage == "publishing":
            mine.parent.mkdir()
            mine.write_bytes(b"mine")

    if overwrite:
        bench.convert(precision="w8", progress=late, overwrite=True)
        assert mine.read_bytes() != b"mine"
        return
    with pytest.raises(OutputError, match=r"w8\.onnx: exists already; choose another folder"):
        bench.convert(precision="w8", progress=late)
    assert mine.read_bytes() == b"mine"
    assert bench.listing() == [mine.name]
