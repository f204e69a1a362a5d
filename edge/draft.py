"""Draft a card for a model that no card means: what its graph tells, and blanks for the rest.

A draft is no card until somebody has filled in its blanks: it lies beside the cards under a name
that no reader takes, and an empty value is refused by the reader of cards.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Collection, Sequence
from pathlib import Path

from edge import resources
from edge.backends._onnx_contents import unread_matrices
from edge.backends._onnx_outline import Outline, Port
from edge.cards import Card, all_cards, broken_cards
from edge.emap import is_emap
from edge.errors import ModelError
from edge.follow import NOTES, card_after

_NAME = re.compile(r"[^a-z0-9_.-]+")
_SUFFIX = ".toml.draft"
_MOST_PARTS = 64
_BLANK = "# fill in"
_DRAFTED = "# Drafted from the graph; fill in what is marked so, and check the rest.\n"
_MOST_NUMBERS = 4096  # of an embedding, as cards have it
_VECTOR = 64  # numbers from which a row of them is an embedding and not a row of scores


def write_draft(
    outline: Outline, source: Path, digest: str, size: int, *, like: Card | None
) -> Path:
    """Write a drafted card beside the user's own cards.

    Args:
        outline: Of the model's graph.
        source: The model's file.
        digest: Its SHA-256, hex.
        size: Bytes of it.
        like: The card of a model of the same topology, which the draft then follows.

    Returns:
        The file, `NAME.toml.draft`.

    Raises:
        ModelError: It cannot be written.
    """
    folder = resources.data_dir() / "cards"
    name = _free_name(source, digest, folder)
    head = head_of(name, _file_name(source, name), digest, size, outline.precision)
    blank = f"{_DRAFTED}{head}{_blank_body(outline, source)}{_notes(outline)}"
    text = blank
    if like is not None:
        text = f"{_DRAFTED}{head}{card_after(like, outline, source)}{_notes(outline)}"
    path = folder / f"{name}{_SUFFIX}"
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != blank:
        return path  # of this very file, and perhaps half filled in
    write_whole(path, text)
    return path


def write_card(outline: Outline, source: Path, digest: str, size: int, *, like: Card) -> Path:
    """Write a whole card of the user's, after that of the model that a file was made from.

    Args:
        outline: Of the model's graph.
        source: The model's file.
        digest: Its SHA-256, hex.
        size: Bytes of it.
        like: The card that it follows.

    Returns:
        The card's file.

    Raises:
        ModelError: It cannot be written.
        CardError: The card that it follows has gone.
    """
    folder = resources.data_dir() / "cards"
    name = _free_name(source, digest, folder)
    head = head_of(name, _file_name(source, name), digest, size, outline.precision)
    path = folder / f"{name}.toml"
    write_whole(path, f"{head}{card_after(like, outline, source)}{_notes(outline)}")
    (folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a card whole or not at all: a part of one would be a broken card of the user's.

    Args:
        path: The card; its folder is made.
        text: What is in it.

    Raises:
        ModelError: It cannot be written.
    """
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _free_name(source: Path, digest: str, folder: Path) -> str:
    """Return a name that no card has, and no draft for another file."""
    taken = {*all_cards(), *(bad.name for bad in broken_cards())}
    for draft in folder.glob(f"*{_SUFFIX}"):
        if digest not in draft.read_text(encoding="utf-8", errors="replace"):
            taken.add(draft.name.removesuffix(_SUFFIX))
    return name_beside(taken, source)


def name_beside(taken: Collection[str], source: Path, suffix: str = "") -> str:
    """Return a card's name after a file's, with a number where that one is taken.

    Args:
        taken: Names that it must not be.
        source: The file.
        suffix: What the name ends in.
    """
    stem = _NAME.sub("_", source.stem.lower()).strip("_.-")[:60] or "model"
    numbered = (f"{stem}_{number}{suffix}" for number in range(2, len(taken) + 3))
    return next(name for name in (f"{stem}{suffix}", *numbered) if name not in taken)


def _file_name(source: Path, name: str) -> str:
    """Return the name that the file gets among the models: no other card's, and an ONNX file's."""
    taken = {card.file for card in all_cards().values()}
    given = source.name if source.suffix == ".onnx" and source.name.isprintable() else ""
    return f"{name}.onnx" if not given or given in taken else given


def head_of(name: str, file: str, digest: str, size: int, precision: str) -> str:
    """Return the lines of a card that are its file's own."""
    return (
        f"name = {_quoted(name)}\n"
        f"file = {_quoted(file)}\n"
        f'sha256 = "{digest}"\n'
        f"size = {size}\n"
        f"precision = {_quoted(precision)}\n"
    )


def _quoted(text: str) -> str:
    """Return a TOML basic string; names in a model are untrusted text."""
    return json.dumps("".join(c if c.isprintable() else "?" for c in text), ensure_ascii=False)


def _terms(kind: str) -> str:
    blank = "" if kind else f"  {_BLANK}: detector, landmarker, recogniser, ..."
    return f"""kind = "{kind}"{blank}
title = ""  {_BLANK}: one line for people

[licence]
name = ""  {_BLANK}: of the weights, not of the code
commercial = ""  {_BLANK}: yes, no or unknown
training_data = ""  {_BLANK}, or "unknown"
"""


def _blank_body(outline: Outline, source: Path) -> str:
    """Return the rest for a model of unknown family, as far as its inputs and outputs tell."""
    pictures = [port for port in outline.inputs if _sides(port) is not None]
    rows = [port for port in outline.inputs if _row(port)]
    kind = _kind(outline, pictures, rows)
    text = _terms(kind) + _PARTS[kind](outline, pictures, rows)
    if kind == "swapper" and rows and _holds_emap(source, _row(rows[0])):
        text = text.replace('kind = "embedding"\n', 'kind = "embedding"\nemap = "model"\n', 1)
    return text


def _holds_emap(source: Path, side: int) -> bool:
    found = unread_matrices(source, side) if 0 < side <= _MOST_NUMBERS else []
    return sum(is_emap(matrix.values) for matrix in found) == 1


def _sides(port: Port) -> tuple[str, int, int] | None:
    """Return layout, height and width of a picture, or None."""
    shape = port.shape or ()
    if len(shape) != 4:
        return None
    if shape[1] == 3:
        return "NCHW", shape[2], shape[3]
    return ("NHWC", shape[1], shape[2]) if shape[3] == 3 else None


def _row(port: Port) -> int:
    shape = port.shape or ()
    return shape[1] if len(shape) == 2 and shape[0] in (0, 1) else 0


def _kind(outline: Outline, pictures: Sequence[Port], rows: Sequence[Port]) -> str:
    first = outline.outputs[0] if outline.outputs else Port("", "?", ())
    others = len(outline.inputs) - len(pictures) - len(rows)
    if others or not first.name:
        return ""
    if _sides(first) is not None and pictures:
        return "swapper"
    if not pictures:
        return "converter" if len(rows) == 1 and _row(first) == _row(rows[0]) else ""
    if rows or len(pictures) > 1:
        return ""
    if _row(first) >= _VECTOR:
        return "recogniser"
    if _row(first) > 1 and len(outline.outputs) == 1:
        return "gate"
    return "masker" if len(first.shape or ()) == 4 else ""


def _input(port: Port, table: str) -> str:
    layout, height, width = _sides(port) or ("NCHW", 0, 0)
    kept = "" if layout == "NCHW" else 'layout = "NHWC"\n'
    return f"""
[{table}]
name = {_quoted(port.name)}
shape = [1, 3, {height}, {width}]
{kept}channels = ""  {_BLANK}: RGB or BGR
# {_BLANK.removeprefix("# ")}: value = (uint8 * scale - mean) / std
scale = 0.0
mean = [0.0, 0.0, 0.0]
std = [0.0, 0.0, 0.0]
"""


def _crop(port: Port, table: str = "crop") -> str:
    _, height, _ = _sides(port) or ("", 0, 0)
    which = f"{_BLANK}: arcface_112_v2, ffhq_512, ... or five points"
    return f'\n[{table}]\ntemplate = ""  {which}\nsize = {height}\n'


def _swapper(outline: Outline, pictures: Sequence[Port], rows: Sequence[Port]) -> str:
    picture = outline.outputs[0]
    masks = [port for port in outline.outputs[1:] if len(port.shape or ()) == 4]
    mask = f"mask = {_quoted(masks[0].name)}\n" if masks else ""
    text = _input(pictures[0], "input")
    text += f"\n[output]\nname = {_quoted(picture.name)}\nrange = []  {_BLANK}: [black, white]\n"
    text += f'channels = ""  {_BLANK}: RGB or BGR\n{mask}'
    if rows:
        text += f"""
[source]
kind = "embedding"
name = {_quoted(rows[0].name)}
length = {_row(rows[0])}
recogniser = ""  {_BLANK}: card of the recogniser whose embeddings it takes
normalise = true
"""
    elif len(pictures) > 1:
        text += '\n[source]\nkind = "picture"\n' + _input(pictures[1], "source.input")
        text += _crop(pictures[1], "source.crop")
    else:
        text += '\n[source]\nkind = "baked"\n'
    return text + _crop(pictures[0])


def _recogniser(outline: Outline, pictures: Sequence[Port], rows: Sequence[Port]) -> str:
    row = outline.outputs[0]
    text = _input(pictures[0], "input")
    text += f"\n[output]\nname = {_quoted(row.name)}\nlength = {_row(row)}\nnormalised = false\n"
    return text + _crop(pictures[0])


def _converter(outline: Outline, pictures: Sequence[Port], rows: Sequence[Port]) -> str:
    return f"""
[converter]
input = {_quoted(rows[0].name)}
output = {_quoted(outline.outputs[0].name)}
length = {_row(rows[0])}
recogniser = ""  {_BLANK}: card of the recogniser whose embeddings it takes
"""


def _gate(outline: Outline, pictures: Sequence[Port], rows: Sequence[Port]) -> str:
    row = outline.outputs[0]
    return (
        _input(pictures[0], "input")
        + f"""
[output]
name = {_quoted(row.name)}
index = []  {_BLANK}: which of the {_row(row)} classes are refused, from 0
threshold = 0.0  {_BLANK}: refused from this score on
label = ""  {_BLANK}: what it finds
activation = ""  {_BLANK}: none, softmax or sigmoid
"""
    )


def _masker(outline: Outline, pictures: Sequence[Port], rows: Sequence[Port]) -> str:
    return (
        _input(pictures[0], "input")
        + f"""
[output]
name = {_quoted(outline.outputs[0].name)}
{_BLANK}: classes and face, where it gives one map for each class
"""
    )


def _nothing(outline: Outline, pictures: Sequence[Port], rows: Sequence[Port]) -> str:
    text = _input(pictures[0], "input") if pictures else ""
    return text + f"\n{_BLANK}: the tables of its kind; the shipped cards are examples\n"


_PARTS = {
    "swapper": _swapper,
    "recogniser": _recogniser,
    "converter": _converter,
    "gate": _gate,
    "masker": _masker,
    "": _nothing,
}


def _notes(outline: Outline) -> str:
    """Return the graph as comments, for whoever fills in the blanks."""
    ports = [("input", port) for port in outline.inputs]
    ports += [("output", port) for port in outline.outputs]
    lines = [f"# {what}: {port.text}" for what, port in ports[:_MOST_PARTS]]
    lines.append(
        f"# opset {outline.opset}, {outline.parameters} weights, topology "
        f"{outline.fingerprint[:16]}"
    )
    counts = sorted(outline.operators.items(), key=lambda entry: -entry[1])[:_MOST_PARTS]
    lines.append("# " + ", ".join(f"{count} {name}" for name, count in counts))
    # Names in a model are untrusted: none may end a comment and begin a key.
    safe = ["".join(c if c.isprintable() else "?" for c in line) for line in lines]
    return f"\n{NOTES}\n" + "\n".join(safe) + "\n"
