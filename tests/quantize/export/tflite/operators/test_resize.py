from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.errors import TFLiteError
from quantize.export.tflite import to_tflite
from tests.quantize.export.tflite.runtimes import needs_onnx_runtime_for, needs_schema, written
from tests.quantize.graphs import Sketch

needs_schema()


def _resize(size: tuple[int, int], scale: float, **attrs: Any) -> Any:
    s = Sketch()
    x = s.input("x", 1, 3, *size)
    s.op("Resize", x, "", s.keep([1, 1, scale, scale]), output="y", **attrs)
    return s.model("y")


@pytest.mark.parametrize(
    ("size", "scale"), [((4, 6), 2), ((4, 6), 3), ((8, 12), 0.5), ((5, 5), 2), ((2, 7), 3)]
)
@pytest.mark.parametrize("where", ["half_pixel", "pytorch_half_pixel", "align_corners"])
def test_bilinear(size: tuple[int, int], scale: float, where: str) -> None:
    model = _resize(size, scale, mode="linear", coordinate_transformation_mode=where)
    assert written(model) == {"RESIZE_BILINEAR": 1}


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("how", ["floor", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize("where", ["half_pixel", "asymmetric"])
def test_nearest(scale: int, how: str, where: str) -> None:
    model = _resize(
        (4, 6), scale, mode="nearest", coordinate_transformation_mode=where, nearest_mode=how
    )
    try:
        made = written(model)
    except TFLiteError as error:
        # Off by one pixel is off: what TFLite does not read is refused.
        assert where == ("half_pixel" if how == "floor" else "asymmetric")
        assert "no nearest resize" in str(error)  # noqa: PT017
    else:
        assert made == {"RESIZE_NEAREST_NEIGHBOR": 1}


@pytest.mark.parametrize(
    ("before", "after", "where", "how"),
    [
        (58, 90, "asymmetric", "floor"),
        (42, 176, "asymmetric", "floor"),
        (8, 110, "pytorch_half_pixel", "round_prefer_ceil"),
        (14, 69, "half_pixel", "round_prefer_floor"),
    ],
)
def test_half_way_between_two_pixels_is_exact_or_refused(
    before: int, after: int, where: str, how: str
) -> None:
    s = Sketch()
    x = s.input("x", 1, 3, 5, before)
    modes = {"coordinate_transformation_mode": where, "nearest_mode": how}
    s.op("Resize", x, "", "", s.ints(1, 3, 5, after), output="y", mode="nearest", **modes)
    try:
        assert written(s.model("y")) == {"RESIZE_NEAREST_NEIGHBOR": 1}
    except TFLiteError as error:
        assert "no nearest resize" in str(error)  # noqa: PT017


@settings(max_examples=30, deadline=None)
@given(
    before=st.integers(1, 70),
    after=st.integers(1, 200),
    where=st.sampled_from(["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"]),
    how=st.sampled_from(["floor", "round_prefer_floor", "round_prefer_ceil", "ceil"]),
)
def test_nearest_of_any_size_is_exact_or_refused(
    before: int, after: int, where: str, how: str
) -> None:
    test_half_way_between_two_pixels_is_exact_or_refused(before, after, where, how)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("where", ["tf_half_pixel_for_nn", "half_pixel_symmetric"])
@pytest.mark.parametrize("scales", [(2, 2), (3, 2), (1, 2), (0.5, 0.5), (1.3, 1.3)])
@pytest.mark.parametrize("how", ["floor", "round_prefer_floor", "round_prefer_ceil", "ceil"])
def test_rare_coordinates_are_exact_or_refused(
    mode: str, where: str, scales: tuple[float, float], how: str
) -> None:
    s = Sketch(opset=19)
    x = s.input("x", 1, 3, 5, 6)
    given = {"mode": mode, "coordinate_transformation_mode": where, "nearest_mode": how}
    s.op("Resize", x, "", s.keep([1, 1, *scales]), output="y", **given)
    try:
        written(s.model("y"))
    except TFLiteError as error:
        assert f"no {mode} resize" in str(error)  # noqa: PT017


def test_half_pixels_that_tflite_reads_are_written() -> None:
    given = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}
    assert written(_resize((4, 6), 2, mode="nearest", **given)) == {"RESIZE_NEAREST_NEIGHBOR": 1}
    given["nearest_mode"] = "round_prefer_floor"
    with pytest.raises(TFLiteError, match="'tf_half_pixel_for_nn' from"):
        to_tflite(_resize((4, 6), 2, mode="nearest", **given))


@pytest.mark.parametrize("axes", [[-2, -1], [-1, -2], [3, 2]])
def test_axes_are_counted_from_either_end(axes: list[int]) -> None:
    s = Sketch(opset=18)
    x = s.input("x", 1, 3, 4, 6)
    given = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    s.op("Resize", x, "", s.keep([2, 2]), output="y", axes=axes, mode="nearest", **given)
    needs_onnx_runtime_for(s.model("y"))
    assert written(s.model("y")) == {"RESIZE_NEAREST_NEIGHBOR": 1}


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("wanted", [(5, 5), (10, 10), (13, 20), (14, 18), (14, 30)])
def test_a_kept_aspect_ratio_is_exact_or_refused(
    policy: str, mode: str, wanted: tuple[int, int]
) -> None:
    s = Sketch(opset=18)
    x = s.input("x", 1, 3, 7, 9)
    given = {"mode": mode, "axes": [2, 3], "keep_aspect_ratio_policy": policy}
    if mode == "nearest":
        given |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    s.op("Resize", x, "", "", s.ints(*wanted), output="y", **given)
    try:
        written(s.model("y"))
    except TFLiteError as error:
        assert wanted != (14, 18)  # twice both sides
        assert f"no {mode} resize" in str(error)  # noqa: PT017


def test_regions_are_refused() -> None:
    s = Sketch()
    roi = s.keep([0, 0, 0.2, 0.2, 1, 1, 0.8, 0.8])
    given = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}
    s.op("Resize", s.input("x", 1, 3, 4, 6), roi, s.keep([1, 1, 2, 2]), output="y", **given)
    with pytest.raises(TFLiteError, match=r"'Resize_y' \(Resize\).*'tf_crop_and_resize'"):
        to_tflite(s.model("y"))


def test_the_usual_doubling_is_written() -> None:
    given = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    assert written(_resize((4, 6), 2, mode="nearest", **given))["RESIZE_NEAREST_NEIGHBOR"] == 1
    assert written(_resize((4, 6), 2, mode="nearest"))["RESIZE_NEAREST_NEIGHBOR"] == 1


def test_to_sizes() -> None:
    s = Sketch()
    x = s.input("x", 1, 3, 4, 6)
    s.op("Resize", x, "", "", s.ints(1, 3, 7, 9), output="y", mode="linear")
    written(s.model("y"))


def test_other_modes_are_refused() -> None:
    with pytest.raises(TFLiteError, match=r"'Resize_y' \(Resize\).*'cubic'"):
        to_tflite(_resize((4, 6), 2, mode="cubic"))


def test_fractions_of_pixels_are_refused() -> None:
    model = _resize((5, 5), 1.3, mode="linear", coordinate_transformation_mode="asymmetric")
    with pytest.raises(TFLiteError, match="'asymmetric' from"):
        to_tflite(model)


def test_other_axes_are_refused() -> None:
    s = Sketch()
    s.op("Resize", s.input("x", 1, 3, 4, 6), "", s.keep([1, 2, 2, 2]), output="y", mode="nearest")
    with pytest.raises(TFLiteError, match="other than rows and columns"):
        to_tflite(s.model("y"))


def test_filtered_shrinking_is_refused() -> None:
    s = Sketch(opset=18)
    x = s.input("x", 1, 3, 8, 8)
    s.op("Resize", x, "", s.keep([1, 1, 0.5, 0.5]), output="y", mode="linear", antialias=1)
    with pytest.raises(TFLiteError, match="antialias"):
        to_tflite(s.model("y"))
