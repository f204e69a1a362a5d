"""`edge models`: which models there are, on what terms, and where their files lie."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.cards import Card

HELP = "list, show and add models"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    each = actions.add_parser("list", help="list all models")
    each.add_argument("--json", action="store_true", help="print JSON")
    show = actions.add_parser("show", help="show one model's card")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--json", action="store_true", help="print JSON")
    add = actions.add_parser("add", help="copy a model file that a card means to your own models")
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--card", metavar="NAME", help="the card it is meant for")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return {"list": _list, "show": _show, "add": _add}[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from edge.cards import all_cards

    cards = list(all_cards().values())
    if arguments.json:
        models = [_summary(card) for card in cards]
        sys.stdout.write(json.dumps({"models": models}, indent=2) + "\n")
        return 0
    head = ("name", "kind", "precision", "size", "licence", "commercial", "file")
    rows = [head, *(_row(card) for card in cards)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from edge.cards import find_card

    card = find_card(arguments.name)
    values = {key: value for key, value in asdict(card).items() if value not in (None, "")}
    if arguments.json:
        sys.stdout.write(json.dumps({**values, "path": _path(card)}, indent=2) + "\n")
        return 0
    for line in _lines(values, ""):
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"path: {_where(card)}\n")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    from edge.cli import one_line
    from edge.registry import add_file

    card, path = add_file(arguments.file, arguments.card)
    sys.stdout.write(f"{card.name}: {one_line(str(path))}\n")
    return 0


def _path(card: Card) -> str | None:
    from edge.registry import find_file

    path = find_file(card)
    return None if path is None else str(path)


def _where(card: Card) -> str:
    from edge.cli import one_line

    path = _path(card)
    return "missing (edge models add FILE)" if path is None else one_line(path)


def _summary(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "kind": card.kind,
        "title": card.title,
        "precision": card.precision,
        "size": card.size,
        "licence": card.licence.name,
        "commercial": card.licence.commercial,
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
