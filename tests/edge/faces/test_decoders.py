from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.cards import find_card
from edge.cards_faces import DECODERS
from edge.contracts_faces import DetectorSpec
from edge.errors import BackendError, ModelError
from edge.faces.decoders import decode, misfit, output_keys
from edge.faces.detect import Detector, open_detector
from tests import analysers
from tests.analysers import FACES, Fake, Known, encode, known

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

ANCHORS = {"scrfd": (1,) * 6, "retinaface": (16, 32, 64, 128, 256, 512)}
CARDS = ("scrfd_10g", "scrfd_2.5g", "yoloface_8n", "retinaface_r50")
ALL_CARDS = (*CARDS, "yunet", "ref_detector")


def _spec(decoder: str) -> DetectorSpec:
    return DetectorSpec(decoder, (8, 16, 32), 0.5, 0.4, anchors=ANCHORS.get(decoder, ()))


def _in_order(faces: tuple[Known, ...]) -> list[Known]:
    return sorted(faces, key=lambda face: -face.box[2] * face.box[3])


@pytest.mark.parametrize("decoder", DECODERS)
def test_faces_that_were_encoded_come_back(decoder: str) -> None:
    outputs = encode(decoder, FACES, (640, 480 + 160))
    spec = _spec(decoder)
    assert set(outputs) == set(output_keys(spec))
    assert misfit(outputs, spec, (640, 640)) == ""
    found = decode(outputs, spec, (640, 640), 0.5)
    order = np.argsort(-found.boxes[:, 2])
    for row, face in zip(order, _in_order(FACES), strict=True):
        assert found.scores[row] == pytest.approx(face.score, abs=1e-5)
        np.testing.assert_allclose(found.boxes[row], face.box, atol=1e-2)
        np.testing.assert_allclose(found.points[row], face.points, atol=1e-2)


@settings(max_examples=25, deadline=None)
@given(
    decoder=st.sampled_from(DECODERS),
    rows=st.integers(3, 12),
    columns=st.integers(3, 12),
    place=st.tuples(st.floats(0.05, 0.9), st.floats(0.05, 0.9)),
    size=st.tuples(st.floats(4, 300), st.floats(4, 300)),
    score=st.floats(0.51, 1),
    level=st.integers(0, 2),
)
def test_any_face_comes_back_from_a_picture_of_any_size(
    decoder: str,
    rows: int,
    columns: int,
    place: tuple[float, float],
    size: tuple[float, float],
    score: float,
    level: int,
) -> None:
    canvas = (rows * 32, columns * 32)
    x, y = place[0] * canvas[1] - size[0] / 2, place[1] * canvas[0] - size[1] / 2
    # Its place in the list is the stride that sees it; those before it do not count.
    unseen = known(0.0, 1, 1, 9, 9)
    faces = (*[unseen] * level, known(score, x, y, *size))
    outputs, spec = encode(decoder, faces, canvas), _spec(decoder)
    assert misfit(outputs, spec, canvas) == ""
    found = decode(outputs, spec, canvas, 0.5)
    assert found.scores == pytest.approx([score], abs=1e-5)
    np.testing.assert_allclose(found.boxes, [faces[-1].box], atol=0.02)
    np.testing.assert_allclose(found.points, [faces[-1].points], atol=0.02)


@pytest.mark.parametrize("decoder", DECODERS)
def test_nothing_is_decoded_from_noise(decoder: str) -> None:
    found = decode(encode(decoder, (), (96, 128)), _spec(decoder), (96, 128), 0.5)
    assert (found.scores.shape, found.boxes.shape, found.points.shape) == ((0,), (0, 4), (0, 5, 2))


@pytest.mark.parametrize("decoder", DECODERS)
def test_outputs_of_another_shape_are_named(decoder: str) -> None:
    spec, canvas = _spec(decoder), (96, 128)
    sound = encode(decoder, FACES[:1], canvas)
    for key in output_keys(spec):
        values = sound[key]
        wrong = [values[..., :-1], np.zeros((1, 3), np.float32)]
        if values.shape[-1] not in (1, 2):
            wrong.append(np.swapaxes(values, -1, -2))  # as large, but the other way round
        for each in wrong:
            assert misfit({**sound, key: each}, spec, canvas) == key
    assert misfit(sound, spec, (128, 128)) != ""


# With the shipped cards ---------------------------------------------------------------------------


def _stand_in(
    card: str, size: tuple[int, int] = (640, 640), faces: tuple[Known, ...] = FACES
) -> dict[str, NDArray[np.float32]]:
    spec = find_card(card).detector
    assert spec is not None
    outputs = encode(spec.decoder, faces, size)
    if not spec.outputs:
        return outputs
    # Names as a careless export has them: only their order means something.
    return {f"{448 + place}": outputs[key] for place, key in enumerate(output_keys(spec))}


@pytest.mark.parametrize("card", CARDS)
def test_a_card_finds_the_faces_of_its_model(card: str, edge_home: Path) -> None:
    rows, columns = find_card(card).input.shape[2:]
    shape = (1, 3, rows or "height", columns or "width")
    analysers.install(edge_home, card, analysers.model(shape, _stand_in(card)))
    detector = open_detector(card, threads=1)
    # Twice as large as the model looks at: everything comes back in frame pixels.
    faces = detector.detect(np.full((1280, 1280, 3), 90, np.uint8), passes=(640,))
    for face, expected in zip(faces, _in_order(FACES), strict=True):
        np.testing.assert_allclose(face.box, np.array(expected.box) * 2, atol=0.05)
        np.testing.assert_allclose(face.landmarks, np.array(expected.points) * 2, atol=0.05)
        assert face.score == pytest.approx(expected.score, abs=1e-4)
    (use,) = detector.uses
    assert (use.name, use.kind) == (card, "detector")
    assert len(use.sha256) == 64


@pytest.mark.parametrize("card", ALL_CARDS)
def test_a_card_shows_its_model_the_picture_as_the_family_does(card: str) -> None:
    frame = np.random.default_rng(6).integers(0, 256, (640, 640, 3), np.uint8)
    record = find_card(card)
    session = Fake(record.input.name.replace("#0", "input.1"), _stand_in(card))
    Detector(record, session).detect(frame, passes=(640,))
    wide = frame.astype(np.float64)
    expected = {
        "scrfd_10g": (wide[..., ::-1] - 127.5) / 128,
        "scrfd_2.5g": (wide - 127.5) / 128,
        "yoloface_8n": wide / 255,
        "retinaface_r50": wide - np.array([104, 117, 123]),
        "yunet": wide,
        "ref_detector": wide[..., ::-1] / 255,
    }[card]
    (shown,) = session.shown
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown, expected.transpose(2, 0, 1)[None], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("card", CARDS)
def test_what_a_small_frame_does_not_fill_is_black_to_the_right_and_below(card: str) -> None:
    record = find_card(card)
    side = record.input.shape[2] or 96
    session = Fake("input.1", _stand_in(card, (side, side), ()))
    Detector(record, session).detect(np.full((64, 80, 3), 255, np.uint8), min_score=1.0)
    (shown,) = session.shown
    assert shown.shape == (1, 3, side, side)
    spec = record.input
    white = (255 * spec.scale - np.array(spec.mean)) / np.array(spec.std)
    black = -np.array(spec.mean) / np.array(spec.std)
    np.testing.assert_allclose(shown[0, :, 63, 79], white, rtol=1e-5)
    np.testing.assert_allclose(shown[0, :, 64, 79], black, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(shown[0, :, 63, 80], black, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("card", CARDS)
def test_a_model_that_does_not_fit_its_card_is_refused(card: str) -> None:
    record, frame = find_card(card), np.zeros((640, 640, 3), np.uint8)
    outputs = _stand_in(card)
    first = next(iter(outputs))
    cut = {**outputs, first: outputs[first][..., :-1]}
    with pytest.raises(ModelError, match=f"does not fit its card: output {first} has shape"):
        Detector(record, Fake("x", cut)).detect(frame, passes=(640,))
    broken = {**outputs, first: np.full_like(outputs[first], np.nan)}
    with pytest.raises(BackendError, match=f"output {first} holds values that are no numbers"):
        Detector(record, Fake("x", broken)).detect(frame, passes=(640,))
    with pytest.raises(ModelError, match="nothing is in place"):
        Detector(record, Fake("x", {}))
