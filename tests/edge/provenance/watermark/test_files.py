from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edge.provenance.watermark.embed import Watermark
from edge.provenance.watermark.files import look_into
from tests.edge.provenance.watermark.scenes import ID, textured


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_picture_is_read(tmp_path: Path, suffix: str) -> None:
    frame = textured(640, 480)
    Watermark(ID, 640, 480).draw(frame)
    path = tmp_path / f"marked.{suffix}"
    cv2.imwrite(str(path), frame)
    look = look_into(path, f"image/{suffix.replace('jpg', 'jpeg')}")
    assert look.problem is None
    assert look.found is not None
    assert look.found.id == ID


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 nothing")
    look = look_into(path, "image/jpeg")
    assert look.found is None
    assert look.problem is not None
    assert "broken.jpg" in look.problem


def test_sound_has_no_pixels(tmp_path: Path) -> None:
    assert "no pixels" in str(look_into(tmp_path / "a.wav", "audio/wav").problem)
