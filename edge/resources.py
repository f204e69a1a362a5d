"""Where things lie: shipped cards, weights and samples, and the user's own folders.

`EDGE_HOME`, when set, holds all the user's folders under one roof (a kiosk, a container, a test).
`EDGE_MODELS_DIR` is a read-only place for model files, searched before all others.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    """Return the shipped data folder `name` ("models" or "targets").

    In a wheel it is `edge/_models`; in a checkout it is `models` beside `edge`, which is trusted
    only with a pyproject.toml next to it, so that a stray site-packages/models is never read.
    """
    inside = _PACKAGE / f"_{name}"
    if inside.is_dir():
        return inside
    root = _PACKAGE.parent
    if (root / "pyproject.toml").is_file():
        return root / name
    return inside


def cards_dir() -> Path:
    """Return the folder of the shipped cards."""
    return _shipped("models") / "cards"


def weights_dir() -> Path:
    """Return the folder of the shipped model files."""
    return _shipped("models") / "weights"


def samples_dir() -> Path:
    """Return the folder of the shipped samples: pictures and a video of faces of nobody."""
    return _shipped("models") / "samples"


def licence_text() -> str:
    """Return the text of this software's own licence, which the shipped models are under too.

    Raises:
        FileNotFoundError: The installation lacks it.
    """
    root = _PACKAGE.parent
    if (root / "pyproject.toml").is_file():
        return (root / "LICENSE").read_text(encoding="utf-8")
    from importlib.metadata import files

    for path in files("edge-swap") or ():
        if path.name == "LICENSE":
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError("the file LICENSE of edge-swap")


def targets_dir() -> Path:
    """Return the folder of the shipped target profiles."""
    return _shipped("targets")


def _user(kind: str) -> Path:
    home = os.environ.get("EDGE_HOME")
    if home:
        return Path(home) / kind
    import platformdirs  # only when a path is really needed: keeps `import edge` lean

    finder = {
        "config": platformdirs.user_config_path,
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
        "state": platformdirs.user_state_path,
    }[kind]
    return finder("edge-swap", appauthor=False)


def config_dir() -> Path:
    """Return the folder of keys, trusted issuers and policy.toml. It may not exist yet."""
    return _user("config")


def data_dir() -> Path:
    """Return the folder of the user's own models and cards. It may not exist yet."""
    return _user("data")


def state_dir() -> Path:
    """Return the folder of the ledger and the revocations. It may not exist yet."""
    return _user("state")


def cache_dir() -> Path:
    """Return the folder of things that can be made again. It may not exist yet."""
    return _user("cache")


def extra_models_dir() -> Path | None:
    """Return the read-only folder named by EDGE_MODELS_DIR, or None."""
    named = os.environ.get("EDGE_MODELS_DIR")
    return Path(named) if named else None
