"""The records that a card is made of: what a model takes, what it gives, and on what terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["detector", "landmarker", "recogniser", "swapper"]

KINDS: tuple[Kind, ...] = ("detector", "landmarker", "recogniser", "swapper")

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of a model.

    Attributes:
        name: Licence of the weights, an SPDX id where there is one.
        commercial: Whether commercial use is allowed: yes, no or unknown.
        training_data: What it was trained on, and on what terms.
    """

    name: str
    commercial: str
    training_data: str


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The picture that goes in: value = (uint8 * scale - mean) / std, per channel in its order.

    Attributes:
        name: Name of the graph input.
        shape: (1, 3, H, W); 0 where it is dynamic.
        channels: RGB or BGR.
        scale: Factor on the uint8 value.
        mean: Taken away after scaling.
        std: Divided by after that.
    """

    name: str
    shape: tuple[int, int, int, int]
    channels: str
    scale: float
    mean: Triple
    std: Triple


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """How a detector's outputs are read.

    Attributes:
        decoder: points (score_s, bbox_s, kps_s) or yunet (cls_s, obj_s, bbox_s, kps_s).
        strides: Pixels per cell of each output level.
        score_threshold: Faces below this score are dropped unless the caller says otherwise.
        nms_iou: Of two boxes that overlap by more than this, one is dropped.
        vote_iou: Candidates that overlap the one that is kept by this or more are averaged with it,
            box and landmarks, by their squared scores; 0: it is taken as it is.
        landmarker: Card name of a landmarker that places the landmarks of what is found, or empty.
    """

    decoder: str
    strides: tuple[int, ...]
    score_threshold: float
    nms_iou: float
    vote_iou: float = 0.0
    landmarker: str = ""


@dataclass(frozen=True, slots=True)
class LandmarksSpec:
    """What a landmarker gives: x and y of the five landmarks, in sides of the crop.

    Attributes:
        name: Name of the graph output, 10 numbers.
        looks: How often it looks, each time at the crop that the points of the look before ask for.
    """

    name: str
    looks: int = 1


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """What a recogniser gives.

    Attributes:
        name: Name of the graph output.
        length: Numbers in an embedding.
        normalised: Whether the graph gives unit vectors itself.
        match_threshold: Cosine from which two faces count as one person.
    """

    name: str
    length: int
    normalised: bool
    match_threshold: float


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """The picture a swapper gives.

    Attributes:
        name: Name of the graph output.
        range: Values that stand for black and for white.
        channels: RGB or BGR.
        mask: Name of the output with the blend mask in [0, 1], or empty where there is none.
        composited: The picture holds the target already where the mask says so. It is then used
            wherever the mask shows at all: blended a second time, the target would shine through.
    """

    name: str
    range: tuple[float, float]
    channels: str
    mask: str
    composited: bool = False


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """How a swapper is told who to show.

    Attributes:
        name: Name of the graph input.
        kind: embedding: the numbers of a recogniser.
        recogniser: Card name of that recogniser.
        normalise: Whether the embedding is brought to unit length first.
        length: Numbers in an embedding.
    """

    name: str
    kind: str
    recogniser: str
    normalise: bool
    length: int


@dataclass(frozen=True, slots=True)
class CropSpec:
    """The aligned square a model sees: a template of `edge.faces.align` and a side in pixels."""

    template: str
    size: int


@dataclass(frozen=True, slots=True)
class Card:
    """One model's contract.

    Attributes:
        name: Lower-case name that commands and records use.
        kind: detector, landmarker, recogniser or swapper.
        title: One line for people.
        file: File name of the model, without a folder.
        sha256: Hex digest of that file.
        size: Bytes of that file.
        precision: fp32, fp16, int8 or w8.
        home: Where the model comes from; empty for our own.
        licence: Terms.
        input: The picture that goes in.
        detector: For detectors.
        landmarks: For landmarkers.
        embedding: For recognisers.
        picture: For swappers.
        source: For swappers.
        crop: For all but detectors.
    """

    name: str
    kind: Kind
    title: str
    file: str
    sha256: str
    size: int
    precision: str
    home: str
    licence: Licence
    input: TensorSpec
    detector: DetectorSpec | None = None
    landmarks: LandmarksSpec | None = None
    embedding: EmbeddingSpec | None = None
    picture: PictureSpec | None = None
    source: SourceSpec | None = None
    crop: CropSpec | None = None

    @property
    def size_text(self) -> str:
        """The size for people: "72 kB", "1.3 MB"."""
        kilobytes = self.size / 1e3
        return f"{kilobytes / 1e3:.1f} MB" if kilobytes >= 100 else f"{kilobytes:.0f} kB"
