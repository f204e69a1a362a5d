"""Tiny bundles for the tests of the runtime: made by hand, and signed like any other."""

from __future__ import annotations

import datetime
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import helper

from edge.bundle.contents import CARDS, CONSENT, CONTENTS, MODELS, SEAL
from edge.bundle.seal import Seal, new_seal
from edge.consent.canonical import readable_json, sha256_hex
from edge.consent.operator import operator_key
from quantize.bundle_papers import parts_of
from tests import tiny
from tests.scene import Stage, stage

BAKED = tiny.SWAPPER[: tiny.SWAPPER.index("[source]")].replace("128, 128", "32, 32")


def baked_swapper(size: int = 32) -> bytes:
    """Return a swapper with somebody in its weights: half the target, half one colour."""
    grid = (np.arange(size) + 0.5) / size - 0.5
    ellipse = (grid[None] / 0.36) ** 2 + (grid[:, None] / 0.44) ** 2 < 1
    constants = [
        tiny._constant("colour", np.array([0.9, 0.2, 0.4]).reshape(1, 3, 1, 1)),
        tiny._constant("half", 0.5),
        tiny._constant("zero", 0.0),
        tiny._constant("ellipse", ellipse[None, None]),
    ]
    nodes = [
        helper.make_node("Add", ["target", "colour"], ["both"]),
        helper.make_node("Mul", ["both", "half"], ["output"]),
        helper.make_node("ReduceMean", ["target"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "ellipse"], ["mask"]),
    ]
    picture = (1, 3, size, size)
    outputs = [tiny._value("output", picture), tiny._value("mask", (1, 1, size, size))]
    return tiny.model_bytes(nodes, [tiny._value("target", picture)], outputs, constants)


def baked_card(commitment: str, data: bytes, name: str = "tiny_baked") -> str:
    """Return the card of `baked_swapper`."""
    body = f"""{BAKED}[source]
kind = "baked"
identity = "{commitment}"

[crop]
template = "arcface_128"
size = 32
"""
    return tiny.card_text(name, "swapper", body, data)


VARIANT: dict[str, Any] = {
    "name": "ort",
    "card": "tiny_baked",
    "engine": "ort",
    "providers": ["CPUExecutionProvider"],
    "oldest": "1.16",
    "cpu": [],
    "threads": 1,
}


@dataclass(frozen=True)
class Made:
    """A bundle and the stage that it was made on.

    Attributes:
        folder: The bundle.
        stage: Consent and identity of nobody, and a folder for pictures.
    """

    folder: Path
    stage: Stage

    def values(self, **changed: Any) -> dict[str, Any]:
        """Return what bundle.toml should say, with some of it changed; None leaves it out."""
        found = {
            "schema": "edge-swap/bundle-1",
            "made_with": "edge-swap 0.1.0",
            "target": "x86_cpu",
            "title": "a machine like this one",
            "architecture": platform.machine(),
            "precision": "fp32",
            "detector": "tiny_detector",
            "identity": {
                "commitment": self.stage.identity.commitment,
                "consent": self.stage.consent.id,
            },
            "variants": [VARIANT],
            "files": [
                part for part in parts_of(self.folder) if part["path"] not in (CONTENTS, SEAL)
            ],
        }
        found |= changed
        return {key: value for key, value in found.items() if value is not None}

    def seal(
        self,
        key: Ed25519PrivateKey | None = None,
        *,
        now: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        **changed: Any,
    ) -> Seal:
        """Write bundle.toml and bundle.sig as if the bundle had just been built."""
        data = tomli_w.dumps(self.values(**changed)).encode()
        (self.folder / CONTENTS).write_bytes(data)
        end = self.stage.consent.not_after if not_after is None else not_after
        seal = new_seal(sha256_hex(data), key or operator_key(), not_after=end, now=now)
        (self.folder / SEAL).write_bytes(seal.to_bytes())
        return seal


def bundle(
    home: Path, folder: Path, *, until: datetime.datetime | None = None, name: str = "alice"
) -> Made:
    """Make a bundle with nobody baked in: a consented, synthetic nobody."""
    nobody = stage(home, folder / "stage", until=until)
    root = folder / name
    for part in (CARDS, MODELS, "licences"):
        (root / part).mkdir(parents=True)
    finder, swapper = tiny.detector(), baked_swapper()
    (root / MODELS / "tiny_detector.onnx").write_bytes(finder)
    (root / MODELS / "tiny_baked.onnx").write_bytes(swapper)
    cards = {
        "tiny_detector": tiny.card_text("tiny_detector", "detector", tiny.DETECTOR, finder),
        "tiny_baked": baked_card(nobody.identity.commitment, swapper),
    }
    for name_, text in cards.items():
        (root / CARDS / f"{name_}.toml").write_text(text, encoding="utf-8")
    (root / "licences" / "NOTICE.txt").write_text("tiny models of the tests\n", encoding="utf-8")
    (root / CONSENT).write_bytes(readable_json(nobody.consent.to_dict()))
    made = Made(root, nobody)
    made.seal()
    return made
