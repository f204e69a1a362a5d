"""Who is drawn: the face that a swap transfers and the head that stays with the target.

Shape fields without a unit are z-scores: 0 is the average, +-1 one standard deviation. Colours
are linear RGB in 0..1.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from models.training.faces.wardrobe import GREY, HeadPart, sample_head

__all__ = [
    "FACE_INDEX",
    "FacePart",
    "HeadPart",
    "Identity",
    "sample_identity",
    "sex_of",
    "swapped",
]


@dataclass(frozen=True, slots=True)
class FacePart:
    """The inner face: everything that a swap carries from the source to the target."""

    inner_width: float
    inner_length: float
    eye_spacing: float
    eye_height: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    eye_depth: float
    eye_peak: float
    epicanthus: float  # 0..1
    crease: float
    hood: float  # 0..1
    iris_r: float
    iris_g: float
    iris_b: float
    pupil: float
    lashes: float  # 0..1
    brow_height: float
    brow_thick: float
    brow_arch: float
    brow_tilt: float
    brow_length: float
    brow_gap: float
    brow_density: float  # 0..1
    brow_r: float
    brow_g: float
    brow_b: float
    brow_ridge: float
    nose_length: float
    nose_width: float
    nose_bridge: float
    nose_bridge_width: float
    nose_projection: float
    nose_tip: float
    nose_tip_up: float
    nose_hump: float
    alar: float
    nostril: float
    mouth_height: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    lip_bow: float
    lip_corner: float
    lip_red: float  # 0..1
    lip_dark: float  # 0..1
    cheekbone: float
    cheek_full: float
    chin_projection: float
    chin_width: float
    chin_cleft: float  # 0..1
    jaw_full: float
    muzzle: float
    forehead: float
    age: float  # 0..1
    folds: float
    eye_bags: float
    freckles: float  # 0..1
    moles: float  # 0..1
    detail: float  # seed of moles, freckles and strands
    beard: float  # 0..1
    moustache: float  # 0..1
    stubble: float  # 0..1
    asymmetry: float
    flush: float
    spots: float  # 0..1, of age and sun
    liner: float  # 0..1, dark line along the lids
    shadow: float  # 0..1, colour on the upper lids
    shadow_r: float
    shadow_g: float
    shadow_b: float
    rouge: float  # 0..1
    foundation: float  # 0..1, evens the skin out
    teeth: float  # 0 (white) .. 1 (yellow)

    def vector(self) -> NDArray[np.float64]:
        """Return the fields in order, float64 (N,), for the compiled code."""
        return np.array(astuple(self), dtype=np.float64)


FACE_INDEX: dict[str, int] = {field.name: i for i, field in enumerate(fields(FacePart))}


@dataclass(frozen=True, slots=True)
class Identity:
    """A person who does not exist."""

    face: FacePart
    head: HeadPart
    seed: int


_MADE_UP = 0.5  # share of women
_IRIS = (
    (0.060, 0.028, 0.012), (0.090, 0.042, 0.016), (0.035, 0.017, 0.009), (0.16, 0.085, 0.030),
    (0.12, 0.13, 0.055), (0.13, 0.20, 0.30), (0.20, 0.26, 0.31), (0.15, 0.20, 0.14),
)  # fmt: skip


def _shape_scores(rng: np.random.Generator, sex: float) -> dict[str, float]:
    """Draw every z-score field; `sex` in -1..1 shifts the ones that differ on average."""
    names = [f.name for f in fields(FacePart)]
    # A wide uniform part keeps identities far apart; a normal alone gives mostly average faces.
    raw = 0.55 * rng.normal(size=len(names)) + 0.95 * rng.uniform(-1.0, 1.0, size=len(names))
    score = {n: float(np.clip(v, -2.0, 2.0)) for n, v in zip(names, raw, strict=True)}
    for name, shift in (
        ("brow_ridge", 1.1), ("brow_thick", 0.8), ("brow_height", -0.6), ("brow_arch", -0.6),
        ("nose_width", 0.5), ("nose_projection", 0.4), ("lip_upper", -0.6), ("lip_lower", -0.5),
        ("eye_open", -0.4), ("chin_width", 0.7), ("jaw_full", 0.3), ("cheek_full", -0.2),
        ("nose_tip_up", -0.3), ("chin_projection", 0.3),
    ):  # fmt: skip
        score[name] += shift * sex
    return score


def _made_up(rng: np.random.Generator, sex: float) -> dict[str, float]:
    """Draw make-up; half of the women wear some, from a little to a lot."""
    draws = rng.random(10)
    much = float(draws[0]) if sex < -0.1 and draws[1] < _MADE_UP else 0.0
    tint = np.array([0.20, 0.11, 0.08]) * (0.4 + 1.2 * draws[2]) + 0.10 * draws[3:6] ** 3
    return {
        "liner": much * float(draws[6] > 0.3) * float(0.4 + 0.6 * draws[7]),
        "shadow": much * float(draws[8] > 0.45) * 0.8,
        "shadow_r": float(tint[0]), "shadow_g": float(tint[1]), "shadow_b": float(tint[2]),
        "rouge": much * float(draws[9]), "foundation": 0.8 * much,
    }  # fmt: skip


def _face(
    rng: np.random.Generator, sex: float, age: float, build: float, head: HeadPart
) -> FacePart:
    score = _shape_scores(rng, sex)
    for name, shift in (("cheek_full", 0.7), ("jaw_full", 0.7), ("folds", 0.3)):
        score[name] += shift * build
    dark = head.melanin > 0.45
    iris = np.array(_IRIS[int(rng.integers(0, 3 if dark else len(_IRIS)))])
    iris = iris * rng.uniform(0.75, 1.35)
    hair = np.array([head.hair_r, head.hair_g, head.hair_b])
    hair = hair + (np.array(GREY) - hair) * 0.6 * head.hair_grey
    brow = np.clip(hair * rng.uniform(0.35, 0.9), 0.006, 0.25)
    bearded = sex > 0.15 and rng.random() < 0.42
    beard = float(rng.uniform(0.35, 1.0)) if bearded else 0.0
    stache = float(rng.uniform(0.4, 1.0)) if sex > 0.15 and rng.random() < 0.4 else beard * 0.8
    stubble = float(rng.uniform(0.1, 1.0)) if sex > 0.0 else 0.0
    freckled = rng.random() < (0.25 if head.melanin < 0.3 else 0.04)
    paint = _made_up(rng, sex)
    made_up = paint["foundation"] > 0.1
    score.update(
        epicanthus=float(np.clip(rng.normal(0.1, 0.5), 0, 1)),
        hood=float(np.clip(rng.normal(0.15 + 0.4 * age, 0.3), 0, 1)),
        iris_r=float(iris[0]), iris_g=float(iris[1]), iris_b=float(iris[2]),
        lashes=float(np.clip(0.45 - 0.25 * sex + rng.normal() * 0.15 + 0.25 * made_up, 0.1, 1)),
        brow_density=float(rng.uniform(0.55, 1.0)),
        brow_r=float(brow[0]), brow_g=float(brow[1]), brow_b=float(brow[2]),
        lip_red=float(rng.uniform(0.6, 1.0) if made_up else rng.uniform(0.15, 0.5)),
        lip_dark=float(np.clip(rng.normal(0.25, 0.2), 0, 0.8)),
        chin_cleft=float(max(0.0, rng.normal(-0.5, 0.7))),
        age=age, folds=score["folds"] + 1.6 * (age - 0.4),
        eye_bags=score["eye_bags"] + 1.4 * (age - 0.4),
        freckles=float(rng.uniform(0.3, 1.0)) if freckled else 0.0,
        moles=float(rng.uniform(0, 1)), detail=float(rng.integers(1, 100_000)),
        beard=beard, moustache=stache, stubble=stubble,
        lip_upper=score["lip_upper"] - 0.8 * (age - 0.4),
        lip_lower=score["lip_lower"] - 0.5 * (age - 0.4),
        brow_height=score["brow_height"] - 0.5 * (age - 0.4),
        eye_open=score["eye_open"] - 0.5 * (age - 0.4),
        spots=float(np.clip(rng.normal(1.5 * (age - 0.5), 0.3), 0, 1)),
        teeth=float(np.clip(0.2 + 0.6 * age + 0.2 * rng.normal(), 0, 1)),
        **paint,
    )  # fmt: skip
    return FacePart(**score)


def _sex_age_build(rng: np.random.Generator) -> tuple[float, float, float]:
    sex = float(np.clip(rng.choice([-0.65, 0.65]) + 0.25 * rng.normal(), -1, 1))
    return sex, float(rng.uniform(0.0, 1.0)), float(rng.uniform(-1.0, 1.0))


def sex_of(seed: int) -> float:
    """Return what shifted the averages of the person of a seed: -1 (female) .. 1 (male)."""
    return _sex_age_build(np.random.default_rng([101, seed]))[0]


def sample_identity(seed: int) -> Identity:
    """Draw one person of nobody.

    Args:
        seed: any non-negative integer; the same seed gives the same person.
    """
    rng = np.random.default_rng([101, seed])
    sex, age, build = _sex_age_build(rng)
    head = sample_head(rng, sex, age, build)
    face = _face(np.random.default_rng([102, seed]), sex, age, build, head)
    return Identity(face, head, seed)


def swapped(target: Identity, source: Identity) -> Identity:
    """Put the source's face part on the target's head: the ground truth of a swap."""
    return replace(target, face=source.face)
