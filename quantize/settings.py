"""What a conversion was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edge.errors import UsageError
from quantize.targets import FORMATS, ORT_STYLES, Format, OrtStyle

__all__ = ["PRECISIONS", "Precision", "Progress", "Settings", "silent"]

Precision = Literal["fp32", "fp16", "int8", "w8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many steps of it are done, and how many there are."""

MOST_SAMPLES = 4096

MADE_AS: Mapping[Format, tuple[Precision, ...]] = {
    "mnn": ("fp32", "fp16", "w8"),
    "ncnn": ("fp32", "fp16"),
}
"""Precisions of the formats that not every precision can be written as."""


def nearest_precision(form: Format, precision: Precision) -> Precision:
    """Return the precision in which a format comes nearest in size to the one that is wanted."""
    made = MADE_AS.get(form, PRECISIONS)
    return precision if precision in made else made[-1]


def silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a conversion was asked for; `quantize.convert` says what each means."""

    model: Path
    output: Path
    card: Path | str | None = None
    precision: Precision = "int8"
    form: Format = "onnx"
    target: str = "x86_cpu"
    recipe: str | None = None
    budget: str | None = None
    bake: Path | None = None
    source_picture: Path | None = None
    calibration: Path | None = None
    count: int = 32
    threads: int = 1
    overwrite: bool = False
    ort_style: OrtStyle | None = None

    def check(self) -> None:
        """Refuse what makes no sense, before anything is read.

        Raises:
            UsageError: a value is none of those that there are, or two do not go together.
        """
        for what, value, known in (
            ("precision", self.precision, PRECISIONS),
            ("format", self.form, FORMATS),
            ("style of .ort files", self.ort_style or ORT_STYLES[0], ORT_STYLES),
        ):
            if value not in known:
                raise UsageError(f"no {what} '{value}'; known: {', '.join(known)}")
        made = MADE_AS.get(self.form, PRECISIONS)
        if self.precision not in made:
            raise UsageError(
                f"{self.form} files are made as {', '.join(made)}, not as {self.precision}: "
                "name one with --precision"
            )
        if self.recipe is not None and self.precision != "int8":
            raise UsageError(f"a recipe says how int8 is made: leave it out with {self.precision}")
        if self.ort_style is not None and self.form != "ort":
            raise UsageError(f"--ort-style is of .ort files: leave it out with {self.form}")
        if self.source_picture is not None and self.bake is None:
            raise UsageError("--source-picture shows whom to bake in: give --bake FILE too")
        if not 1 <= self.count <= MOST_SAMPLES:
            raise UsageError(f"--count must be 1 to {MOST_SAMPLES}, not {self.count}")
        if self.threads < 1:
            raise UsageError(f"--threads must be 1 or more, not {self.threads}")

    @property
    def coarse(self) -> bool:
        """Whether writing the file makes 8 bits of a model that is float32 in memory."""
        return self.form in MADE_AS and self.precision == "w8"

    def inputs(self) -> tuple[Path, ...]:
        """Return the files that are read, none of which may be written."""
        card = Path(self.card) if self.card is not None else None
        given = (self.model, card, self.bake, self.source_picture)
        return tuple(path for path in given if path is not None)
