"""The report as Markdown, and the table for a terminal."""

from __future__ import annotations

import re

from quantize.report_markdown import MARK, as_markdown, as_text
from tests.quantize.measured import comparison, row


def test_every_row_of_every_table_has_as_many_cells_as_its_head() -> None:
    bad = row("a|b`*<b>_\\.onnx", trouble="a | b\nc")
    text = as_markdown(comparison(row("a.onnx"), bad, notes=("Mind | this.",)))
    assert text.startswith(MARK)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1
    assert "<b>" not in text.removeprefix(MARK)
    assert "Mind \\| this." in text


def test_a_terminal_gets_a_table_that_lines_up() -> None:
    text = as_text(comparison(row("a.onnx"), row("longer\x1b[2J.onnx", trouble="it is broken")))
    table, _, rest = text.partition("\n\n")
    lines = table.splitlines()
    assert len(lines) == 4
    end = lines[0].index("Size") + len("Size")
    assert [line[:end].split()[-1] for line in lines[1:]] == ["MB"] * 3
    assert "\x1b" not in text
    assert "Quickest here: a.onnx, 1.62 times as fast as float." in rest
    assert "does not run: it is broken" in rest
