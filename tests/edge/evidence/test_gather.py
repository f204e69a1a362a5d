from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from edge.evidence.shots import SIDE
from edge.jobs.file import swap_file
from tests.edge.evidence.conftest import Gathered, Swapped
from tests.edge.jobs.test_video import write_video
from tests.scene import Stage


def test_a_picture(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("png")
    evidence = gathered(path)
    content = path.read_bytes()
    assert evidence.sha256 == hashlib.sha256(content).hexdigest()
    assert evidence.size == len(content)
    assert evidence.name == "out.png"
    (shot,) = evidence.shots
    assert shot.size == (480, 360)
    assert shot.second is None
    small = cv2.imdecode(np.frombuffer(shot.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert max(small.shape) == SIDE
    assert shot.label is not None
    assert evidence.verdict.claims is not None
    stated = evidence.verdict.claims.visible_label
    assert stated is not None
    assert (shot.label.place.text, shot.label.place.corner) == (stated["text"], stated["corner"])


def test_a_video_has_a_frame_of_each_second(ready: Stage, gathered: Gathered) -> None:
    source = write_video(ready.folder / "in.mp4", [((8, 8),)] * 25)
    output = ready.folder / "out.mp4"
    swap_file(ready.swapper(), source, output)
    evidence = gathered(output)
    assert [shot.second for shot in evidence.shots] == [0.0, 1.0, 2.0]
    assert all(shot.label is not None for shot in evidence.shots)


def test_pixels_that_cannot_be_read(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("png")
    path.write_bytes(path.read_bytes()[:3000])
    evidence = gathered(path)
    assert evidence.shots == ()
    assert evidence.verdict.exit_status == 4


def test_a_file_of_nobody(swapped: Swapped, gathered: Gathered, tmp_path: Path) -> None:
    swapped("png")
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((300, 400, 3), 90, np.uint8))
    evidence = gathered(path)
    assert evidence.shots[0].label is None
    assert evidence.ledger is not None
    assert evidence.ledger.matches == ()
