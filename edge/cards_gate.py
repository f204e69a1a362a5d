"""The tables of a card about gates, about where a file is pulled from, and about its graph."""

from __future__ import annotations

import re

from edge.addresses import web_address
from edge.contracts import GateSpec, GraphSpec
from edge.tables import Table

ACTIVATIONS = ("none", "softmax", "sigmoid")
GATE_FITS = ("stretch", "pad")

_MOST_CLASSES = 4096
_WEIGHTS = re.compile(r"[1-9]\d{0,5} \* [1-9]\d{0,8}(x[1-9]\d{0,8}){0,7}")


def read_gate(table: Table) -> GateSpec:
    """Read [output] of a gate."""
    spec = GateSpec(
        name=table.text("name"),
        index=table.wholes("index", low=0),
        threshold=table.share("threshold"),
        label=table.text("label"),
        activation=table.choice("activation", ACTIVATIONS, default="none"),
        fit=table.choice("fit", GATE_FITS, default="stretch"),
    )
    table.end()
    if spec.threshold == 0:
        raise table.error("'threshold' must be above 0: at 0 every picture is refused")
    if max(spec.index) >= _MOST_CLASSES or len({*spec.index}) != len(spec.index):
        raise table.error(f"'index' must hold different places below {_MOST_CLASSES}")
    return spec


def read_graph(table: Table) -> GraphSpec:
    """Read [graph]."""
    spec = GraphSpec(
        parameters=table.whole("parameters", low=0, default=0),
        operators=table.texts("operators", default=()),
        weights=table.texts("weights", default=()),
    )
    table.end()
    for text in spec.weights:
        if not _WEIGHTS.fullmatch(text):
            raise table.error(f"'weights' are written as '12 * 1024x1024x3x3', not '{text}'")
    return spec


def read_url(top: Table, sha256: str) -> str:
    """Read where a model is pulled from.

    Raises:
        CardError: No https address, or there is no hash by which the file could be checked.
    """
    url = top.text("url", default="")
    if not url:
        return ""
    parts = web_address(url)
    sound = parts is not None and parts.scheme == "https" and parts.username is None
    if not sound or any(char.isspace() or not char.isprintable() for char in url):
        raise top.error(f"'url' must be an https address, not {url!r}")
    if not sha256:
        raise top.error("'url' needs 'sha256' and 'size': what cannot be checked is not pulled")
    return url
