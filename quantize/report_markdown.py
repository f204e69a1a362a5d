"""The report as Markdown, and the table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from edge.cli import one_line
from quantize.comparison import Comparison
from quantize.report_text import (
    columns,
    machine_lines,
    made_for,
    measured_with,
    nodes,
    remarks,
    shown_name,
)

MARK = "<!-- edge-swap comparison -->"
"""First line of the Markdown: a file that begins with it may be replaced by a new report."""


def _escaped(text: str) -> str:
    """Return text as Markdown that says just this: names of files are untrusted."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for char in "\\`*_[]|!#":
        text = text.replace(char, f"\\{char}")
    return text


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> list[str]:
    rule = ["---" if index < left else "---:" for index in range(len(head))]
    return [
        "| " + " | ".join(cells) + " |"
        for cells in (head, rule, *([_escaped(cell) for cell in row] for row in rows))
    ]


def as_markdown(comparison: Comparison) -> str:
    """Return the comparison as a page of Markdown."""
    chosen = columns(comparison)
    figures = [
        [shown_name(row), *(column.cell(row) for column in chosen)] for row in comparison.rows
    ]
    files = [
        [shown_name(row), made_for(row), measured_with(row), nodes(row), remarks(row)]
        for row in comparison.rows
    ]
    lines = [
        MARK,
        f"# {_escaped(shown_name(comparison.reference))} and what was made of it",
        "",
        *(f"- {_escaped(finding)}" for finding in comparison.findings()),
        "",
        *_rows(["Model", *(column.title for column in chosen)], figures, 1),
        "",
        *_rows(["Model", "Made for", "Measured with", "Nodes", "Remarks"], files, 5),
        "",
        *(f"- **{topic}**: {_escaped(text)}" for topic, text in machine_lines(comparison)),
        *(f"- {_escaped(one_line(note))}" for note in comparison.notes),
        "",
        "What the columns are:",
        "",
        *(f"- {column.title}: {column.about}" for column in chosen),
    ]
    return "\n".join(lines) + "\n"


def as_text(comparison: Comparison) -> str:
    """Return the comparison as a plain table for a terminal, with what stands out below it."""
    chosen = columns(comparison)
    table = [["model", *(column.title for column in chosen)]]
    for row in comparison.rows:
        cells = [column.cell(row) for column in chosen]
        table.append([shown_name(row), *cells])
    widths = [max(len(line[index]) for line in table) for index in range(len(table[0]))]
    lines = []
    for cells in table:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        lines.append("  ".join(padded).rstrip())
    said = [f"{shown_name(row)}: {remarks(row)}" for row in comparison.rows if remarks(row)]
    notes = [one_line(note) for note in comparison.notes]
    return "\n".join([*lines, "", *comparison.findings(), *said, *notes]) + "\n"
