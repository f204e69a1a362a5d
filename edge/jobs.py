"""Swaps of files: a picture, a video, a folder of both.

Every output takes the same way: permit, detect, swap, label, encode, implicit label, sign, verify,
ledger, name. An output that did not come to its end leaves nothing behind but a line in the ledger.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import EdgeError, NoFaceError, OutputError, UsageError
from edge.media.image import encode_picture, read_picture, solid_over
from edge.media.sniff import (
    INPUT_PICTURE_SUFFIXES,
    INPUT_VIDEO_SUFFIXES,
    VIDEO_TYPES,
    is_video,
    media_type_for,
)
from edge.output import deliver
from edge.progress import Progress, silent
from edge.provenance.implicit import implicit_json, write_implicit
from edge.provenance.label import Label
from edge.publish import Publication, check_destination, remove_stale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.records import SwapRecord
    from edge.swap import Swapper

_UNWRITTEN = {".bmp": ".png", ".tif": ".png", ".tiff": ".png", ".avif": ".jpg"}
"""Suffix that an input of a kind we do not write gets in an output folder; videos get .mp4."""


@dataclass(frozen=True, slots=True)
class Done:
    """One output, or the lack of it.

    Attributes:
        source: The input.
        output: The output; None when the input had no face and was skipped.
        record: What the ledger says about the output; None when skipped.
        sha256: Hex digest of the output's bytes; "" when skipped.
        seconds: Wall time by stage, in the order of the stages.
        notes: What the user should know, one sentence each.
    """

    source: Path
    output: Path | None
    record: SwapRecord | None
    sha256: str
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        shown: dict[str, object] = {
            "input": str(self.source),
            "output": None if self.output is None else str(self.output),
            "skipped": None if self.output is not None else "no face",
            "sha256": self.sha256 or None,
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
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
            f"{one_line(str(self.output))}: {what}, {sum(self.seconds.values()):.2f} s",
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
    """

    done: tuple[Done, ...]
    failed: tuple[tuple[Path, str], ...]
    ignored: tuple[Path, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "outputs": [one.to_dict() for one in self.done if one.output is not None],
            "skipped": [str(one.source) for one in self.done if one.output is None],
            "failed": [{"input": str(path), "error": why} for path, why in self.failed],
            "ignored": [str(path) for path in self.ignored],
        }

    def describe(self) -> str:
        """Return the lines that a person reads."""
        from edge.cli import one_line

        written = [one for one in self.done if one.output is not None]
        skipped = [one for one in self.done if one.output is None]
        lines = [one.describe() for one in (*written, *skipped)]
        lines += [f"{one_line(str(path))}: FAILED: {one_line(why)}" for path, why in self.failed]
        lines.append(
            f"{len(written)} written, {len(skipped)} without a face, {len(self.failed)} failed, "
            f"{len(self.ignored)} other files ignored"
        )
        return "\n".join(lines)


class Stopwatch:
    """Adds up wall time by stage.

    Attributes:
        seconds: Time by stage, in the order in which the stages were first entered.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the body's time towards `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


def swap_file(
    swapper: Swapper,
    source: Path,
    output: Path,
    *,
    overwrite: bool = False,
    skip_without_face: bool = False,
    progress: Progress = silent,
) -> Done:
    """Swap a picture or a video.

    Args:
        swapper: Who is swapped in, and how.
        source: JPEG, PNG, WebP, BMP, TIFF or AVIF picture; or a video that PyAV reads.
        output: .jpg, .png or .webp; or .mp4 or .mov.
        overwrite: Replace an existing output.
        skip_without_face: Write nothing for a source without a face, instead of an error.
        progress: Told after each frame of a video.

    Returns:
        What was made.

    Raises:
        EdgeError: Anything that is in the way; then there is no output.
    """
    check_destination(source, output, overwrite)
    remove_stale(output.parent)
    swapper.ledger.recover()
    try:
        with swapper.refusals({"input": str(source), "output": str(output)}):
            if is_video(source):
                from edge.video_job import swap_video

                return swap_video(swapper, source, output, overwrite=overwrite, progress=progress)
            return _swap_picture(swapper, source, output, overwrite=overwrite)
    except NoFaceError:
        if not skip_without_face:
            raise
        swapper.ledger.event("skipped-no-face", {"input": str(source), "output": str(output)})
        return Done(source, None, None, "", {})
    except KeyboardInterrupt:
        swapper.ledger.event("interrupted", {"input": str(source), "output": str(output)})
        raise


def _swap_picture(swapper: Swapper, source: Path, output: Path, *, overwrite: bool) -> Done:
    watch = Stopwatch()
    leave = swapper.permit_for("picture")
    with watch.stage("read"):
        picture = read_picture(source)
    with watch.stage("detect"):
        faces = swapper.find(picture.frame)
    if not faces:
        raise NoFaceError(
            f"{source}: no face found, so nothing was written; try a lower --min-score"
        )
    with watch.stage("swap"):
        regions = swapper._swap_into(picture.frame, faces)
    with watch.stage("label"):
        place = swapper.plan_label(picture.frame, regions)
        Label(place).draw(picture.frame)
    record = swapper.record(leave, place, picture.sha256, faces=len(faces), frames=1)
    media_type = media_type_for(output)
    with watch.stage("encode"):
        # A label on clear pixels would not be seen: below it the picture becomes solid.
        alpha = None if picture.alpha is None else solid_over(picture.alpha, place.region)
        data = encode_picture(picture.frame, alpha, media_type, icc=picture.icc)
        data = write_implicit(data, media_type, implicit_json(record))
    with watch.stage("sign and publish"), Publication(output, overwrite=overwrite) as publication:
        plain = publication.write(data)
        delivered = deliver(publication, plain, swapper.ledger, record, source, output)
    return Done(source, output, record, delivered.sha256, watch.seconds, delivered.notes)


def swap_folder(
    swapper: Swapper,
    source: Path,
    output: Path,
    *,
    overwrite: bool = False,
    skip_without_face: bool = False,
    progress: Progress = silent,
) -> FolderSummary:
    """Swap every picture and video of a folder and its subfolders; one that fails stops no other.

    Args:
        swapper: Who is swapped in, and how.
        source: The folder to read. Hidden files are left alone.
        output: The folder to write, made if need be; names and subfolders are kept.
        overwrite: Replace existing outputs.
        skip_without_face: List a source without a face instead of counting it as failed.
        progress: Told after each file.

    Raises:
        UsageError: The output folder lies in the input folder, or is the same, or two inputs
            would get one name.
        ConsentError: There is no valid consent; nothing was tried.
        OutputError: The output folder cannot be made.
    """
    if output.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{output}: lies in the input folder {source}; choose another output")
    with swapper.refusals({"input": str(source), "output": str(output)}):
        swapper.permit_for("picture")
    wanted, ignored = _inputs(source)
    pairs = [(path, output / _output_name(path.relative_to(source))) for path in wanted]
    _check_names(pairs)
    done: list[Done] = []
    failed: list[tuple[Path, str]] = []
    for number, (path, destination) in enumerate(pairs):
        progress(number, len(pairs), path.name)
        try:
            _make_folder(destination.parent)
            done.append(
                swap_file(
                    swapper,
                    path,
                    destination,
                    overwrite=overwrite,
                    skip_without_face=skip_without_face,
                )
            )
        except EdgeError as error:
            failed.append((path, str(error)))
        progress(number + 1, len(pairs), path.name)
    return FolderSummary(tuple(done), tuple(failed), tuple(ignored))


def _inputs(folder: Path) -> tuple[list[Path], list[Path]]:
    wanted: list[Path] = []
    ignored: list[Path] = []
    known = INPUT_PICTURE_SUFFIXES | INPUT_VIDEO_SUFFIXES
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.is_file():
            continue
        (wanted if path.suffix.lower() in known else ignored).append(path)
    return wanted, ignored


def _output_name(path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix in _UNWRITTEN:
        return path.with_suffix(_UNWRITTEN[suffix])
    if suffix in INPUT_VIDEO_SUFFIXES and suffix not in VIDEO_TYPES:
        return path.with_suffix(".mp4")
    return path


def _check_names(pairs: list[tuple[Path, Path]]) -> None:
    taken: dict[Path, Path] = {}
    for source, destination in pairs:
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
