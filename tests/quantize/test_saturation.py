from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from quantize import saturation
from quantize.engine import Engine, Feeds, Kernels
from quantize.errors import KernelsUnavailable, SamplesError
from quantize.int8 import quantizable, to_int8
from quantize.int8_choice import _Chooser
from quantize.samples import Samples
from quantize.saturation import (
    Opener,
    Saturation,
    can_saturate,
    check_saturation,
    refused_layers,
)
from tests.quantize.graphs import Sketch
from tests.quantize.int8_cases import calibrated, chain, fed, recipe

PICTURE = np.linspace(0.0, 1.0, 3 * 16 * 16, dtype=np.float32).reshape(1, 3, 16, 16)


def _noisy(decibel: float, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).standard_normal(PICTURE.shape)
    noise /= np.sqrt(np.mean(np.square(noise)))
    return (PICTURE + noise * 10 ** (-decibel / 20)).astype(np.float32)


def opener(
    original: onnx.ModelProto | None, *, says: float, default: float, precise: float | None
) -> Opener:
    """Return an opener whose kernels give the picture with so much noise.

    Args:
        original: the float model, which gives the picture itself.
        says: dB of fake quantization.
        default: dB of the usual kernels; that of fake quantization when it is equal.
        precise: dB of the precise ones; None when they cannot be loaded.
    """
    file = _noisy(says, 0)

    class Fake:
        def __init__(self, made: NDArray[np.float32]) -> None:
            self.made = made

        def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
            return {"output": self.made}

    def kernel(decibel: float, seed: int) -> NDArray[np.float32]:
        return file if decibel == says else _noisy(decibel, seed)

    def open_(model: onnx.ModelProto, kernels: Kernels, threads: int) -> Fake:
        if model is original:
            return Fake(PICTURE)
        if kernels == "reference":
            return Fake(file)
        if kernels == "default":
            return Fake(kernel(default, 1))
        if precise is None:
            raise KernelsUnavailable("no")
        return Fake(kernel(precise, 2))

    return open_


def _small(reduce_range: bool) -> tuple[onnx.ModelProto, onnx.ModelProto, Samples]:
    model = chain("Conv", "LeakyRelu", "Conv")
    how = recipe(reduce_range=reduce_range)
    return model, to_int8(model, calibrated(model), how).model, fed(model)


@pytest.mark.parametrize(
    ("says", "default", "precise", "verdict", "cure"),
    [
        (47.0, 47.0, 47.0, "none", ""),
        (47.0, 46.4, 47.0, "none", ""),  # rounded in another order
        (47.0, 36.5, 47.0, "saturates", "reduce_range"),
        (47.0, 36.5, 46.5, "saturates", "reduce_range"),
        (47.0, 36.5, 38.0, "differs", ""),
        (47.0, 36.5, None, "differs", ""),
        (47.0, 47.0, None, "none", ""),
        (36.0, 36.0, 36.0, "none", ""),  # a bad file is not the kernels' fault
    ],
)
def test_the_verdict_against_the_float_model(
    says: float, default: float, precise: float | None, verdict: str, cure: str
) -> None:
    model, int8, samples = _small(reduce_range=False)
    fake = opener(model, says=says, default=default, precise=precise)
    found = check_saturation(int8, samples, original=model, opener=fake)
    assert found.against == "float"
    assert found.verdict == verdict
    assert found.cure == cure
    assert found.default == pytest.approx(default, abs=0.1)
    assert found.reference == pytest.approx(says, abs=0.1)
    assert (found.precise is None) == (precise is None)


@pytest.mark.parametrize(
    ("default", "precise", "verdict"),
    [
        (40.0, 40.0, "none"),
        (30.0, 40.0, "saturates"),
        (30.0, 31.0, "differs"),
        (30.0, None, "differs"),
    ],
)
def test_the_verdict_against_the_file_itself(
    default: float, precise: float | None, verdict: str
) -> None:
    _, int8, samples = _small(reduce_range=False)
    fake = opener(None, says=40.0, default=default, precise=precise)
    found = check_saturation(int8, samples, opener=fake)
    assert found.against == "file"
    assert found.verdict == verdict
    assert found.reference == 99.0


def test_weights_that_are_small_already_need_other_kernels() -> None:
    model, int8, samples = _small(reduce_range=True)
    fake = opener(model, says=47.0, default=36.0, precise=47.0)
    found = check_saturation(int8, samples, original=model, opener=fake)
    assert (found.verdict, found.cure) == ("saturates", "x64quantprecision")


def test_the_worst_sample_decides() -> None:
    model, int8, samples = _small(reduce_range=False)
    runs = iter([47.0, 47.0, 36.0])

    class Uneven:
        def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
            return {"output": _noisy(next(runs), 3)}

    good = opener(model, says=47.0, default=47.0, precise=47.0)

    def open_(which: onnx.ModelProto, kernels: Kernels, threads: int) -> Any:
        uneven = which is int8 and kernels == "default"
        return Uneven() if uneven else good(which, kernels, threads)

    assert len(samples) == 3
    found = check_saturation(int8, samples, original=model, opener=open_)
    assert found.default == pytest.approx(36.0, abs=0.1)
    assert found.verdict == "saturates"


@pytest.mark.parametrize("name", ["x86_cpu", "raspberry_pi", "jetson", "android_nnapi_small"])
def test_with_this_machines_kernels(name: str) -> None:
    model = chain("Conv", "LeakyRelu", "Conv")
    made = to_int8(model, calibrated(model), recipe(name)).model
    found = check_saturation(made, fed(model), original=model)
    assert found.refused == ()
    assert found.reference > 30
    assert found.precise is not None
    assert found.precise == pytest.approx(found.reference, abs=1)
    # With reduce_range no processor may saturate; U8U8 and float never do.
    if name != "raspberry_pi":
        assert found.verdict == "none"
        assert found.default == pytest.approx(found.reference, abs=1)


def test_which_weights_can_saturate() -> None:
    _, full, _ = _small(reduce_range=False)
    _, reduced, _ = _small(reduce_range=True)
    assert can_saturate(full)
    assert not can_saturate(reduced)
    floats = chain("Conv")
    assert not can_saturate(floats)
    # 8-bit weights of a float Gemm are no integers when they are multiplied.
    s = Sketch()
    s.op("Gemm", s.input("x", 1, 64), s.noise(64, 64), s.noise(64), output="y")
    model = s.model("y")
    small = to_int8(model, calibrated(model), recipe(gemm_weights="w8")).model
    assert not can_saturate(small)


def test_a_float_layer_that_the_engine_quantizes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain("Conv", "Conv", "Conv", "Conv")
    ranges, samples = calibrated(model), fed(model)
    name = quantizable(model, recipe())[1]

    guarded = to_int8(model, ranges, recipe(), float_layers=[name])
    assert refused_layers(guarded.model, samples.feeds[0]) == ()
    assert len(guarded.left_float) == 2

    monkeypatch.setattr(_Chooser, "pulled_in", lambda self: set())
    naive = to_int8(model, ranges, recipe(), float_layers=[name])
    assert naive.left_float == (name,)
    assert refused_layers(naive.model, samples.feeds[0]) == (name,)
    found = check_saturation(naive.model, samples, original=model)
    assert found.refused == (name,)
    assert name in found.text


def test_a_wholly_quantized_model_is_not_profiled(monkeypatch: pytest.MonkeyPatch) -> None:
    model, made, samples = _small(reduce_range=True)
    monkeypatch.setattr(Engine, "profile", lambda *_: pytest.fail("profiled"))
    assert refused_layers(made, samples.feeds[0]) == ()
    assert model is not made


def test_no_samples() -> None:
    _, made, _ = _small(reduce_range=True)
    with pytest.raises(SamplesError, match="no sample to check the kernels"):
        check_saturation(made, Samples((), "", ""))


def _found(**changes: Any) -> Saturation:
    values: dict[str, Any] = {
        "default": 36.5,
        "precise": 47.0,
        "reference": 47.2,
        "against": "float",
        "verdict": "saturates",
        "cure": "reduce_range",
        "refused": (),
        "features": ("avx2",),
    }
    return Saturation(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "saturate and lose 10.7 dB: a recipe with reduce_range"),
        ({"cure": "x64quantprecision"}, "session.x64quantprecision = 1"),
        ({"verdict": "none", "cure": ""}, "kernels compute what the file says"),
        ({"verdict": "differs", "cure": ""}, "lose 10.7 dB, and not by saturation alone"),
        ({"refused": ("stem",)}, "quantizes 1 float layers: stem"),
    ],
)
def test_the_line_for_people(changes: dict[str, Any], text: str) -> None:
    assert text in _found(**changes).text
    assert "\n" not in _found(**changes).text


def test_what_an_engine_leaves_behind_is_given_back_before_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, int8, samples = _small(True)
    steps: list[str] = []
    fake = opener(model, says=47.0, default=47.0, precise=47.0)

    def open_(made: onnx.ModelProto, kernels: Kernels, threads: int) -> Any:
        steps.append("open")
        return fake(made, kernels, threads)

    monkeypatch.setattr(saturation, "give_back", lambda: steps.append("give back"))
    check_saturation(int8, samples, float_outputs=[{"output": PICTURE}] * 3, opener=open_)
    assert steps == ["open", "give back"] * 3


def test_an_output_that_is_true_or_false_is_compared_too() -> None:
    model, int8, samples = _small(reduce_range=False)

    class Fake:
        def __init__(self, wrong: int) -> None:
            self.made = PICTURE > 0.5
            self.made.flat[:wrong] ^= True

        def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
            return {"output": self.made}

    def open_(which: onnx.ModelProto, kernels: Kernels, threads: int) -> Fake:
        return Fake(PICTURE.size // 10 if kernels == "default" else 0)

    found = check_saturation(int8, samples, original=model, opener=open_)
    assert found.default == pytest.approx(10, abs=0.1)
    assert (found.reference, found.verdict) == (99, "saturates")
