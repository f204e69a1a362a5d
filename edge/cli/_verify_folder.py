"""What `edge verify` says about folders: their files in short, and recordings of live streams."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli import one_line
from edge.provenance.verdict import TAMPERED

if TYPE_CHECKING:
    from edge.provenance.recording import Recording
    from edge.provenance.verdict import Verdict

MEANING = {
    0: "intact, signer trusted",
    2: "cannot be verified",
    3: "intact, signer unknown",
    4: "tampered with, unreadable or broken",
    5: "no manifest: unknown",
}
"""What exit statuses mean."""


def files_of(named: list[Path]) -> tuple[list[Path], set[Path]]:
    """Return the files to verify, those of folders in their place, and which folders there are.

    Raises:
        UsageError: A folder holds nothing to verify.
    """
    from edge.errors import UsageError
    from edge.provenance.recording import media_in

    files: list[Path] = []
    folders = set()
    for path in named:
        if not path.is_dir():
            files.append(path)
            continue
        found = media_in(path)
        if not found:
            raise UsageError(f"{path}: holds no picture, video or sound")
        files += found
        folders.add(found[0].parent)
    return files, folders


def show_recording(recording: Recording) -> None:
    """Print whether a recording is whole."""
    segments = (
        "1 segment" if len(recording.segments) == 1 else f"{len(recording.segments)} segments"
    )
    state = "whole: none is missing, none was put between" if recording.whole else "NOT WHOLE"
    if recording.whole and recording.removed:
        state = (
            f"whole from segment {recording.removed} on: those before were removed to keep it "
            "within a size, says the ledger"
        )
    sys.stdout.write(
        f"{one_line(f'recording {recording.stream}')}\n"
        f"  {segments}, {recording.seconds:.1f} s: {state}\n"
    )
    for problem in recording.problems:
        sys.stdout.write(f"  problem     {one_line(problem)}\n")


def folder_result(verdicts: list[Verdict], recordings: list[Recording], status: int) -> str:
    """Return the last line about folders."""
    broken = sum(not recording.whole for recording in recordings)
    files = "1 file" if len(verdicts) == 1 else f"{len(verdicts)} files"
    if broken and status == TAMPERED:
        return f"result      {status}: {files}; {broken} of {len(recordings)} recordings not whole"
    return f"result      {status}: {files}; {MEANING[status]}"
