"""Recipes: one TOML file per way of quantizing a model to 8 bits; here it becomes a frozen record.

A recipe says what is quantized and how; which layers stay float beyond that is the search's
business. The shipped ones lie in `quantize/recipes/`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from edge.tables import Table
from quantize.errors import RecipeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["RangeMethod", "Recipe", "load_recipe", "recipe_names"]

RangeMethod = Literal["minmax", "percentile", "entropy", "mse"]
"""How the range of an activation is chosen from what calibration saw.

* minmax: everything that was seen.
* percentile: the central part, `Recipe.percentile` percent of the values.
* entropy: the range whose 8-bit histogram differs least from the histogram (Kullback-Leibler).
* mse: the range of the least squared error, behind the activation function that follows.
"""

FIRST = "@first"
LAST = "@last"

_METHODS = ("minmax", "percentile", "entropy", "mse")
_BITS = ("u8", "s8")
_STORED = ("float", "w8")
_QUANTIZED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_ISLANDS = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "DepthToSpace",
    "GlobalAveragePool",
    "LeakyRelu",
    "MaxPool",
    "Mul",
    "Pad",
    "Relu",
    "Reshape",
    "Resize",
    "Sigmoid",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
_MOST_BYTES = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way of quantizing a model to 8 bits.

    Attributes:
        name: of its file, without the suffix.
        title: for people.
        precision: what the result is called: int8.
        activations: integers that activations become: unsigned or signed.
        weights: integers that weights become.
        activation_symmetric: activations have the zero point of the middle (0 for s8).
        per_channel: one scale per output channel of a weight, not one for all of it.
        reduce_range: weights keep so far below their limits that x86 kernels without VNNI, which
            add two products in 16 bits, cannot saturate. Signed weights alone.
        quantize_outputs: layers give 8-bit results, which integer kernels need; without it only
            what they read is rounded, as TensorRT prefers.
        quantize_biases: biases become 32-bit integers, which integer kernels need; TensorRT takes
            float ones alone.
        method: how ranges of activations are chosen.
        percentile: percent of the values that a range keeps; for the method "percentile" alone.
        operators: what is quantized: those with weights.
        islands: operators without weights that join where both sides of them are quantized.
        gemm_weights: "w8" stores the weights of what is not quantized in 8 bits and computes in
            float: those of Gemm, MatMul and ConvTranspose, for which engines have no 8-bit kernels.
        float_weights: "w8" stores the weights of convolutions that a search leaves float in 8 bits,
            a scale per output; the engine makes float32 of them once, when it loads the model.
            The smallest of a model stay as they are.
        equalise: channels between convolutions are balanced first, where the model stays the same
            (`quantize.equalise`).
        whole_sums: float convolutions compute on whole numbers, where float32 holds their sums
            exactly: then every processor gives the same bits (`quantize.whole_sums`).
        float_layers: what stays float in any case: patterns of node names (`*`, `?`, `[...]`),
            or "@first" for the layers that see an input first and "@last" for those that an
            output comes from.
        note: what of it was measured, and what was not.
    """

    name: str
    title: str
    precision: str
    activations: Literal["u8", "s8"]
    weights: Literal["s8", "u8"]
    activation_symmetric: bool
    per_channel: bool
    reduce_range: bool
    quantize_outputs: bool
    quantize_biases: bool
    method: RangeMethod
    percentile: float
    operators: tuple[str, ...]
    islands: tuple[str, ...]
    gemm_weights: Literal["float", "w8"]
    float_weights: Literal["float", "w8"]
    equalise: bool
    whole_sums: bool
    float_layers: tuple[str, ...]
    note: str


def _folder() -> Path:
    return Path(__file__).resolve().parent / "recipes"


def recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def recipe_file(name: str) -> Path:
    """Return the file of a recipe: a shipped one by its name, or the path of a .toml file."""
    return Path(name) if name.endswith(".toml") else _folder() / f"{name}.toml"


def _among(table: Table, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    values = table.texts(key)
    for value in values:
        if value not in known:
            raise table.error(f"'{key}' must be among {', '.join(known)}, not '{value}'")
    return values


def _parse(table: Table, name: str) -> Recipe:
    recipe = Recipe(
        name=name,
        title=table.text("title"),
        precision=table.choice("precision", ("int8",)),
        activations=cast(Literal["u8", "s8"], table.choice("activations", _BITS)),
        weights=cast(Literal["s8", "u8"], table.choice("weights", _BITS)),
        activation_symmetric=table.switch("activation_symmetric"),
        per_channel=table.switch("per_channel"),
        reduce_range=table.switch("reduce_range"),
        quantize_outputs=table.switch("quantize_outputs", default=True),
        quantize_biases=table.switch("quantize_biases", default=True),
        method=cast(RangeMethod, table.choice("method", _METHODS)),
        percentile=table.number("percentile", default=99.99),
        operators=_among(table, "operators", _QUANTIZED),
        islands=_among(table, "islands", _ISLANDS),
        gemm_weights=cast(Literal["float", "w8"], table.choice("gemm_weights", _STORED)),
        float_weights=cast(
            Literal["float", "w8"], table.choice("float_weights", _STORED, default="float")
        ),
        equalise=table.switch("equalise", default=False),
        whole_sums=table.switch("whole_sums", default=False),
        float_layers=table.texts("float_layers", default=()),
        note=table.text("note"),
    )
    table.end()
    if not recipe.operators:
        raise table.error("'operators' must name what is quantized")
    if not 50 < recipe.percentile <= 100:
        raise table.error(f"'percentile' must lie between 50 and 100, not {recipe.percentile:g}")
    if recipe.reduce_range and recipe.weights == "u8":
        raise table.error("'reduce_range' needs weights = \"s8\": unsigned ones do not saturate")
    if recipe.per_channel and recipe.weights == "u8":
        raise table.error("'per_channel' needs weights = \"s8\": engines take one zero point")
    return recipe


def load_recipe(name: str) -> Recipe:
    """Read a shipped recipe, or a recipe file of one's own.

    Args:
        name: a name from `recipe_names`, or the path of a .toml file.

    Raises:
        RecipeError: there is none of that name, or it is malformed.
    """
    path = recipe_file(name)
    if not name.endswith(".toml") and name not in recipe_names():
        raise RecipeError(f"no recipe '{name[:80]}'; there are: {', '.join(recipe_names())}")
    stem = path.stem
    if not _NAME.fullmatch(stem):
        raise RecipeError(
            f"recipe {path.name}: a recipe's file name has lower-case letters, digits and _"
        )
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RecipeError(f"recipe {path.name}: too large for a recipe: is it another file?")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path.name} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:  # nested too deep, a number of too many digits
        raise RecipeError(f"recipe {path.name} is not TOML: {error}") from error
    return _parse(Table(f"recipe {path.name}", values, RecipeError), stem)
