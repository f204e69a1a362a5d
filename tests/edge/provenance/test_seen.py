from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.provenance.label import Label, label_places, plan_label
from edge.provenance.seen import LEAST_LIKENESS, find_label
from edge.records import LABEL_LANGUAGES, LABEL_STYLES, LabelLanguage, LabelStyle, Region


def _photograph(width: int, height: int) -> NDArray[np.uint8]:
    data = pytest.importorskip("skimage.data")
    picture = np.ascontiguousarray(data.rocket()[:, :, ::-1])
    return np.asarray(cv2.resize(picture, (width, height)), np.uint8)


def _coded(frame: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("style", LABEL_STYLES)
@pytest.mark.parametrize("language", LABEL_LANGUAGES)
@pytest.mark.parametrize("corner", range(4))
def test_it_is_found_where_it_stands(
    language: LabelLanguage, style: LabelStyle, corner: int
) -> None:
    frame = _photograph(640, 480)
    place = label_places(640, 480, language, style)[corner]
    Label(place).draw(frame)
    for picture in (frame, _coded(frame, 30)):
        seen = find_label(picture)
        assert seen is not None
        assert seen.place == place
        assert seen.likeness > LEAST_LIKENESS + 0.1


@pytest.mark.parametrize("style", LABEL_STYLES)
@pytest.mark.parametrize("language", LABEL_LANGUAGES)
@pytest.mark.parametrize("share", [0.5, 0.63, 1.5])
def test_it_is_found_in_another_size(
    language: LabelLanguage, style: LabelStyle, share: float
) -> None:
    frame = _photograph(1280, 720)
    place = plan_label(1280, 720, [Region(900, 400, 380, 320)], language, style)
    Label(place).draw(frame)
    size = (round(1280 * share), round(720 * share))
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    seen = find_label(_coded(small, 60))
    assert seen is not None
    # of two languages it may make out the first alone
    assert seen.place.corner == place.corner
    assert place.text.startswith(seen.place.text)
    assert language == "both" or seen.place.text == place.text


@pytest.mark.parametrize("name", ["astronaut", "rocket", "coffee", "chelsea"])
def test_photographs_show_none(name: str) -> None:
    data = pytest.importorskip("skimage.data")
    picture = np.asarray(getattr(data, name)(), np.uint8)
    frame = np.ascontiguousarray(
        np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture[:, :, ::-1]
    )
    assert find_label(frame) is None
    assert find_label(np.asarray(cv2.resize(frame, (960, 540)), np.uint8)) is None


def test_noise_flat_and_tiny_frames_show_none() -> None:
    rng = np.random.default_rng(0)
    assert find_label(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)) is None
    assert find_label(np.full((480, 640, 3), 200, np.uint8)) is None
    assert find_label(np.full((8, 8, 3), 200, np.uint8)) is None


def test_another_text_is_not_ours() -> None:
    frame = _photograph(640, 480)
    region = plan_label(640, 480, [], "en").region
    inside = frame[region.y : region.y + region.height, region.x : region.x + region.width]
    inside[...] = 40
    cv2.putText(inside, "HOLIDAY 2026", (6, 34), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255,) * 3, 2)
    assert find_label(frame) is None
