"""The bars of the toolchain: what must be reached, and how it is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from quantize.budget import parse_budget
from quantize.calibrate import calibrate
from quantize.engine import Engine
from quantize.modelfile import load_model
from quantize.passes._infra.shapes import infer_types
from quantize.prepare import prepare
from quantize.quality import Outputs, run_all
from quantize.recipes import load_recipe
from quantize.samples import Samples, calibration_samples
from quantize.search import search
from quantize.targets import load_target
from quantize.truth import score_truth
from scripts.toolchain_bench import (
    BAKED,
    Bench,
    ConversionFailed,
    Converted,
    in_double,
    largest_difference,
    with_fixed_source,
)

TOPOLOGIES = ("insq", "insf", "mob", "ghost", "hyperswap", "simswap", "ref_swapper")
TARGET = "x86_cpu"
EXACT = 1e-5
BALANCED = 50
"""dB of the balanced recipe, and of a fast choice: one conversion serves both."""
_NORMS = ("ReduceMean", "ReduceSum", "Sqrt", "Reciprocal", "Pow", "InstanceNormalization")


@dataclass(frozen=True, slots=True)
class Check:
    """One figure and what it must be.

    Attributes:
        what: the figure.
        value: measured.
        limit: that it must reach.
        most: the limit is the most that is allowed; otherwise the least.
        unit: behind the number: x, dB, s.
    """

    what: str
    value: float
    limit: float
    most: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the figure is good enough; one that is no number is not."""
        return self.value <= self.limit if self.most else self.value >= self.limit

    def __str__(self) -> str:
        """For people: "size 0.25x (<= 0.26x)"."""
        sign = "<=" if self.most else ">="
        return f"{self.what} {self.value:.4g}{self.unit} ({sign} {self.limit:g}{self.unit})"


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the table.

    Attributes:
        key: that it is chosen by: "int8-small/insq".
        title: for people.
        model: that it needs.
        measure: takes the figures; the notes say what else is worth knowing.
    """

    key: str
    title: str
    model: str
    measure: Callable[[Bench, str], tuple[list[Check], list[str]]]


Measured = tuple[list[Check], list[str]]


def _size(bench: Bench, name: str, made: Converted, limit: float) -> Check:
    return Check("size", made.size / bench.size(name), limit, most=True, unit="x")


def _speed(bench: Bench, name: str, path: Path, limit: float) -> tuple[Check, str]:
    speed = bench.speed(name, path)
    return Check("speed", speed.ratio, limit, unit="x"), str(speed)


def half_precision(bench: Bench, name: str) -> Measured:
    """Half precision: half the size, invisible, and norms computed in float32."""
    made = bench.converted(name, precision="fp16")
    worst = bench.scores(name, made.path).psnr_worst
    checks = [
        _size(bench, name, made, 0.51),
        Check("worst", worst, 60, unit=" dB"),
        Check("norms in half", len(half_norms(load_model(made.path).model)), 0, most=True),
    ]
    return checks, []


def half_norms(model: onnx.ModelProto) -> list[str]:
    """Nodes of norms that would compute in half precision, where 1e-8 is 0."""
    types = infer_types(model)
    half = onnx.TensorProto.FLOAT16
    return [
        node.name
        for node in model.graph.node
        if node.op_type in _NORMS
        and any(
            name in types and types[name].type.tensor_type.elem_type == half for name in node.output
        )
    ]


def size_first(bench: Bench, name: str) -> Measured:
    """INT8 with 8-bit Gemm weights as well."""
    made = bench.converted(
        name,
        precision="int8",
        target=TARGET,
        recipe=f"{TARGET}_small",
        budget="psnr:45",
    )
    return _integer(bench, name, made, (0.26, 45, 1.5))


def balanced(bench: Bench, name: str) -> Measured:
    """INT8 with the target's own recipe."""
    made = bench.converted(name, precision="int8", target=TARGET, budget=f"psnr:{BALANCED}")
    return _integer(bench, name, made, (0.30, 50, 1.4))


def _integer(
    bench: Bench, name: str, made: Converted, bars: tuple[float, float, float]
) -> Measured:
    size, decibels, ratio = bars
    speed, note = _speed(bench, name, made.path, ratio)
    worst = bench.scores(name, made.path).psnr_worst
    return [_size(bench, name, made, size), Check("worst", worst, decibels, unit=" dB"), speed], [
        note,
        _floats(made),
    ]


def _floats(made: Converted) -> str:
    kept = made.record.get("float_layers", [])
    return f"{len(kept)} layers float; {made.seconds:.0f} s in all"


def exact_rewrites(bench: Bench, name: str) -> Measured:
    """The same picture, quicker: PReLU as two depthwise convolutions and a ReLU."""
    made = bench.converted(name, precision="fp32", target=TARGET)
    gap = largest_difference(bench.outputs(name, made.path), bench.reference(name))
    speed, note = _speed(bench, name, made.path, 1.5)
    return [speed, Check("difference", gap, EXACT, most=True)], [note]


def fast_choice(bench: Bench, name: str) -> Measured:
    """The quickest of what the toolchain names as faster is never slower than the untouched file.

    Two runs of one and the same file differ by chance; that much is allowed, and no more.
    """
    found: list[tuple[float, str, Path]] = []
    notes: list[str] = []
    for precision in ("int8", "fp32"):
        options = {"precision": precision, "target": TARGET}
        if precision == "int8":
            options["budget"] = f"psnr:{BALANCED}"
        try:
            made = bench.converted(name, **options)
        except ConversionFailed as error:  # its budget cannot be met: no choice then
            notes.append(f"{precision}: {error}")
            continue
        latency = made.record["latency"]
        if latency["faster"]:
            found.append((latency["ratio_quickest"], precision, made.path))
    _, chosen, path = max(found, default=(1.0, "untouched", bench.model(name)))
    speed = bench.speed(name, path, rounds=max(20, bench.rounds))
    least = 1 - max(0.01, speed.noise) if chosen == "untouched" else 1.0
    return [Check("speed", speed.ratio, least, unit="x")], [
        f"choice: {chosen}",
        str(speed),
        *notes,
    ]


def mobile(bench: Bench, name: str) -> Measured:
    """INT8 of the mobile topology with its identity baked in, as it is deployed."""
    made = bench.converted(name, precision="int8", target=TARGET, budget="psnr:42")
    worst = bench.scores(name, made.path).psnr_worst
    speed = bench.speed(name, made.path)
    says = made.record["fastest"]
    honest = float(says != "int8" or speed.ratio >= 1 - speed.noise)
    return [
        _size(bench, name, made, 0.40),
        Check("worst", worst, 42, unit=" dB"),
        Check("never called fast when slower", honest, 1),
    ], [f"{speed.ratio:.3f}x; the report names as fastest: {says}", _floats(made)]


def against_truth(bench: Bench, name: str) -> Measured:
    """INT8 of our own swapper against exact ground truth."""
    made = bench.converted(name, precision="int8", target=TARGET, budget="psnr:45")
    samples = bench.samples(name)
    assert samples.truths is not None
    truth = score_truth(
        bench.outputs(name, made.path),
        bench.reference(name),
        samples.truths,
        bench.contract(name),
        embed=bench.embedder(name),
    )
    assert truth.identity is not None
    assert truth.reference_identity is not None
    drop = truth.reference_identity - truth.identity
    return [
        Check("loss", truth.loss, 0.3, most=True, unit=" dB"),
        Check("identity drop", drop, 0.005, most=True),
    ], [
        f"float {truth.reference_psnr:.2f} dB, identity {truth.reference_identity:.4f}; "
        f"{len(samples)} swaps",
        _floats(made),
    ]


def _from_double(
    bench: Bench,
    name: str,
    samples: Samples,
    outputs: Sequence[Outputs],
    reference: Sequence[Outputs],
) -> tuple[float, str]:
    """Who of the two is off? Float64 tells, on the sample where they are furthest apart.

    Returns:
        How far the outputs are from float64 there, and a note of how far ONNX Runtime is.
    """
    gaps = [largest_difference([a], [b]) for a, b in zip(outputs, reference, strict=True)]
    worst = max(range(len(gaps)), key=gaps.__getitem__)
    true = in_double(load_model(bench.model(name)).model, samples.feeds[worst])
    own = largest_difference([reference[worst]], [true])
    note = f"{gaps[worst]:.2g} from ONNX Runtime, which is {own:.2g} from float64; judged by that"
    return largest_difference([outputs[worst]], [true]), note


def tflite_float(bench: Bench, name: str) -> Measured:
    """TFLite in float32, in LiteRT."""
    made = bench.converted(name, precision="fp32", format="tflite", target="raspberry_pi")
    outputs, reference = bench.outputs(name, made.path), bench.reference(name)
    gap = largest_difference(outputs, reference)
    notes = [f"{made.size / 1e6:.1f} MB"]
    if gap > EXACT:
        gap, note = _from_double(bench, name, bench.samples(name), outputs, reference)
        notes.append(note)
    return [Check("difference", gap, EXACT, most=True)], notes


def tflite_integer(bench: Bench, name: str) -> Measured:
    """TFLite in INT8, in LiteRT."""
    least = 42 if name.startswith("mob") else 45
    made = bench.converted(
        name,
        precision="int8",
        format="tflite",
        target="raspberry_pi",
        budget=f"psnr:{least}",
    )
    scores = bench.scores(name, made.path)
    return [Check("worst", scores.psnr_worst, least, unit=" dB")], [
        f"{made.size / bench.size(name):.3f}x",
        _floats(made),
    ]


def baked(bench: Bench, name: str) -> Measured:
    """An identity baked in: the same pictures, fewer weights."""
    source = bench.contract(name).source
    assert source is not None
    samples = with_fixed_source(bench.samples(name), source, bench.source(name))
    path = bench.model(name + BAKED)
    open_outputs = run_all(Engine(bench.model(name), threads=bench.threads), samples)
    outputs = run_all(bench.opened(path), samples)
    gap = largest_difference(outputs, open_outputs)
    before, after = bench.size(name), path.stat().st_size
    notes = [f"{before / 1e6:.2f} MB -> {after / 1e6:.2f} MB"]
    if gap > EXACT:
        gap, note = _from_double(bench, name, samples, outputs, open_outputs)
        notes.append(note)
    checks = [Check("difference", gap, EXACT, most=True)]
    if name == "insf":
        checks.append(Check("smaller by", (before - after) / 1e6, 48, unit=" MB"))
    if name == "mob":
        checks.append(Check("smaller", before / after, 2.3, unit="x"))
    return checks, notes


def search_time(bench: Bench, name: str) -> Measured:
    """Ranking all layers and searching the float set, calibration apart."""
    profile = load_target(TARGET)
    prepared = prepare(load_model(bench.model(name)), profile, card=bench.card(name))
    ranges = calibrate(
        prepared.model, calibration_samples(prepared.contract), threads=bench.threads
    )
    started, busy = time.monotonic(), time.process_time()
    found = search(
        prepared.model,
        ranges,
        load_recipe(profile.recipe("int8", "onnx")),
        bench.samples(name),
        prepared.contract,
        parse_budget("psnr:50"),
        kernels=profile.kernels,
        threads=bench.threads,
    )
    seconds, busy = time.monotonic() - started, time.process_time() - busy
    limit = 600 if name == "insf" else 60
    # Beside other work, wall time says as much of that; its processor time is the search's own.
    note = (
        f"{len(found.layers)} layers, {len(found.tried)} trials, met: {found.met}; "
        f"{busy:.0f} s of processor time"
    )
    return [Check("search", seconds, limit, most=True, unit=" s")], [note]


def memory(bench: Bench, name: str) -> Measured:
    """Peak memory of a whole conversion, as multiples of the model's size."""
    made = bench.converted(name, precision="int8", target=TARGET, budget=f"psnr:{BALANCED}")
    times = made.peak / bench.model(name).stat().st_size
    return [Check("peak memory", times, 6, most=True, unit="x")], [f"{made.peak / 1e9:.2f} GB"]


def all_bars() -> Iterator[Bar]:
    """Every row of the table, in order."""
    for name in TOPOLOGIES:
        yield Bar(f"fp16/{name}", "FP16", name, half_precision)
    for name in ("insq", "insf"):
        yield Bar(f"int8-small/{name}", "INT8 size-first", name, size_first)
        yield Bar(f"int8/{name}", "INT8 balanced", name, balanced)
    for name in ("mob" + BAKED, "mob"):
        yield Bar(f"exact/{name}", "exact rewrites", name, exact_rewrites)
    for name in (*TOPOLOGIES, "mob" + BAKED):
        yield Bar(f"fast/{name}", "fast choice", name, fast_choice)
    yield Bar("int8-mobile/mob", "INT8 mobile, baked", "mob" + BAKED, mobile)
    yield Bar("truth/ref_swapper", "INT8 against truth", "ref_swapper", against_truth)
    for name in (*TOPOLOGIES, "mob" + BAKED):
        yield Bar(f"tflite/{name}", "TFLite float", name, tflite_float)
    for name in ("insq", "insf", "mob" + BAKED):
        yield Bar(f"tflite-int8/{name}", "TFLite INT8", name, tflite_integer)
    for name in TOPOLOGIES:
        yield Bar(f"baked/{name}", "baked against unbaked", name, baked)
    for name in ("insq", "insf"):
        yield Bar(f"search/{name}", "search time", name, search_time)
    yield Bar("memory/insf", "conversion", "insf", memory)
