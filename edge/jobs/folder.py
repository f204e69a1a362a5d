"""Swap every picture and video of a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge.consent.chain import file_sha256
from edge.errors import ConsentError, EdgeError, MediaError, OutputError, UsageError
from edge.jobs.file import swap_file
from edge.jobs.results import Done, FolderSummary
from edge.media.sniff import INPUT_PICTURE_SUFFIXES, INPUT_VIDEO_SUFFIXES, VIDEO_TYPES, is_video
from edge.progress import Progress, silent

if TYPE_CHECKING:
    from edge.records import Medium, ModelUse, Permit
    from edge.swap import Swapper

_UNWRITTEN = {".bmp": ".png", ".tif": ".png", ".tiff": ".png", ".avif": ".jpg"}
"""Suffix that an input of a kind we do not write gets in an output folder; videos get .mp4."""


_RUN = ("name", "sha256", "backend", "provider")
"""What decides how a model runs, of what the ledger says about it."""


def swap_folder(
    swapper: Swapper,
    source: Path,
    output: Path,
    *,
    overwrite: bool = False,
    skip_without_face: bool = False,
    resume: bool = False,
    progress: Progress = silent,
    frames: Progress = silent,
) -> FolderSummary:
    """Swap every picture and video of a folder and its subfolders; one that fails stops no other.

    Args:
        swapper: Who is swapped in, and how.
        source: The folder to read. Hidden files are left alone.
        output: The folder to write, made if need be; names and subfolders are kept.
        overwrite: Replace existing outputs.
        skip_without_face: List a source without a face instead of counting it as failed.
        resume: Leave alone what the ledger has as made of these very files, by the same leave,
            models and choices; go on with a video that was interrupted.
        progress: Told after each file.
        frames: Told after each frame of a video.

    Raises:
        UsageError: The output folder lies in the input folder, or is the same, or two inputs
            would get one name, or an output that of another input.
        MediaError: There is no picture and no video in the folder.
        ConsentError: There is no valid consent; nothing was tried.
        OutputError: The output folder cannot be made, or is a file.
    """
    if output.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{output}: lies in the input folder {source}; choose another output")
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file; a folder is swapped into a folder")
    wanted, ignored, closed = _inputs(source)
    with swapper.refusals({"input": str(source), "output": str(output)}):
        _check_permitted(swapper, wanted)
    pairs = [(path, output / _output_name(path.relative_to(source))) for path in wanted]
    if not pairs:
        more = f" that can be read: {closed[0][1]}" if closed else ""
        raise MediaError(f"{source}: holds no picture and no video{more}")
    _check_names(pairs)
    made = _made_before(swapper, pairs) if resume else frozenset()
    done: list[Done] = []
    failed = closed
    for number, (path, destination) in enumerate(pairs):
        progress(number, len(pairs), path.name)
        if destination in made:
            continue
        try:
            _make_folder(destination.parent)
            done.append(
                swap_file(
                    swapper,
                    path,
                    destination,
                    overwrite=overwrite,
                    skip_without_face=skip_without_face,
                    resume=resume,
                    progress=frames,
                )
            )
        except EdgeError as error:
            failed.append((path, str(error)))
        progress(number + 1, len(pairs), path.name)
    kept = tuple(destination for _, destination in pairs if destination in made)
    return FolderSummary(tuple(done), tuple(failed), tuple(ignored), kept)


def _made_before(swapper: Swapper, pairs: list[tuple[Path, Path]]) -> frozenset[Path]:
    """Return the outputs that are there, whole, as the ledger says, from these very inputs."""
    there = [(source, output) for source, output in pairs if output.is_file()]
    if not there:
        return frozenset()
    entries: dict[str, Mapping[str, object]] = {}
    for entry in swapper.ledger.entries():
        if entry.kind == "output" and entry.state == "published":
            entries |= dict.fromkeys(entry.hashes, entry.fields)
    models, choices = _runs(swapper.models), swapper.choices()
    made = set()
    for source, output in there:
        digest = file_sha256(output)
        fields = {} if digest is None else entries.get(digest, {})
        if not fields or _runs_in(fields) != models:
            continue
        if fields.get("choices", choices) != choices:  # entries of before say nothing of them
            continue
        if fields.get("target_sha256") == file_sha256(source):
            medium: Medium = "video" if is_video(source) else "picture"
            with suppress(ConsentError):  # said where the file is tried
                if _same_leave(fields, swapper.permit_for(medium)):
                    made.add(output)
    return frozenset(made)


def _same_leave(fields: Mapping[str, object], leave: Permit) -> bool:
    wanted = {
        "identity": leave.identity_commitment,
        "consent_id": leave.consent_id,
        "purpose": leave.purpose,
        "target_statement": leave.target_statement,
    }
    return all(fields.get(name) == value for name, value in wanted.items())


def _runs(models: Sequence[ModelUse]) -> list[tuple[object, ...]]:
    return [tuple(getattr(model, name) for name in _RUN) for model in models]


def _runs_in(fields: Mapping[str, object]) -> list[tuple[object, ...]]:
    """Return how an output's models ran, as its entry says."""
    listed = fields.get("models")
    models = listed if isinstance(listed, list) else []
    return [
        tuple(model.get(name) for name in _RUN) for model in models if isinstance(model, Mapping)
    ]


def _check_permitted(swapper: Swapper, wanted: list[Path]) -> None:
    """Check that there is leave for one kind of the files at least; each file is checked again."""
    media: set[Medium] = {
        "video" if path.suffix.lower() in INPUT_VIDEO_SUFFIXES else "picture" for path in wanted
    } or {"picture"}
    refusals = []
    for medium in sorted(media):
        try:
            swapper.permit_for(medium)
        except ConsentError as error:
            refusals.append(error)
    if len(refusals) == len(media):
        raise refusals[0]


def _inputs(folder: Path) -> tuple[list[Path], list[Path], list[tuple[Path, str]]]:
    """Return what is to be swapped, what is neither picture nor video, and what is closed to us."""
    found: list[Path] = []
    closed: list[tuple[Path, str]] = []

    def note(error: OSError) -> None:
        closed.append((Path(error.filename), f"{error.filename}: cannot be read: {error.strerror}"))

    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            try:
                if path.is_file():
                    found.append(path)
            except OSError as error:
                note(error)
    wanted: list[Path] = []
    ignored: list[Path] = []
    known = INPUT_PICTURE_SUFFIXES | INPUT_VIDEO_SUFFIXES
    for path in sorted(found):
        (wanted if path.suffix.lower() in known else ignored).append(path)
    return wanted, ignored, sorted(closed)


def _output_name(path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix in _UNWRITTEN:
        return path.with_suffix(_UNWRITTEN[suffix])
    if suffix in INPUT_VIDEO_SUFFIXES and suffix not in VIDEO_TYPES:
        return path.with_suffix(".mp4")
    return path


def _check_names(pairs: list[tuple[Path, Path]]) -> None:
    taken: dict[Path, Path] = {}
    inputs = {source.resolve() for source, _ in pairs}
    for source, destination in pairs:
        if destination.resolve() in inputs:
            raise UsageError(f"{destination}: is itself an input; choose another output folder")
        other = taken.setdefault(destination, source)
        if other != source:
            raise UsageError(
                f"{source} and {other} would both become {destination}: rename one of them"
            )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
