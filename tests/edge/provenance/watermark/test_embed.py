from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from edge.provenance.watermark.embed import (
    NOMINAL,
    VIDEO_LOSS,
    VideoWatermark,
    Watermark,
    pixel_of,
    strengths,
)
from tests.edge.provenance.watermark.scenes import ID, SCENES, flat, psnr, textured


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("size", [(640, 360), (641, 363), (97, 1100)])
def test_the_mark_is_faint(scene: str, size: tuple[int, int]) -> None:
    frame = SCENES[scene](*size)
    marked = frame.copy()
    Watermark(ID, *size).draw(marked)
    assert 42 <= psnr(frame, marked) < 55
    for channel in range(3):
        pair = (frame[..., channel], marked[..., channel])
        assert structural_similarity(*pair, data_range=255) >= 0.98  # type: ignore[no-untyped-call]
    # The same is added to blue, green and red: no colour changes.
    change = marked.astype(int) - frame
    inside = (frame > 16).all(2) & (frame < 239).all(2)
    assert np.ptp(change, axis=2)[inside].max() == 0


def test_lively_parts_take_more_than_calm_ones() -> None:
    frame = flat(640, 320)
    rng = np.random.default_rng(0)
    frame[:, 320:] = np.clip(128 + 20 * rng.standard_normal((320, 320, 3)), 0, 255)
    allowed = strengths(frame)
    assert allowed.shape == (40, 80)
    assert allowed[:, :38].max() < 1.0
    assert np.median(allowed[:, 44:]) > 2 * allowed[:, :38].max()
    # An edge hides nothing in its flat side.
    assert allowed[:, 38].max() < 1.0


def test_an_error_that_is_too_large_is_cut_off() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (320, 480, 3)).astype(np.uint8)
    marked = noise.copy()
    Watermark(ID, 480, 320).draw(marked)
    assert psnr(noise, marked) >= 42


@pytest.mark.parametrize(("level", "most"), [(0, 0.4), (255, 0.8), (3, 0.7)])
def test_black_and_white_are_left_calm(level: int, most: float) -> None:
    marked = flat(320, 320, level)
    Watermark(ID, 320, 320).draw(marked)
    change = marked.astype(int) - level
    assert np.sqrt((change**2).mean()) <= most


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (8, 160), (161, 8)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    frame = flat(*size)
    Watermark(ID, *size).draw(frame)
    assert np.abs(frame.astype(int) - 128).max() <= 5


@pytest.mark.parametrize(
    ("size", "pixel"),
    [((64, 64), 1), ((1920, 1080), 1), ((1620, 2880), 2), ((3840, 2160), 2), ((8000, 6000), 6)],
)
def test_large_pictures_have_a_large_pattern(size: tuple[int, int], pixel: int) -> None:
    assert NOMINAL == 1080
    assert pixel_of(*size) == pixel


def test_bands_join_without_a_seam() -> None:
    """What a band gets must not depend on where bands begin."""
    frame = textured(320, 480)
    allowed = strengths(frame)
    shifted = strengths(frame[160:])
    np.testing.assert_allclose(shifted[1:], allowed[21:], rtol=1e-5)


def _marked(mark: Watermark, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    done = frame.copy()
    mark.draw(done)
    return done


@pytest.mark.parametrize("size", [(640, 360), (97, 203), (3, 2)])
def test_every_second_frame_of_a_video_is_marked_like_the_one_before(size: tuple[int, int]) -> None:
    video, alone = VideoWatermark(ID, *size), Watermark(ID, *size, VIDEO_LOSS)
    frames = [textured(*size) // 2 + np.uint8(60 + level) for level in range(4)]
    for number, frame in enumerate(frames):
        done = _marked(video, frame)
        looked_at = frames[number - number % 2]
        expected = _marked(alone, looked_at).astype(int) - looked_at
        np.testing.assert_array_equal(done.astype(int) - frame, expected)


def test_after_a_cut_the_picture_is_looked_at_anew() -> None:
    size = (640, 360)
    video, alone = VideoWatermark(ID, *size), Watermark(ID, *size, VIDEO_LOSS)
    lively, calm = textured(*size), flat(*size, 250)
    video.draw(lively.copy())
    done = _marked(video, calm)
    np.testing.assert_array_equal(done, _marked(alone, calm))
    assert psnr(calm, done) >= 42
    # The frame after the cut is the second of its pair, and marked like the first.
    np.testing.assert_array_equal(_marked(video, calm), done)


def test_a_change_in_one_part_counts_too() -> None:
    size = (1280, 720)
    video, alone = VideoWatermark(ID, *size), Watermark(ID, *size, VIDEO_LOSS)
    before = flat(*size, 90)
    after = before.copy()
    after[200:420, 300:560] = 190
    video.draw(before.copy())
    np.testing.assert_array_equal(_marked(video, after), _marked(alone, after))


@pytest.mark.parametrize("scene", SCENES)
def test_a_frame_that_moved_keeps_its_quality(scene: str) -> None:
    large = SCENES[scene](700, 380)
    video = VideoWatermark(ID, 640, 360)
    for step in range(4):
        frame = np.ascontiguousarray(large[step : step + 360, 6 * step : 6 * step + 640])
        done = _marked(video, frame)
        assert psnr(frame, done) >= 42
        assert structural_similarity(frame[..., 1], done[..., 1], data_range=255) >= 0.98  # type: ignore[no-untyped-call]
