"""Write what the Android kit must have in common with Python: constants in Kotlin and in C++.

`python scripts/android_constants.py` writes both files; a test compares them with what is
generated, so that the kit cannot drift from cards and code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edge import device_test, softmask, swapmodel
from edge.bundle import contents, holders, seal
from edge.cards import load_card
from edge.consent import record, revocation, storage, terms
from edge.consent.permit import STATEMENTS
from edge.faces.templates import TEMPLATE_POINTS
from edge.provenance import glyphs, implicit, label, manifest, xmp
from edge.provenance.watermark import code, embed, identifier, pattern
from edge.records import MEDIA, PURPOSES
from edge.resources import cards_dir, targets_dir
from edge.targets import ways_of

TARGET = "android_nnapi"
KIT = targets_dir() / TARGET / "kit"
KOTLIN = KIT / "core/src/main/kotlin/org/edgeswap/core/Generated.kt"
CPP = KIT / "native/contracts.hpp"
_NOTE = "Written by scripts/android_constants.py from the cards and the Python code: do not edit."


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")


def _texts(values: Iterable[str]) -> str:
    return f"listOf({', '.join(map(_text, values))})"


def _map(pairs: Iterable[tuple[str, str]], indent: str = "    ") -> str:
    inner = "".join(f"\n{indent}    {_text(key)} to {value}," for key, value in pairs)
    return f"mapOf({inner}\n{indent})"


def _numbers(values: Iterable[float]) -> str:
    return "doubleArrayOf(" + ", ".join(repr(float(each)) for each in values) + ")"


def _lines(values: Iterable[object], each: int = 20) -> str:
    """Return numbers as text on several lines, which is far smaller as bytecode than an array."""
    words = [str(value) for value in values]
    rows = [" ".join(words[start : start + each]) for start in range(0, len(words), each)]
    return " +\n".join(f'        "{row} "' for row in rows)


def _glyphs() -> str:
    outlines = glyphs._outlines()
    rows = []
    for char, glyph in outlines["glyphs"].items():
        contours = ";".join(
            " ".join(str(int(number)) for point in contour for number in point)
            for contour in glyph["contours"]
        )
        rows.append((char, f'"{glyph["advance"]}|{contours}"'))
    return _map(rows)


def kotlin() -> str:
    """Return Generated.kt."""
    waves = pattern.waves()
    phases = np.stack([waves.pilot_phases.real, waves.pilot_phases.imag], axis=1)
    quoted = [
        (name, _map(((k, _text(v)) for k, v in pairs), " " * 8)) for name, pairs in _options()
    ]
    constants: list[tuple[str, str]] = [
        ("BUNDLE", _text(contents.SCHEMA)),
        ("SELFTEST", _text(device_test.SCHEMA)),
        ("SEAL", _text(seal.SCHEMA)),
        ("CONSENT", _text(record.SCHEMA)),
        ("WITNESS", _text(record.WITNESS_SCHEMA)),
        ("REVOCATION", _text(revocation.SCHEMA)),
        ("MOST_CONTENTS", f"{contents.MOST_CONTENTS}L"),
        ("MOST_SEAL", f"{seal.MOST_SEAL}L"),
        ("MOST_RECORD", f"{storage.MAX_RECORD}L"),
        ("MOST_PARTS", str(contents._MOST_PARTS)),
        ("MOST_BYTES", f"{contents._MOST_BYTES}L"),
        ("MOST_PATH", str(contents._MOST_PATH)),
        ("DEEPEST", str(contents._DEEPEST)),
        ("MOST_ENTRIES", str(holders._MOST_ENTRIES)),
        ("MOST_DIRECTORY", str(holders._MOST_DIRECTORY)),
        ("LIFE_SECONDS", f"{int(seal.LIFE.total_seconds())}L"),
        ("SKEW_SECONDS", f"{int(seal.SKEW.total_seconds())}L"),
        ("SEGMENT", _text(contents._SEGMENT.pattern)),
        ("NAME", _text(contents._NAME.pattern)),
        ("VERSION", _text(contents._VERSION.pattern)),
        ("UUID", _text(contents._UUID.pattern)),
        ("ARCHITECTURES", _texts(contents._ARCHITECTURES)),
        ("ENGINES", _texts(contents._ENGINES)),
        ("PRECISIONS", _texts(contents._PRECISIONS)),
        ("PURPOSES", _texts(PURPOSES)),
        ("MEDIA", _texts(MEDIA)),
        ("LEVELS", _texts(terms.LEVELS)),
        ("NOBODY", _text(terms.NOBODY)),
        ("STATEMENTS", _texts(STATEMENTS)),
        ("PROVIDER_OPTIONS", _map(quoted)),
        (
            "TEMPLATES",
            _map((n, _numbers(v for p in pts for v in p)) for n, pts in TEMPLATE_POINTS.items()),
        ),
        ("FADE", repr(softmask._FADE)),
        ("LEAST_FADE", repr(softmask._LEAST_FADE)),
        ("FEATHER", repr(softmask._FEATHER)),
        ("MASK_SHOWS", repr(swapmodel.SHOWS)),
        ("LABEL_TEXTS", _map((k, _text(v)) for k, v in glyphs.TEXTS.items())),
        ("INK_PERCENT", str(round(label.INK_SHARE * 100))),
        ("MIN_INK", str(label.MIN_INK)),
        ("MAX_COVER", repr(label.MAX_COVER)),
        ("MARGIN_SHARE", repr(label._MARGIN_SHARE)),
        ("CORNERS", _texts(label._CORNERS)),
        ("TALL", _text("".join(sorted(glyphs._TALL)))),
        ("SAMPLING", str(glyphs._SAMPLING)),
        ("FULL_INK", str(glyphs._FULL)),
        ("PADDING", repr(glyphs._PADDING)),
        ("CORNER_RADIUS", repr(glyphs._CORNER)),
        ("PLATE_OPACITY", repr(glyphs.PLATE_OPACITY)),
        ("UNITS_PER_EM", repr(float(glyphs._outlines()["units_per_em"]))),
        ("GLYPHS", _glyphs()),
        ("AIGC", _text(implicit.KEY)),
        ("IS_GENERATED", _text(implicit._IS_GENERATED)),
        ("XMP_PACKET", _text(xmp.packet("@AIGC@").decode("utf-8"))),
        ("XMP_HEAD", _text(xmp._JPEG_HEAD.decode("ascii").rstrip("\0"))),
        ("SOURCE_TYPE", _text(xmp.COMPOSITE_WITH_AI)),
        ("SWAP_ASSERTION", _text(manifest.SWAP)),
        ("CONSENT_ASSERTION", _text(manifest.CONSENT)),
        ("TARGET_ASSERTION", _text(manifest.TARGET)),
        ("LABEL_ASSERTION", _text(manifest.LABEL)),
        ("IMPLICIT_ASSERTION", _text(manifest.IMPLICIT)),
        ("SOFT_BINDING", _text(manifest.SOFT_BINDING)),
        ("C2PA_SPECIFICATION", _text(manifest._SPECIFICATION)),
        ("WATERMARK", _text(identifier.ALGORITHM)),
        ("TILE", str(pattern.TILE)),
        ("NOMINAL", str(embed.NOMINAL)),
        ("PICTURE_LOSS", repr(embed.PICTURE_LOSS)),
        ("WATERMARK_ERROR", repr(embed.ERROR)),
        ("WATERMARK_MEAN", repr(embed._AS_MEAN)),
        ("WATERMARK_LIVELY", repr(embed._LIVELY)),
        ("WAVE_UNITS", str(embed._WAVE_UNITS)),
        ("GAIN_UNITS", str(embed._GAIN_UNITS)),
        ("CODE_MEMORY", str(code._MEMORY)),
        ("CODE_GENERATORS", f"intArrayOf({', '.join(map(str, code._GENERATORS))})"),
        ("PILOT_STRENGTH", repr(pattern.PILOT_STRENGTH)),
    ]
    long: list[tuple[str, Iterable[object], int]] = [
        ("PILOTS", waves.pilots.reshape(-1), 24),
        ("PILOT_PHASES", phases.reshape(-1), 8),
        ("DATA_WAVES", waves.data.reshape(-1), 24),
        ("DATA_ORDER", waves.order, 20),
        ("DATA_SIGNS", waves.signs.astype(int), 32),
    ]
    body = "\n".join(f"    val {name} = {value}" for name, value in constants)
    body += "".join(f"\n    const val {name} =\n{_lines(v, each)}" for name, v, each in long)
    return f"// {_NOTE}\npackage org.edgeswap.core\n\nobject Spec {{\n{body}\n}}\n"


def _options() -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (f"{way.name}/{provider}", sorted(getattr(provider, "options", {}).items()))
        for way in ways_of(TARGET)
        for provider in way.providers
        if getattr(provider, "options", {})
    ]


def cpp() -> str:
    """Return contracts.hpp: of each swapper's card what the core needs."""
    rows = []
    for card in map(load_card, sorted(cards_dir().glob("*.toml"))):
        if card.kind != "swapper" or card.picture is None or card.crop is None:
            continue
        if card.source is not None and card.source.kind == "picture":
            continue  # the core takes embeddings, and models with somebody in their weights
        spec, out = card.input, card.picture
        mean, std = (", ".join(f"{v!r}f" for v in each) for each in (spec.mean, spec.std))
        source = card.source.name if card.source and card.source.kind == "embedding" else ""
        rows.append(
            f"    {{{_text(card.name)}, {_text(spec.name)}, {_text(source)}, {_text(out.name)}, "
            f"{_text(out.mask)}, {card.crop.size}, {str(spec.channels == 'RGB').lower()}, "
            f"{spec.scale!r}f, {{{mean}}}, {{{std}}}, {out.range[0]!r}f, {out.range[1]!r}f, "
            f"{str(out.channels == 'RGB').lower()}, {str(out.composited).lower()}, "
            f"{str(out.exact_mask).lower()}}},"
        )
    table = "\n".join(rows)
    return f"""// {_NOTE}
#pragma once
#include "edge_core.hpp"

namespace edge {{

// Mask from which a composited picture is used as it is; below, it fades out.
inline constexpr float mask_shows = {swapmodel.SHOWS!r}f;

inline const Contract contracts[] = {{
{table}
}};

}}  // namespace edge
"""


def main() -> int:
    """Write both files."""
    for path, text in ((KOTLIN, kotlin()), (CPP, cpp())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{Path(path).name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
