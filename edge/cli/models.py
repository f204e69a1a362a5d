"""`edge models`: which models there are, on what terms, and where their files lie and come from."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.cards import Card

EXIT_DIFFERS = 1
"""Status of `edge models verify` when a file is not the one that its card means."""

HELP = "list, show, add, pull, verify and remove models"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from edge.cli import add_action

    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    each = add_action(actions, "list", "list all models: terms, size, and where the file is")
    each.add_argument("--json", action="store_true", help="print JSON")
    show = add_action(actions, "show", "show one model's card")
    show.add_argument("name", metavar="NAME", help="a name that edge models list shows")
    show.add_argument("--json", action="store_true", help="print JSON")
    add = add_action(actions, "add", "recognise a model file and copy it to your own models")
    add.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="an .onnx file, or one of another format that edge quantize wrote, with its .json "
        "beside it; any other needs --card",
    )
    add.add_argument("--card", metavar="NAME", help="the card it is meant for")
    add.add_argument("--json", action="store_true", help="print JSON")
    add.add_argument(
        "--isolate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="first run it once in a child process with limits of memory and time (default)",
    )
    pull = add_action(actions, "pull", "download a model whose card states where it is")
    pull.add_argument("names", nargs="+", metavar="NAME", help="a name that edge models list shows")
    pull.add_argument("--json", action="store_true", help="print JSON, show no progress")
    verify = add_action(
        actions,
        "verify",
        "read model files anew and compare their hashes; exit status 1: one differs",
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: all that are here")
    verify.add_argument("--json", action="store_true", help="print JSON")
    remove = add_action(actions, "remove", "delete a model file from your own models")
    remove.add_argument("name", metavar="NAME", help="a name that edge models list shows")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return {
        "list": _list,
        "show": _show,
        "add": _add,
        "pull": _pull,
        "verify": _verify,
        "remove": _remove,
    }[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from edge.cards import all_cards, broken_cards
    from edge.cli import one_line

    cards = list(all_cards().values())
    broken = broken_cards()
    if arguments.json:
        models = [_summary(card) for card in cards]
        left_out = [{"path": str(bad.path), "reason": bad.reason} for bad in broken]
        sys.stdout.write(json.dumps({"models": models, "broken": left_out}, indent=2) + "\n")
        return 0
    head = ("name", "kind", "precision", "size", "licence", "commercial", "file")
    rows = [head, *(_row(card) for card in cards)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    for bad in broken:
        text = f"left out, mend or remove {bad.path}: {bad.reason}"
        sys.stderr.write(f"edge models: {one_line(text)}\n")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from edge.cards import card_file, find_card
    from edge.cli import one_line

    card = find_card(arguments.name)
    values = {key: value for key, value in asdict(card).items() if value not in (None, "")}
    if arguments.json:
        sys.stdout.write(json.dumps({**values, "path": _path(card)}, indent=2) + "\n")
        return 0
    for line in _lines(values, ""):
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"path: {_where(card)}\n")
    sys.stdout.write(f"card: {one_line(str(card_file(card.name)))}\n")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    from edge.adding import add_model

    if arguments.isolate and arguments.file.is_file():
        from edge.isolation.looking import try_model_isolated

        try_model_isolated(arguments.file)
    added = add_model(arguments.file, arguments.card)
    if arguments.json:
        values = {**_summary(added.card), "sha256": added.card.sha256, "recorded": added.recorded}
        values["after"] = added.after
        for key in ("evidence", "against", "unchecked"):
            values[key] = list(getattr(added, key))
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
        return 0
    _say_where(added.card, added.path)
    _say("recognised by", added.evidence if arguments.card is None else ())
    _say("card", (f"written after {added.after}",) if added.after else ())
    _say("as the card says", added.evidence if arguments.card is not None else ())
    _say("not as the card says", added.against)
    _say("not checked", added.unchecked)
    if added.recorded:
        _say("recorded", (f"SHA-256 {added.card.sha256}, {added.card.size} bytes",))
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    from edge.cards import find_card
    from edge.progress import bytes_bar
    from edge.pull import pull

    pulled = []
    for card in [find_card(name) for name in arguments.names]:
        with bytes_bar(card.name, arguments.json) as progress:
            path = pull(card, progress=progress)
        if arguments.json:
            pulled.append({**_summary(card), "sha256": card.sha256})
            continue
        _say_where(card, path)
        _say("SHA-256", (card.sha256,))
    if arguments.json:
        sys.stdout.write(json.dumps({"models": pulled}, indent=2) + "\n")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from edge.verifying import verify_models

    states = verify_models(arguments.names)
    if arguments.json:
        sys.stdout.write(json.dumps({"models": [asdict(each) for each in states]}, indent=2) + "\n")
    else:
        from edge.cli import one_line

        width = max((len(each.name) for each in states), default=0)
        for each in states:
            path = one_line(each.path)
            sys.stdout.write(f"{each.name:<{width}}  {each.state:<8}  {path}\n")
        if not states:
            sys.stdout.write("no model file is here\n")
    return EXIT_DIFFERS if any(not each.sound for each in states) else 0


def _remove(arguments: argparse.Namespace) -> int:
    from edge.cli import one_line
    from edge.verifying import remove_model

    removed = remove_model(arguments.name)
    for path in removed:
        sys.stdout.write(f"{arguments.name}: removed {one_line(str(path))}\n")
    if not removed:
        sys.stdout.write(f"{arguments.name}: its file was gone already; no record of it is left\n")
    return 0


def _say_where(card: Card, path: Path) -> None:
    from edge.cli import one_line

    licence = card.licence
    sys.stdout.write(f"{card.name}: {one_line(str(path))}\n")
    _say("licence", (f"{licence.name}; commercial use: {licence.commercial}",))


def _say(what: str, parts: Sequence[str]) -> None:
    from edge.cli import one_line

    if parts:
        sys.stdout.write(f"  {what}: {one_line(', '.join(parts))}\n")


def _path(card: Card) -> str | None:
    from edge.registry import find_file

    path = find_file(card)
    return None if path is None else str(path)


def _where(card: Card) -> str:
    from edge.cli import one_line

    path = _path(card)
    if path is None:
        from edge.registry import how_to_get

        return f"missing ({how_to_get(card)})"
    return one_line(path)


def _summary(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "kind": card.kind,
        "title": card.title,
        "precision": card.precision,
        "size": card.size,
        "licence": card.licence.name,
        "commercial": card.licence.commercial,
        "url": card.url,
        "path": _path(card),
    }


def _row(card: Card) -> tuple[str, ...]:
    licence = card.licence
    return (
        card.name,
        card.kind,
        card.precision,
        card.size_text,
        licence.name,
        licence.commercial,
        _where(card),
    )


def _lines(values: dict[str, Any], indent: str) -> list[str]:
    from edge.cli import one_line

    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:")
            lines += _lines(value, indent + "  ")
        else:
            lines.append(f"{indent}{key}: {one_line(str(value))}")
    return lines
