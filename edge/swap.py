"""Frame and identity in, labelled frame out: the one place where the stages are joined.

`Swapper` is the public face of the runtime. Whatever it returns or writes carries the visible
label; whatever it writes carries the implicit label and a signed manifest too, and has its entry
in the ledger. There is no argument that changes this.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import uuid
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

import edge
from edge.affinity import pinned
from edge.consent.identity import load_identity
from edge.consent.ledger import Ledger
from edge.consent.permit import TargetStatement, permit
from edge.consent.refusals import recording_refusals
from edge.consent.sealed import AnyIdentity
from edge.errors import NoFaceError, UsageError
from edge.faces.detect import PICTURE_PASSES, VIDEO_PASSES, open_detector
from edge.faces.follow import EVERY, Follower
from edge.faces.masks import joint_mask, masker_named, open_masker
from edge.faces.select import by_position, by_reference, check_position, only_face
from edge.gate import open_gates
from edge.provenance.label import Label, default_language, plan_label
from edge.provenance.watermark.embed import watermark_for
from edge.records import LABEL_STYLES, PURPOSES, Face, Region, SwapRecord
from edge.shelf import INSTALLED, Shelf
from edge.sources import comparer_for, source_for
from edge.swapmodel import open_swap_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from edge.faces.embed import Embedder
    from edge.records import (
        LabelLanguage,
        LabelPlace,
        LabelStyle,
        Medium,
        ModelUse,
        Permit,
        Purpose,
    )

CPU_PROVIDERS = ("CPUExecutionProvider",)
"""Provider list of a device without an accelerator, best first."""

EVERY_FACE = "all"

_CHOSEN = ("source", "faces", "min-score", "boost", "look-every", "label")
"""Of a swapper's settings, what the ledger says of an output in one number."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Which models run, and on what.

    Attributes:
        model: Card name of the swap model.
        detector: Card name of the face detector; empty: the shipped one that is quickest here.
        backend: Engine of the swap model: ort, litert or tflite.
        providers: Providers for the engine, best first; the first one must be the one that runs.
        threads: Threads per engine; 0 lets the engine choose.
        min_score: Least detector score in [0, 1]; None takes the card's threshold.
        boost: How many times as large as the model's own the crops are; see `edge.boost`.
        landmarker: Card name of a landmarker instead of the detector card's own; empty: that one.
        masks: Names of maskers that each take away what is no face; see `edge.faces.masks`.
        look_every: In a video, frames from one look at the whole frame to the next; in between
            faces are followed (`edge.faces.follow`). 0: that module's own choice, and every
            frame where the purpose is to anonymise: a face that is found late was seen.
        cores: Numbers of the cores that the swap model's threads stay on; empty: any.
    """

    model: str = "ref_swapper"
    detector: str = ""
    backend: str = "ort"
    providers: tuple[str, ...] = CPU_PROVIDERS
    threads: int = 0
    min_score: float | None = None
    boost: int = 1
    landmarker: str = ""
    masks: tuple[str, ...] = ()
    look_every: int = 0
    cores: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """A swapped frame as the API hands it out.

    Attributes:
        frame: uint8 (H, W, 3) BGR, visible label drawn in, watermark of the record's output id.
        faces: The faces that were swapped, as found in the input.
        record: What the ledger says about it.
    """

    frame: NDArray[np.uint8]
    faces: tuple[Face, ...]
    record: SwapRecord


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    """The one person to swap, and the recogniser that finds them."""

    embedder: Embedder
    embedding: NDArray[np.float32]


class Swapper:
    """Swaps one consented identity into frames, pictures, videos and folders.

    The consent is checked again for every output: when it ends or is revoked while this object
    lives, the next call is refused.

    Attributes:
        ledger: The ledger that every output and refusal is written to.
        language: Language of the visible label.
        style: How it is drawn.
        identity: Who is swapped in.
        gates: The content gates of this device; a target must pass them before it is swapped.
    """

    def __init__(
        self,
        identity: AnyIdentity | Path | str,
        *,
        purpose: Purpose,
        target_is: str | None = None,
        target_consent: Path | None = None,
        faces: str = EVERY_FACE,
        match: Path | None = None,
        source_picture: Path | None = None,
        engines: Engines | None = None,
        label_language: LabelLanguage | None = None,
        label_style: LabelStyle = "words",
        ledger: Ledger | None = None,
        shelf: Shelf = INSTALLED,
    ) -> None:
        """Load identity and models.

        Args:
            identity: An identity, or the path of an identity file.
            purpose: What the swap is for; the consent must permit it.
            target_is: Statement about the person in the target: self, synthetic or
                covered-by-consent.
            target_consent: Path of that person's own consent file; instead of `target_is`.
            faces: Which faces: "all", or a position as `edge.faces.select.by_position` takes it.
            match: Path of a picture of the one person to swap; instead of `faces`.
            source_picture: For a model that takes a picture of the source: path of one that the
                identity's consent names.
            engines: Models, engine, providers, threads.
            label_language: Language of the visible label; the locale's by default.
            label_style: How it is drawn: in words, or with the European Union's icon.
            ledger: The ledger to write to; the device's own by default.
            shelf: Where the models come from: installed ones by default, or those of a bundle.

        Raises:
            UsageError: The arguments make no sense.
            GateError: A content gate is damaged, or required and missing.
            ConsentError: No statement about the target; the identity file is damaged; or the source
                is not the one that the consent covers.
            ModelError: A model is missing or changed, or fits no card.
            BackendError: The engine is not installed, or a provider does not run.
        """
        self.ledger = Ledger() if ledger is None else ledger
        self.language: LabelLanguage = label_language or default_language()
        self.style: LabelStyle = label_style
        self._purpose = purpose
        self._engines = engines or Engines()
        self._shelf = shelf
        if self._engines.look_every < 0:
            raise UsageError(f"look_every must be 0 or more frames, not {self._engines.look_every}")
        if purpose not in PURPOSES:
            raise UsageError(f"unknown purpose '{purpose}'; known: {', '.join(PURPOSES)}")
        if label_style not in LABEL_STYLES:
            known = ", ".join(LABEL_STYLES)
            raise UsageError(f"unknown label style '{label_style}'; known: {known}")
        if faces != EVERY_FACE and match is not None:
            raise UsageError("--faces and --match exclude each other: choose one")
        if faces != EVERY_FACE:
            check_position(faces)
        self._position = faces
        self._match = match
        with self.refusals({"identity": _named(identity)}):
            self._target = TargetStatement.from_options(target_is, target_consent)
            self.identity: AnyIdentity = (
                load_identity(identity) if isinstance(identity, (Path, str)) else identity
            )
            self.gates = open_gates(threads=self._engines.threads)
        self._open_models()
        with self.refusals({}):
            self._source = source_for(
                self._model.card,
                shelf.locate(self._model.card),
                self.identity,
                source_picture,
                detector=self._detector,
                open_recogniser=self._open_recogniser,
                shelf=shelf,
            )
        self._reference = None if match is None else self._reference_of(match)
        self._choices = self._digest_of_choices()

    def _open_models(self) -> None:
        wanted = self._engines
        with pinned(wanted.cores):  # the engine's threads start here, and stay where they did
            self._model = open_swap_model(
                wanted.model,
                backend=wanted.backend,
                providers=wanted.providers,
                threads=wanted.threads,
                boost=wanted.boost,
                shelf=self._shelf,
            )
        # All others are ONNX files whatever the swap model runs on.
        providers = wanted.providers if wanted.backend == "ort" else CPU_PROVIDERS
        self._detector = open_detector(
            wanted.detector,
            providers=providers,
            threads=wanted.threads,
            landmarker=wanted.landmarker,
            shelf=self._shelf,
        )
        self._maskers = tuple(
            open_masker(name, providers=providers, threads=wanted.threads, shelf=self._shelf)
            for name in dict.fromkeys(masker_named(each, self._shelf) for each in wanted.masks)
        )

    def _open_recogniser(self, name: str, shelf: Shelf | None = None) -> Embedder:
        from edge.faces.embed import open_embedder

        wanted = self._engines
        providers = wanted.providers if wanted.backend == "ort" else CPU_PROVIDERS
        return open_embedder(
            name, providers=providers, threads=wanted.threads, shelf=shelf or self._shelf
        )

    def _reference_of(self, path: Path) -> _Reference:
        """Open the recogniser, which only the search for one person needs, and look at `path`."""
        from edge.media.image import read_picture

        recogniser, shelf = comparer_for(self._model.card, self.identity, self._shelf)
        embedder = self._open_recogniser(recogniser.name, shelf)
        frame = read_picture(path).frame
        face = only_face(self._detector.detect(frame), str(path))
        return _Reference(embedder, embedder.embed(frame, face))

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that has a part in an output, as it really runs; the swap model last."""
        reference = () if self._reference is None else (self._reference.embedder.use,)
        recognisers = tuple(dict.fromkeys((*self._source.uses, *reference)))
        maskers = (masker.use for masker in self._maskers)
        return (
            *self.gates.uses,
            *self._detector.uses,
            *recognisers,
            *maskers,
            *self._model.uses,
        )

    def refusals(self, asked: Mapping[str, str]) -> AbstractContextManager[list[str]]:
        """Write every refusal of the body into the ledger, and pass it on.

        Refusals are: no consent, a policy that forbids it, no face to swap, no room for the label.

        Args:
            asked: What was asked for, beside the purpose; e.g. the input's name.
        """
        asked = {"purpose": self._purpose, **asked}
        return recording_refusals(self.ledger, asked, self.people())

    def people(self) -> tuple[str, ...]:
        """Return the names of those whose consents this stands on, as far as they are known yet."""
        consents = [
            getattr(getattr(self, "identity", None), "consent", None),
            getattr(getattr(self, "_target", None), "consent", None),
        ]
        return tuple(consent.subject for consent in consents if consent is not None)

    def permit_for(self, medium: Medium) -> Permit:
        """Return leave for one output now.

        Raises:
            ConsentError: There is none, or no longer.
            BundleError: The models are of a bundle that has expired.
            PolicyError: The deployment's policy forbids it.
        """
        self.gates.check_policy()
        self._shelf.check_in_force()
        return permit(self.identity, purpose=self._purpose, medium=medium, target=self._target)

    def swap(self, frame: NDArray[np.uint8]) -> LabelledFrame:
        """Swap the faces of one frame in memory.

        The array that is given is never written to. What comes back is labelled, but an array
        carries no manifest: write files with `edge.jobs`, which sign what they write.

        Args:
            frame: uint8 (H, W, 3) BGR.

        Returns:
            The labelled frame, the faces found, and the record that the ledger holds.

        Raises:
            UsageError: The array is no frame.
            ConsentError: The consent does not cover this now.
            GateError: The frame does not pass the content gate.
            NoFaceError: There is no face to swap.
            LabelError: The frame is too small for a legible label.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise UsageError(
                f"a frame is uint8 (H, W, 3), not {frame.dtype} {tuple(frame.shape)}: convert it"
            )
        with self.refusals({"input": "frame in memory"}):
            leave = self.permit_for("picture")
            work = np.array(frame, order="C", copy=True)
            self.gates.check(work, "the frame in memory")
            faces = self.find(work)
            if not faces:
                raise NoFaceError(f"frame in memory: {self.nothing_found}; nothing was swapped")
            regions = self._swap_into(work, faces)
            place = self.plan_label(work, regions)
        Label(place).draw(work)
        target = hashlib.sha256(np.ascontiguousarray(frame).data).hexdigest()
        record = self.record(leave, place, target, faces=len(faces), frames=1)
        mark = watermark_for(record, work.shape[1], work.shape[0])
        mark.draw(work)
        self.ledger.event(
            "frame",
            {
                "output_id": record.output_id,
                "watermark": mark.identifier,
                "output_sha256": hashlib.sha256(work.data).hexdigest(),
                "target_sha256": target,
                "identity": leave.identity_commitment,
                "consent_id": leave.consent_id,
                "purpose": leave.purpose,
                "model": self._model.use.name,
                **({"bundle": record.bundle} if record.bundle else {}),
            },
        )
        return LabelledFrame(frame=work, faces=faces, record=record)

    # The stages, for `edge.jobs`, which labels and signs what it writes -----------------------

    def find(
        self, frame: NDArray[np.uint8], passes: Sequence[int] = PICTURE_PASSES
    ) -> tuple[Face, ...]:
        """Return the faces of `frame` (uint8 (H, W, 3) BGR) that are to be swapped; maybe none."""
        faces = self._detector.detect(frame, min_score=self._engines.min_score, passes=passes)
        if not faces:
            return ()
        try:
            if self._reference is not None:
                wanted = self._reference
                return (by_reference(faces, frame, wanted.embedder, wanted.embedding),)
            if self._position != EVERY_FACE:
                return (by_position(faces, self._position),)
        except NoFaceError:
            return ()  # the person looked for is not in this frame
        return faces

    def follower(self) -> Follower:
        """Return what finds the faces of one video that are to be swapped, frame by frame."""
        every = self._engines.look_every or (1 if self._purpose == "anonymise" else EVERY)
        return Follower(
            partial(self.find, passes=VIDEO_PASSES),
            partial(self._detector.near, min_score=self._engines.min_score),
            every if self._detector.follows else 1,
        )

    @property
    def nothing_found(self) -> str:
        """Half a sentence for a frame in which `find` found no face."""
        if self._match is not None:
            return f"no face found that matches {self._match}"
        if self._position.isdigit() and self._position != "1":
            return f"no face found at position {self._position}: there are not so many"
        return "no face found (a lower --min-score may find more)"

    def plan_label(self, frame: NDArray[np.uint8], regions: Sequence[Region]) -> LabelPlace:
        """Return where the label of `frame` (uint8 (H, W, 3) BGR) goes, off the regions."""
        height, width = frame.shape[:2]
        return plan_label(width, height, regions, self.language, self.style)

    def settings(self) -> dict[str, str]:
        """Return all that the pixels of an output depend on beside its frames, as texts by name.

        Two swappers with the same settings make the same output of the same file, as far as their
        engines are exact; a person's numbers are in it as a hash alone.
        """
        wanted = self._engines
        shown = [] if self._source.value is None else [np.asarray(self._source.value).tobytes()]
        if self._reference is not None:
            shown.append(self._reference.embedding.tobytes())
        return {
            "version": f"{edge.__version__}, NumPy {np.__version__}, OpenCV {cv2.__version__}",
            "identity": self.identity.commitment,
            "source": hashlib.sha256(b"".join(shown)).hexdigest(),
            "purpose": self._purpose,
            "faces": self._position,
            "models": "; ".join(
                f"{use.name} {use.sha256} {use.backend} {use.engine_version} {use.provider}"
                for use in self.models
            ),
            "min-score": str(wanted.min_score),
            "boost": str(wanted.boost),
            "look-every": str(wanted.look_every),
            "threads": str(wanted.threads),
            "label": f"{self.language} {self.style}",
        }

    def choices(self) -> str:
        """Return a digest of what was chosen for an output beside its person, purpose and models.

        Who of a frame is swapped, whom `--match` shows and how surely faces must be found, the
        label's language and style: what a file would have to be made anew for. A hash, hex.
        """
        return self._choices

    def _digest_of_choices(self) -> str:
        """Work it out, once: a source that is a picture is much to hash for every frame."""
        settings = self.settings()
        chosen = {name: settings[name] for name in _CHOSEN}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()

    def _swap_into(self, frame: NDArray[np.uint8], faces: Sequence[Face]) -> list[Region]:
        """Swap `faces` in `frame`, in place; return the regions that changed.

        The frame is unlabelled until its label is drawn: only callers that do so may call this.
        """
        crops = [self._model.align(frame, face) for face in faces]
        with pinned(self._engines.cores):  # this thread works along with the engine's own
            swapped = self._model._swap_crops(crops, self._source.value)
        return [
            self._model.put_back(
                frame, crop, picture, mask, joint_mask(self._maskers, crop.picture)
            )
            for crop, (picture, mask) in zip(crops, swapped, strict=True)
        ]

    def record(
        self, leave: Permit, place: LabelPlace, target_sha256: str, *, faces: int, frames: int
    ) -> SwapRecord:
        """Return the record of one output, with a new id and the time now."""
        return SwapRecord(
            output_id=uuid.uuid4().urn,
            created=datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0),
            permit=leave,
            models=self.models,
            label=place,
            target_sha256=target_sha256,
            faces=faces,
            frames=frames,
            generator=f"edge-swap {edge.__version__}",
            bundle=self._shelf.bundle,
            choices=self.choices(),
        )

    def finished(self, draft: SwapRecord, *, faces: int, frames: int) -> SwapRecord:
        """Return the record of a long output at its end, with leave that is asked for again.

        Args:
            draft: The record made at its start.
            faces: Most faces in one frame.
            frames: Frames written.

        Raises:
            ConsentError: The consent ended or was revoked meanwhile.
        """
        leave = self.permit_for(draft.permit.medium)
        return replace(draft, permit=leave, faces=faces, frames=frames)


def _named(identity: AnyIdentity | Path | str) -> str:
    return str(identity) if isinstance(identity, (Path, str)) else identity.commitment
