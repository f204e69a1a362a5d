"""What a model takes and gives: as its card states it, or as its graph lets one guess."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from edge.cards import find_card
from edge.contracts import Card, TensorSpec
from edge.converter import Converter, open_converter
from edge.latent import latent_of
from edge.loading import named
from quantize.errors import ContractError
from quantize.passes._infra.feeds import InputSpec, default_spec
from quantize.passes._infra.model import inputs_of
from quantize.passes._infra.shapes import Shape, infer_types, shape_of

__all__ = ["ModelContract", "contract_of", "input_specs"]

_BRIGHTEST = 255.0
_PASSED_BY = ("Identity", "Transpose", "Reshape", "Cast")
"""What may stand between the operator that bounds a picture and the output."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelContract:
    """What a model takes and gives.

    Attributes:
        card: the card that states it; None without one.
        inputs: what each input is fed when nothing better is known; the ranges are the model's own.
        target: the picture input that the target's crop goes to; None where there is none.
        source: the input for the identity, float32 (1, N); None when it is baked in.
        source_picture: the input for a picture of the source, instead; None where there is none.
        picture: the output that is the picture.
        picture_range: its values for black and for white.
        mask: the output that is the blend mask in [0, 1]; None where there is none.
        derived: no card: guessed from the graph.
        emap: float32 (N, N) matrix that embeddings are multiplied with before they are fed; None
            where there is none.
    """

    card: Card | None
    inputs: Mapping[str, InputSpec]
    target: str | None
    source: str | None
    picture: str
    picture_range: tuple[float, float]
    mask: str | None
    derived: bool
    emap: NDArray[np.float32] | None = None
    source_picture: str | None = None

    @property
    def identity_input(self) -> str | None:
        """The input that says who is shown, whatever it takes; None when that is baked in."""
        return self.source or self.source_picture

    @property
    def note(self) -> str:
        """One line for people on what a card would add; empty with a card."""
        if not self.derived:
            return ""
        return (
            "no card: names and shapes are the graph's, pictures are taken to lie in [0, 1] and "
            "vectors to be of unit length; a card would do better"
        )

    def source_values(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn an embedding into what the identity's input is fed.

        1. What the card says, as `edge.latent.latent_of` does it.
        2. Without a card it is brought to unit length; where there is an emap, it is multiplied
           with it and brought to unit length again, as the model's authors do.

        Args:
            embedding: float32 (N,) or (1, N), as the recogniser gives it.

        Returns:
            float32 (1, N).

        Raises:
            ContractError: it has another length than the model takes, or none that is usable.
            ModelError: the converter that the card names is not here.
        """
        values = np.asarray(embedding, np.float32).reshape(1, -1)
        spec = self.inputs.get(self.source or "")
        wanted = spec.shape[-1] if spec is not None and spec.shape else values.size
        length = float(np.linalg.norm(values))
        if values.size != wanted or not np.isfinite(length) or length == 0:
            raise ContractError(
                f"the embedding holds {values.size} numbers of length {length:g} where the model "
                f"takes {wanted}: enrol with the recogniser that its card names"
            )
        if self.card is not None and self.card.source is not None:
            convert = _converter(self.card.source.converter)
            return latent_of(values, self.card.source, emap=self.emap, convert=convert)
        values = values / np.float32(length)
        if self.emap is not None:
            values = values @ self.emap
            values = values / np.linalg.norm(values)
        return cast(NDArray[np.float32], values.astype(np.float32))


def _converter(name: str) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
    """Return the converter that a card names, opened once."""
    return _opened(name, find_card(name, "converter").sha256).convert if name else None


@lru_cache(maxsize=2)
def _opened(name: str, sha256: str) -> Converter:
    """Open a converter; `sha256` tells apart what one name means at different times."""
    return open_converter(name, threads=1)


def contract_of(
    model: onnx.ModelProto, card: Card | None = None, *, emap: NDArray[np.float32] | None = None
) -> ModelContract:
    """Say what a model takes and gives.

    Args:
        model: the model, with all sizes fixed or still open.
        card: its card; guessed from the graph without one.
        emap: the matrix that was lifted out of it.

    Raises:
        ContractError: an input is not float32; the card does not fit the model; or there is no
            card, and no output is a picture.
    """
    inputs = {value.name: value for value in inputs_of(model)}
    _only_float32(inputs.values())
    types = infer_types(model)
    outputs = {value.name: shape_of(types[value.name]) for value in model.graph.output}
    if card is None:
        return _derived(model, outputs, emap)
    return _stated(card, inputs, outputs, emap)


def input_specs(model: onnx.ModelProto, card: Card | None = None) -> dict[str, InputSpec]:
    """Say what each input is fed, for a model whose outputs are not understood yet.

    Args:
        model: the model, with sizes fixed or still open.
        card: its card; guessed from the graph without one.

    Raises:
        ContractError: an input is not float32, or the card does not fit the model.
    """
    if card is not None:
        return dict(contract_of(model, card).inputs)
    specs: dict[str, InputSpec] = {}
    _only_float32(inputs_of(model))
    for value in inputs_of(model):
        spec, shape = default_spec(value), shape_of(value)
        whole = tuple(size for size in shape or () if size is not None)
        known = shape is not None and len(whole) == len(shape)
        specs[value.name] = replace(spec, shape=whole if known else None)
    return specs


def _only_float32(inputs: Iterable[onnx.ValueInfoProto]) -> None:
    """Refuse a model that devices could not feed.

    Raises:
        ContractError: an input takes something else than float32.
    """
    for value in inputs:
        kind = value.type.tensor_type.elem_type
        if kind != TensorProto.FLOAT:
            raise ContractError(
                f"input '{value.name}' takes {TensorProto.DataType.Name(kind).lower()}, and a "
                "model is fed float32 alone: export it with float32 inputs, and without those "
                "that it does not need"
            )


def _stated(
    card: Card,
    inputs: Mapping[str, onnx.ValueInfoProto],
    outputs: Mapping[str, Shape | None],
    emap: NDArray[np.float32] | None,
) -> ModelContract:
    if card.picture is None or card.source is None:
        raise ContractError(
            f"card {card.name} is of a {card.kind}, but a swapper is needed here: give the "
            "swapper's own card, or none"
        )
    target, given = (
        named(card, name, list(inputs)) for name in (card.input.name, card.source.name)
    )
    specs = {target: picture_spec(card.input)}
    if given in inputs and card.source.picture is not None:
        specs[given] = picture_spec(card.source.picture)
    elif given in inputs:
        specs[given] = InputSpec("unit", shape=(1, card.source.length))
    missing = sorted({target} - set(inputs))
    unknown = sorted(set(inputs) - set(specs))
    if missing or unknown:
        names = ", ".join(name for name in (target, given) if name)
        have = ", ".join(inputs)
        raise _misfit(card, f"the model's inputs are {have}, the card names {names}")
    kind = card.source.kind if given in inputs else "baked"
    for name, spec in specs.items():
        _check_shape(card, f"input '{name}'", shape_of(inputs[name]), spec.shape)
    picture, mask = (
        named(card, name, list(outputs)) for name in (card.picture.name, card.picture.mask)
    )
    pictures = {picture: 3} | ({mask: 1} if mask else {})
    for name, channels in pictures.items():
        if name not in outputs:
            raise _misfit(card, f"no output '{name}' (there are: {', '.join(outputs)})")
        sides = card.input.shape[2:]
        wanted = (1, channels, *sides) if 0 not in sides else None
        _check_shape(card, f"output '{name}'", outputs[name], wanted)
    return ModelContract(
        card=card,
        inputs=specs,
        target=target,
        source=given if kind == "embedding" else None,
        source_picture=given if kind == "picture" else None,
        picture=picture,
        picture_range=card.picture.range,
        mask=mask or None,
        derived=False,
        # A matrix that the card does not ask for is lifted all the same, and not applied.
        emap=emap if card.source.emap else None,
    )


def _misfit(card: Card, why: str) -> ContractError:
    return ContractError(f"card {card.name} does not fit the model: {why}")


def _check_shape(card: Card, what: str, have: Shape | None, wanted: tuple[int, ...] | None) -> None:
    """Compare sizes as far as both are known."""
    if have is None or wanted is None:
        return
    fits = len(have) == len(wanted) and all(
        a in (None, b) for a, b in zip(have, wanted, strict=True)
    )
    if not fits:
        shown = [size or "?" for size in have]
        raise _misfit(card, f"{what} has the shape {shown}, the card says {list(wanted)}")


def picture_spec(spec: TensorSpec) -> InputSpec:
    """Return what a card's picture input is fed: pictures from black to white in its own units.

    Where channels are scaled differently, the widest range is taken.
    """
    lows = [(0.0 - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    white = _BRIGHTEST * spec.scale
    highs = [(white - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    shape = None if 0 in spec.shape else _laid_out(spec)
    return InputSpec("picture", min(lows), max(highs), shape)


def _laid_out(spec: TensorSpec) -> tuple[int, ...]:
    """Return a picture's shape as the graph has it: a card always states (1, 3, H, W)."""
    batch, channels, height, width = spec.shape
    return (batch, height, width, channels) if spec.layout == "NHWC" else spec.shape


def _derived(
    model: onnx.ModelProto,
    outputs: Mapping[str, Shape | None],
    emap: NDArray[np.float32] | None,
) -> ModelContract:
    specs = input_specs(model)
    pictures = [name for name, shape in outputs.items() if _is_picture(shape)]
    if not pictures:
        raise ContractError(
            f"no output is a picture of 3 channels (there are: {', '.join(outputs)}): give the "
            "model's card with --card"
        )
    masks = [name for name, shape in outputs.items() if _is_mask(shape)]
    targets = [name for name, spec in specs.items() if spec.kind == "picture"]
    vectors = [name for name, spec in specs.items() if spec.kind == "unit"]
    return ModelContract(
        card=None,
        inputs=specs,
        target=_preferred(targets, "target"),
        source=_preferred(vectors, "source"),
        picture=_preferred(pictures, "output") or pictures[0],
        picture_range=_range_of(model, _preferred(pictures, "output") or pictures[0]),
        mask=_preferred(masks, "mask"),
        derived=True,
        emap=emap,
    )


def _preferred(names: Sequence[str], usual: str) -> str | None:
    """Return the name that such a thing usually has where it is there, else the first."""
    return usual if usual in names else next(iter(names), None)


def _is_picture(shape: Shape | None) -> bool:
    return shape is not None and len(shape) == 4 and 3 in (shape[1], shape[3])


def _is_mask(shape: Shape | None) -> bool:
    return shape is not None and len(shape) == 4 and 1 in (shape[1], shape[3])


def _range_of(model: onnx.ModelProto, output: str) -> tuple[float, float]:
    """Return the values that stand for black and white, from the operator that bounds them."""
    makers = {name: node for node in model.graph.node for name in node.output}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    node = makers.get(output)
    while node is not None and node.op_type in _PASSED_BY:
        node = makers.get(node.input[0])
    if node is None:
        return 0.0, 1.0
    if node.op_type == "Tanh":
        return -1.0, 1.0
    if node.op_type == "Clip" and len(node.input) == 3 and set(node.input[1:]) <= set(stored):
        low, high = (_scalar(stored[name]) for name in node.input[1:])
        if np.isfinite(low) and np.isfinite(high) and low < high:
            return low, high
    return 0.0, 1.0


def _scalar(tensor: Any) -> float:
    return float(numpy_helper.to_array(tensor).reshape(-1)[0])
