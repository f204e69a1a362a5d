"""The synthetic camera: somebody to swap, a pace, and a counter that survives compression."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.faces.detect import open_detector
from edge.live.reopening import Reopening
from edge.live.sources.base import Wanted
from edge.live.sources.synthetic import SyntheticCamera, draw_counter, read_counter


@given(
    number=st.integers(0, 1 << 40),
    milliseconds=st.integers(0, 1 << 45),
    size=st.sampled_from([(360, 640), (180, 320), (720, 1280), (250, 333), (48, 80)]),
    quality=st.integers(80, 95),
)
def test_the_counter_survives_a_jpeg(
    number: int, milliseconds: int, size: tuple[int, int], quality: int
) -> None:
    frame = np.full((*size, 3), 90, np.uint8)
    draw_counter(frame, number, milliseconds)
    wanted = number & 0xFFFF, milliseconds & 0xFFFF
    assert read_counter(frame) == wanted
    if size[1] < 320:
        return  # cells of one to three pixels are for no lossy picture
    done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    again = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert again is not None
    assert read_counter(np.asarray(again, np.uint8)) == wanted


def test_it_keeps_its_pace_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = SyntheticCamera(Wanted(320, 180, 50.0))
    taken = [camera.read() for _ in range(5)]
    numbers = [read_counter(one.frame)[0] for one in taken if one is not None]
    assert numbers[0] == 0
    assert all(after > before for before, after in pairwise(numbers))
    time.sleep(0.2)  # whoever is late misses frames, as with any camera
    late = camera.read()
    assert late is not None
    number, milliseconds = read_counter(late.frame)
    assert number >= numbers[-1] + 8
    assert (int(time.time() * 1000) - milliseconds) % 65536 < 5000
    assert late.frame.shape == (180, 320, 3)


def test_a_long_wait_ends_where_no_more_is_wanted() -> None:
    source = Reopening(lambda: SyntheticCamera(Wanted(320, 180, 0.1)))
    start = time.monotonic()
    threading.Timer(0.1, source.stop).start()
    assert len(list(source)) == 1
    assert time.monotonic() - start < 5


def test_somebody_is_in_it_and_moves() -> None:
    camera = SyntheticCamera(Wanted(640, 360, 25.0))
    detector = open_detector("ref_detector", threads=1)
    centres = []
    for seconds in (0.0, 1.5, 4.0, 7.0, 11.0):
        faces = detector.detect(camera._draw(seconds))
        assert len(faces) == 1
        x, y, width, height = faces[0].box
        assert height > 90
        centres.append((x + width / 2, y + height / 2))
    assert np.ptp([x for x, _ in centres]) > 30
    assert np.ptp([y for _, y in centres]) > 5
