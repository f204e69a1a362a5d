"""The page: it needs nothing from anywhere, shows what it is given, and nothing breaks out."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from quantize.comparison import Comparison, LayerFigure, WorstPicture
from quantize.report_html import GENERATOR, as_html
from quantize.report_pictures import labelled, worst_picture
from tests.quantize.measured import comparison, row

EVIL = "\"><script>alert(1)</script>&'<img src=x onerror=y>"
_VOID = {"meta", "img", "br", "wbr", "link", "input"}


class _Reader(HTMLParser):
    """Checks that tags are closed in order, and gathers what may reach outside."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def _worst(show_swap: bool = True) -> WorstPicture:
    rng = np.random.default_rng(0)
    got, wanted = (rng.random((1, 3, 32, 32), np.float32) for _ in range(2))
    return worst_picture(got, wanted, sample=EVIL, psnr=41.0, show_swap=show_swap)


def full(text: str = EVIL) -> Comparison:
    layers = tuple(LayerFigure(f"{text}{n}", "Conv", 40.0 + n, n < 2) for n in range(5))
    return comparison(
        row(f"{text}.onnx", layers=layers, worst=_worst(), target=text, recipe=text),
        row("plain.tflite", worst=_worst(show_swap=False), notes=(text,)),
        row("broken.onnx", trouble=text, scores=None, timing=None, truth=None),
        notes=(text,),
    )


def test_no_text_breaks_out_of_its_place() -> None:
    reader = read(as_html(full()))
    assert reader.tags.isdisjoint({"script", "iframe", "object", "link", "base", "form"})
    assert not [each for each in reader.attributes if each[1].startswith("on")]
    assert "alert(1)" in reader.text


def test_the_page_needs_nothing_from_anywhere() -> None:
    page = as_html(full("model"))
    reader = read(page)
    for tag, name, value in reader.attributes:
        if name in {"src", "href", "xlink:href", "srcset", "action", "data"}:
            assert (tag, value[:22]) == ("img", "data:image/jpeg;base64")
    assert not re.search(r"https?://|@import|url\(", page)
    assert "default-src 'none'" in page
    assert GENERATOR in page


def test_two_pictures_and_a_heat_map_for_each_or_the_heat_map_alone() -> None:
    reader = read(as_html(full()))
    shown = [value for tag, name, value in reader.attributes if (tag, name) == ("img", "alt")]
    assert shown == ["float", "this model", "difference", "difference"]


def test_pictures_that_equal_the_float_models_are_named_and_not_shown() -> None:
    same = replace(_worst(), psnr=99.0)
    page = as_html(comparison(row("same.onnx", worst=same), row("other.onnx", worst=_worst())))
    assert "Equal to the float model: same.onnx." in page
    assert page.count("<figure><img") == 2


def test_every_model_is_in_every_table_and_the_broken_one_says_why() -> None:
    page = as_html(full("model"))
    assert page.count("broken.<wbr>onnx") >= 2
    assert 'class="trouble"' in page
    assert page.count('class="badge"') == 4  # two models in two plots
    assert "Sensitivity of the layers" in page


@pytest.mark.parametrize("candidate", [row("a.onnx", scores=None, truth=None, timing=None)])
def test_sections_without_anything_to_show_are_left_out(candidate: object) -> None:
    page = as_html(comparison(candidate))  # type: ignore[arg-type]
    for heading in ("Size, latency, quality", "Worst pictures", "Sensitivity"):
        assert f"<h2>{heading}" not in page
    read(page)


def test_pictures_of_the_page_are_those_with_the_label() -> None:
    # What goes into the page is what `labelled` gave; it is tested to carry the label.
    worst = _worst()
    plain = labelled(np.zeros((32, 32, 3), np.uint8))
    assert worst.heat.shape == plain.shape
    for picture in (worst.heat, worst.picture, worst.reference):
        assert picture is not None
        assert picture.shape == plain.shape
