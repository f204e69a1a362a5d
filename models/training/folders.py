"""Where training reads and writes: rendered data, logs, weights and cards. It needs no torch."""

from __future__ import annotations

import os
from pathlib import Path

from models.training.faces import EDITION

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "models" / "training" / "logs"
WEIGHTS = ROOT / "models" / "weights"
CARDS = ROOT / "models" / "cards"


def rendered_folder() -> Path:
    """Where pictures of this edition's faces of nobody lie, in the data folder."""
    return data_folder() / f"faces-{EDITION}"


def data_folder() -> Path:
    """Where rendered data and checkpoints lie: $EDGE_TRAIN_DATA, or .train-data in the root."""
    return Path(os.environ.get("EDGE_TRAIN_DATA", str(ROOT / ".train-data")))
