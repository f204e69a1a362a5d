"""The records of a card's tables about looking at faces: detector, landmarker, masker."""

from __future__ import annotations

from dataclasses import dataclass

Template = str | tuple[tuple[float, float], ...]
"""Name of a template; or five points of a card's own, x and y in sides of the crop."""

VARIANCES = (0.1, 0.2)
"""RetinaFace's factors on offsets and on log sizes, as it is trained everywhere."""


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """How a detector's outputs are read; `edge.faces.decoders` says what each decoder does.

    Attributes:
        decoder: points, yunet, scrfd, yoloface or retinaface.
        strides: Pixels per cell of each output level.
        score_threshold: Faces below this score are dropped unless the caller says otherwise.
        nms_iou: Of two boxes that overlap by more than this, one is dropped.
        vote_iou: Candidates that overlap the one that is kept by this or more are averaged with it,
            box and landmarks, by their squared scores; 0: it is taken as it is.
        landmarker: Card name of a landmarker that places the landmarks of what is found, or empty.
        outputs: Names of the graph outputs, or their places, in the decoder's order; empty: they
            are named as the decoder names them.
        anchors: Sides in pixels of the boxes that a cell starts from, the same number for each
            stride, stride by stride; for scrfd their number alone counts. Empty: one per cell.
        variances: Of retinaface: factors on offsets and on log sizes.
    """

    decoder: str
    strides: tuple[int, ...]
    score_threshold: float
    nms_iou: float
    vote_iou: float = 0.0
    landmarker: str = ""
    outputs: tuple[str, ...] = ()
    anchors: tuple[int, ...] = ()
    variances: tuple[float, float] = VARIANCES

    @property
    def per_cell(self) -> int:
        """How many boxes a cell gives."""
        return len(self.anchors) // len(self.strides) if self.anchors else 1


@dataclass(frozen=True, slots=True)
class BoxSpec:
    """The upright square around a face's box, for a landmarker that needs no landmarks.

    Attributes:
        size: Side of the square in pixels.
        side: Pixels of it that the longer side of the box gets; the box is in the middle.
        brighten_below: Mean lightness (L of Lab in uint8 steps) below which its contrast is raised
            before the look; 0: never.
    """

    size: int
    side: float
    brighten_below: float = 0.0


@dataclass(frozen=True, slots=True)
class PointsSpec:
    """Five landmarks as what goes in: float32 (1, 5, 2), x and y in sides of an aligned crop.

    Attributes:
        name: Name of the graph input; or its place, as "#0".
        template: Template that they are aligned to.
    """

    name: str
    template: Template


@dataclass(frozen=True, slots=True)
class LandmarksSpec:
    """What a landmarker gives, and what it is shown unless that is an aligned crop.

    Attributes:
        name: Name of the graph output; or its place, as "#0".
        looks: How often it looks, each time at the crop that the points of the look before ask for.
        points: 5: the five landmarks; 68: the outline, from which they are taken.
        columns: Numbers of each point, x and y first.
        grid: How many of the points' units make up a side of what it is shown.
        score: Where its confidence is: empty: nowhere; column: the last number of each point; else
            the name or place of an output with one heatmap for each point.
        full_score: Mean value that stands for a confidence of 1.
        min_score: Confidence in [0, 1] below which a face's landmarks stay as they were.
        face: Name of the graph output that holds the probability that what it is shown is a face at
            all, one number in [0, 1]; or its place, as "#1". Empty: it does not tell.
        threshold: Score in [0, 1] of detector and landmarker together from which a face counts, in
            place of the detector's own; for one that tells faces from what is none.
        box: For one that is shown the square around the box.
        source: For one that is shown landmarks.
    """

    name: str
    looks: int = 1
    points: int = 5
    columns: int = 2
    grid: float = 1.0
    score: str = ""
    full_score: float = 1.0
    min_score: float = 0.0
    face: str = ""
    threshold: float = 0.5
    box: BoxSpec | None = None
    source: PointsSpec | None = None


@dataclass(frozen=True, slots=True)
class MaskSpec:
    """What a masker gives, as large as its input: where the face is that may be replaced.

    Attributes:
        name: Name of the graph output; or its place, as "#0".
        classes: 0: the output is the mask in [0, 1], one number per pixel; else logits of so many
            classes, (1, classes, H, W).
        face: Numbers of the classes that are face.
        blur: Standard deviation of a Gaussian, in pixels of the crop that is masked; what it brings
            to half or below is then no face, so that the mask fades inwards only. 0: none.
    """

    name: str
    classes: int = 0
    face: tuple[int, ...] = ()
    blur: float = 0.0
