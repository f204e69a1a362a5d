"""Videos: frames, time stamps and sound kept, label steady, nothing half-done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ConsentError, MediaError, NoFaceError
from edge.jobs import video
from edge.jobs.file import swap_file
from edge.media.video_in import open_video
from edge.provenance.verify import verify_file
from edge.provenance.watermark.detect import read_known
from tests.scene import ARGUMENTS, Stage, stage, target

av = pytest.importorskip("av", reason="videos need PyAV")

SIZE = (240, 320)


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def write_video(path: Path, cells: Sequence[Sequence[tuple[int, int]]], rate: int = 10) -> Path:
    """Write one frame for each entry of `cells`, with a sound track."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=rate, options={"global_quality": "118"})
        video.height, video.width, video.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        sound.layout = "mono"
        for where in cells:
            frame = av.VideoFrame.from_ndarray(target(SIZE, tuple(where)), format="bgr24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(0, 16000 * len(cells) // rate, 1024):
            wave = np.sin(np.arange(start, start + 1024) / 5)[None].astype(np.float32)
            piece = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            piece.sample_rate, piece.pts = 16000, start
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path


def frames_of(path: Path) -> list[tuple[float, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]]:
    with av.open(str(path)) as container:
        return [
            (frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)
        ]


def test_video_is_swapped_labelled_signed_and_entered(ready: Stage) -> None:
    cells = [((8 + number, 8),) if number % 4 else () for number in range(12)]
    source = write_video(ready.folder / "in.mp4", cells)
    output = ready.folder / "out.mp4"
    seen: list[tuple[int, int | None]] = []
    swapper = ready.swapper()
    done = swap_file(
        swapper, source, output, progress=lambda now, total, what: seen.append((now, total))
    )
    assert verify_file(output).exit_status == 0
    assert done.record is not None
    assert (done.record.frames, done.record.faces) == (12, 1)
    assert seen[-1] == (12, 12)
    before, after = frames_of(source), frames_of(output)
    assert [when for when, _ in after] == [when for when, _ in before]
    with av.open(str(output)) as container:
        assert len(container.streams.audio) == 1
    region = done.record.label.region
    plates = [
        frame[region.y : region.y + region.height, region.x : region.x + region.width]
        for _, frame in after
    ]
    assert after[0][0] == 0  # from the very first frame on
    assert len(plates) == 12
    for plate in plates:  # in every frame, with a face or without
        assert plate.max() > 180
        assert np.median(plate) < 110
    drift = [np.abs(plate.astype(int) - plates[0]).mean() for plate in plates]
    assert max(drift) < 6  # steady
    assert swapper.ledger.entries()[-1].state == "published"


def test_label_keeps_off_faces_that_come_later(ready: Stage) -> None:
    # The face sits in the bottom right corner, where the label goes by default, from 2 s on.
    cells = [((8, 8),)] * 20 + [((35, 26),)] * 20
    source = write_video(ready.folder / "in.mp4", cells)
    done = swap_file(ready.swapper(), source, ready.folder / "out.mp4")
    assert done.record is not None
    assert done.record.label.corner != "bottom-right"


def test_video_without_a_face_leaves_nothing(ready: Stage) -> None:
    source = write_video(ready.folder / "in.mp4", [()] * 5)
    before = {path.name for path in ready.folder.iterdir()}
    with pytest.raises(NoFaceError, match="5 frames"):
        swap_file(ready.swapper(), source, ready.folder / "out.mp4")
    assert {path.name for path in ready.folder.iterdir()} == before


def test_consent_for_pictures_is_none_for_videos(edge_home: Path, tmp_path: Path) -> None:
    ready = stage(edge_home, tmp_path / "work", media=("picture",))
    source = write_video(ready.folder / "in.mp4", [((8, 8),)] * 3)
    with pytest.raises(ConsentError, match="video"):
        swap_file(ready.swapper(), source, ready.folder / "out.mp4")


def test_consent_that_ends_while_the_video_runs(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_video(ready.folder / "in.mp4", [((8, 8),)] * 3)
    swapper = ready.swapper()
    asked = iter([True, True, False])
    allow = swapper.permit_for

    def once_more(medium: str) -> object:
        if next(asked):
            return allow(medium)  # type: ignore[arg-type]
        raise ConsentError("refused: revoked meanwhile")

    monkeypatch.setattr(swapper, "permit_for", once_more)
    with pytest.raises(ConsentError, match="meanwhile"):
        swap_file(swapper, source, ready.folder / "out.mp4")
    assert not (ready.folder / "out.mp4").exists()
    assert swapper.ledger.entries()[-1].kind == "refusal"


def test_an_input_that_is_replaced_while_it_is_looked_at_is_noticed(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was hashed before: what is swapped would be published under another file's hash."""
    source = write_video(ready.folder / "in.mp4", [((8, 8),)] * 3)
    other = write_video(ready.folder / "other.mp4", [((9, 9),)] * 3)
    real = video._place_label

    def meanwhile(*given: Any) -> Any:
        place = real(*given)
        os.replace(other, source)
        return place

    monkeypatch.setattr(video, "_place_label", meanwhile)
    with pytest.raises(MediaError, match="changed or removed while it was swapped"):
        swap_file(ready.swapper(), source, ready.folder / "out.mp4")
    assert not (ready.folder / "out.mp4").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopping_in_the_middle_leaves_only_a_line(ready: Stage, stop: signal.Signals) -> None:
    source = write_video(ready.folder / "in.mp4", [((8, 8),)] * 400)
    before = {path.name for path in ready.folder.iterdir()}
    command = [sys.executable, "-m", "edge", "swap", "--identity", str(ready.identity_file)]
    command += ["--input", str(source), "--output", str(ready.folder / "out.mp4")]
    command += ["--purpose", "film", "--target-is", "synthetic", *ARGUMENTS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        limit = time.monotonic() + 30
        while time.monotonic() < limit and process.poll() is None:
            if any(ready.folder.glob(".*.unfinished/journal.json")):
                break
            time.sleep(0.02)
        process.send_signal(stop)
        _, errors = process.communicate(timeout=30)
    # Where the signal comes while a record class is being made (dataclasses use exec), CPython
    # ends the handled process by SIGINT itself; a shell says 130 to both.
    assert process.returncode in {130, -signal.SIGINT}, errors
    assert errors.count("\n") == 1
    assert {path.name for path in ready.folder.iterdir()} == before
    assert ready.swapper().ledger.entries()[-1].fields["event"] == "interrupted"


def test_every_frame_carries_the_watermark(ready: Stage) -> None:
    source = write_video(ready.folder / "in.mp4", [[(10, 10)]] * 4)
    output = ready.folder / "out.mp4"
    swapper = ready.swapper()
    swap_file(swapper, source, output)
    verdict = verify_file(output)
    assert verdict.watermark is not None
    assert verdict.agreement.watermark is True
    with open_video(output) as video:
        for frame in video:
            found = read_known(frame.frame)
            assert found is not None
            assert found.id == verdict.watermark.id
