"""The report as one page of HTML: no network, no script, and every text escaped.

Names of files and of layers, cards and messages of engines are untrusted text.
"""

from __future__ import annotations

import re

import edge
from edge.cli import one_line
from edge.harmless import html_text
from quantize.comparison import Comparison, Row, WorstPicture, decibels
from quantize.metrics import MOST_PSNR
from quantize.report_pictures import data_uri
from quantize.report_plots import Point, layer_bars, scatter
from quantize.report_style import STYLE
from quantize.report_text import (
    NOTHING,
    columns,
    machine_lines,
    made_for,
    measured_with,
    nodes,
    remarks,
    shown_name,
)

GENERATOR = '<meta name="generator" content="edge-swap comparison">'
"""Stands in every report: a file that holds it may be replaced by a new report."""

_FLOAT = "F"  # the float model's badge
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def as_html(comparison: Comparison) -> str:
    """Return the comparison as a page that stands by itself.

    Args:
        comparison: what was measured; its pictures carry the visible label.
    """
    title = f"{shown_name(comparison.reference)} and what was made of it"
    parts = [
        _head(title, comparison),
        _figures(comparison),
        _plots(comparison),
        _pictures(comparison),
        _sensitivity(comparison),
        _files(comparison),
        _machine(comparison),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n{GENERATOR}\n'
        f"<title>{html_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + f'\n<footer class="quiet">edge-swap {html_text(edge.__version__)}. Figures are of this '
        "machine and of no other; a busy machine shows in the latencies.</footer>\n"
        "</main>\n</body>\n</html>\n"
    )


def _head(title: str, comparison: Comparison) -> str:
    found = "".join(f"<li>{html_text(each)}</li>" for each in comparison.findings())
    about = f"{len(comparison.candidates)} models, {comparison.count} samples: {comparison.samples}"
    return (
        f'<header><h1>{html_text(title)}</h1><p class="quiet">{html_text(about)}</p>'
        f'<ul class="findings">{found}</ul></header>'
    )


def _badge(comparison: Comparison, row: Row) -> str:
    number = _number(comparison, row)
    kind = "" if number != _FLOAT else " float"
    return f'<span class="badge-inline{kind}">{number}</span>'


def _number(comparison: Comparison, row: Row) -> str:
    place = next(index for index, each in enumerate(comparison.rows) if each is row)
    return str(place) if place else _FLOAT


def _named(comparison: Comparison, row: Row) -> str:
    return f'<span class="model">{_badge(comparison, row)}<span>{_broken(row)}</span></span>'


def _broken(row: Row) -> str:
    """Return a row's name that may break after dots and strokes, which file names never do."""
    return re.sub(r"([._/-])", r"\1<wbr>", html_text(shown_name(row)))


def _figures(comparison: Comparison) -> str:
    chosen = columns(comparison)
    head = "".join(
        f'<th scope="col" title="{html_text(column.about)}">{html_text(column.title)}</th>'
        for column in chosen
    )
    body = []
    for row in comparison.rows:
        kind = ' class="reference"' if row is comparison.reference else ""
        cells = [f"<td>{_named(comparison, row)}</td>"]
        if row.trouble:
            text = html_text(remarks(row))
            cells.append(f'<td class="trouble" colspan="{len(chosen)}">{text}</td>')
        else:
            cells += [_cell(column.title, column.cell(row)) for column in chosen]
        body.append(f"<tr{kind}>{''.join(cells)}</tr>")
    about = ". ".join(f"<b>{html_text(c.title)}</b>: {html_text(c.about)}" for c in chosen)
    return (
        f'<h2>Side by side</h2><table><thead><tr><th scope="col">Model</th>{head}</tr></thead>'
        f'<tbody>{"".join(body)}</tbody></table><p class="quiet">{about}.</p>'
    )


def _cell(title: str, text: str) -> str:
    kind = ' class="empty"' if text == NOTHING else ""
    return f'<td{kind} data-label="{html_text(title)}">{html_text(text)}</td>'


def _plots(comparison: Comparison) -> str:
    judged = [row for row in comparison.measured if row.scores is not None]
    if not judged:
        return ""
    sizes = [_point(comparison, row, row.size / 1e6) for row in judged]
    figures = [_figure("Size and quality", sizes, "size, MB", comparison.reference.size / 1e6)]
    timed = [_point(comparison, row, row.timing.p50) for row in judged if row.timing is not None]
    if timed:
        first = comparison.reference.timing
        known = first.p50 if first is not None else None
        figures.append(_figure("Latency and quality", timed, "p50 latency, ms", known))
    key = "".join(f"<li>{_named(comparison, row)}</li>" for row in judged)
    return (
        '<section class="keep"><h2>Size, latency, quality</h2>'
        '<p class="quiet">Up and to the left is better. '
        "Quality is the PSNR of the worst sample against the float model, which the dashed lines "
        "stand for.</p>"
        f'<div class="plots">{"".join(figures)}</div><ul class="key">{key}</ul></section>'
    )


def _point(comparison: Comparison, row: Row, x: float) -> Point:
    assert row.scores is not None
    return Point(_number(comparison, row), shown_name(row), x, row.scores.psnr_worst)


def _figure(caption: str, points: list[Point], x_title: str, float_x: float | None) -> str:
    drawn = scatter(points, x_title=x_title, float_x=float_x)
    return f"<figure><figcaption>{html_text(caption)}</figcaption>{drawn}</figure>"


def _pictures(comparison: Comparison) -> str:
    judged = [(row, row.worst) for row in comparison.measured if row.worst is not None]
    shown = [(row, worst) for row, worst in judged if worst.psnr < MOST_PSNR]
    equal = ", ".join(shown_name(row) for row, worst in judged if worst.psnr >= MOST_PSNR)
    same = f'<p class="quiet">Equal to the float model: {html_text(equal)}.</p>' if equal else ""
    if not shown:
        return ""
    blocks = [
        f'<section class="keep"><h3>{_named(comparison, row)}</h3>{_worst(worst)}</section>'
        for row, worst in shown
    ]
    return (
        '<h2>Worst pictures</h2><p class="quiet">The sample on which each model is furthest from '
        "the float model. Every picture is machine-made, enlarged, and labelled.</p>"
        + same
        + "".join(blocks)
    )


def _worst(worst: WorstPicture) -> str:
    figures = []
    for picture, caption in ((worst.reference, "float"), (worst.picture, "this model")):
        if picture is not None:
            figures.append(
                f'<figure><img src="{data_uri(picture)}" alt="{caption}" '
                f'width="{picture.shape[1]}" height="{picture.shape[0]}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
    heat = worst.heat
    figures.append(
        f'<figure class="heat"><img src="{data_uri(heat)}" alt="difference" '
        f'width="{heat.shape[1]}" height="{heat.shape[0]}"><figcaption>difference'
        f'<span class="scale"></span><span class="ends"><span>0</span>'
        f"<span>{worst.scale:.3f}</span></span></figcaption></figure>"
    )
    about = f"{one_line(worst.sample)}: {decibels(worst.psnr)} dB"
    return f'<p class="quiet">{html_text(about)}</p><div class="worst">{"".join(figures)}</div>'


def _sensitivity(comparison: Comparison) -> str:
    known = [row for row in comparison.candidates if row.layers]
    if not known:
        return ""
    blocks = [f"<h3>{_named(comparison, row)}</h3>{layer_bars(row.layers)}" for row in known]
    return (
        '<h2>Sensitivity of the layers</h2><p class="quiet">The PSNR of the worst picture when '
        "only this layer is quantized: the shorter the bar, the more it harms. Green layers "
        "were left in float.</p>" + "".join(blocks)
    )


def _files(comparison: Comparison) -> str:
    heads = ("Made for", "Quality measured with", "Nodes", "Remarks")
    body = []
    for row in comparison.rows:
        texts = (made_for(row), measured_with(row), nodes(row), remarks(row) or NOTHING)
        cells = "".join(_cell(head, text) for head, text in zip(heads, texts, strict=True))
        body.append(f"<tr><td>{_named(comparison, row)}</td>{cells}</tr>")
    head = "".join(f'<th scope="col">{each}</th>' for each in ("Model", *heads))
    return (
        f'<h2>How each was measured</h2><table class="files"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _machine(comparison: Comparison) -> str:
    rows = "".join(
        f"<dt>{html_text(topic)}</dt><dd>{html_text(text)}</dd>"
        for topic, text in machine_lines(comparison)
    )
    notes = "".join(
        f'<p class="quiet">{html_text(one_line(note))}</p>' for note in comparison.notes
    )
    return f"<h2>Machine and method</h2><dl>{rows}</dl>{notes}"
