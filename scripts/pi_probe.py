"""What one machine makes of a bundle, for `scripts/pi-test` to hold against another machine's.

Runs here and, under emulation, on a board: the same code, the same bundle, the same picture. It
prints nothing; `facts.json` says what ran, and `arrays.npz` holds what came out.

    python -m scripts.pi_probe BUNDLE FLOAT_MODEL PICTURE OUTPUT [--imports NAME...]
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import edge  # noqa: F401  (switches the engine's telemetry off before it can load)
from edge.backends import Session, open_session, ort
from edge.bundle.checking import cards_of, check_parts, consent_of, read_papers
from edge.bundle.choice import fits_of
from edge.bundle.contents import MODELS, Contents
from edge.bundle.holders import FolderHolder
from edge.bundle.opening import Bundle
from edge.cards import find_card
from edge.contracts import Card
from edge.machine import this_machine
from edge.media.image import encode_picture, read_picture
from edge.ports import inputs_of
from edge.records import Face
from edge.tensors import to_picture

FACTS, ARRAYS = "facts.json", "arrays.npz"
ENGINES = ("ort", "litert")
FILES = ("image/jpeg", "image/png", "image/webp")
SAME_ID = uuid.UUID(int=0x5EED)
"""Output id of every probe: the watermark carries it, so pictures of one id can be equal."""

Arrays = dict[str, NDArray[Any]]


def seeded(shape: tuple[int, ...], seed: int = 11) -> NDArray[np.float32]:
    """Return float32 numbers in [0, 1), the same everywhere; (1, N) are of unit length."""
    numbers = np.random.default_rng(seed).random(shape, dtype=np.float32)
    if len(shape) != 2:
        return numbers
    centred = np.round(numbers - 0.5, 3)
    return np.asarray(centred / np.sqrt((centred.astype(np.float64) ** 2).sum()), np.float32)


def imported(names: tuple[str, ...]) -> dict[str, str]:
    """Import modules ("module=distribution"); return the version of each."""
    found = {}
    for name in names:
        module, _, distribution = name.partition("=")
        importlib.import_module(module)
        found[module] = version(distribution or module)
    return found


def precisely(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of session options that asks for what an ARM processor computes.

    On x86 without VNNI the quick kernels saturate; see `quantize.engine.Kernels`. Elsewhere the
    option means nothing.
    """

    def options(*given: Any) -> Any:
        made = make(*given)
        made.add_session_config_entry("session.x64quantprecision", "1")
        return made

    return options


def bundle_of(folder: Path) -> tuple[Bundle, Contents]:
    """Return a bundle as if it were opened on its own kind of device.

    Papers, parts and cards are checked as ever; only the kind of processor, and what features it
    has, is not asked: here is where another machine's bundle is held against that machine.
    """
    holder = FolderHolder(folder)
    papers = read_papers(holder)
    contents = papers.contents
    check_parts(holder, contents)
    return (
        Bundle(
            folder,
            folder,
            contents,
            papers.seal,
            "the probe",
            consent_of(holder, papers),
            cards_of(folder, contents, holder.where),
            tuple(replace(fit, reason="") for fit in fits_of(contents)),
            {},
        ),
        contents,
    )


def answers(session: Session, card: Card) -> list[NDArray[Any]]:
    """Run a swap model once on made-up input of its own shape."""
    feeds = {}
    for place, spec in enumerate(inputs_of(card)):
        name = spec.name if spec.name in session.inputs else session.inputs[place]
        feeds[name] = seeded(tuple(spec.shape or ()))
    return session.run(feeds)


def run_models(bundle: Bundle, contents: Contents, floating: Path) -> tuple[Arrays, dict[str, str]]:
    """Run each swap model of the bundle, and the float one; arrays and engines by name."""
    arrays: Arrays = {}
    engines = {}
    for variant in contents.variants:
        if variant.engine not in ENGINES:
            continue
        card = bundle.cards[variant.card]
        file = bundle.folder / MODELS / card.file
        session = open_session(file, backend=variant.engine, threads=1)
        engines[variant.engine] = session.engine_version
        for place, array in enumerate(answers(session, card)):
            arrays[f"{variant.engine}/{place}"] = array
    session, card = open_session(floating, threads=1), find_card(floating.stem)
    for place, array in enumerate(answers(session, card)):
        arrays[f"float/{place}"] = array
    if card.picture is not None:
        arrays["crop/float"] = to_picture(arrays["float/0"], card.picture)
    return arrays, engines


def swap(
    bundle: Bundle, engine: str, frame: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], tuple[Face, ...]]:
    """Swap a frame in one engine.

    Args:
        bundle: The bundle.
        engine: One of `ENGINES`.
        frame: uint8 (H, W, 3) BGR.

    Returns:
        uint8 (H, W, 3) BGR, labelled and marked as ever; and the faces found.
    """
    only = replace(bundle, fits=tuple(f for f in bundle.fits if f.variant.engine == engine))
    swapper = only.swapper(purpose="film", target_is="synthetic", threads=1, label_language="en")
    done = swapper.swap(frame)
    return done.frame, done.faces


def save(folder: Path, facts: Mapping[str, Any], arrays: Arrays) -> None:
    """Write what was found."""
    folder.mkdir(parents=True, exist_ok=True)
    named: Any = {name.replace("/", "__"): each for name, each in arrays.items()}
    np.savez(folder / ARRAYS, **named)
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[dict[str, Any], Arrays]:
    """Read what `save` wrote."""
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS) as held:
        return facts, {name.replace("__", "/"): held[name] for name in held.files}


def main(words: list[str] | None = None) -> int:
    """Do it; return 0."""
    parser = argparse.ArgumentParser(prog="pi_probe")
    for name in ("bundle", "floating", "picture", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--imports", nargs="*", default=[])
    given = parser.parse_args(words)
    versions = imported(tuple(given.imports))
    with (
        mock.patch.object(ort, "_options", precisely(ort._options)),
        mock.patch.object(uuid, "uuid4", return_value=SAME_ID),
    ):
        facts, arrays = probe(given)
    save(given.output, {"imports": versions, **facts}, arrays)
    return 0


def probe(given: argparse.Namespace) -> tuple[dict[str, Any], Arrays]:
    """Return what this machine is, and what comes out on it."""
    bundle, contents = bundle_of(given.bundle)
    arrays, engines = run_models(bundle, contents, given.floating)
    read = read_picture(given.picture)
    for engine in engines:
        labelled, found = swap(bundle, engine, read.frame)
        arrays[f"picture/{engine}"] = labelled
        for media_type in FILES:
            data = encode_picture(labelled, None, media_type)
            arrays[f"{media_type}/{engine}"] = np.frombuffer(data, np.uint8)
    arrays["faces/box"] = np.array([face.box for face in found])
    arrays["faces/landmarks"] = np.array([face.landmarks for face in found])
    machine = this_machine()
    facts = {
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "processor": machine.processor,
        "features": list(machine.features),
        "engines": engines,
    }
    return facts, arrays


if __name__ == "__main__":
    raise SystemExit(main())
