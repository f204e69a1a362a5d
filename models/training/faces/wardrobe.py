"""What stays with the target of a swap: skull, skin tone, ears, hair, glasses and clothes.

The shares by which everything is drawn stand in the tables below; docs/faces.md shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "COVERINGS", "GARMENTS", "GLASSES", "GREY", "HAIR_STYLES", "HeadPart", "garment_number",
    "sample_head",
]  # fmt: skip

GREY = (0.40, 0.385, 0.36)
"""Hair without pigment, linear RGB."""


@dataclass(frozen=True, slots=True)
class HeadPart:
    """The head without its face. Scores are z-scores; colours linear RGB in 0..1."""

    head_width: float
    head_height: float
    head_depth: float
    temple_width: float
    cheek_width: float
    jaw_width: float
    jaw_height: float
    chin_point: float
    chin_length: float
    forehead_slope: float
    neck_width: float
    shoulder_width: float
    ear_size: float
    ear_out: float
    melanin: float  # 0 (lightest) .. 1 (darkest)
    hemoglobin: float  # 0..1
    undertone: float  # -1 (pink) .. 1 (olive)
    blotch: float  # 0..1
    hair: str
    hair_r: float  # of the hairs that have their pigment
    hair_g: float
    hair_b: float
    hair_grey: float  # 0..1, share of the hairs that have lost it
    hair_volume: float
    hair_length: float
    hair_wave: float  # 0..1
    hair_part: float  # -1..1
    hairline: float
    hair_seed: int
    cloth_r: float
    cloth_g: float
    cloth_b: float
    cloth_pattern: int  # 0 plain, 1 stripes, 2 checks, 3 knit
    garment: str
    neckline: float
    wrap_r: float
    wrap_g: float
    wrap_b: float
    glasses: str
    glasses_size: float
    glasses_thick: float
    glasses_r: float
    glasses_g: float
    glasses_b: float
    glasses_tint: float  # 0 clear .. 1 black


# Share of each style, in hundredths: women with fine hair, with coily hair; men likewise.
_STYLES: dict[str, tuple[float, float, float, float]] = {
    "bald": (1, 2, 9, 12), "buzz": (2, 8, 8, 26), "short": (6, 7, 17, 10),
    "side": (8, 0, 16, 0), "undercut": (2, 3, 9, 10), "fringe": (6, 2, 2, 0),
    "long": (24, 5, 5, 0), "bob": (12, 4, 1, 0), "tied": (12, 12, 2, 2), "bun": (6, 9, 1, 2),
    "curly": (5, 14, 5, 12), "afro": (0, 16, 0, 9), "locs": (0, 8, 0, 6),
    "receding": (0, 0, 11, 8), "scarf": (5, 5, 0, 0), "beanie": (3, 3, 4, 4),
    "cap": (2, 2, 5, 5), "hood": (2, 2, 3, 3), "turban": (1, 3, 2, 2),
}  # fmt: skip
HAIR_STYLES = tuple(_STYLES)
COVERINGS = ("scarf", "beanie", "cap", "hood", "turban")
_FROM_AGE = {"receding": 1.7, "bald": 1.5, "undercut": 0.3, "long": 0.6, "locs": 0.5, "tied": 0.7}
"""How the share of a style changes from 18 years to 80; all others stay as they are."""

GLASSES = ("none", "round", "square", "wide")
_WEAR_GLASSES, _SUNGLASSES = 0.22, 0.16  # share of people; share of the glasses
GARMENTS = ("crew", "vneck", "collar", "turtle", "scoop", "hoodie")
_GARMENT_SHARES = ((24, 14, 16, 12, 24, 10), (32, 12, 28, 8, 6, 14))  # women, men

_HAIR = (
    (0.010, 0.007, 0.006), (0.016, 0.010, 0.007), (0.035, 0.018, 0.010), (0.065, 0.033, 0.016),
    (0.13, 0.070, 0.033), (0.30, 0.19, 0.095), (0.46, 0.33, 0.18), (0.20, 0.060, 0.020),
)  # fmt: skip


def garment_number(head: HeadPart) -> int:
    """Return the place of the head's garment in `GARMENTS`."""
    return GARMENTS.index(head.garment)


def _drawn(rng: np.random.Generator, shares: Any) -> int:
    p = np.asarray(shares, np.float64)
    return int(rng.choice(len(p), p=p / p.sum()))


def _hair_colour(rng: np.random.Generator, melanin: float, age: float) -> tuple[np.ndarray, float]:
    """Return (linear RGB (3,), share of grey 0..1)."""
    last = 3 if melanin > 0.55 else (5 if melanin > 0.35 else len(_HAIR))
    colour = np.array(_HAIR[int(rng.integers(0, last))]) * rng.uniform(0.7, 1.35)
    grey = float(np.clip((age - 0.42) * 1.9 + rng.normal() * 0.3, 0.0, 1.0)) if age > 0.3 else 0.0
    dyed = rng.random() < 0.25
    return colour, 0.0 if dyed else grey


def _style(rng: np.random.Generator, sex: float, age: float, coily: bool) -> str:
    column = (2 if sex > 0 else 0) + int(coily)
    shares = [
        row[column] * _FROM_AGE.get(name, 1.0) ** (2.0 * age - 0.6) for name, row in _STYLES.items()
    ]
    return HAIR_STYLES[_drawn(rng, shares)]


def sample_head(rng: np.random.Generator, sex: float, age: float, build: float) -> HeadPart:
    """Draw a head.

    Args:
        rng: source of all draws.
        sex: -1..1, shifts averages only.
        age: 0 (18 years) .. 1 (80).
        build: -1 (slight) .. 1 (heavy), shifts averages only.
    """
    z = np.clip(rng.normal(size=16), -2.0, 2.0)
    melanin = float(rng.uniform(0.0, 1.0))
    hair, grey = _hair_colour(rng, melanin, age)
    coily = bool(rng.random() < np.clip(1.6 * (melanin - 0.35), 0.02, 0.85))
    cloth = rng.uniform(0.0, 1.0, 3) ** 2.2 * rng.uniform(0.10, 0.85)
    # Most clothes are near grey, white, black or blue; few are of a strong colour.
    cloth = cloth.mean() + (cloth - cloth.mean()) * rng.uniform(0.05, 0.85) + 0.004
    wrap = rng.uniform(0.0, 1.0, 3) ** 1.8 * rng.uniform(0.1, 0.8)
    wrap = wrap.mean() + (wrap - wrap.mean()) * rng.uniform(0.05, 0.8)
    frame = rng.uniform(0.0, 0.10, 3) if rng.random() < 0.7 else rng.uniform(0.05, 0.5, 3)
    worn, dark = rng.random() < _WEAR_GLASSES, rng.random() < _SUNGLASSES
    garment = GARMENTS[_drawn(rng, _GARMENT_SHARES[int(sex > 0)])]
    return HeadPart(
        head_width=z[0] + 0.3 * sex, head_height=z[1], head_depth=z[2], temple_width=z[3],
        cheek_width=z[4] + 0.7 * build, jaw_width=z[5] + 1.0 * sex + 0.5 * build,
        jaw_height=z[6] + 0.4 * sex, chin_point=z[7] - 0.7 * sex - 0.3 * build,
        chin_length=z[8] + 0.4 * sex, forehead_slope=z[9] + 0.4 * sex,
        neck_width=z[10] * 0.7 + 1.1 * sex + 0.8 * build,
        shoulder_width=z[11] + 0.9 * sex + 0.4 * build, ear_size=z[12] + 0.3 * sex + age - 0.4,
        ear_out=z[13], melanin=melanin, hemoglobin=float(rng.uniform(0.1, 0.9)),
        undertone=float(rng.uniform(-1, 1)), blotch=float(rng.uniform(0.15, 0.7) + 0.5 * age),
        hair=_style(rng, sex, age, coily), hair_r=float(hair[0]), hair_g=float(hair[1]),
        hair_b=float(hair[2]), hair_grey=grey, hair_volume=float(rng.uniform(-1, 1)),
        hair_length=float(rng.uniform(0, 1)), hair_wave=float(rng.uniform(0, 1)),
        hair_part=float(rng.uniform(-1, 1)), hairline=z[14],
        hair_seed=int(rng.integers(1, 100_000)), cloth_r=float(cloth[0]),
        cloth_g=float(cloth[1]), cloth_b=float(cloth[2]),
        cloth_pattern=int(rng.choice([0, 0, 0, 0, 1, 2, 3])), garment=garment,
        neckline=float(rng.uniform(0, 1)),
        wrap_r=float(wrap[0]), wrap_g=float(wrap[1]), wrap_b=float(wrap[2]),
        glasses=str(rng.choice(GLASSES[1:])) if worn else "none",
        glasses_size=float(rng.uniform(-1, 1)), glasses_thick=float(rng.uniform(0, 1)),
        glasses_r=float(frame[0]), glasses_g=float(frame[1]), glasses_b=float(frame[2]),
        glasses_tint=float(rng.uniform(0.75, 0.97)) if dark else 0.0,
    )  # fmt: skip
