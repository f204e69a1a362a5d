"""The plots: every mark inside the frame, none on another, and text escaped."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.comparison import LayerFigure
from quantize.report_plots import Point, layer_bars, nice_step, scatter

_POINTS = st.lists(
    st.tuples(st.floats(0.0001, 1e4), st.floats(0, 99)), min_size=1, max_size=9, unique=True
)


def _drawn(points: list[tuple[float, float]], float_x: float | None = 5.0) -> ElementTree.Element:
    named = [Point(str(n), f"m{n}", x, y) for n, (x, y) in enumerate(points, start=1)]
    return ElementTree.fromstring(scatter(named, x_title="size, MB", float_x=float_x))


def _badges(svg: ElementTree.Element) -> list[tuple[float, float]]:
    found = svg.findall(".//circle[@class='badge']")
    return [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in found]


@given(_POINTS)
def test_every_model_is_marked_inside_the_frame(points: list[tuple[float, float]]) -> None:
    svg = _drawn(points)
    width, height = (float(side) for side in svg.attrib["viewBox"].split()[2:])
    assert len(_badges(svg)) == len(points)
    assert all(0 <= x <= width and 0 <= y <= height for x, y in _badges(svg))


def test_marks_of_equal_models_stand_side_by_side() -> None:
    places = _badges(_drawn([(2.0, 50.0)] * 6))
    apart = [math.dist(a, b) for i, a in enumerate(places) for b in places[:i]]
    assert min(apart) > 19


def test_better_is_higher_and_smaller_is_further_left() -> None:
    (x1, y1), (x2, y2) = _badges(_drawn([(1.0, 80.0), (4.0, 40.0)]))
    assert x1 < x2
    assert y1 < y2


def test_the_float_model_is_a_line_where_it_is_known() -> None:
    assert len(_drawn([(1, 50)]).findall(".//line[@class='float']")) == 1
    assert not _drawn([(1, 50)], None).findall(".//line[@class='float']")


@pytest.mark.parametrize(
    ("span", "step"), [(5, 1), (10, 2), (12, 2.5), (20, 5), (0.05, 0.01), (70, 20)]
)
def test_ticks_are_round(span: float, step: float) -> None:
    assert nice_step(span) == pytest.approx(step)


@given(st.floats(1e-6, 1e9))
def test_there_are_a_handful_of_ticks(span: float) -> None:
    assert 2 <= span / nice_step(span) <= 5.1


def _layer(name: str, psnr: float, left_float: bool = False) -> LayerFigure:
    return LayerFigure(name, "Conv", psnr, left_float)


def test_the_most_sensitive_layer_comes_first_and_has_the_shortest_bar() -> None:
    drawn = layer_bars([_layer("good", 80), _layer("bad", 40, True), _layer("fair", 60)])
    names = re.findall(r"<b>(\w+)</b>", drawn)
    widths = [float(width) for width in re.findall(r'class="bar" width="([\d.]+)"', drawn)]
    assert names == ["bad", "fair", "good"]
    assert widths == [50.0, 75.0, 100.0]
    assert drawn.count("left float") == 1


def test_many_layers_are_counted_and_not_drawn() -> None:
    drawn = layer_bars([_layer(f"l{n}", n) for n in range(40)])
    assert drawn.count("<li") == 32
    assert "and 8 more" in drawn


def test_names_are_escaped() -> None:
    evil = '<script>"&'
    assert "<script" not in layer_bars([_layer(evil, 50)])
    point = Point("1", evil, 1.0, 50.0)
    ElementTree.fromstring(scatter([point], x_title=evil, float_x=None))
    assert "<script" not in scatter([point], x_title=evil, float_x=None)
