from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import FaceCountError, NoFaceError, UsageError
from edge.faces.align import TEMPLATES
from edge.faces.embed import open_embedder
from edge.faces.select import POSITIONS, by_position, by_reference, check_position, only_face
from edge.records import Face
from tests import tiny


def _face(x: float, y: float, side: float) -> Face:
    points = (TEMPLATES["arcface_112_v2"] * side + (x, y)).astype(np.float32)
    return Face(box=(x, y, side, side), score=0.9, landmarks=points)


LEFT_LOW = _face(10, 300, 40)
MIDDLE_TOP = _face(200, 20, 60)
RIGHT_LARGE = _face(400, 150, 120)
FACES = (RIGHT_LARGE, MIDDLE_TOP, LEFT_LOW)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("left", LEFT_LOW),
        ("right", RIGHT_LARGE),
        ("top", MIDDLE_TOP),
        ("bottom", LEFT_LOW),
        ("largest", RIGHT_LARGE),
        ("smallest", LEFT_LOW),
        ("1", LEFT_LOW),
        ("2", MIDDLE_TOP),
        ("3", RIGHT_LARGE),
        ("240,60", MIDDLE_TOP),
        (" 0 , 479.5 ", LEFT_LOW),
    ],
)
def test_a_face_is_picked_by_where_it_is(position: str, expected: Face) -> None:
    assert by_position(FACES, position) is expected


@pytest.mark.parametrize("position", [*POSITIONS, "1", "5,5"])
def test_of_one_face_every_position_is_that_face(position: str) -> None:
    check_position(position)
    assert by_position([LEFT_LOW], position) is LEFT_LOW
    with pytest.raises(NoFaceError):
        by_position([], position)


@pytest.mark.parametrize("position", ["", "0", "-1", "middle", "1,", "1,2,3", "nan,1", "٣", "LEFT"])
def test_a_position_that_makes_no_sense_is_refused(position: str) -> None:
    with pytest.raises(UsageError, match="known: left, right"):
        by_position(FACES, position)


def test_a_number_beyond_the_faces_is_refused() -> None:
    with pytest.raises(NoFaceError, match="no face at position 4: only 3 found"):
        by_position(FACES, "4")


def test_the_face_most_like_the_reference_is_picked(edge_home: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    tiny.install(edge_home)
    embedder = open_embedder("tiny_embedder", threads=1)
    cells = np.random.default_rng(3).integers(0, 256, (30, 40, 3), np.uint8)
    frame = cells.repeat(16, axis=0).repeat(16, axis=1)
    reference = embedder.embed(frame, MIDDLE_TOP)
    assert by_reference(FACES, frame, embedder, reference) is MIDDLE_TOP
    with pytest.raises(NoFaceError, match=r"the best of 3 has a cosine of -1\.00 where 0\.35"):
        by_reference([MIDDLE_TOP] * 3, frame, embedder, -reference)
    with pytest.raises(NoFaceError, match=r"where 1\.10 is needed"):
        by_reference(FACES, frame, embedder, reference, threshold=1.1)
    with pytest.raises(NoFaceError, match="no face found"):
        by_reference([], frame, embedder, reference)


def test_a_picture_that_must_hold_one_face_holds_one() -> None:
    assert only_face([LEFT_LOW], "a.jpg") is LEFT_LOW
    with pytest.raises(NoFaceError, match=r"a\.jpg: no face found"):
        only_face([], "a.jpg")
    with pytest.raises(FaceCountError, match=r"a\.jpg: 3 faces found where exactly one"):
        only_face(FACES, "a.jpg")
