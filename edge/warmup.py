"""Build ahead what an engine would otherwise build at the first swap, minutes of it on a board."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
        skipped: better ways of the target, each with the reason why it is not here.
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
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Way:
    """A model, and the way in which it will be run."""

    card: Card
    path: Path
    name: str
    engine: str
    providers: tuple[str, ...]
    threads: int
    skipped: tuple[str, ...]


def warm_up(
    model: str,
    target: str | None = None,
    *,
    way: str | None = None,
    told: Told = lambda what: None,
) -> Iterator[Warmed]:
    """Open a model as it will be run on a target, and run it once, so that its engines are built.

    Args:
        model: name of a card, or path of a bundle, which says itself what it is for.
        target: name of the target whose profile says how; not with a bundle.
        way: name of the way; by default the best that is here.
        told: called with what is being done.

    Yields:
        What was made ready: of a bundle its swap model, and then its other models.

    Raises:
        UsageError: no target is named for a card, or there is no such way.
        BackendError: no way of the target is here, or the model fails.
        BundleError: the bundle may not be run.
        ModelError: there is no such model, or its file is another one.
    """
    path = Path(model)
    every = _of_bundle(path, way) if path.exists() else [_of_card(model, target, way)]
    for chosen in every:
        yield _warmed(chosen, told)


def _warmed(chosen: _Way, told: Told) -> Warmed:
    told(f"{chosen.card.name}: building for {chosen.name} (minutes, the first time)")
    first, session = _timed(chosen)
    told(f"{chosen.card.name}: opening it again")
    again, _ = _timed(chosen)
    folder = _folder(chosen)
    files = [one for one in folder.iterdir() if one.is_file()] if folder is not None else []
    return Warmed(
        card=chosen.card.name,
        way=chosen.name,
        provider=session.provider,
        engine=f"{session.engine} {session.engine_version}",
        first=first,
        again=again,
        folder=folder,
        files=len(files),
        bytes=sum(one.stat().st_size for one in files),
        skipped=chosen.skipped,
    )


def _of_bundle(path: Path, way: str | None) -> list[_Way]:
    """Return the models of a bundle that its first way that is here would run, best first."""
    from edge.bundle.opening import open_bundle

    bundle = open_bundle(path)
    skipped = []
    for fit in bundle.fits:
        variant = fit.variant
        if way not in (None, variant.name):
            continue
        if fit.reason:
            skipped.append(f"{variant.name}: {fit.reason}")
            continue
        swapper = bundle.cards[variant.card]
        # The models around it are ONNX files, and run on the same providers.
        others = [card for card in bundle.cards.values() if card.kind != swapper.kind]
        cards = [swapper, *(others if variant.engine == "ort" else [])]
        return [
            _Way(
                card=card,
                path=bundle.shelf.locate(card),
                name=variant.name,
                engine=variant.engine,
                providers=bundle.providers(fit),
                threads=variant.threads,
                skipped=() if number else tuple(skipped),
            )
            for number, card in enumerate(cards)
        ]
    if skipped:
        raise BackendError(f"{path}: {'; '.join(skipped)}")
    known = ", ".join(fit.variant.name for fit in bundle.fits)
    raise UsageError(f"{path} has no way '{way}'; known: {known}")


def _of_card(name: str, target: str | None, way: str | None) -> _Way:
    if target is None:
        raise UsageError(f"say what this device is, for the model {name}: --target NAME")
    card = find_card(name)
    path = locate(card)
    spec, skipped = _chosen(path, target, way)
    return _Way(card, path, spec.name, spec.engine, spec.providers, spec.threads, skipped)


def _chosen(path: Path, target: str, way: str | None) -> tuple[BackendSpec, tuple[str, ...]]:
    """Return the way that was asked for, or the best whose provider is here, and better ones."""
    form = path.suffix[1:]
    ways = [spec for spec in ways_of(target) if spec.form == form]
    if way is not None:
        for spec in ways:
            if spec.name == way:
                return spec, ()
        known = ", ".join(spec.name for spec in ways) or "none"
        raise UsageError(f"target {target} has no way '{way}' for .{form} files; known: {known}")
    if not ways:
        raise UsageError(f"target {target} runs no .{form} files")
    reasons: list[str] = []
    for spec in ways:
        reason = _why_not(spec)
        if not reason:
            return spec, tuple(reasons)
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


def _timed(way: _Way) -> tuple[float, Session]:
    start = time.perf_counter()
    session = open_session(
        way.path, backend=way.engine, providers=way.providers, threads=way.threads
    )
    try_model(way.card, session)
    return time.perf_counter() - start, session


def _folder(way: _Way) -> Path | None:
    from edge.backends._provider_options import builds_engines
    from edge.engines import engine_folder

    return engine_folder(way.path) if builds_engines(way.providers) else None
