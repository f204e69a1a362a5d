"""The tables of the cards that look at faces: detector, landmarker, recogniser, masker."""

from __future__ import annotations

from edge.cards_swap import read_name, read_template
from edge.contracts import EmbeddingSpec
from edge.contracts_faces import (
    VARIANCES,
    BoxSpec,
    DetectorSpec,
    LandmarksSpec,
    MaskSpec,
    PointsSpec,
)
from edge.tables import Table

DECODERS = ("points", "yunet", "scrfd", "yoloface", "retinaface")

IN_COLUMN = "column"
"""Value of `score` for a confidence beside each point's coordinates."""

_NEED_ANCHORS = ("scrfd", "retinaface")
_HEADS = {"points": 3, "yunet": 4, "scrfd": 3}  # outputs of each stride
_WHOLE = {"yoloface": 1, "retinaface": 3}  # outputs for all strides together
_MOST_LOOKS = 4
_MOST_CLASSES = 256
_MOST_BLUR = 64.0


def read_detector(table: Table) -> DetectorSpec:
    """Read [detector]."""
    spec = DetectorSpec(
        decoder=table.choice("decoder", DECODERS),
        strides=table.wholes("strides", low=1),
        score_threshold=table.share("score_threshold"),
        nms_iou=table.share("nms_iou"),
        vote_iou=table.share("vote_iou", default=0.0),
        landmarker=read_name(table, "landmarker", default=""),
        outputs=table.texts("outputs", default=()),
        anchors=table.wholes("anchors", low=1) if table.has("anchors") else (),
        variances=_variances(table),
    )
    table.end()
    if bool(spec.anchors) != (spec.decoder in _NEED_ANCHORS):
        raise table.error(f"'anchors' must be there for {' and '.join(_NEED_ANCHORS)} only")
    if len(spec.anchors) % len(spec.strides):
        raise table.error("'anchors' must hold as many sides for each stride")
    count = _WHOLE.get(spec.decoder) or _HEADS[spec.decoder] * len(spec.strides)
    if spec.outputs and len(spec.outputs) != count:
        raise table.error(f"'outputs' must hold {count} names, not {len(spec.outputs)}")
    return spec


def _variances(table: Table) -> tuple[float, float]:
    if not table.has("variances"):
        return VARIANCES
    offset, size = table.numbers("variances", 2)
    if min(offset, size) <= 0:
        raise table.error("'variances' must be above zero")
    return offset, size


def read_landmarks(top: Table) -> LandmarksSpec:
    """Read [output] of a landmarker, and its [box] or [points] where there is one."""
    box = _box(top.table("box")) if top.has("box") else None
    source = _points(top.table("points")) if top.has("points") else None
    if sum((top.has("crop"), box is not None, source is not None)) != 1:
        raise top.error("a landmarker is shown one of [crop], [box], [points]")
    table = top.table("output")
    spec = LandmarksSpec(
        name=table.text("name"),
        looks=table.whole("looks", low=1, default=1),
        points=table.whole("points", default=5),
        columns=table.whole("columns", low=2, default=2),
        grid=table.number("grid", default=1.0),
        score=table.text("score", default=""),
        full_score=table.number("full_score", default=1.0),
        min_score=table.share("min_score", default=0.0),
        face=table.text("face", default=""),
        threshold=table.share("threshold", default=0.5),
        box=box,
        source=source,
    )
    table.end()
    if spec.looks > _MOST_LOOKS:
        raise table.error(f"'looks' must be {_MOST_LOOKS} at most, not {spec.looks}")
    if spec.looks > 1 and not top.has("crop"):
        raise table.error("'looks' must be 1 where the look does not depend on the points")
    if spec.points not in (5, 68):
        raise table.error(f"'points' must be 5 or 68, not {spec.points}")
    if min(spec.grid, spec.full_score) <= 0:
        raise table.error("'grid' and 'full_score' must be above zero")
    if spec.columns > 3 or (spec.score == IN_COLUMN and spec.columns != 3):
        raise table.error("'columns' must be 2, or 3 where the last one may be a score")
    return spec


def _box(table: Table) -> BoxSpec:
    spec = BoxSpec(
        size=table.whole("size", low=16),
        side=table.number("side"),
        brighten_below=table.number("brighten_below", default=0.0),
    )
    table.end()
    if not 1 <= spec.side <= spec.size:
        raise table.error(f"'side' must lie between 1 and {spec.size}, not {spec.side:g}")
    return spec


def _points(table: Table) -> PointsSpec:
    spec = PointsSpec(name=table.text("name"), template=read_template(table))
    table.end()
    return spec


def read_embedding(table: Table) -> EmbeddingSpec:
    """Read [output] of a recogniser."""
    spec = EmbeddingSpec(
        name=table.text("name"),
        length=table.whole("length"),
        normalised=table.switch("normalised"),
        # Between strangers (about 0) and one person across pose and light; a card that has been
        # measured states its own.
        match_threshold=table.share("match_threshold", default=0.35),
    )
    table.end()
    return spec


def read_mask(table: Table) -> MaskSpec:
    """Read [output] of a masker."""
    spec = MaskSpec(
        name=table.text("name"),
        classes=table.whole("classes", low=0, default=0),
        face=table.wholes("face", low=0) if table.has("face") else (),
        blur=table.number("blur", default=0.0),
    )
    table.end()
    if bool(spec.classes) != bool(spec.face) or spec.classes > _MOST_CLASSES:
        raise table.error("'classes' (256 at most) and 'face' must be there together or not at all")
    if spec.face and (max(spec.face) >= spec.classes or len({*spec.face}) >= spec.classes):
        raise table.error(f"'face' must hold some of the classes 0 to {spec.classes - 1}, not all")
    if not 0 <= spec.blur <= _MOST_BLUR:
        raise table.error(f"'blur' must lie between 0 and {_MOST_BLUR:g}, not {spec.blur:g}")
    return spec
