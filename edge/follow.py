"""The text of a card for a file that is another card's model: saved anew, or converted.

What a model takes and gives, and on what terms, stays. Its hash, size and precision are the file's
own, and so is where a converted file has its emap, or whose identity was baked into it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.backends._onnx_outline import Outline
from edge.cards import Card, all_cards, card_file
from edge.cards_swap import IN_MODEL
from edge.errors import CardError
from edge.loading import named
from edge.recognise import same_topology
from edge.registry import sha256_of

_OWN = re.compile(r"^\s*(name|file|sha256|size|precision|url)\s*=")
_EMAP = re.compile(r"^\s*emap\s*=")
_LAYOUT = re.compile(r"^\s*layout\s*=")
_TABLE = re.compile(r"^\s*\[([^\[\],]+)\]\s*(#.*)?$")  # never a line of a list of points
_CONVERSION = "edge-swap/conversion-"
_MOST_BYTES = 4 << 20

NOTES = "# The graph:"
"""First line of what a drafted card tells of the graph, in comments at its end."""

EMAP_SUFFIX = ".emap.npy"
"""What the toolchain adds to a converted file's name for the emap beside it."""


def card_after(like: Card, outline: Outline, source: Path) -> str:
    """Return the text of a card that follows another, without what belongs to its file alone.

    Args:
        like: The other card.
        outline: Of the file's graph.
        source: The file.

    Raises:
        CardError: The other card has gone, or is written so that none can follow it.
    """
    text = card_file(like.name).read_text(encoding="utf-8")
    tables = _tables(text.split(f"\n{NOTES}\n")[0])
    tables[""] = [line for line in tables[""] if not _OWN.match(line) and line[:1] != "#"]
    graph = like.graph
    if graph is not None and graph.parameters and not same_topology(graph, outline):
        tables.pop("graph", None)
    if like.source is not None:
        _settle_source(tables, like, outline, source)
    if source.suffix == ".tflite" and "input" in tables:
        # Turned by its engine, whichever way its pictures lie.
        tables["input"] = [line for line in tables["input"] if not _LAYOUT.match(line)]
    lines = "\n".join("\n".join(table).rstrip("\n") + "\n" for table in tables.values() if table)
    return f"# As card {like.name} has it:\n{lines}"


def _tables(text: str) -> dict[str, list[str]]:
    """Return the lines of each table, by its name; those before the first one by ''.

    A comment right above a table belongs to it.
    """
    found: dict[str, list[str]] = {"": []}
    last, above = found[""], []
    for line in text.splitlines():
        head = _TABLE.match(line)
        if line.startswith("#"):
            above.append(line)
            continue
        if head:
            last = found.setdefault(head[1].strip(), [])
        last += [*above, line]
        above = []
    return found


def _settle_source(
    tables: dict[str, list[str]], like: Card, outline: Outline, source: Path
) -> None:
    if like.source is None:
        return
    names = [port.name for port in outline.inputs]
    if like.source.kind != "baked" and len(names) == 1:
        # The identity went into its weights, and its metadata say whose it is.
        for key in [each for each in tables if each.split(".")[0] == "source"]:
            del tables[key]
        tables["source"] = ["[source]", 'kind = "baked"', ""]
        return
    side = source.with_name(source.name + EMAP_SUFFIX)
    if like.source.emap == IN_MODEL and side.is_file():
        own = [f"emap = {json.dumps(side.name)}", f'emap_sha256 = "{sha256_of(side)}"']
        lines = tables.get("source", [])
        place = next((n for n, line in enumerate(lines) if _EMAP.match(line)), None)
        if place is None:
            raise CardError(
                f"card {like.name}: no card can be written after it: give 'emap' a line of its own "
                "under [source]"
            )
        lines[place : place + 1] = own


def record_of(source: Path, digest: str) -> Mapping[str, Any] | None:
    """Return what `edge quantize` noted beside a file that it made; None where it did not.

    The record has the file's name and `.json`, and counts only where it is of this very file.

    Args:
        source: The file.
        digest: Its SHA-256, hex.
    """
    path = source.with_name(source.name + ".json")
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or values.get("sha256") != digest:
        return None
    if not str(values.get("schema", "")).startswith(_CONVERSION):
        return None
    return values


def converted_from(source: Path, digest: str) -> Card | None:
    """Return the card that a file was converted by, as the record beside it says.

    Args:
        source: The file.
        digest: Its SHA-256, hex.
    """
    record = record_of(source, digest)
    return None if record is None else all_cards().get(str(record.get("card")))


def fits_after(like: Card, outline: Outline) -> bool:
    """Return whether a graph has the picture's input and the outputs of a card's model."""
    picture = like.picture
    if picture is None:
        return False
    inputs = [port.name for port in outline.inputs]
    outputs = [port.name for port in outline.outputs]
    wanted = [name for name in (picture.name, picture.mask) if name]
    return named(like, like.input.name, inputs) in inputs and all(
        named(like, name, outputs) in outputs for name in wanted
    )
