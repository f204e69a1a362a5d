"""The tables of detectors, landmarkers and maskers; what all cards share is in test_cards.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cards import find_card, load_card
from edge.contracts import Card
from edge.contracts_faces import DetectorSpec
from edge.errors import CardError
from edge.faces.decoders import output_keys
from edge.resources import cards_dir

SHIPPED = [load_card(path) for path in sorted(cards_dir().glob("*.toml"))]


def _text(name: str) -> str:
    return (cards_dir() / f"{name}.toml").read_text(encoding="utf-8")


def _load(folder: Path, text: str) -> Card:
    path = folder / "some.toml"
    path.write_text(text, encoding="utf-8")
    return load_card(path)


@pytest.mark.parametrize(
    "card", [c for c in SHIPPED if c.detector is not None], ids=lambda card: str(card.name)
)
def test_a_detectors_outputs_are_all_named(card: Card) -> None:
    assert card.detector is not None
    keys = output_keys(card.detector)
    assert len(card.detector.outputs) in (0, len(keys))
    assert len(set(card.detector.outputs)) == len(card.detector.outputs)


@pytest.mark.parametrize(
    ("name", "decoder", "per_cell"),
    [
        ("scrfd_10g", "scrfd", 2),
        ("scrfd_2.5g", "scrfd", 2),
        ("yoloface_8n", "yoloface", 1),
        ("retinaface_r50", "retinaface", 2),
        ("yunet", "yunet", 1),
        ("ref_detector", "points", 1),
    ],
)
def test_detectors_arrive_whole(name: str, decoder: str, per_cell: int) -> None:
    spec = find_card(name, "detector").detector
    assert spec is not None
    assert (spec.decoder, spec.strides, spec.per_cell) == (decoder, (8, 16, 32), per_cell)
    assert spec.variances == (0.1, 0.2)


@pytest.mark.parametrize(
    ("name", "score", "full"), [("2dfan4", "#1", 0.9), ("peppa_wutz", "column", 0.95)]
)
def test_landmarkers_of_a_box_arrive_whole(name: str, score: str, full: float) -> None:
    card = find_card(name, "landmarker")
    spec = card.landmarks
    assert spec is not None
    assert spec.box is not None
    assert (spec.box.size, spec.box.side, spec.box.brighten_below) == (256, 195, 30)
    assert (spec.points, spec.columns, spec.grid) == (68, 3, 64)
    assert (spec.score, spec.full_score, spec.looks) == (score, full, 1)
    assert (card.crop, spec.source) == (None, None)


def test_a_landmarker_of_points_takes_no_picture() -> None:
    card = find_card("fan_68_5", "landmarker")
    assert card.landmarks is not None
    assert card.landmarks.source is not None
    assert card.landmarks.source.template == "ffhq_512"
    assert (card.input.name, card.crop, card.landmarks.box) == ("", None, None)


def test_maskers_arrive_whole() -> None:
    for name in ("xseg_1", "xseg_2", "xseg_3"):
        card = find_card(name, "masker")
        assert card.mask is not None
        assert (card.mask.classes, card.mask.face, card.mask.blur) == (0, (), 5)
        assert (card.input.layout, card.input.shape) == ("NHWC", (1, 3, 256, 256))
    card = find_card("bisenet_resnet_34", "masker")
    assert card.mask is not None
    assert (card.mask.classes, len(card.mask.face), card.mask.blur) == (19, 10, 5)
    assert (card.input.layout, card.crop) == ("NCHW", None)


def test_one_box_per_cell_is_the_default() -> None:
    assert DetectorSpec("points", (8, 16), 0.5, 0.4).per_cell == 1
    assert DetectorSpec("scrfd", (8, 16), 0.5, 0.4, anchors=(1, 2, 3, 4, 5, 6)).per_cell == 3


CROP = '\n[crop]\ntemplate = "ffhq_512"\nsize = 256\n'

BROKEN = {
    "decoder": ("scrfd_10g", '"scrfd"', '"scrfd2"', "must be one of points, yunet, scrfd"),
    "anchors missing": ("scrfd_10g", "anchors =", "# anchors =", "'anchors' must be there"),
    "anchors for nothing": ("yoloface_8n", "[detector]", "[detector]\nanchors = [1]", "'anchors'"),
    "anchors uneven": ("retinaface_r50", "[16, 32, 64,", "[16, 64,", "as many sides for each"),
    "anchor of nothing": ("retinaface_r50", "[16, 32, 64,", "[0, 32, 64,", "at least 1"),
    "outputs short": ("scrfd_10g", '"#7", "#8"]', '"#7"]', "must hold 9 names, not 8"),
    "outputs of numbers": ("yoloface_8n", '["#0"]', "[0]", "must hold texts"),
    "variances": ("retinaface_r50", "[0.1, 0.2]", "[0.1, 0.0]", "above zero"),
    "one variance": ("retinaface_r50", "[0.1, 0.2]", "[0.1]", "2 numbers"),
    "layout": ("xseg_1", '"NHWC"', '"HWC"', "must be one of NCHW, NHWC"),
    "mask of any size": ("xseg_1", "256, 256]", "0, 0]", "must be fixed"),
    "blur": ("xseg_1", "blur = 5.0", "blur = -1.0", "'blur' must lie"),
    "face without classes": ("bisenet_resnet_34", "classes = 19\n", "", "there together"),
    "classes without face": ("bisenet_resnet_34", "face =", "# face =", "there together"),
    "no such class": ("bisenet_resnet_34", "12, 13]", "12, 19]", "classes 0 to 18"),
    "all classes": ("bisenet_resnet_34", "classes = 19", "classes = 1", "classes 0 to 0"),
    "crop of a masker": ("xseg_1", "[output]", f"{CROP}\n[output]", "unknown key 'crop'"),
    "two ways to look": ("2dfan4", "[output]", f"{CROP}\n[output]", "one of [crop], [box]"),
    "no way to look": ("2dfan4", "[box]", "[bax]", "one of [crop], [box], [points]"),
    "box size": ("2dfan4", "size = 256", "size = 255", "[box] size 255 does not fit"),
    "box side": ("2dfan4", "side = 195.0", "side = 300.0", "'side' must lie between 1 and 256"),
    "looks at a box": ("2dfan4", "points = 68", "points = 68\nlooks = 2", "'looks' must be 1"),
    "points": ("2dfan4", "points = 68", "points = 98", "must be 5 or 68"),
    "columns": ("2dfan4", "columns = 3", "columns = 4", "'columns' must be 2, or 3"),
    "score without a column": ("peppa_wutz", "columns = 3", "columns = 2", "'columns' must be"),
    "grid": ("2dfan4", "grid = 64.0", "grid = 0.0", "above zero"),
    "full score": ("2dfan4", "full_score = 0.9", "full_score = 0.0", "above zero"),
    "least score": ("2dfan4", "min_score = 0.5", "min_score = 1.5", "between 0 and 1"),
    "template": ("fan_68_5", '"ffhq_512"', '"ffhq"', "no template 'ffhq'"),
    "picture of points": ("fan_68_5", "[output]", "[input]\n[output]", "unknown key 'input'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_card_is_refused_in_words(case: str, tmp_path: Path) -> None:
    name, old, new, words = BROKEN[case]
    text = _text(name)
    assert old in text
    with pytest.raises(CardError, match=r"card some\.toml: ") as caught:
        _load(tmp_path, text.replace(old, new, 1))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
