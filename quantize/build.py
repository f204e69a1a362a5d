"""Build a bundle: what is deployed to one kind of device, as docs/spec/bundle-1.md states it.

A folder beside the output folder is filled, signed, opened as the device will open it, and gets its
name when all of it is there.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edge
from edge import resources
from edge.backends import missing_reason, open_session
from edge.backends._onnx_outline import outline_of
from edge.backends.base import CPU_PROVIDER
from edge.bundle.checking import cards_of, check_parts, consent_of, read_papers
from edge.bundle.contents import CARDS, CONSENT, CONTENTS, MODELS, SEAL
from edge.bundle.holders import FolderHolder
from edge.bundle.seal import Seal, new_seal
from edge.cards import find_card, load_card
from edge.consent.canonical import readable_json
from edge.consent.erase import forget_derivatives, register_derivative
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.errors import ConsentError
from edge.publish import OLD
from edge.registry import locate, sha256_of
from edge.selftest import try_model
from edge.sources import check_baked
from quantize.baking import identity_in_force
from quantize.bundle_cards import (
    card_path,
    card_text,
    converted_card,
    helper_names,
    read_values,
    recogniser_name,
)
from quantize.bundle_outputs import Piece, Places, packed, put_in_place
from quantize.bundle_papers import (
    QUALITY,
    checker_of,
    contents_text,
    in_the_way,
    licence_files,
    parts_of,
    quality_text,
)
from quantize.conversion import Conversion
from quantize.convert import convert
from quantize.errors import BuildError, ContractError, QuantizeError
from quantize.export.ort_format import READ_SINCE, format_of
from quantize.golden import GoldenRows, write_golden
from quantize.outputs import folder_beside
from quantize.recipes import recipe_file
from quantize.settings import Precision, Progress, nearest_precision, silent
from quantize.targets import BackendSpec, Format, TargetProfile, load_target

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edge.consent.identity import Identity

__all__ = ["Built", "build"]

_PRIVATE, _OPEN = 0o600, 0o644


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A finished bundle.

    Attributes:
        folder: the bundle.
        archive: the same as a .zip file, where that was asked for.
        id: SHA-256 of its bundle.toml, hex.
        seal: who signed it, and until when it may be used.
        size: bytes of all its files.
        conversions: facts of the conversions, by format; with what their reports leave out: time.
        left_out: why a format is not there, or a way to run it, by the name of either.
        private: whether somebody is baked in.
    """

    folder: Path
    archive: Path | None
    id: str
    seal: Seal
    size: int
    conversions: Mapping[str, Mapping[str, Any]] = field(repr=False)
    left_out: Mapping[str, str]
    private: bool


def build(
    model: Path | str,
    output: Path | str,
    *,
    target: str,
    identity: Path | str | None,
    precision: Precision = "int8",
    card: Path | str | None = None,
    recipe: str | None = None,
    budget: str | None = None,
    source_picture: Path | str | None = None,
    calibration: Path | str | None = None,
    count: int = 32,
    threads: int | None = None,
    detector: str = "ref_detector",
    masks: tuple[str, ...] = (),
    engines: tuple[str, ...] = (),
    key: Ed25519PrivateKey | None = None,
    archive: Path | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Built:
    """Build a bundle for a target.

    Args:
        model: .onnx file of a swap model; never written to.
        output: the bundle's folder; it may not exist yet.
        target: name of a target.
        identity: identity file whose person is baked in; None for a bundle that takes identities.
        precision: fp32, fp16, int8 or w8.
        card: the model's card, as a TOML file or by its name; by default the one that means this
            very file.
        recipe: name of the recipe for int8; the target's own by default.
        budget: what the worst picture must keep, as `quantize.convert` takes it.
        source_picture: picture of that person, for a model that takes one; the consent names it.
        calibration: folder of crops, pictures or videos; faces of nobody by default.
        count: samples to calibrate with.
        threads: of the engines here; by default all cores, at most 4.
        detector: card name of the face detector that goes along.
        masks: card names of maskers that go along.
        engines: beside the target's own: mnn, ncnn, openvino. Their files are of the nearest
            precision that they are made as.
        key: who signs; this device's own key by default.
        archive: .zip file to write too.
        overwrite: whether an earlier bundle is replaced.
        progress: told of each step.

    Returns:
        Where the bundle is, and what is in it.

    Raises:
        ConsentError: the identity's consent is not in force.
        QuantizeError: the model cannot be converted, or breaks a rule of the target.
        CardError: there is no card for it.
        OutputError: something is in the way, or cannot be written.
        UsageError: an option makes no sense.
    """
    card_file = card_path(card, Path(model))
    inputs = (model, card_file, identity, source_picture, calibration)
    read = [Path(each) for each in inputs if each is not None]
    wanted = _Wanted(
        model=Path(model),
        profile=load_target(target).also_with(engines),
        identity=None if identity is None else Path(identity),
        precision=precision,
        card=card_file,
        recipe=recipe,
        detector=detector,
        masks=masks,
        key=operator_key() if key is None else key,
        places=Places(Path(output), archive, overwrite, read),
    )
    given: dict[str, Any] = {
        "recipe": recipe,
        "budget": budget,
        "source_picture": source_picture,
        "calibration": calibration,
        "count": count,
        "threads": threads,
    }
    wanted.places.check()
    with folder_beside(wanted.places.folder) as staging:
        return _Build(wanted, staging, partial(_converted, wanted, given, progress)).run()


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """What was asked for; see `build`."""

    model: Path
    profile: TargetProfile
    identity: Path | None
    precision: Precision
    card: Path
    recipe: str | None
    detector: str
    masks: tuple[str, ...]
    key: Ed25519PrivateKey
    places: Places


def _converted(
    wanted: _Wanted,
    given: Mapping[str, Any],
    progress: Progress,
    form: Format,
    bake: Path | None,
    folder: Path,
) -> Conversion:
    def told(stage: str, done: int, total: int) -> None:
        progress(f"{form}: {stage}", done, total)

    precision = nearest_precision(form, wanted.precision)
    if wanted.precision == "int8" and precision != "int8":  # of this format there is none
        given = {**given, "recipe": None}
    return convert(
        wanted.model,
        folder,
        card=wanted.card,
        precision=precision,
        format=form,
        target=wanted.profile.name,
        bake=bake,
        progress=told,
        **given,
    )


class _Build:
    """One bundle on its way.

    Attributes:
        root: the folder that will be the bundle.
    """

    def __init__(self, wanted: _Wanted, staging: Path, converted: Any) -> None:
        self.wanted = wanted
        self.root = staging / "bundle"
        self._work = staging / "work"
        self._staging = staging
        self._converted = converted
        self.card = load_card(wanted.card)
        self.identity = self._allowed()
        self.made: dict[str, Mapping[str, Any]] = {}
        self.left_out: dict[str, str] = {}
        self.names: dict[str, str] = {}  # of the cards of what was made, by format
        self.golden: dict[str, GoldenRows] = {}  # by the name of a card
        self.ways: tuple[BackendSpec, ...] = ()

    def run(self) -> Built:
        """Build all of it."""
        for name in (CARDS, MODELS, "recipes", "licences"):
            (self.root / name).mkdir(parents=True)
        # Should this process be killed, what it leaves goes with the identity all the same.
        self._note(self._staging)
        self._convert()
        self._helpers()
        self._papers()
        write_golden(self.root, self.golden)
        seal = self._sign()
        self._try()
        return self._publish(seal)

    def _allowed(self) -> Identity | None:
        """Return whoever is baked in, whose consent is in force."""
        source, path = self.card.source, self.wanted.identity
        if source is None:
            raise ContractError(f"card {self.card.name}: a {self.card.kind} swaps nobody")
        if path is None:
            if source.kind == "picture":
                raise ContractError(
                    f"model {self.card.name} takes a picture of its source: give an identity, and "
                    "the picture with --source-picture, to have both baked in"
                )
            if source.kind == "baked":
                raise ConsentError(
                    f"refused: somebody is in the weights of model {self.card.name}: give their "
                    "identity with --identity"
                )
            return None
        found = identity_in_force(path, {"command": "build", "model": self.card.name})
        if source.kind == "baked":
            check_baked(self.card, self.wanted.model, found)
        return found

    def _convert(self) -> None:
        bake = self.wanted.identity
        if self.card.source is not None and self.card.source.kind == "baked":
            bake = None  # somebody is in it already
        for form in self.wanted.profile.formats:
            try:
                done: Conversion = self._converted(form, bake, self._work / form)
            except QuantizeError as error:
                if form == "onnx" or len(self.wanted.profile.formats) == 1:
                    raise
                self.left_out[form] = str(error)
                continue
            self._take(form, done)

    def _take(self, form: Format, done: Conversion) -> None:
        """Move what a conversion made into the bundle, and write its card."""
        emap = next((name for name in done.facts["side_files"] if name.endswith(".npy")), "")
        unneeded = {done.report.name, emap if self.identity is not None else ""}
        for path in list(done.model.parent.iterdir()):
            if path.name not in unneeded:
                shutil.move(path, self.root / MODELS / path.name)
        outline = outline_of(self.wanted.model)
        values = converted_card(
            read_values(self.card, self.wanted.card),
            done.facts,
            names=([each.name for each in outline.inputs], [each.name for each in outline.outputs]),
            identity="" if self.identity is None else self.identity.commitment,
            emap="" if self.identity is not None else emap,
        )
        self.names[form] = str(values["name"])
        self.made[form] = done.facts
        if done.golden is not None:
            self.golden[self.names[form]] = done.golden
        self._write(f"{CARDS}/{values['name']}.toml", card_text(values))

    def _helpers(self) -> None:
        """Add detector, maskers and converter with their cards, and the recogniser's card."""
        card = load_card(self.root / CARDS / f"{next(iter(self.names.values()))}.toml")
        for name in helper_names(card, self.wanted.detector, self.wanted.masks):
            helper = find_card(name)
            shutil.copyfile(locate(helper), self.root / MODELS / helper.file)
            self._write(f"{CARDS}/{name}.toml", card_text(read_values(helper)))
        recogniser = recogniser_name(card)
        if recogniser:
            values = read_values(find_card(recogniser))
            self._write(f"{CARDS}/{recogniser}.toml", card_text(values))

    def _papers(self) -> None:
        profile = self.wanted.profile
        text = (resources.targets_dir() / profile.name / "profile.toml").read_text("utf-8")
        self._write("profile.toml", text)
        for name in sorted({facts["recipe"] for facts in self.made.values()} - {None}):
            own = self.wanted.recipe  # a file of the user's own, perhaps
            file = recipe_file(own if own is not None and Path(own).stem == name else name)
            self._write(f"recipes/{name}.toml", file.read_text(encoding="utf-8"))
        if self.identity is not None:
            data = readable_json(self.identity.consent.to_dict())
            self._write(CONSENT, data.decode("utf-8"))
        cards = [load_card(path) for path in sorted((self.root / CARDS).iterdir())]
        for name, text in licence_files(cards).items():
            self._write(f"licences/{name}", text)
        self.ways = self._ways()
        report = quality_text(profile, self.wanted.precision, self.made, self.left_out)
        self._write(QUALITY, report)
        for folder in ("recipes",):
            with contextlib.suppress(OSError):
                (self.root / folder).rmdir()  # of float models there is none

    def _sign(self) -> Seal:
        # Asked again: building takes its time, and consents end, and clocks are set, meanwhile.
        who = self._allowed()
        text = contents_text(
            self.wanted.profile,
            made_with=f"edge-swap {edge.__version__}",
            precision=self.wanted.precision,
            identity=None
            if who is None
            else {"commitment": who.commitment, "consent": who.consent.id},
            detector=self.wanted.detector,
            masks=self.wanted.masks,
            cards=self.names,
            backends=self.ways,
            oldest=self._oldest(),
            parts=parts_of(self.root),
        )
        self._write(CONTENTS, text)
        until = None if who is None else who.consent.not_after
        seal = new_seal(sha256_of(self.root / CONTENTS), self.wanted.key, not_after=until)
        self._write(SEAL, seal.to_bytes().decode("utf-8"))
        return seal

    def _ways(self) -> tuple[BackendSpec, ...]:
        """Return the ways to run it: those that the static checks have no word against.

        Raises:
            BuildError: there is none.
        """
        kept = []
        for spec in self.wanted.profile.backends:
            if spec.form not in self.made:
                continue
            static = self.made[spec.form]["checks"]["static"] or {"findings": ()}
            against = [one for one in static["findings"] if one["checker"] == checker_of(spec)]
            if against:
                self.left_out[spec.name] = in_the_way(against)
            else:
                kept.append(spec)
        if not kept:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.left_out.items())
            raise BuildError(f"nothing runs the model on {self.wanted.profile.name}: {reasons}")
        return tuple(kept)

    def _oldest(self) -> dict[str, str]:
        """Return by format the oldest ONNX Runtime that reads what the one here wrote."""
        if "ort" not in self.made:
            return {}
        facts = self.made["ort"]
        version = ".".join(str(facts["versions"]["onnxruntime"]).split(".")[:2])
        written = (self.root / MODELS / str(facts["file"])).read_bytes()
        return {"ort": READ_SINCE.get(format_of(written), version)}

    def _try(self) -> None:
        """Open the bundle as a device does, and run each of its models once in the engines here."""
        holder = FolderHolder(self.root, str(self.wanted.places.folder))
        papers = read_papers(holder)
        consent_of(holder, papers)
        check_parts(holder, papers.contents)
        cards = cards_of(self.root, papers.contents, holder.where)
        for variant in papers.contents.variants:
            if missing_reason(variant.engine, (CPU_PROVIDER,), variant.oldest):
                continue  # not here; the conversion has tested the file in another engine
            card = cards[variant.card]
            session = open_session(
                self.root / MODELS / card.file, backend=variant.engine, providers=(CPU_PROVIDER,)
            )
            try_model(card, session)

    def _note(self, path: Path) -> None:
        """Note what was made from somebody, so that erasing their identity erases it."""
        if self.identity is not None:
            register_derivative(self.identity.commitment, path)

    def _write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8")

    def _publish(self, seal: Seal) -> Built:
        """Give the bundle its name, and take note of it."""
        wanted, who = self.wanted, self.identity
        mode = _OPEN if who is None else _PRIVATE
        for path in (self.root, *self.root.rglob("*")):
            path.chmod(mode | (mode & 0o444) >> 2 if path.is_dir() else mode)
        places = wanted.places
        holder = FolderHolder(self.root, str(places.folder))
        contents = read_papers(holder).contents
        pieces = [Piece(self.root, places.folder, self._staging / OLD / places.folder.name)]
        with contextlib.ExitStack() as stack:
            if places.archive is not None:
                zipped = packed(
                    holder,
                    contents,
                    places.archive,
                    seal=seal.to_bytes(),
                    mode=mode,
                    note=self._note,
                )
                pieces.append(stack.enter_context(zipped))
            put_in_place(places, pieces, note=self._note)
        if who is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
            for piece in pieces:
                forget_derivatives(who.commitment, piece.made.parent)
        Ledger().event("bundle", {"step": "built", "bundle": contents.id, "key": seal.key})
        return Built(
            folder=places.folder,
            archive=places.archive,
            id=contents.id,
            seal=seal,
            size=contents.size,
            conversions=self.made,
            left_out=self.left_out,
            private=who is not None,
        )
