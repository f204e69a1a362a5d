"""Quality: figures that can be worked out by hand, and what makes them impossible."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from quantize import quality
from quantize.engine import Engine
from quantize.errors import KernelsUnavailable, MeasureError
from quantize.metrics import MASK_ALLOWANCE, MOST_PSNR
from quantize.quality import evaluate, rgb_of, run_all, score
from quantize.samples import samples_of
from tests.quantize.measured import contract, shifted

SHAPE = (1, 3, 16, 16)


def _picture(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_score_counts_mean_and_worst() -> None:
    wanted = [{"output": _picture(n)} for n in range(3)]
    got = [
        {"output": each["output"] + np.float32(shift)}
        for each, shift in zip(wanted, (0.001, 0.1, 0.01), strict=True)
    ]
    scores = score(got, wanted, contract())
    assert scores.psnr == pytest.approx((60, 20, 40), abs=1e-3)
    assert scores.psnr_mean == pytest.approx(40, abs=1e-3)
    assert scores.psnr_worst == pytest.approx(20, abs=1e-3)
    assert scores.worst == 1
    assert scores.max_error == pytest.approx(0.1, abs=1e-6)
    assert scores.mean_error == pytest.approx(0.037, abs=1e-6)
    assert scores.ssim_worst == scores.ssim[1] < scores.ssim_mean < 1
    assert scores.mask_error is None
    assert scores.identity_cosine is None


def test_score_brings_pictures_to_their_range() -> None:
    wide = contract(picture_range=(-1.0, 1.0))
    wanted = [{"output": _picture() * 2 - 1}]
    got = [{"output": wanted[0]["output"] + np.float32(0.02)}]
    assert score(got, wanted, wide).max_error == pytest.approx(0.01, abs=1e-6)
    assert score(got, wanted, wide).psnr_worst == pytest.approx(40, abs=1e-3)


def test_score_judges_the_mask_too() -> None:
    wanted = [{"output": _picture(), "mask": np.zeros((1, 1, 16, 16), np.float32)}]
    got = [{"output": _picture(), "mask": np.full((1, 1, 16, 16), 0.25, np.float32)}]
    scores = score(got, wanted, contract(mask="mask"))
    assert scores.mask_error == 0.25
    assert scores.psnr_worst == MOST_PSNR
    assert scores.mask_worst == pytest.approx(-20 * math.log10(0.25))
    assert scores.joint == pytest.approx((scores.mask_psnr[0] + MASK_ALLOWANCE,))
    with pytest.raises(MeasureError, match="gives no mask 'mask'"):
        score([{"output": _picture()}], wanted, contract(mask="mask"))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_wrong_by_the_whole_range(broken: float) -> None:
    wanted = [{"output": _picture()}]
    bad = _picture()
    bad[0, 0, 0, 0] = broken
    scores = score([{"output": bad}], wanted, contract())
    assert scores.max_error == 1
    assert scores.psnr_worst == pytest.approx(10 * math.log10(bad.size))
    with pytest.raises(MeasureError, match="no numbers"):
        score(wanted, [{"output": bad}], contract())


def test_score_takes_channels_last() -> None:
    wanted = [{"output": _picture()}]
    got = [{"output": _picture().transpose(0, 2, 3, 1)}]
    assert score(got, wanted, contract()).psnr_worst == MOST_PSNR


@pytest.mark.parametrize(
    ("got", "wanted", "text"),
    [
        ([], [], "at least one"),
        ([{"output": _picture()}], [], "1 results"),
        ([{"other": _picture()}], [{"output": _picture()}], "gives: other"),
        ([{"output": _picture()[..., :8]}], [{"output": _picture()}], "has the shape"),
        ([{"output": np.zeros((2, 3))}], [{"output": _picture()}], "a picture has"),
    ],
)
def test_what_cannot_be_compared_is_said(
    got: list[dict[str, Any]], wanted: list[dict[str, Any]], text: str
) -> None:
    with pytest.raises(MeasureError, match=text) as caught:
        score(got, wanted, contract())
    assert "\n" not in str(caught.value)


def test_identity_is_the_cosine_of_both_faces() -> None:
    def embed(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        angle = float(picture.mean())
        return np.array([math.cos(angle), math.sin(angle)], np.float32)

    wanted = [{"output": np.zeros(SHAPE, np.float32)}] * 2
    got = [{"output": np.full(SHAPE, value, np.float32)} for value in (0.2, 0.8)]
    scores = score(got, wanted, contract(), embed=embed)
    assert scores.identity_cosine == pytest.approx((math.cos(0.2) + math.cos(0.8)) / 2, abs=1e-5)
    assert scores.identity_worst == pytest.approx(math.cos(0.8), abs=1e-5)


def test_a_picture_is_shown_clipped_and_in_rgb() -> None:
    values = np.zeros(SHAPE, np.float32)
    values[:, 0], values[:, 1], values[:, 2] = 3.0, 0.5, np.nan
    bgr = rgb_of({"output": values}, contract(channels="BGR"))
    assert bgr[0, :, 0, 0].tolist() == [0.0, 0.5, 1.0]
    assert rgb_of({"output": values}, contract())[0, :, 0, 0].tolist() == [1.0, 0.5, 0.0]


def test_evaluate_runs_both_models(tmp_path: Path) -> None:
    samples = samples_of([{"target": _picture(n)} for n in range(2)], "drawn")
    path = tmp_path / "model.onnx"
    onnx.save(shifted(0.1), path)
    scores = evaluate(path, shifted(0.0), samples, contract())
    assert scores.psnr == pytest.approx((20, 20), abs=1e-3)
    known = run_all(Engine(shifted(0.0)), samples)
    assert evaluate(shifted(0.1), known, samples, contract()) == scores


def test_kernels_that_do_not_take_a_model_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(model: Any, *, kernels: str, **more: Any) -> Engine:
        if kernels == "precise":
            raise KernelsUnavailable("not with these")
        return Engine(model, kernels=cast(Any, kernels), **more)

    monkeypatch.setattr(quality, "Engine", refuse)
    assert quality.open_engine(shifted(0.0), kernels="precise").kernels == "reference"
    assert quality.open_engine(shifted(0.0), kernels="default").kernels == "default"


def test_a_mask_is_compared_in_either_order_of_its_axes() -> None:
    mask = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 1, 16, 16)
    wanted = {"output": _picture(), "mask": mask.transpose(0, 2, 3, 1)}
    scores = score([{"output": _picture(), "mask": mask}], [wanted], contract(mask="mask"))
    assert (scores.mask_error, scores.mask_worst) == (0, MOST_PSNR)
