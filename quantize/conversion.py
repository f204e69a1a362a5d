"""The record of a conversion, as Python sees it and as it is written beside the model."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import edge
from edge.machine import this_machine
from quantize.checks import Checked
from quantize.golden import GoldenRows
from quantize.making import Made
from quantize.measuring import Judged, Latency
from quantize.prepare import Prepared
from quantize.settings import Settings
from quantize.targets import TargetProfile

__all__ = ["SCHEMA", "Conversion", "document", "versions"]

SCHEMA = "edge-swap/conversion-1"

_PACKAGES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxslim",
    "onnxconverter-common",
    "ai-edge-litert",
    "opencv-python-headless",
    "scikit-image",
)


_W8 = (
    "ONNX Runtime turns 8-bit weights into float in every run; session.disable_quant_qdq = 1 does "
    "it once at load, for the speed and the memory of the float model"
)


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """A finished conversion.

    Attributes:
        model: the converted model.
        report: the JSON beside it.
        side_files: the lifted emap, weights in a file of their own, the list of operators.
        size: bytes of the model with its weights.
        ratio: of the original's size.
        facts: all that the JSON says.
        golden: vectors for a bundle; None for a model without a card.
    """

    model: Path
    report: Path
    side_files: tuple[Path, ...]
    size: int
    ratio: float
    facts: Mapping[str, Any] = field(repr=False)
    golden: GoldenRows | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What a conversion came to, for its record.

    Attributes:
        original: name, size and SHA-256 of the model that was converted.
        file: name, size and SHA-256 of the new one.
        side_files: names of the files beside it.
        card_note: how the card was found; empty where the caller named it.
        memory_before: bytes that the process held before it read the model.
        peak_memory: bytes that it held at most.
        seconds: wall time of the whole conversion.
        budget: what was asked for and reached; None where nothing was.
        saturation: what the check of the kernels found; None where it does not apply.
        static: what the static checks of the target found; None where none were made.
        notes: what a user of the file has to know, one sentence each.
        emap_sha256: of the side file with the emap, which a card of the new model has to state;
            None where there is none.
    """

    original: Mapping[str, Any]
    file: Mapping[str, Any]
    side_files: tuple[str, ...]
    card_note: str
    memory_before: int
    peak_memory: int
    seconds: float
    budget: Mapping[str, Any] | None = None
    saturation: Mapping[str, Any] | None = None
    static: Checked | None = None
    notes: tuple[str, ...] = ()
    emap_sha256: str | None = None


def versions() -> dict[str, str]:
    """Return the versions of everything that has a part in a conversion."""
    found = {"edge-swap": edge.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def document(
    settings: Settings,
    profile: TargetProfile,
    prepared: Prepared,
    made: Made,
    judged: Judged,
    latency: Latency,
    findings: Findings,
) -> dict[str, Any]:
    """Join all that is known of a conversion to what its JSON says."""
    card = prepared.contract.card
    size, before = int(findings.file["size"]), int(findings.original["size"])
    return {
        "schema": SCHEMA,
        "file": findings.file["name"],
        "sha256": findings.file["sha256"],
        "size": size,
        "ratio": size / before,
        "original": dict(findings.original),
        "card": card.name if card is not None else None,
        "target": profile.name,
        "target_title": profile.title,
        "precision": settings.precision,
        "format": settings.form,
        "recipe": made.recipe.name if made.recipe is not None else None,
        "budget": findings.budget,
        "quality": _quality(judged, prepared),
        "latency": _latency(latency, profile, settings),
        "fastest": _fastest(settings, latency),
        "calibrated_on": made.calibrated_on or None,
        "quantized_layers": list(made.quantized),
        "float_layers": list(made.float_layers),
        "kept_float": dict(made.kept_float),
        "layers": [asdict(layer) for layer in made.layers],
        "checks": {
            "self_test": {"passed": True, "agreement_db": _round(judged.agreement)},
            "saturation": findings.saturation,
            "static": None if findings.static is None else findings.static.facts(),
            "nodes_per_provider": dict(judged.providers),
        },
        "passes": [asdict(step) for step in prepared.steps],
        "passes_difference": prepared.difference,
        "side_files": list(findings.side_files),
        "emap_sha256": findings.emap_sha256,
        "baked": prepared.baked.facts() if prepared.baked is not None else None,
        "memory": {
            "peak_bytes": findings.peak_memory,
            "before_bytes": findings.memory_before,
            "times_model": (findings.peak_memory - findings.memory_before) / before,
        },
        "seconds": _round(findings.seconds),
        "threads": latency.threads,
        "versions": versions(),
        "machine": asdict(this_machine()),
        "notes": _notes(settings, profile, prepared, made, judged, latency, findings),
    }


def _fastest(settings: Settings, latency: Latency) -> str:
    """Return the precision of the quicker one; "original" where both have the same one."""
    if latency.this.quicker:
        return settings.precision
    return "original" if settings.precision == "fp32" else "fp32"


def _round(value: float, digits: int = 3) -> float:
    return round(float(value), digits)


def _quality(judged: Judged, prepared: Prepared) -> dict[str, Any]:
    scores, truth = judged.scores, judged.truth
    return {
        "against": "the untouched float model",
        "samples": len(scores.psnr),
        "kernels": judged.kernels,
        "mean": {"psnr": _round(scores.psnr_mean), "ssim": _round(scores.ssim_mean, 5)},
        "worst": {"psnr": _round(scores.psnr_worst), "ssim": _round(scores.ssim_worst, 5)},
        "max_error": scores.max_error,
        "mean_error": scores.mean_error,
        "mask_error": scores.mask_error,
        "mask_psnr": None if scores.mask_worst is None else _round(scores.mask_worst),
        "identity_cosine": scores.identity_cosine,
        "identity_cosine_worst": scores.identity_worst,
        "psnr": [_round(value) for value in scores.psnr],
        "truth": None if truth is None else {**asdict(truth), "loss": truth.loss},
    }


def _latency(latency: Latency, profile: TargetProfile, settings: Settings) -> dict[str, Any]:
    return {
        "ratio": _round(latency.this.ratio),
        "ratio_quickest": _round(latency.this.ratio_min),
        "p50_ms": _round(latency.this.p50),
        "p90_ms": _round(latency.this.p90),
        "original_p50_ms": _round(latency.original.p50),
        "original_p90_ms": _round(latency.original.p90),
        "rounds": latency.this.rounds,
        "threads": latency.threads,
        "faster": latency.this.quicker,
        "measured_on": "this machine",
        "is_target": _is_target(profile) and settings.form in ("onnx", "ort"),
        "notes": _timing_notes(latency, profile, settings),
    }


def _is_target(profile: TargetProfile) -> bool:
    return profile.architecture == platform.machine()


def _notes(
    settings: Settings,
    profile: TargetProfile,
    prepared: Prepared,
    made: Made,
    judged: Judged,
    latency: Latency,
    findings: Findings,
) -> list[str]:
    """Return what a reader should know, one sentence each."""
    weights = settings.precision == "w8"
    notes = [
        _W8 if weights else "",
        findings.card_note,
        prepared.contract.note,
        judged.note,
        *made.notes,
    ]
    notes += findings.notes
    notes.append(" ".join(profile.notice.split()))
    notes += _timing_notes(latency, profile, settings)
    if prepared.baked is not None:
        notes.append("it is made from a person's identity: 'edge identity erase' removes it")
    return [note for note in notes if note]


def _timing_notes(latency: Latency, profile: TargetProfile, settings: Settings) -> list[str]:
    notes = []
    if not _is_target(profile):
        notes.append(
            f"latency was measured on this {platform.machine()} machine, not on {profile.title}"
        )
    if settings.precision != "fp32" and not latency.this.quicker:
        notes.append(_slower(latency))
    return notes


def _slower(latency: Latency) -> str:
    ratio, quickest = latency.this.ratio, latency.this.ratio_min
    if ratio >= 1:
        return (
            f"it is {ratio:.2f} times as quick as the untouched float model by the medians, but "
            f"{quickest:.2f} times by the quickest rounds, so it is not called quicker: measure "
            "again when nothing else runs"
        )
    return (
        f"on this machine it is slower than the untouched float model ({ratio:.2f} times as "
        "quick): where speed counts, ship that one"
    )


def as_json(facts: Mapping[str, Any]) -> str:
    """Return facts as JSON text for people and programs."""
    return json.dumps(facts, indent=2) + "\n"
