"""What the tests of students share: a tiny teacher and somebody who is nobody, without torch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from models.training.distil.teacher import Teacher, open_teacher
from tests import tiny
from tests.scene import Stage

SIZE = 32
CARD = tiny.SWAPPER.replace("128, 128", f"{SIZE}, {SIZE}").replace("size = 128", f"size = {SIZE}")


def install(home: Path) -> None:
    """Install a swapper of 32 pixels beside the other tiny models."""
    tiny.install_one(home, "little", "swapper", CARD, tiny.swapper(SIZE))


def teacher_of(nobody: Stage, home: Path) -> Teacher:
    """A teacher of the person of a stage."""
    install(home)
    return open_teacher("little", nobody.identity_file)


def a_store(count: int = 6, scenes: int = 0) -> Any:
    """A store of noisy pictures of 40 pixels, with the landmarks of a frontal face."""
    rng = np.random.default_rng(3)
    points = np.array([[14, 16], [26, 16], [20, 22], [15, 28], [25, 28]], np.float32)
    return SimpleNamespace(
        pictures=rng.integers(0, 256, (count, 40, 40, 3), dtype=np.uint8),
        landmarks=np.repeat(points[None], count, axis=0),
        plan=SimpleNamespace(scenes=scenes + np.arange(count)),
        ready=lambda: np.arange(count),
    )
