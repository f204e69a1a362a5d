"""The records that a card is made of: what a model takes, what it gives, and on what terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.contracts_faces import DetectorSpec, LandmarksSpec, MaskSpec, Template

Kind = Literal["detector", "landmarker", "recogniser", "converter", "swapper", "masker", "gate"]

KINDS: tuple[Kind, ...] = (
    "detector",
    "landmarker",
    "recogniser",
    "converter",
    "swapper",
    "masker",
    "gate",
)

Fit = Literal["similarity", "affine"]
"""How landmarks are brought to a template: turn, scale and shift; or six degrees of freedom."""

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
        name: Name of the graph input; or "#0", "#1": its place, where exports name it differently.
        shape: (1, 3, H, W), whatever the layout; 0 where it is dynamic.
        channels: RGB or BGR.
        scale: Factor on the uint8 value.
        mean: Taken away after scaling.
        std: Divided by after that.
        layout: NCHW; or NHWC, where the graph itself takes (1, H, W, 3).
    """

    name: str
    shape: tuple[int, int, int, int]
    channels: str
    scale: float
    mean: Triple
    std: Triple
    layout: str = "NCHW"


NO_PICTURE = TensorSpec("", (1, 3, 0, 0), "RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Input of a card whose model takes no picture."""


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
class ConverterSpec:
    """A model that turns one recogniser's embedding into what another would have given.

    Attributes:
        input: Name of the graph input, float32 (1, length); or its place, as "#0".
        output: Name of the graph output, float32 (1, length); or its place.
        recogniser: Card name of the recogniser whose embeddings it takes. It must bring them to
            unit length itself, for an identity holds unit vectors only.
        length: Numbers in an embedding.
    """

    input: str
    output: str
    recogniser: str
    length: int


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A classifier that a target must pass before it is swapped.

    Attributes:
        name: Name of the graph output, a row of numbers; or its place, as "#0".
        index: Places in that row whose scores are added up: the classes that are refused.
        threshold: A picture is refused from this sum on.
        label: What the score is a score of; refusals say so.
        activation: How the row becomes scores: none, softmax (over the row) or sigmoid (of each).
        fit: How the picture is brought to the input's size: stretch, or pad (black on two sides).
    """

    name: str
    index: tuple[int, ...]
    threshold: float
    label: str
    activation: str = "none"
    fit: str = "stretch"


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """What is known of a model's graph: by that its file is recognised when it is added.

    Attributes:
        parameters: Numbers in its weights, to a few per cent; 0: unknown.
        operators: Operators that it holds, whatever wrote it.
        weights: Shapes of weights that mark its topology, and how many it has of each at least, as
            "12 * 1024x1024x3x3".
    """

    parameters: int = 0
    operators: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CropSpec:
    """The aligned square a model sees.

    Attributes:
        template: Name of a template of `edge.faces.align`, or five points.
        size: Side in pixels.
        fit: How landmarks are brought to the template.
        offset: Pixels that the template's points are moved by, in x and in y.
    """

    template: Template
    size: int
    fit: Fit = "similarity"
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """The picture a swapper gives.

    Attributes:
        name: Name of the graph output; or its place, as "#0".
        range: Values that stand for black and for white.
        channels: RGB or BGR.
        mask: Name of the output with the blend mask in [0, 1], or empty where there is none.
        composited: The picture holds the target already where the mask says so. It is then used
            wherever the mask shows at all: blended a second time, the target would shine through.
        exact_mask: It holds exactly so much of the target as the mask says, so that the face can be
            taken out of it and composited with the frame's own, finer pixels.
    """

    name: str
    range: tuple[float, float]
    channels: str
    mask: str
    composited: bool = False
    exact_mask: bool = False


SourceKind = Literal["embedding", "picture", "baked"]

Latent = Literal["insightface", "facefusion"]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """How a swapper is told who to show.

    An embedding goes through the converter, is brought to unit length, and is multiplied with the
    emap, in this order, as far as the card asks for it.

    Attributes:
        name: Name of the graph input; or its place, as "#1"; empty for baked.
        kind: embedding: the numbers of a recogniser; picture: an aligned crop of the source;
            baked: nothing, the identity is in the weights.
        recogniser: Card name of the recogniser; empty where the kind is not embedding.
        normalise: Whether the embedding (the converter's, if there is one) is brought to unit
            length.
        length: Numbers in an embedding.
        converter: Card name of a converter that the embedding goes through, or empty.
        emap: Where the matrix is that the embedding is multiplied with: empty: there is none;
            model: among the model's weights, found by shape and content; else the name of a .npy
            file beside the model, float32 (length, length).
        emap_sha256: Hex digest of that file.
        latent: insightface: what the emap gives is brought to unit length again; facefusion: not.
        picture: For pictures: what goes in.
        crop: For pictures: how it is aligned.
        identity: For baked: commitment of the identity, where the model itself does not hold it.
    """

    name: str
    kind: str
    recogniser: str
    normalise: bool
    length: int
    converter: str = ""
    emap: str = ""
    emap_sha256: str = ""
    latent: Latent = "insightface"
    picture: TensorSpec | None = None
    crop: CropSpec | None = None
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One model's contract.

    Attributes:
        name: Lower-case name that commands and records use.
        kind: detector, landmarker, recogniser, converter, swapper, masker or gate.
        title: One line for people.
        file: File name of the model, without a folder.
        sha256: Hex digest of that file; empty where nobody here could establish it: it is recorded
            when the file is added.
        size: Bytes of that file; 0 likewise.
        precision: fp32, fp16, int8 or w8.
        home: Where the model comes from; empty for our own.
        licence: Terms.
        input: The picture that goes in; `NO_PICTURE` for a model that takes none.
        detector: For detectors.
        landmarks: For landmarkers.
        embedding: For recognisers.
        picture: For swappers.
        source: For swappers.
        crop: For all that see an aligned crop.
        converter: For converters.
        mask: For maskers.
        gate: For gates.
        url: Where `edge models pull` gets the file, https; empty: nowhere that is known.
        graph: What is known of its graph, for recognising its file; None: nothing.
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
    input: TensorSpec = NO_PICTURE
    detector: DetectorSpec | None = None
    landmarks: LandmarksSpec | None = None
    embedding: EmbeddingSpec | None = None
    picture: PictureSpec | None = None
    source: SourceSpec | None = None
    crop: CropSpec | None = None
    converter: ConverterSpec | None = None
    mask: MaskSpec | None = None
    gate: GateSpec | None = None
    url: str = ""
    graph: GraphSpec | None = None

    @property
    def size_text(self) -> str:
        """The size for people: "72 kB", "1.3 MB", or "?"."""
        if not self.size:
            return "?"
        kilobytes = self.size / 1e3
        return f"{kilobytes / 1e3:.1f} MB" if kilobytes >= 100 else f"{kilobytes:.0f} kB"
