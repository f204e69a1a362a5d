"""How the figures of a comparison are worded: one wording for terminal, page and Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.cli import one_line
from quantize.comparison import KERNELS, Comparison, Row, decibels

NOTHING = "–"
"""What stands where there is no figure."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table.

    Attributes:
        title: its head.
        about: what the figure is, one line.
        cell: the text for a row.
    """

    title: str
    about: str
    cell: Callable[[Row], str]


def size_text(size: int) -> str:
    """Return a number of bytes for people: "72 kB", "4.1 MB", "553 MB"."""
    kilobytes = size / 1e3
    if kilobytes < 100:
        return f"{max(kilobytes, 0.1):.0f} kB" if kilobytes >= 1 else f"{size} B"
    megabytes = kilobytes / 1e3
    return f"{megabytes:.1f} MB" if megabytes < 100 else f"{megabytes:.0f} MB"


def _error(value: float) -> str:
    return "0" if value == 0 else f"{value:.4f}" if value >= 1e-4 else "< 0.0001"


def _size(row: Row) -> str:
    return size_text(row.size)


def _share(row: Row) -> str:
    return f"{row.size_ratio:.2f}×"


def _p50(row: Row) -> str:
    return f"{row.timing.p50:.1f}" if row.timing else NOTHING


def _p90(row: Row) -> str:
    return f"{row.timing.p90:.1f}" if row.timing else NOTHING


def _speed(row: Row) -> str:
    return f"{row.timing.ratio:.2f}×" if row.timing else NOTHING


def _memory(row: Row) -> str:
    return f"+{size_text(row.memory_added)}" if row.memory_added is not None else NOTHING


def _worst(row: Row) -> str:
    return decibels(row.scores.psnr_worst) if row.scores else NOTHING


def _mean(row: Row) -> str:
    return decibels(row.scores.psnr_mean) if row.scores else NOTHING


def _ssim(row: Row) -> str:
    return f"{row.scores.ssim_worst:.4f}" if row.scores else NOTHING


def _largest(row: Row) -> str:
    return _error(row.scores.max_error) if row.scores else NOTHING


def _average(row: Row) -> str:
    return _error(row.scores.mean_error) if row.scores else NOTHING


def _mask(row: Row) -> str:
    worst = row.scores.mask_worst if row.scores else None
    return NOTHING if worst is None else decibels(worst)


def _identity(row: Row) -> str:
    cosine = row.scores.identity_cosine if row.scores else None
    return NOTHING if cosine is None else f"{cosine:.4f}"


def _truth(row: Row) -> str:
    return f"{row.truth.psnr:.2f}" if row.truth else NOTHING


def _loss(row: Row) -> str:
    return f"{round(-row.truth.loss, 2) + 0.0:+.2f}" if row.truth else NOTHING  # + 0.0: no "-0.00"


_ALWAYS = (
    Column("Size", "bytes on disk, weights in other files included", _size),
    Column("of float", "share of the float model's size", _share),
    Column("p50 ms", "median latency of one run", _p50),
    Column("p90 ms", "latency that nine runs of ten stay below", _p90),
    Column("Speed", "how many times as fast as float, by the medians", _speed),
    Column("Memory", "what loading and running it added to a fresh process at most", _memory),
    Column("Worst dB", "PSNR against the float model, worst sample", _worst),
    Column("Mean dB", "PSNR against the float model, mean over the samples", _mean),
    Column("Worst SSIM", "structural similarity with the float model, worst sample", _ssim),
    Column("Max error", "largest difference of one value; black is 0 and white is 1", _largest),
    Column("Mean error", "mean absolute difference of all values", _average),
)
_WITH_IDENTITY = Column(
    "Identity", "mean cosine of the faces in both pictures, by the card's recogniser", _identity
)
_WITH_MASK = Column("Mask dB", "PSNR of the mask against the float model's, worst sample", _mask)
_WITH_TRUTH = (
    Column("Truth dB", "PSNR against the truth, where the mask shows the swap", _truth),
    Column("vs float", "dB against the truth that it is better (+) or worse (-) than float", _loss),
)


def columns(comparison: Comparison) -> tuple[Column, ...]:
    """Return the columns that this comparison has figures for."""
    chosen = list(_ALWAYS)
    scores = [row.scores for row in comparison.candidates if row.scores is not None]
    if any(each.mask_worst is not None for each in scores):
        chosen.append(_WITH_MASK)
    if any(each.identity_cosine is not None for each in scores):
        chosen.append(_WITH_IDENTITY)
    if any(row.truth is not None for row in comparison.candidates):
        chosen.extend(_WITH_TRUTH)
    return tuple(chosen)


def shown_name(row: Row) -> str:
    """Return a row's name as printable text: file names are untrusted."""
    return one_line(row.name)


def made_for(row: Row) -> str:
    """Return what a model was made for and how, as the JSON beside it says."""
    parts = [row.precision, row.target, f"recipe {row.recipe}" if row.recipe else ""]
    return one_line(", ".join(part for part in parts if part)) or NOTHING


def measured_with(row: Row) -> str:
    """Return what ran a model, and with which kernels its quality was measured."""
    parts = [row.engine, KERNELS.get(row.kernels, "")]
    return ", ".join(part for part in parts if part) or NOTHING


def nodes(row: Row) -> str:
    """Return how many nodes ran on which execution provider."""
    parts = (
        f"{count} on {name.removesuffix('ExecutionProvider')}"
        for name, count in row.providers.items()
    )
    return ", ".join(parts) or NOTHING


def remarks(row: Row) -> str:
    """Return what else there is to know about a row."""
    parts = ([f"does not run: {row.trouble}"] if row.trouble else []) + list(row.notes)
    return one_line("; ".join(parts))


def machine_lines(comparison: Comparison) -> list[tuple[str, str]]:
    """Return what was measured on what and how, as pairs of a topic and a line."""
    machine = comparison.machine
    threads = f"{comparison.threads} of {machine.cores} cores"
    lines = [
        ("Processor", f"{machine.processor} ({machine.architecture})"),
        ("Features", " ".join(machine.features) or "none that matter"),
        ("Threads", f"{threads} for every engine; load before: {comparison.load:.2f}"),
        ("Board", machine.board),
        ("Clock", f"governor {machine.governor}" if machine.governor else ""),
        ("Memory", f"{machine.memory / 2**30:.1f} GiB" if machine.memory else ""),
        ("System", f"{machine.system}, kernel {machine.kernel}"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in comparison.versions.items())),
        ("Latency", f"{comparison.rounds} rounds, all models in turn and in one process"),
        ("Samples", f"{comparison.count}: {comparison.samples}"),
        ("Card", comparison.card or "none"),
        ("Measured", comparison.created.replace("T", " ").replace("+00:00", " UTC")),
    ]
    return [(topic, one_line(text)) for topic, text in lines if text]
