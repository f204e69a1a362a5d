"""What `--mask` says, for every command that has it."""

from __future__ import annotations

import argparse


def add_mask(group: argparse._ActionsContainer) -> None:
    """Add `--mask`; `maskers_of` says which cards it means."""
    group.add_argument(
        "--mask",
        action="extend",
        type=_names,
        default=[],
        metavar="NAME,..",
        help="maskers: what they take for no face is not replaced, e.g. xseg,bisenet; repeatable",
    )


def maskers_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the cards that the `--mask` options mean, in their order, each once.

    Raises:
        CardError: A card cannot be read.
    """
    if not arguments.mask:
        return ()
    from edge.faces.masks import masker_named

    return tuple(dict.fromkeys(masker_named(name) for name in arguments.mask))


def _names(text: str) -> list[str]:
    """Return the names of a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
