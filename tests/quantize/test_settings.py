"""What may be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.errors import UsageError
from quantize.settings import MADE_AS, PRECISIONS, Settings, silent
from quantize.targets import FORMATS


def settings(**values: Any) -> Settings:
    return Settings(model=Path("m.onnx"), output=Path("out"), **values)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("form", FORMATS)
def test_what_goes_together(precision: Any, form: Any) -> None:
    asked = settings(precision=precision, form=form)
    if precision in MADE_AS.get(form, PRECISIONS):
        asked.check()
        return
    with pytest.raises(UsageError, match=f"{form} files are made as fp32, fp16"):
        asked.check()


@pytest.mark.parametrize("form", FORMATS)
def test_8_bits_come_while_writing_where_a_converter_makes_them(form: Any) -> None:
    assert settings(precision="w8", form=form).coarse == (form in MADE_AS)
    assert not settings(precision="fp32", form=form).coarse


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"form": "ort", "ort_style": "late"},
            "no style of .ort files 'late'; known: fixed",
        ),
        ({"ort_style": "fixed"}, "--ort-style is of .ort files: leave it out with onnx"),
        ({"precision": "int4"}, "no precision 'int4'; known: fp32, fp16, int8, w8"),
        ({"form": "gguf"}, "no format 'gguf'; known: onnx, ort, tflite"),
        ({"precision": "fp16", "recipe": "x86_cpu"}, "a recipe says how int8 is made"),
        ({"count": 0}, "--count must be"),
        ({"count": 10**9}, "--count must be"),
        ({"threads": 0}, "--threads must be"),
    ],
)
def test_what_makes_no_sense(values: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        settings(**values).check()


def test_what_is_read_is_named() -> None:
    one = settings(card="c.toml", bake=Path("a.identity"))
    assert one.inputs() == (Path("m.onnx"), Path("c.toml"), Path("a.identity"))
    assert settings().inputs() == (Path("m.onnx"),)
    silent("anything", 1, 2)
