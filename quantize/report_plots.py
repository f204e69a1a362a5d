"""The report's plots, drawn as SVG: size, latency and quality; and how sensitive each layer is.

They are part of the page: its colours are the page's (CSS variables), so they are dark in the dark
and black on white in print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.harmless import html_text
from quantize.comparison import LayerFigure, decibels
from quantize.metrics import MOST_PSNR

_WIDTH, _HEIGHT = 360, 280  # units: those of a phone's screen, so that text is no smaller there
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 14, 30, 44
_BADGE = 9.5  # radius
_AIR = 21.0  # least distance of two badges' centres
_TICKS = 5
_MOST_LAYERS = 32

# Where a badge goes when its own place is taken: around it, nearest first.
_AROUND = tuple(
    (round(distance * math.cos(turn)), round(distance * math.sin(turn)))
    for distance in (0, 30, 44, 60, 76)
    for turn in [math.pi * step / 4 for step in (6, 2, 7, 5, 0, 4, 1, 3)]
)


@dataclass(frozen=True, slots=True)
class Point:
    """One model in a plot.

    Attributes:
        badge: what marks it in all plots and tables: its number.
        name: for those who hover over it, and for screen readers.
        x: its figure along the horizontal axis.
        y: its worst PSNR, dB.
    """

    badge: str
    name: str
    x: float
    y: float


def nice_step(span: float) -> float:
    """Return a round distance between ticks: 1, 2, 2.5 or 5 times a power of ten."""
    raw = max(span, 1e-9) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


def _ticks(low: float, high: float) -> list[float]:
    step = nice_step(high - low)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{value:.10g}"


def _at(value: float) -> str:
    return f"{value:.1f}"


@dataclass(frozen=True, slots=True)
class _Axes:
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / self.x_high

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def scatter(points: Sequence[Point], *, x_title: str, float_x: float | None) -> str:
    """Draw models by some cost (left is better) and their worst PSNR (up is better).

    Args:
        points: the models; at least one.
        x_title: what the cost is, and its unit.
        float_x: the float model's cost, drawn as a line; its pictures equal themselves.
    """
    lows, highs = min(point.y for point in points), max(point.y for point in points)
    step = 10.0
    low = math.floor((lows - 4) / step) * step
    high = min(math.ceil((highs + 4) / step) * step, math.ceil(MOST_PSNR / step) * step)
    most = max([point.x for point in points] + ([float_x] if float_x else []))
    axes = _Axes(most * 1.1 or 1.0, max(low, 0.0), max(high, low + step))
    parts = [*_grid(axes, x_title), *_float_line(axes, float_x), *_badges(axes, points)]
    label = html_text(f"Worst PSNR by {x_title}: " + "; ".join(_spoken(point) for point in points))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
    )


def _spoken(point: Point) -> str:
    return f"{point.badge} {point.name}: {_number(round(point.x, 2))}, {decibels(point.y)} dB"


def _grid(axes: _Axes, x_title: str) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for value in _ticks(axes.y_low, axes.y_high):
        at = _at(axes.y(value))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick end" x="{_LEFT - 6}" y="{at}">{_number(value)}</text>')
    for value in _ticks(0.0, axes.x_high):
        at = _at(axes.x(value))
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick mid" x="{at}" y="{bottom + 14}">{_number(value)}</text>')
    middle = (_LEFT + right) / 2
    parts.append(
        f'<text class="axis mid" x="{middle}" y="{_HEIGHT - 8}">{html_text(x_title)}</text>'
        f'<text class="axis" x="4" y="12">dB, worst picture</text>'
    )
    return parts


def _float_line(axes: _Axes, value: float | None) -> list[str]:
    if not value:
        return []
    at = axes.x(value)
    return [
        f'<line class="float" x1="{_at(at)}" x2="{_at(at)}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
    ]


def _badges(axes: _Axes, points: Sequence[Point]) -> list[str]:
    """Draw the numbered marks; one that would cover another moves aside, with a line to its dot."""
    taken: list[tuple[float, float]] = []
    lines, marks = [], []
    for point in points:
        x, y = axes.x(point.x), axes.y(point.y)
        at = _free_place(x, y, taken)
        taken.append(at)
        if at != (x, y):
            lines.append(
                f'<line class="lead" x1="{_at(x)}" y1="{_at(y)}" x2="{_at(at[0])}" '
                f'y2="{_at(at[1])}"/><circle class="dot" cx="{_at(x)}" cy="{_at(y)}" r="2.5"/>'
            )
        marks.append(
            f'<g><title>{html_text(_spoken(point))}</title><circle class="badge" cx="{_at(at[0])}" '
            f'cy="{_at(at[1])}" r="{_BADGE}"/><text class="number mid" x="{_at(at[0])}" '
            f'y="{_at(at[1])}">{html_text(point.badge)}</text></g>'
        )
    return [*lines, *marks]


def _free_place(x: float, y: float, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    def inside(place: tuple[float, float]) -> bool:
        across = _LEFT + _BADGE <= place[0] <= _WIDTH - _BADGE
        return across and _BADGE <= place[1] <= _HEIGHT - _BOTTOM - _BADGE

    def clear(place: tuple[float, float]) -> bool:
        return all(math.dist(place, other) >= _AIR for other in taken)

    places = [(x + across, y + down) for across, down in _AROUND]
    return next(
        (each for each in places if clear(each) and (inside(each) or each == (x, y))), (x, y)
    )


def layer_bars(layers: Sequence[LayerFigure]) -> str:
    """Draw how sensitive each layer is, the most sensitive first; a short bar harms most.

    Args:
        layers: as the JSON beside a model says, in any order.
    """
    order = sorted(layers, key=lambda layer: layer.psnr)
    shown = order[:_MOST_LAYERS]
    most = max(max(layer.psnr for layer in shown), 1.0)
    rows = [_bar(layer, most) for layer in shown]
    hidden = len(order) - len(shown)
    more = f'<p class="quiet">and {hidden} more, less sensitive than these</p>' if hidden else ""
    return f'<ol class="layers">{"".join(rows)}</ol>{more}'


def _bar(layer: LayerFigure, most: float) -> str:
    share = min(100.0, max(1.0, 100 * layer.psnr / most))
    kind = ' class="kept"' if layer.left_float else ""
    mark = " · left float" if layer.left_float else ""
    about = html_text(f"{layer.operator}{mark}" if layer.operator else mark.removeprefix(" · "))
    return (
        f'<li{kind}><span class="layer"><b>{html_text(layer.name)}</b> <i>{about}</i></span>'
        f'<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="8"/>'
        f'<rect class="bar" width="{share:.1f}" height="8"/></svg>'
        f"<span>{layer.psnr:.1f} dB</span></li>"
    )
