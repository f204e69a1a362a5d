"""The swap model: crops of the target and the source in, new crops and their masks out.

What comes out is unlabelled and only a crop. So it is no part of the public interface: `edge.swap`
takes it on to the label, `edge.bench` measures it and throws it away, and a test knows of no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge.backends import Session
from edge.backends.base import CPU_PROVIDER, has_free_batch
from edge.boost import check_boost, put_together, take_apart
from edge.contracts import Card
from edge.converter import Converter, open_converter
from edge.emap import load_emap
from edge.errors import BackendError, CardError, IdentityError, ModelError
from edge.faces.align import align_to
from edge.latent import latent_of
from edge.loading import check_fit, named, open_card, use_of
from edge.paste import lay_over, put_back
from edge.records import Crop, Face, ModelUse
from edge.shelf import INSTALLED, Shelf
from edge.tensors import to_picture, to_tensor

Floats = NDArray[np.float32]
Source = NDArray[Any] | None
"""Who is shown: float32 (N,) embedding, uint8 (S, S, 3) BGR crop, or None, as the card's kind."""

Swapped = tuple[NDArray[np.uint8], Floats]

SHOWS = 0.25
"""Mask from which a picture that is composited already is used as it is; below, it fades out."""

_MOST_AT_ONCE = 8
"""Crops in one run of a model that takes several: beyond, memory grows and speed does not."""


class SwapModel:
    """A swapper: a card and an open session, with what turns an embedding into its input.

    Attributes:
        card: The model's contract.
        use: How the model runs, for manifest and ledger.
        uses: The same of the converter, if there is one, and of the model.
        recogniser: Card name of the recogniser whose embeddings it takes; empty where it takes
            none.
        template: Template that its crops are aligned to.
        size: Side of its crops in pixels, boost included.
        batch: How many crops one run takes at most.
        put_back: What pastes its pictures into the frame.
    """

    def __init__(
        self,
        card: Card,
        session: Session,
        *,
        converter: Converter | None = None,
        emap: Floats | None = None,
        boost: int = 1,
    ) -> None:
        """Join card and session.

        Args:
            card: A swapper's card.
            session: The model, open.
            converter: The converter that the card names.
            emap: The emap that it asks for, float32 (N, N).
            boost: How many times as large as the model's its crops are; see `edge.boost`.

        Raises:
            ModelError: The model does not fit its card.
            UsageError: The boost makes no sense.
        """
        if card.picture is None or card.source is None or card.crop is None:
            raise CardError(f"model '{card.name}' is a {card.kind}, but a swapper is needed here")
        check_boost(boost, card.crop.size)
        picture, source = card.picture, card.source
        if bool(source.converter) != (converter is not None) or bool(source.emap) != (
            emap is not None
        ):
            raise ModelError(f"model {card.name}: open it by its name, with its converter and emap")
        self.card = card
        self.use: ModelUse = use_of(card, session)
        self.uses = (self.use,) if converter is None else (converter.use, self.use)
        self.recogniser = source.recogniser
        self.template = card.crop.template
        self.size = card.crop.size * boost
        self.batch = _MOST_AT_ONCE if has_free_batch(session) else 1
        self._crop, self._picture, self._source = card.crop, picture, source
        self._boost, self._session = boost, session
        self._converter, self._emap = converter, emap
        self._target_input = named(card, card.input.name, session.inputs)
        self._source_input = named(card, source.name, session.inputs)
        self._picture_output = named(card, picture.name, session.outputs)
        self._mask_output = named(card, picture.mask, session.outputs)
        self.put_back = lay_over if picture.exact_mask else put_back
        self._last: tuple[bytes, Floats] | None = None
        inputs = [name for name in (self._target_input, self._source_input) if name]
        outputs = [name for name in (self._picture_output, self._mask_output) if name]
        check_fit(card, session, inputs, outputs)

    def align(self, frame: NDArray[np.uint8], face: Face) -> Crop:
        """Cut out the crop that the model sees of a face.

        Args:
            frame: uint8 (H, W, 3) BGR.
            face: A face in it.

        Raises:
            UsageError: The landmarks cannot be aligned.
        """
        return align_to(frame, face, self._crop, self._boost)

    def _swap_crop(self, crop: Crop, source: Source) -> Swapped:
        """Swap one crop; see `_swap_crops`."""
        return self._swap_crops([crop], source)[0]

    def _swap_crops(self, crops: Sequence[Crop], source: Source) -> list[Swapped]:
        """Show the source's face in place of those in the crops; unlabelled, see the module.

        Args:
            crops: As `align` cuts them.
            source: As the card's kind of source wants it: float32 (N,) of `recogniser`; uint8
                (S, S, 3) BGR, aligned as the card's source says; or None.

        Returns:
            For each crop uint8 (S, S, 3) BGR picture, and float32 (S, S) mask in [0, 1]: how much
            of the picture to use where. All ones for a model without a mask.

        Raises:
            IdentityError: The source is not one that this model takes.
            BackendError: The engine failed, or gave values that are no numbers.
        """
        given = self._source_tensor(source)
        parts = [part for crop in crops for part in take_apart(crop.picture, self._boost)]
        done: list[Swapped] = []
        while len(done) < len(parts):
            done += self._run_some(parts[len(done) : len(done) + self.batch], given)
        each = self._boost * self._boost
        groups = [done[start : start + each] for start in range(0, len(done), each)]
        return [
            (
                put_together([picture for picture, _ in group], self._boost),
                put_together([mask for _, mask in group], self._boost),
            )
            for group in groups
        ]

    def _run_some(
        self, pictures: Sequence[NDArray[np.uint8]], source: Floats | None
    ) -> list[Swapped]:
        try:
            return self._run(pictures, source)
        except (BackendError, ModelError):
            if len(pictures) == 1:
                raise
        # Some exports leave the batch open and fix it further in: one at a time, from now on.
        self.batch = 1
        return self._run(pictures[:1], source)

    def _run(self, pictures: Sequence[NDArray[np.uint8]], source: Floats | None) -> list[Swapped]:
        """Run the model once, on pictures of its own size."""
        count = len(pictures)
        tensors = [to_tensor(picture, self.card.input) for picture in pictures]
        feeds = {self._target_input: tensors[0] if count == 1 else np.concatenate(tensors)}
        if source is not None:
            feeds[self._source_input] = source if count == 1 else np.repeat(source, count, axis=0)
        outputs = dict(zip(self._session.outputs, self._session.run(feeds), strict=True))
        tensor = outputs[self._picture_output]
        self._check(tensor, self._picture_output, (count, 3))
        shown = [to_picture(tensor[row : row + 1], self._picture) for row in range(count)]
        masks = self._masks(outputs, count)
        return list(zip(shown, masks, strict=True))

    def _masks(self, outputs: dict[str, NDArray[Any]], count: int) -> list[Floats]:
        if not self._mask_output:
            return [_all_of_it(self._crop.size)] * count
        mask = outputs[self._mask_output]
        self._check(mask, self._mask_output, (count, 1))
        fades = self._picture.composited and not self._picture.exact_mask
        shown = mask[:, 0] / SHOWS if fades else mask[:, 0]
        return list(cast(Floats, np.clip(shown, 0, 1)))

    def _source_tensor(self, source: Source) -> Floats | None:
        """Return what the source's input is fed; the same source is converted once."""
        if source is None:
            if self._source.kind != "baked":
                raise IdentityError(f"model {self.card.name} takes a source, and there is none")
            return None
        key = source.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = (key, self._converted(source))
        return self._last[1]

    def _converted(self, source: NDArray[Any]) -> Floats:
        spec = self._source
        if spec.kind == "embedding":
            convert = None if self._converter is None else self._converter.convert
            return latent_of(source, spec, emap=self._emap, convert=convert)
        if spec.picture is None or spec.crop is None:
            raise IdentityError(f"model {self.card.name} takes no source: its weights hold it")
        side = spec.crop.size
        if source.dtype != np.uint8 or source.shape != (side, side, 3):
            raise IdentityError(
                f"model {self.card.name} takes a picture of {side} x {side} pixels as its source, "
                f"not {source.dtype} {source.shape}"
            )
        return to_tensor(source, spec.picture)

    def _check(self, tensor: NDArray[Any], name: str, lead: tuple[int, int]) -> None:
        shape = (*lead, self._crop.size, self._crop.size)
        if tensor.shape != shape:
            raise ModelError(
                f"model {self.card.name}: does not fit its card: output '{name}' has shape "
                f"{tensor.shape} instead of {shape}"
            )
        if not np.isfinite(tensor).all():
            raise BackendError(
                f"model {self.card.name}: output '{name}' holds values that are no numbers on "
                f"{self.use.provider}; use a float32 model or another provider"
            )


@lru_cache(maxsize=2)
def _all_of_it(size: int) -> Floats:
    """Return the mask of a model that has none; nobody writes to it."""
    mask = np.ones((size, size), np.float32)
    mask.flags.writeable = False
    return mask


def open_swap_model(
    name: str = "ref_swapper",
    *,
    backend: str = "ort",
    providers: Sequence[str] = (CPU_PROVIDER,),
    threads: int = 0,
    strict: bool = True,
    boost: int = 1,
    shelf: Shelf = INSTALLED,
) -> SwapModel:
    """Open a swapper by its card's name, with its emap and converter.

    Args:
        name: Card name.
        backend: As the rest: see `edge.loading.open_card`.
        providers: Execution providers in order of preference.
        threads: Threads for one run.
        strict: Refuse to run on another provider than the first one.
        boost: See `edge.boost`.
        shelf: Where model, emap and converter come from.
    """
    card, session = open_card(
        name,
        "swapper",
        backend=backend,
        providers=providers,
        threads=threads,
        strict=strict,
        shelf=shelf,
    )
    wanted = "" if card.source is None else card.source.converter
    # A converter is an ONNX file whatever the swap model runs on, and too small for an accelerator.
    converter = open_converter(wanted, threads=threads, shelf=shelf) if wanted else None
    emap = load_emap(card, shelf.locate(card))
    return SwapModel(card, session, converter=converter, emap=emap, boost=boost)
