"""What stays with the target of a swap: skull, skin tone, ears, hair, glasses and clothes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["GLASSES", "HAIR_STYLES", "HeadPart", "sample_head"]

HAIR_STYLES = (
    "bald", "buzz", "short", "side", "fringe", "long", "bob", "tied", "bun", "curly", "receding",
    "scarf", "beanie",
)  # fmt: skip
GLASSES = ("none", "round", "square", "wide")


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
    hair_r: float
    hair_g: float
    hair_b: float
    hair_grey: float  # 0..1
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


_HAIR = (
    (0.010, 0.007, 0.006), (0.016, 0.010, 0.007), (0.035, 0.018, 0.010), (0.065, 0.033, 0.016),
    (0.13, 0.070, 0.033), (0.30, 0.19, 0.095), (0.46, 0.33, 0.18), (0.20, 0.060, 0.020),
)  # fmt: skip


def _hair_colour(rng: np.random.Generator, melanin: float, age: float) -> tuple[np.ndarray, float]:
    """Return (linear RGB (3,), share of grey 0..1)."""
    last = 3 if melanin > 0.55 else (5 if melanin > 0.35 else len(_HAIR))
    colour = np.array(_HAIR[int(rng.integers(0, last))]) * rng.uniform(0.7, 1.35)
    grey = float(np.clip((age - 0.45) * 2.0 + rng.normal() * 0.25, 0.0, 1.0)) if age > 0.4 else 0.0
    return colour * (1 - grey) + np.array([0.42, 0.41, 0.40]) * grey, grey


def _style(rng: np.random.Generator, sex: float, age: float) -> str:
    weights = {
        "bald": 0.10 if sex > 0 else 0.01, "buzz": 0.12 if sex > 0 else 0.02,
        "short": 0.24 if sex > 0 else 0.06, "side": 0.20 if sex > 0 else 0.07,
        "fringe": 0.06 if sex > 0 else 0.13, "long": 0.05 if sex > 0 else 0.26,
        "bob": 0.01 if sex > 0 else 0.15, "tied": 0.02 if sex > 0 else 0.12,
        "bun": 0.01 if sex > 0 else 0.06, "curly": 0.07,
        "receding": (0.05 + 0.2 * age) if sex > 0 else 0.0,
        "scarf": 0.0 if sex > 0 else 0.06, "beanie": 0.05,
    }  # fmt: skip
    p = np.array([weights[s] for s in HAIR_STYLES])
    return HAIR_STYLES[int(rng.choice(len(p), p=p / p.sum()))]


def sample_head(rng: np.random.Generator, sex: float, age: float) -> HeadPart:
    """Draw a head.

    Args:
        rng: source of all draws.
        sex: -1..1, shifts averages only.
        age: 0 (young adult) .. 1 (old).
    """
    z = np.clip(rng.normal(size=16), -2.0, 2.0)
    melanin = float(np.clip(rng.beta(0.9, 1.15), 0.0, 1.0))
    hair, grey = _hair_colour(rng, melanin, age)
    cloth = rng.uniform(0.0, 1.0, 3) ** 2.2 * rng.uniform(0.15, 0.85)
    wrap = rng.uniform(0.0, 1.0, 3) ** 1.8 * rng.uniform(0.1, 0.8)
    frame = rng.uniform(0.0, 0.12, 3) if rng.random() < 0.7 else rng.uniform(0.05, 0.5, 3)
    worn = rng.random() < 0.14
    return HeadPart(
        head_width=z[0] + 0.3 * sex, head_height=z[1], head_depth=z[2], temple_width=z[3],
        cheek_width=z[4], jaw_width=z[5] + 0.7 * sex, jaw_height=z[6] + 0.4 * sex,
        chin_point=z[7] - 0.7 * sex, chin_length=z[8] + 0.4 * sex,
        forehead_slope=z[9] + 0.4 * sex, neck_width=z[10] + 1.1 * sex,
        shoulder_width=z[11] + 0.9 * sex, ear_size=z[12] + 0.3 * sex + age - 0.4, ear_out=z[13],
        melanin=melanin, hemoglobin=float(rng.uniform(0.1, 0.9)),
        undertone=float(rng.uniform(-1, 1)), blotch=float(rng.uniform(0.1, 0.6) + 0.4 * age),
        hair=_style(rng, sex, age), hair_r=float(hair[0]), hair_g=float(hair[1]),
        hair_b=float(hair[2]), hair_grey=grey, hair_volume=float(rng.uniform(-1, 1)),
        hair_length=float(rng.uniform(0, 1)), hair_wave=float(rng.uniform(0, 1)),
        hair_part=float(rng.uniform(-1, 1)), hairline=z[14],
        hair_seed=int(rng.integers(1, 100_000)), cloth_r=float(cloth[0]),
        cloth_g=float(cloth[1]), cloth_b=float(cloth[2]),
        cloth_pattern=int(rng.choice([0, 0, 0, 1, 2, 3])), neckline=float(rng.uniform(0, 1)),
        wrap_r=float(wrap[0]), wrap_g=float(wrap[1]), wrap_b=float(wrap[2]),
        glasses=str(rng.choice(GLASSES[1:])) if worn else "none",
        glasses_size=float(rng.uniform(-1, 1)), glasses_thick=float(rng.uniform(0, 1)),
        glasses_r=float(frame[0]), glasses_g=float(frame[1]), glasses_b=float(frame[2]),
    )  # fmt: skip
