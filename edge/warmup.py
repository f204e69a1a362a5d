"""Build ahead what an engine would otherwise build at the first swap, minutes of it on a board."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.backends import Session, open_session
from edge.cards import Card, find_card
from edge.errors import BackendError, EdgeError, UsageError
from edge.registry import locate
from edge.selftest import try_model
from edge.targets import BackendSpec, ways_of

__all__ = ["Warmed", "warm_up"]

Told = Callable[[str], None]
"""Called with what is being done."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """A model that is ready to run.

    Attributes:
        card: name of its card.
        way: name of the way in the target's profile.
        provider: that runs it.
        engine: name and version of the engine.
        first: seconds that opening it and the first run took, with all that was built.
        again: seconds that the same took at once afterwards.
        folder: of the engines; None where the way builds none.
        files: how many files lie there.
        bytes: and how large they are.
    """

    card: str
    way: str
    provider: str
    engine: str
    first: float
    again: float
    folder: Path | None
    files: int
    bytes: int


def warm_up(
    card: str, target: str, *, way: str | None = None, told: Told = lambda what: None
) -> Warmed:
    """Open a model as a target's profile says, and run it once, so that its engines are built.

    Args:
        card: name of the model's card.
        target: name of the target.
        way: name of the way; by default the best that is here.
        told: called with what is being done.

    Raises:
        UsageError: the profile has no such way for an ONNX file.
        BackendError: no way of the target is here, or the model fails.
        ModelError: there is no such model, or its file is another one.
    """
    known = find_card(card)
    path = locate(known)
    spec = _chosen(path, target, way)
    told(f"building for {spec.name} (minutes, the first time)")
    first, session = _timed(known, path, spec)
    told("opening it again")
    again, _ = _timed(known, path, spec)
    folder = _folder(path, spec)
    files = [one for one in folder.iterdir() if one.is_file()] if folder is not None else []
    return Warmed(
        card=known.name,
        way=spec.name,
        provider=session.provider,
        engine=f"{session.engine} {session.engine_version}",
        first=first,
        again=again,
        folder=folder,
        files=len(files),
        bytes=sum(one.stat().st_size for one in files),
    )


def _chosen(path: Path, target: str, way: str | None) -> BackendSpec:
    """Return the way that was asked for, or the best whose provider is here."""
    form = path.suffix[1:]
    ways = [spec for spec in ways_of(target) if spec.form == form]
    if way is not None:
        for spec in ways:
            if spec.name == way:
                return spec
        known = ", ".join(spec.name for spec in ways) or "none"
        raise UsageError(f"target {target} has no way '{way}' for .{form} files; known: {known}")
    if not ways:
        raise UsageError(f"target {target} runs no .{form} files")
    reasons = []
    for spec in ways:
        reason = _why_not(spec)
        if not reason:
            return spec
        reasons.append(f"{spec.name}: {reason}")
    raise BackendError(f"nothing of target {target} is here: {'; '.join(reasons)}")


def _why_not(spec: BackendSpec) -> str:
    if spec.engine != "ort":
        return ""
    from edge.backends.ort import check_provider

    try:
        check_provider(spec.providers)
    except EdgeError as error:
        return str(error)
    return ""


def _timed(card: Card, path: Path, spec: BackendSpec) -> tuple[float, Session]:
    start = time.perf_counter()
    session = open_session(
        path, backend=spec.engine, providers=spec.providers, threads=spec.threads
    )
    try_model(card, session)
    return time.perf_counter() - start, session


def _folder(path: Path, spec: BackendSpec) -> Path | None:
    from edge.backends._provider_options import builds_engines
    from edge.engines import engine_folder

    return engine_folder(path) if builds_engines(spec.providers) else None
