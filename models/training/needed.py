"""What a command cannot do without: it has it, or says what to run, with exit status 2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from models.training.on_device import Pictures
from models.training.pairs import Store
from models.training.runs import load_checkpoint


def needed_checkpoint(parser: argparse.ArgumentParser, path: Path, trainer: str) -> dict[str, Any]:
    """A checkpoint's content.

    Args:
        parser: of the command.
        path: where it lies.
        trainer: what makes it, as `scripts/train` names it.
    """
    state = load_checkpoint(path)
    if state is None:
        parser.error(f"there is no {path}: scripts/train {trainer}")
    return state


def needed_pictures(parser: argparse.ArgumentParser, name: str) -> Pictures:
    """What has been rendered into a store, for the CPU.

    Args:
        parser: of the command.
        name: of the store.
    """
    try:
        return Pictures(Store(name), torch.device("cpu"))
    except FileNotFoundError as error:
        parser.error(str(error))
