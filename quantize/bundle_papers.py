"""The papers of a bundle: quality report, licences, bundle.toml.

The same inputs give the same bytes. So nothing in them tells of time: no date, no latency, no
memory. A bundle says how good its models are; how quick they are is measured on the device.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from edge import resources
from edge.bundle.contents import SCHEMA
from edge.contracts import Card
from edge.machine import this_machine
from edge.registry import sha256_of
from quantize.targets import EXTRA_ENGINES, BackendSpec, TargetProfile

__all__ = [
    "QUALITY",
    "checker_of",
    "contents_text",
    "in_the_way",
    "licence_files",
    "parts_of",
    "quality_text",
]

QUALITY = "quality.json"
QUALITY_SCHEMA = "edge-swap/quality-1"
_OWN = "Apache-2.0"  # of this software and of the shipped models
_KEPT = (
    "file",
    "sha256",
    "size",
    "ratio",
    "original",
    "card",
    "recipe",
    "budget",
    "quality",
    "calibrated_on",
    "quantized_layers",
    "float_layers",
    "kept_float",
    "checks",
    "passes_difference",
)
"""What is taken over of a conversion's JSON: all that does not tell of time."""
_CHECKERS = {
    "TensorrtExecutionProvider": "tensorrt",
    "NnapiExecutionProvider": "nnapi",
    "XnnpackExecutionProvider": "xnnpack",
}
"""Whose rules a model must keep, by the provider that runs it."""


def quality_text(
    profile: TargetProfile,
    precision: str,
    made: Mapping[str, Mapping[str, Any]],
    left_out: Mapping[str, str],
) -> str:
    """Return the quality report as JSON text.

    Args:
        profile: of the target.
        precision: of the models.
        made: facts of the conversions, by format.
        left_out: why a format is not there, or a way to run it, by the name of either.
    """
    machine = this_machine()
    report = {
        "schema": QUALITY_SCHEMA,
        "target": profile.name,
        "precision": precision,
        "formats": {form: _facts(facts) for form, facts in made.items()},
        "left_out": dict(left_out),
        "versions": next(iter(made.values()))["versions"],
        "measured_on": {
            "architecture": machine.architecture,
            "processor": machine.processor,
            "features": list(machine.features),
        },
    }
    return json.dumps(report, ensure_ascii=False, indent=2) + "\n"


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    timing = facts["latency"]["notes"]
    return {
        **{key: facts[key] for key in _KEPT},
        "notes": [note for note in facts["notes"] if note not in timing],
    }


def checker_of(spec: BackendSpec) -> str:
    """Return which static check a way to run a model depends on; empty: none."""
    if spec.engine in EXTRA_ENGINES:
        return ""
    if spec.engine != "ort":
        return "xnnpack"
    return _CHECKERS.get(spec.providers[0], "")


def in_the_way(findings: Sequence[Mapping[str, str]]) -> str:
    """Return in one line what static checks have found: the first of it, and how much more."""
    first = findings[0]
    where = f"{first['node']}: " if first["node"] else ""
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{where}{first['problem']}; {first['fix']}{more}"


def licence_files(cards: Sequence[Card]) -> dict[str, str]:
    """Return the licence texts of a bundle's models, by file name.

    Args:
        cards: of every model in it.

    Returns:
        A notice that states the terms of each, and the text of each licence that this software
        carries.
    """
    lines = ["The terms of the models in this bundle, as their cards state them.", ""]
    for card in sorted(cards, key=lambda card: card.name):
        lines += [
            f"{card.name} ({card.file})",
            f"  licence: {card.licence.name}",
            f"  commercial use: {card.licence.commercial}",
            f"  trained on: {card.licence.training_data}",
            f"  source: {card.home or 'edge-swap'}",
            "",
        ]
    found = {"NOTICE.txt": "\n".join(lines)}
    names = {card.licence.name for card in cards}
    if _OWN in names:
        found[f"{_OWN}.txt"] = resources.licence_text()
    unknown = sorted(names - {_OWN})
    if unknown:
        found["NOTICE.txt"] += (
            f"The text of {', '.join(unknown)} comes with the original model, at its source.\n"
        )
    return found


def parts_of(folder: Path) -> list[dict[str, Any]]:
    """Return path, hash and size of every file below a folder, sorted by path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sorted(
        (
            {
                "path": path.relative_to(folder).as_posix(),
                "sha256": sha256_of(path),
                "size": path.stat().st_size,
            }
            for path in files
        ),
        key=lambda part: str(part["path"]),
    )


def contents_text(
    profile: TargetProfile,
    *,
    made_with: str,
    precision: str,
    identity: Mapping[str, str] | None,
    detector: str,
    masks: Sequence[str],
    cards: Mapping[str, str],
    backends: Sequence[BackendSpec],
    oldest: Mapping[str, str],
    parts: Sequence[Mapping[str, Any]],
) -> str:
    """Return bundle.toml.

    Args:
        profile: of the target.
        made_with: name and version of this software.
        precision: of the models.
        identity: commitment and id of the consent of whoever is baked in; None where nobody is.
        detector: card name of the detector.
        masks: card names of the maskers.
        cards: card name of the swap model by format.
        backends: the ways to run it, best first.
        oldest: oldest version of ONNX Runtime by format, where the file itself asks for one.
        parts: from `parts_of`.
    """
    variants = [
        _variant(each, cards[each.form], oldest.get(each.form, each.oldest)) for each in backends
    ]
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "made_with": made_with,
        "target": profile.name,
        "title": profile.title,
        "architecture": profile.architecture,
        "precision": precision,
        "detector": detector,
        "masks": list(masks),
    }
    if identity is not None:
        values["identity"] = dict(identity)
    return tomli_w.dumps({**values, "variants": variants, "files": list(parts)})


def _variant(spec: BackendSpec, card: str, oldest: str) -> dict[str, Any]:
    return {
        "name": spec.name,
        "card": card,
        "engine": spec.engine,
        "providers": [str(provider) for provider in spec.providers],
        "oldest": oldest,
        "cpu": list(spec.cpu),
        "threads": spec.threads,
        **({} if spec.api is None else {"api": list(spec.api)}),
    }
