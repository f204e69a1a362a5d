"""Swap a video: the same stages for every frame, one label place for all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import MediaError, NoFaceError
from edge.faces.detect import VIDEO_PASSES
from edge.faces.track import Steady
from edge.jobs.deliver import deliver
from edge.jobs.line import InOrder
from edge.jobs.results import Done, Stopwatch
from edge.jobs.unfinished import SEGMENT, Unfinished
from edge.media.encoding import Clock, Encoder, encoder_version
from edge.media.video_in import open_video
from edge.media.video_out import join_segments
from edge.provenance.implicit import implicit_json, mp4_metadata
from edge.provenance.label import Label
from edge.provenance.signer import ready_to_sign
from edge.provenance.watermark.embed import watermark_for
from edge.publish import Publication
from edge.records import Region, region_of
from edge.registry import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.media.video_in import VideoReader
    from edge.media.video_info import VideoFrame, VideoInfo
    from edge.progress import Progress
    from edge.provenance.watermark.embed import Watermark
    from edge.records import Face, LabelPlace, Permit, SwapRecord
    from edge.swap import Swapper

LOOKS_PER_SECOND = 2
"""How many frames a second of the video are searched beforehand, to place the label."""


def swap_video(
    swapper: Swapper,
    source: Path,
    output: Path,
    *,
    overwrite: bool,
    resume: bool = False,
    progress: Progress,
) -> Done:
    """Swap the faces of a video; see `edge.jobs.file.swap_file`.

    The video is read twice: once here and there to find the corner where the label covers least
    of the faces, once in full. The consent is checked before, and again before the output is
    signed. The content gate judges both times: first so that a video that does not pass costs no
    work, then because what is swapped is what it must have seen.

    It is made in segments, which `edge.jobs.unfinished` keeps beside the output until they are
    joined: with `resume`, what an interrupted run finished is not made again.

    Raises:
        GateError: A frame does not pass the content gate; nothing of the video is published.
        NoFaceError: No frame holds a face.
        UsageError: What is kept of the video is of another command, damaged, or not of this device.
        EdgeError: Anything else that is in the way.
    """
    watch = Stopwatch()
    leave = swapper.permit_for("video")
    ready_to_sign()  # after an hour of frames it would be too late to find out
    with (
        Publication(output, overwrite=overwrite) as publication,
        Unfinished(output, keep=resume) as unfinished,
    ):
        state = _state_of(source)  # first: the hash that is in the record is of this state
        with watch.stage("look ahead"):
            draft, notes = _begun(swapper, source, unfinished, leave, resume, progress)
        journal = unfinished.journal
        assert journal is not None
        with open_video(source) as reader:
            info = reader.info
            mark = watermark_for(draft, info.width, info.height)
            if not journal.whole:
                marks = Label(journal.place), mark
                _swap_frames(swapper, reader, unfinished, marks, watch, progress)
                notes += reader.notes
        finished = unfinished.journal
        assert finished is not None
        if finished.faces == 0:
            raise NoFaceError(
                f"{source}: in {finished.frames} frames {swapper.nothing_found}; nothing was "
                "written"
            )
        if _state_of(source) != state:  # its sound is read now, and its bytes are in the manifest
            raise MediaError(f"{source}: was changed or removed while it was swapped: begin anew")
        with watch.stage("join"):
            plain = publication.temporary()
            metadata = mp4_metadata(implicit_json(draft))
            writer = join_segments(unfinished.paths, plain, info, metadata)
        record = swapper.finished(draft, faces=finished.faces, frames=writer.frames)
        with watch.stage("sign and publish"):
            delivered = deliver(publication, plain, swapper.ledger, record, source, output)
    notes = (*notes, *writer.notes, *delivered.notes)
    return Done(source, output, record, delivered.sha256, watch.seconds, notes, watch.elapsed)


def _state_of(path: Path) -> tuple[int, ...]:
    """Return what changes with a file; nothing where it is gone."""
    try:
        state = path.stat()
    except OSError:
        return ()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def _begun(
    swapper: Swapper,
    source: Path,
    unfinished: Unfinished,
    leave: Permit,
    resume: bool,
    progress: Progress,
) -> tuple[SwapRecord, tuple[str, ...]]:
    """Find what is finished, or begin; return the draft of the record, and what the user reads."""
    settings = _settings(swapper, source, leave)
    journal = unfinished.go_on(settings) if resume else None
    if journal is not None:
        frames = "1 frame" if journal.frames == 1 else f"{journal.frames} frames"
        draft = swapper.record(leave, journal.place, settings["input"], faces=0, frames=0)
        return journal.draft(draft), (f"gone on behind {frames} that were finished before",)
    place = _place_label(swapper, source, progress)
    # The record names the frames written, which only the end knows; the implicit label needs
    # nothing of it but the id, so that one comes first.
    leave = swapper.permit_for("video")
    draft = swapper.record(leave, place, settings["input"], faces=0, frames=0)
    unfinished.begin(draft, settings)
    nothing = "there was nothing to go on with: begun at the first frame"
    return draft, (nothing,) if resume else ()


def _settings(swapper: Swapper, source: Path, leave: Permit) -> dict[str, str]:
    """Return all that the frames of the output depend on, and by whose leave they are made."""
    return {
        **swapper.settings(),
        "input": sha256_of(source),
        "consent": leave.consent_id,
        "target's statement": leave.target_statement,
        "segments": f"of {SEGMENT} frames, {encoder_version()}",
    }


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
            regions += [region_of(face) for face in swapper.find(frame.frame, VIDEO_PASSES)]
            progress(frame.index, info.frames, "looking ahead")
        if frame is None:
            raise NoFaceError(f"{source}: has no frames")
        return swapper.plan_label(frame.frame, regions)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A frame on its way, and the faces in it that are to be swapped."""

    frame: VideoFrame
    faces: tuple[Face, ...]
    state: str = ""
    """Behind the last frame of a segment: what following the faces needs to know for the next."""


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

    def go_on(self, state: str, before: VideoFrame) -> None:
        """Go on behind a frame, with the state that the journal has for it."""
        kept = json.loads(state)
        self._follower.restore(kept["follower"], before.frame)
        self._steady.restore(kept["steady"])

    def _state(self) -> str:
        kept = {"follower": self._follower.state(), "steady": self._steady.state()}
        return json.dumps(kept, separators=(",", ":"))

    def read(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """Decode."""
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
            faces = self._steady.update(self._follower.update(frame.frame))
        ends = (frame.index + 1) % SEGMENT == 0
        return _Seen(frame, faces, self._state() if ends else "")

    def swap(self, seen: _Seen) -> _Seen:
        """Swap the faces, and label and mark the frame."""
        with self._watch.stage("swap"):
            self._swapper._swap_into(seen.frame.frame, seen.faces)
        with self._watch.stage("label"):
            self._label.draw(seen.frame.frame)
        with self._watch.stage("watermark"):
            if seen.frame.index % SEGMENT == 0:  # what was before is not there when it is resumed
                self._watermark.forget()
            self._watermark.draw(seen.frame.frame)
        return seen


def _swap_frames(
    swapper: Swapper,
    reader: VideoReader,
    unfinished: Unfinished,
    marks: tuple[Label, Watermark],
    watch: Stopwatch,
    progress: Progress,
) -> None:
    """Swap, label, mark and encode every frame that is not finished yet, segment by segment."""
    journal = unfinished.journal
    assert journal is not None
    info, most, done = reader.info, journal.faces, journal.frames
    way = _Way(swapper, info, marks, watch)
    frames = reader.sampled(1, max(0, done - 1))
    if done:
        way.go_on(journal.state, next(frames))
    encoder, held = Encoder(info), 0
    clock = Clock(info, encoder.ticks, journal.last)
    with InOrder(way.read(frames), way.look, way.swap) as line:
        for seen in line:
            frame = seen.frame
            most, held = max(most, len(seen.faces)), held + 1
            with watch.stage("encode"):
                unfinished.add(encoder.encode(frame.frame, clock.stamp(frame.pts)))
                if seen.state:
                    unfinished.add(encoder.finish())
                    unfinished.finish_segment(
                        held, faces=most, last=clock.last, state=seen.state, whole=False
                    )
                    encoder, held = Encoder(info), 0
            progress(frame.index + 1, info.frames, "frames")
    if held:
        unfinished.add(encoder.finish())
    unfinished.finish_segment(held, faces=most, last=clock.last, state="", whole=True)
