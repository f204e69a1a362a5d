"""Swap a video: the same stages for every frame, one label place for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import NoFaceError
from edge.faces.detect import VIDEO_PASSES
from edge.faces.track import Steady
from edge.jobs.deliver import deliver
from edge.jobs.line import InOrder
from edge.jobs.results import Done, Stopwatch
from edge.media.video_in import open_video
from edge.media.video_out import VideoWriter
from edge.provenance.implicit import implicit_json, mp4_metadata
from edge.provenance.label import Label
from edge.provenance.signer import ready_to_sign
from edge.provenance.watermark.embed import watermark_for
from edge.publish import Publication
from edge.records import Region
from edge.registry import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.media.video_in import VideoReader
    from edge.media.video_info import VideoFrame, VideoInfo
    from edge.progress import Progress
    from edge.provenance.watermark.embed import Watermark
    from edge.records import Face, LabelPlace
    from edge.swap import Swapper

LOOKS_PER_SECOND = 2
"""How many frames a second of the video are searched beforehand, to place the label."""


def swap_video(
    swapper: Swapper, source: Path, output: Path, *, overwrite: bool, progress: Progress
) -> Done:
    """Swap the faces of a video; see `edge.jobs.file.swap_file`.

    The video is read twice: once here and there to find the corner where the label covers least
    of the faces, once in full. The consent is checked before, and again before the output is
    signed. The content gate judges both times: first so that a video that does not pass costs no
    work, then because what is swapped is what it must have seen.

    Raises:
        GateError: A frame does not pass the content gate; nothing of the video is published.
        NoFaceError: No frame holds a face.
        EdgeError: Anything else that is in the way.
    """
    watch = Stopwatch()
    swapper.permit_for("video")
    ready_to_sign()  # after an hour of frames it would be too late to find out
    with watch.stage("look ahead"):
        place = _place_label(swapper, source, progress)
        target = sha256_of(source)
    with Publication(output, overwrite=overwrite) as publication:
        plain = publication.temporary()
        with open_video(source) as reader:
            # The record names the frames written, which only the end knows; the implicit label
            # needs nothing of it but the id, so that one is written first.
            draft = swapper.record(swapper.permit_for("video"), place, target, faces=0, frames=0)
            metadata = mp4_metadata(implicit_json(draft))
            mark = watermark_for(draft, reader.info.width, reader.info.height)
            with VideoWriter(plain, reader.info, metadata) as writer:
                most = _swap_frames(swapper, reader, writer, (Label(place), mark), watch, progress)
            notes = (*reader.notes, *writer.notes)
            frames = writer.frames
        if most == 0:
            raise NoFaceError(
                f"{source}: in {frames} frames {swapper.nothing_found}; nothing was written"
            )
        record = swapper.finished(draft, faces=most, frames=frames)
        with watch.stage("sign and publish"):
            delivered = deliver(publication, plain, swapper.ledger, record, source, output)
    notes = (*notes, *delivered.notes)
    return Done(source, output, record, delivered.sha256, watch.seconds, notes, watch.elapsed)


def _place_label(swapper: Swapper, source: Path, progress: Progress) -> LabelPlace:
    regions: list[Region] = []
    with open_video(source) as reader:
        info = reader.info
        step = max(1, round(float(info.rate or 25) / LOOKS_PER_SECOND))
        judge = swapper.gates.watch(float(info.rate or 25))
        frame = None
        # The gate must see every change of scene, and so every frame.
        for frame in reader.sampled(1 if swapper.gates else step):
            judge.see(frame, str(source))
            if frame.index % step:
                continue
            regions += [_region(face) for face in swapper.find(frame.frame, VIDEO_PASSES)]
            progress(frame.index, info.frames, "looking ahead")
        if frame is None:
            raise NoFaceError(f"{source}: has no frames")
        return swapper.plan_label(frame.frame, regions)


def _region(face: Face) -> Region:
    x, y, width, height = (round(value) for value in face.box)
    return Region(x, y, max(width, 0), max(height, 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A frame on its way, and the faces in it that are to be swapped."""

    frame: VideoFrame
    faces: tuple[Face, ...]


class _Way:
    """The steps of a video's frames, each of which runs in a thread of its own."""

    def __init__(
        self, swapper: Swapper, info: VideoInfo, marks: tuple[Label, Watermark], watch: Stopwatch
    ) -> None:
        self._swapper, self._watch = swapper, watch
        self._label, self._watermark = marks
        self._judge = swapper.gates.watch(float(info.rate or 25))
        self._name = str(info.path)
        self._follower, self._steady = swapper.follower(), Steady()

    def read(self, reader: VideoReader) -> Iterator[VideoFrame]:
        """Decode."""
        frames = iter(reader)
        while True:
            with self._watch.stage("read"):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def look(self, frame: VideoFrame) -> _Seen:
        """Judge the frame, and find its faces."""
        if self._swapper.gates:
            with self._watch.stage("content gate"):
                self._judge.see(frame, self._name)
        with self._watch.stage("detect"):
            return _Seen(frame, self._steady.update(self._follower.update(frame.frame)))

    def swap(self, seen: _Seen) -> _Seen:
        """Swap the faces, and label and mark the frame."""
        with self._watch.stage("swap"):
            self._swapper._swap_into(seen.frame.frame, seen.faces)
        with self._watch.stage("label"):
            self._label.draw(seen.frame.frame)
        with self._watch.stage("watermark"):
            self._watermark.draw(seen.frame.frame)
        return seen


def _swap_frames(
    swapper: Swapper,
    reader: VideoReader,
    writer: VideoWriter,
    marks: tuple[Label, Watermark],
    watch: Stopwatch,
    progress: Progress,
) -> int:
    """Swap, label, mark and write every frame; return the most faces in one."""
    most = 0
    way = _Way(swapper, reader.info, marks, watch)
    with InOrder(way.read(reader), way.look, way.swap) as line:
        for seen in line:
            frame = seen.frame
            with watch.stage("encode"):
                writer.write(frame.frame, frame.pts)
            most = max(most, len(seen.faces))
            progress(frame.index + 1, reader.info.frames, "frames")
    return most
