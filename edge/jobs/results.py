"""What the jobs hand back: one record a file, one a folder, and the time that each stage took."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.records import SwapRecord


@dataclass(frozen=True, slots=True)
class Done:
    """One output, or the lack of it.

    Attributes:
        source: The input.
        output: The output; None when the input had no face and was skipped.
        record: What the ledger says about the output; None when skipped.
        sha256: Hex digest of the output's bytes; "" when skipped.
        seconds: Wall time by stage, in the order of the stages. A video's stages overlap, so they
            add up to more than it took.
        notes: What the user should know, one sentence each.
        elapsed: Wall time from beginning to end, seconds.
    """

    source: Path
    output: Path | None
    record: SwapRecord | None
    sha256: str
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()
    elapsed: float = 0.0

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        shown: dict[str, object] = {
            "input": str(self.source),
            "output": None if self.output is None else str(self.output),
            "skipped": None if self.output is not None else "no face",
            "sha256": self.sha256 or None,
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
            "elapsed": round(self.elapsed, 4),
            "notes": list(self.notes),
        }
        if self.record is not None:
            shown |= {
                "output_id": self.record.output_id,
                "faces": self.record.faces,
                "frames": self.record.frames,
                "label": self.record.label.text,
                "consent": self.record.permit.consent_id,
                "assurance": self.record.permit.assurance,
                "models": {
                    use.name: f"{use.backend} {use.engine_version} {use.provider}"
                    for use in self.record.models
                },
            }
        return shown

    def describe(self) -> str:
        """Return the lines that a person reads."""
        from edge.cli import one_line

        if self.output is None or self.record is None:
            return f"{one_line(str(self.source))}: no face, skipped"
        record = self.record
        what = f"{record.faces} face{'s' if record.faces != 1 else ''}"
        if record.permit.medium == "video":
            what += f", {record.frames} frames"
        swapper = record.models[-1]
        lines = [
            f"{one_line(str(self.output))}: {what}, {self.elapsed:.2f} s",
            f"  label '{record.label.text}' ({record.label.corner}), manifest signed and verified, "
            f"in the ledger as {record.output_id}",
            f"  consent {record.permit.consent_id} ({record.permit.assurance}), "
            f"{swapper.name} on {swapper.backend} {swapper.engine_version} {swapper.provider}",
        ]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class FolderSummary:
    """What became of a folder.

    Attributes:
        done: Outputs, and inputs that were skipped for want of a face.
        failed: Inputs that failed, with the reason.
        ignored: Files that are neither picture nor video by their suffix.
        kept: Outputs that an earlier call made of the same files, and that were left alone.
    """

    done: tuple[Done, ...]
    failed: tuple[tuple[Path, str], ...]
    ignored: tuple[Path, ...]
    kept: tuple[Path, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "outputs": [one.to_dict() for one in self.done if one.output is not None],
            "skipped": [str(one.source) for one in self.done if one.output is None],
            "failed": [{"input": str(path), "error": why} for path, why in self.failed],
            "ignored": [str(path) for path in self.ignored],
            "made_before": [str(path) for path in self.kept],
        }

    def describe(self) -> str:
        """Return the lines that a person reads."""
        from edge.cli import one_line

        written = [one for one in self.done if one.output is not None]
        skipped = [one for one in self.done if one.output is None]
        lines = [one.describe() for one in (*written, *skipped)]
        lines += [f"{one_line(str(path))}: FAILED: {one_line(why)}" for path, why in self.failed]
        before = f"{len(self.kept)} made before, " if self.kept else ""
        lines.append(
            f"{len(written)} written, {before}{len(skipped)} without a face, "
            f"{len(self.failed)} failed, {len(self.ignored)} other files ignored"
        )
        return "\n".join(lines)


class Stopwatch:
    """Adds up wall time by stage; stages of different names may run in different threads.

    Attributes:
        seconds: Time by stage, in the order in which the stages were first entered.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._start

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the body's time towards `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent
