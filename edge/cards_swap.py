"""The tables of a swapper's and of a converter's card: output, source, crop."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from edge.contracts import (
    ConverterSpec,
    CropSpec,
    Fit,
    Latent,
    PictureSpec,
    SourceKind,
    SourceSpec,
    TensorSpec,
)
from edge.contracts_faces import Template
from edge.tables import Table

CHANNELS = ("RGB", "BGR")
SOURCE_KINDS: tuple[SourceKind, ...] = ("embedding", "picture", "baked")
FITS: tuple[Fit, ...] = ("similarity", "affine")
LATENTS: tuple[Latent, ...] = ("insightface", "facefusion")

IN_MODEL = "model"
"""Value of `emap` for a matrix among the model's weights."""

_LENGTH = 512
_FARTHEST = 1.5  # of a template's points from the middle of the crop, in its sides: not pixels
_MOST_NUMBERS = 4096
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def read_name(table: Table, key: str, default: str | None = None) -> str:
    """Return the name of a card.

    Raises:
        CardError: It is no name.
    """
    name = table.text(key, default=default)
    if name != default and not _NAME.fullmatch(name):
        raise table.error(
            f"'{key}' must be lower-case letters, digits, '_', '-' or '.', not '{name}'"
        )
    return name


def read_file_name(table: Table, key: str, default: str | None = None) -> str:
    """Return the name of a file in the model's own folder.

    Raises:
        CardError: It names a folder.
    """
    name = table.text(key, default=default)
    if name in {".", ".."} or any(mark in name for mark in ("/", "\\", "\0")):
        raise table.error(f"'{key}' must be a file name without a folder, not '{name}'")
    return name


def read_picture(table: Table) -> PictureSpec:
    """Read [output] of a swapper."""
    black, white = table.numbers("range", 2)
    if black >= white:
        raise table.error(f"'range' must be [black, white] with black below white, not {black:g}..")
    spec = PictureSpec(
        name=table.text("name"),
        range=(black, white),
        channels=table.choice("channels", CHANNELS),
        mask=table.text("mask", default=""),
        composited=table.switch("composited", default=False),
        exact_mask=table.switch("exact_mask", default=False),
    )
    if spec.exact_mask and not (spec.composited and spec.mask):
        raise table.error("'exact_mask' is said of a picture that is composited with a mask")
    table.end()
    return spec


def read_crop(table: Table) -> CropSpec:
    """Read [crop]."""
    spec = _crop(table)
    table.end()
    return spec


def read_template(table: Table) -> Template:
    """Return a template's name, or the five points of one that the card states itself.

    Raises:
        CardError: No template has that name, or it is not five points.
    """
    from edge.faces.templates import TEMPLATE_POINTS

    if table.holds_list("template"):
        points = table.pairs("template", 5)
        far = max(abs(value - 0.5) for point in points for value in point)
        if far > _FARTHEST or len(set(points)) < len(points):
            raise table.error("'template' must hold five different points, in sides of the crop")
        return points
    name = table.text("template")
    if name not in TEMPLATE_POINTS:
        known = ", ".join(sorted(TEMPLATE_POINTS))
        raise table.error(f"no template '{name}'; known: {known}")
    return name


def _crop(table: Table) -> CropSpec:
    spec = CropSpec(
        template=read_template(table),
        size=table.whole("size", low=16),
        fit=cast(Fit, table.choice("fit", FITS, default="similarity")),
        offset=table.number("offset", default=0.0),
    )
    if abs(spec.offset) > spec.size:
        raise table.error(f"'offset' must be {spec.size} pixels at most, not {spec.offset:g}")
    return spec


def read_converter(table: Table) -> ConverterSpec:
    """Read [converter]."""
    spec = ConverterSpec(
        input=table.text("input"),
        output=table.text("output"),
        recogniser=read_name(table, "recogniser"),
        length=_length(table),
    )
    table.end()
    return spec


def _length(table: Table) -> int:
    length = table.whole("length", default=_LENGTH)
    if length > _MOST_NUMBERS:
        raise table.error(f"'length' must be {_MOST_NUMBERS} at most, not {length}")
    return length


def read_source(table: Table, read_input: Callable[[Table], TensorSpec]) -> SourceSpec:
    """Read [source] of a swapper.

    Args:
        table: The table.
        read_input: Reads [source.input] of a model that takes a picture.
    """
    kind = table.choice("kind", SOURCE_KINDS)
    if kind == "embedding":
        spec = _embedding(table)
    elif kind == "picture":
        spec = _source_picture(table, read_input)
    else:
        spec = SourceSpec("", kind, "", False, _LENGTH, identity=_digest(table, "identity"))
    table.end()
    return spec


def _embedding(table: Table) -> SourceSpec:
    emap = read_file_name(table, "emap", default="")
    if emap not in ("", IN_MODEL) and not emap.endswith(".npy"):
        raise table.error(f"'emap' must be '{IN_MODEL}' or the name of a .npy file, not '{emap}'")
    digest = _digest(table, "emap_sha256")
    if bool(digest) != emap.endswith(".npy"):
        raise table.error("'emap_sha256' must be there for an emap in a file of its own, only")
    return SourceSpec(
        name=table.text("name"),
        kind="embedding",
        recogniser=read_name(table, "recogniser"),
        normalise=table.switch("normalise"),
        length=_length(table),
        converter=read_name(table, "converter", default=""),
        emap=emap,
        emap_sha256=digest,
        latent=cast(Latent, table.choice("latent", LATENTS, default="insightface")),
    )


def _source_picture(table: Table, read_input: Callable[[Table], TensorSpec]) -> SourceSpec:
    picture, crop = read_input(table.table("input")), read_crop(table.table("crop"))
    if picture.shape[2:] != (crop.size, crop.size):
        raise table.error(
            f"the crop's size {crop.size} does not fit the input's {list(picture.shape)}"
        )
    return SourceSpec(picture.name, "picture", "", False, _LENGTH, picture=picture, crop=crop)


def _digest(table: Table, key: str) -> str:
    text = table.text(key, default="")
    if text and not _DIGEST.fullmatch(text):
        raise table.error(f"'{key}' must be 64 lower-case hex digits")
    return text
