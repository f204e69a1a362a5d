"""The records that flow between the stages, and nothing else.

Every record is frozen. Arrays inside a record belong to it: nobody writes to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import datetime

    import numpy as np
    from numpy.typing import NDArray

Medium = Literal["picture", "video", "live"]
"""What an output is; a consent permits some of these."""

Purpose = Literal["film", "game", "anonymise", "avatar", "research", "art"]
"""What a swap is for; a consent permits some of these."""

Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]

LabelLanguage = Literal["zh", "en", "both"]
"""Language of the visible label: "AI合成", "AI-generated", or both."""

LabelStyle = Literal["words", "eu-icon"]
"""How the visible label is drawn: words, or the icon AI of the European Union with its word."""

MEDIA: tuple[Medium, ...] = ("picture", "video", "live")
PURPOSES: tuple[Purpose, ...] = ("film", "game", "anonymise", "avatar", "research", "art")
LABEL_LANGUAGES: tuple[LabelLanguage, ...] = ("zh", "en", "both")
LABEL_STYLES: tuple[LabelStyle, ...] = ("words", "eu-icon")


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of whole pixels in a frame.

    Attributes:
        x: Left edge, pixels from the frame's left.
        y: Top edge, pixels from the frame's top.
        width: Pixels.
        height: Pixels.
    """

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face found in a frame.

    Attributes:
        box: x, y, width, height in frame pixels; may reach past the frame's edge.
        score: Detector's confidence in [0, 1].
        landmarks: float32 (5, 2) x, y in frame pixels: left eye, right eye, nose, left mouth
            corner, right mouth corner; left and right as seen in the picture.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float32]


def region_of(face: Face) -> Region:
    """Return a face's box in whole pixels; it may reach past the frame's edge."""
    x, y, width, height = (round(value) for value in face.box)
    return Region(x, y, max(width, 0), max(height, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """The aligned square that a model sees.

    Attributes:
        picture: uint8 (S, S, 3) BGR.
        matrix: float64 (2, 3) similarity or affine map that takes frame pixels to crop pixels.
    """

    picture: NDArray[np.uint8]
    matrix: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelPlace:
    """Where the visible label stands and what it says.

    Attributes:
        text: The words drawn.
        language: Their language.
        corner: The corner it stands in.
        region: Pixels that the label may touch, backing included.
        ink: Bounding box of the ink itself, in frame pixels.
        style: How they are drawn.
    """

    text: str
    language: LabelLanguage
    corner: Corner
    region: Region
    ink: Region
    style: LabelStyle = "words"


@dataclass(frozen=True, slots=True)
class ModelUse:
    """One model as it was really run; written into manifest and ledger.

    Attributes:
        name: Card name.
        kind: Card kind: detector, landmarker, recogniser, converter, swapper, masker, gate.
        sha256: Hex digest of the model file.
        precision: fp32, fp16, int8 or w8.
        backend: Engine: ort, litert, tflite.
        provider: The provider that ran it, e.g. CPUExecutionProvider.
        engine_version: Version of the engine's package.
        licence: Licence named on the card.
        commercial: Whether the card says that commercial use is allowed: yes, no or unknown.
    """

    name: str
    kind: str
    sha256: str
    precision: str
    backend: str
    provider: str
    engine_version: str
    licence: str
    commercial: str = "unknown"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to swap one identity into one output; only `edge.consent` makes these.

    Attributes:
        consent_id: Id of the consent that covers the swap.
        assurance: How much the consent's origin is worth: self-attested, agent-attested,
            trusted-issuer or synthetic.
        purpose: The purpose stated for this swap.
        medium: Kind of output.
        identity_commitment: Salted hash of the identity, hex; says nothing without the salt.
        target_statement: The operator's statement about the person in the target: self,
            synthetic, covered-by-consent, or consent:<id>.
        not_after: End of the consent's validity, UTC.
    """

    consent_id: str
    assurance: str
    purpose: Purpose
    medium: Medium
    identity_commitment: str
    target_statement: str
    not_after: datetime.datetime


@dataclass(frozen=True, slots=True)
class LivePart:
    """What an output is of a live stream: one picture that was shown, or one recorded segment.

    Attributes:
        stream: `urn:uuid:...` of the stream, new each time that one is started; its watermark is
            in every frame, shown or recorded.
        source: What the frames came from: camera, network, file or synthetic.
        part: frame or segment.
        index: Of a frame its number in the stream, of a segment its place; both from 0.
        begins: Milliseconds from the stream's beginning.
        length: Milliseconds; 0 for a frame.
        previous: Hex digest of the segment before it; empty for the first, and for frames.
        last: Whether no segment comes after it.
    """

    stream: str
    source: str
    part: Literal["frame", "segment"]
    index: int
    begins: int
    length: int = 0
    previous: str = ""
    last: bool = False


@dataclass(frozen=True, slots=True)
class SwapRecord:
    """What an output's implicit label, manifest and ledger entry say about it.

    Attributes:
        output_id: `urn:uuid:...`, new for every output.
        created: Time of the swap, UTC, whole seconds.
        permit: The consent that covers it.
        models: Every model that had a part in it.
        label: Where the visible label stands.
        target_sha256: Hex digest of the target file's bytes; empty for a live stream's part.
        faces: Faces swapped (most in one frame, for a video). 0 only in a part of a live stream.
        frames: Frames written; 1 for a picture.
        generator: Name and version of this software.
        bundle: Id of the bundle that the models are of, hex; empty where there is none.
        live: Which part of a live stream it is; None for what was made of a file.
        choices: Hex digest of what was chosen for it (see `Swapper.choices`); empty where unknown.
    """

    output_id: str
    created: datetime.datetime
    permit: Permit
    models: tuple[ModelUse, ...]
    label: LabelPlace
    target_sha256: str
    faces: int
    frames: int
    generator: str
    bundle: str = ""
    live: LivePart | None = None
    choices: str = ""

    @property
    def marked_as(self) -> str:
        """The id that the watermark is of: the output's, or that of its live stream."""
        return self.output_id if self.live is None else self.live.stream
