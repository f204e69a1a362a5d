"""Everything about a picture that is not the person: pose, expression, light, camera, clutter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = [
    "Background", "Camera", "Expression", "Light", "Occluder", "Pose", "Scene", "sample_scene",
]  # fmt: skip

OCCLUDERS = ("hand", "strands", "mask", "cup", "phone", "bar")


@dataclass(frozen=True, slots=True)
class Pose:
    """Head rotation in degrees.

    Yaw > 0 turns to the picture's right, pitch > 0 looks up, roll > 0 leans clockwise.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Expression:
    """Weights 0..1, but gaze in degrees; left and right as seen in the picture."""

    mouth_open: float
    smile: float  # -0.4 (corners down) .. 1
    brow_raise: float
    brow_frown: float
    lid_left: float
    lid_right: float
    gaze_x: float
    gaze_y: float


@dataclass(frozen=True, slots=True)
class Light:
    """Two lamps and what comes from all around; colours are linear RGB.

    Directions are unit vectors toward the light: x right, y up, z toward the camera.
    """

    kind: str
    key: tuple[float, float, float]
    key_colour: tuple[float, float, float]
    size: float  # tangent of the key's angular radius, as the face sees it
    square: float  # 1 for a window or a softbox, 0 for a round lamp
    fill: tuple[float, float, float]
    fill_colour: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    left: tuple[float, float, float]
    right: tuple[float, float, float]
    front: tuple[float, float, float]
    back: tuple[float, float, float]
    specular: float
    shadow: float
    rim: float


@dataclass(frozen=True, slots=True)
class Camera:
    """Lens and sensor. Offsets and face height are fractions of the picture's size."""

    distance: float  # centimetres
    face_height: float
    offset_x: float
    offset_y: float
    exposure: float
    warmth: float  # stops by which red outweighs blue
    contrast: float  # 1 leaves the tones as they are
    saturation: float
    vignette: float  # share of light lost in the corners
    fringe: float  # by how much red is enlarged against green, and blue reduced
    blur: float  # sigma in pixels of the finished picture
    motion: float  # length in pixels
    motion_angle: float  # radians
    noise: float  # standard deviation at middle grey, 0..255
    shot: float  # share of the noise that grows with the light, 0..1
    grain: float  # how far the noise is correlated, sigma in pixels
    sharpen: float  # what a phone adds
    jpeg: int  # quality 1..100; 0 keeps the picture uncompressed


@dataclass(frozen=True, slots=True)
class Background:
    """What stands behind the person."""

    kind: str  # "any" and "place" let the seed choose
    seed: int


@dataclass(frozen=True, slots=True)
class Occluder:
    """Something between the camera and the face; `seed` decides its place and colour."""

    kind: str
    seed: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture without its person."""

    pose: Pose
    expression: Expression
    light: Light
    camera: Camera
    background: Background
    occluders: tuple[Occluder, ...]
    seed: int


def _pose(rng: np.random.Generator, max_yaw: float) -> Pose:
    frontal = rng.random() < 0.35
    yaw = rng.normal() * 9.0 if frontal else rng.uniform(-1, 1) * max_yaw
    pitch = np.clip(rng.normal(-1.0, 8.5), -26, 26)
    roll = np.clip(rng.normal() * 7.0, -30, 30)
    return Pose(float(np.clip(yaw, -max_yaw, max_yaw)), float(pitch), float(roll))


def _expression(rng: np.random.Generator) -> Expression:
    talking = rng.random()
    mouth = 0.0 if talking < 0.55 else float(rng.uniform(0.05, 1.0) ** 1.5)
    smile = float(rng.uniform(0.2, 1.0)) if rng.random() < 0.45 else float(rng.normal() * 0.12)
    lid = 0.0 if rng.random() < 0.78 else float(rng.uniform(0.1, 1.0))
    wink = lid if rng.random() < 0.9 else 0.0
    gaze = rng.normal(size=2) * (9.0, 5.0)
    bared = rng.random(2)
    if smile > 0.35 and bared[0] < 0.7:  # who smiles shows teeth
        mouth = max(mouth, float(0.12 + 0.22 * bared[1]))
    return Expression(
        mouth_open=mouth, smile=float(np.clip(smile, -0.4, 1.0)),
        brow_raise=float(max(0.0, rng.normal(-0.1, 0.4))),
        brow_frown=float(max(0.0, rng.normal(-0.2, 0.4))),
        lid_left=lid, lid_right=wink,
        gaze_x=float(np.clip(gaze[0], -25, 25)), gaze_y=float(np.clip(gaze[1], -15, 15)),
    )  # fmt: skip


def _direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    a, e = np.radians(azimuth), np.radians(elevation)
    return float(np.sin(a) * np.cos(e)), float(np.sin(e)), float(np.cos(a) * np.cos(e))


def _tint(rng: np.random.Generator, warmth: float, spread: float) -> np.ndarray:
    warm = warmth + rng.normal() * spread
    colour = np.array([1.0 + warm, 1.0 + 0.1 * rng.normal() * spread, 1.0 - warm])
    return np.clip(colour, 0.35, 1.8)


def _triple(colour: np.ndarray) -> tuple[float, float, float]:
    return float(colour[0]), float(colour[1]), float(colour[2])


# Per kind: share; azimuth and elevation of the key, degrees; its strength, tangent of its radius
# and warmth; fill; all around, and its warmth; below as a share of above.
_LIGHTS: dict[str, tuple[float, ...]] = {
    "studio": (0.18, 15, 55, 15, 45, 0.7, 1.1, 0.15, 0.45, 0.00, 0.10, 0.40, 0.15, 0.35, 0.00, 0.5),
    "window": (0.20, 35, 85, 0, 35, 0.6, 1.1, 0.25, 0.60, -0.05, 0.00, 0.15, 0.18, 0.45, 0.05, 0.6),
    "overcast": (0.18, 0, 70, 40, 80, 0.2, 0.5, 0.6, 1.0, -0.02, 0.0, 0.10, 0.45, 0.75, -0.04, 0.4),
    "sun": (0.14, 10, 80, 20, 65, 1.0, 1.6, 0.01, 0.03, 0.05, 0.0, 0.05, 0.20, 0.40, -0.10, 0.6),
    "ceiling": (0.16, 0, 50, 45, 75, 0.5, 0.9, 0.15, 0.40, 0.10, 0.0, 0.15, 0.25, 0.50, 0.06, 0.7),
    "flash": (0.05, 0, 8, 2, 12, 0.9, 1.2, 0.02, 0.06, 0.0, 0.00, 0.05, 0.10, 0.30, 0.08, 0.7),
    "screen": (0.04, 0, 20, -25, 5, 0.3, 0.6, 0.25, 0.5, -0.15, 0.05, 0.30, 0.12, 0.30, 0.12, 0.9),
    "mixed": (0.05, 30, 85, 0, 45, 0.6, 1.1, 0.10, 0.4, 0.12, 0.20, 0.50, 0.12, 0.35, -0.10, 0.7),
}


def _light(rng: np.random.Generator) -> Light:
    shares = np.array([row[0] for row in _LIGHTS.values()])
    kind = list(_LIGHTS)[int(rng.choice(len(shares), p=shares / shares.sum()))]
    _, a0, a1, e0, e1, k0, k1, s0, s1, warm, f0, f1, b0, b1, cast, below = _LIGHTS[kind]
    side = float(rng.choice([-1, 1]))
    azimuth = side * float(rng.uniform(a0, a1))
    around = rng.uniform(b0, b1)
    sky = _tint(rng, cast, 0.05) * around * rng.uniform(0.9, 1.3)
    spread = 0.25 if kind == "mixed" else 0.07
    left, right, front, back = (
        _triple(_tint(rng, cast, spread) * around * rng.uniform(0.35, 1.25)) for _ in range(4)
    )
    return Light(
        kind=kind, key=_direction(azimuth, float(rng.uniform(e0, e1))),
        key_colour=_triple(_tint(rng, warm, 0.06) * rng.uniform(k0, k1)),
        size=float(rng.uniform(s0, s1)), square=float(kind in ("studio", "window", "screen")),
        fill=_direction(-azimuth * float(rng.uniform(0.6, 1.2)), float(rng.uniform(-15, 30))),
        fill_colour=_triple(_tint(rng, cast, spread) * rng.uniform(f0, f1)), sky=_triple(sky),
        ground=_triple(_tint(rng, 0.05, 0.05) * around * below * rng.uniform(0.6, 1.2)),
        left=left, right=right, front=front, back=back,
        specular=float(rng.uniform(0.45, 1.15)), shadow=float(rng.uniform(0.8, 1.0)),
        rim=float(rng.uniform(0, 1) ** 2),
    )  # fmt: skip


def _metered(light: Light) -> float:
    """Return the light that a face gets, about, for the exposure."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    around = np.mean([light.sky, light.ground, light.left, light.right, light.front], axis=0)
    lit = 0.15 + 0.60 * max(0.0, light.key[2])
    total = lit * np.array(light.key_colour) + 0.3 * np.array(light.fill_colour) + around
    return float(total @ weights)


def _camera(rng: np.random.Generator, light: Light, plain: bool) -> Camera:
    draws = rng.random(24)
    soft = draws[0] < 0.45
    return Camera(
        distance=float(45 * 5.5 ** draws[1]), face_height=float(0.50 + 0.10 * draws[2]),
        offset_x=float((draws[3] - 0.5) * 0.08), offset_y=float((draws[4] - 0.5) * 0.06 + 0.02),
        exposure=float(2.0 ** (1.0 * (draws[5] - 0.5)) * 1.05 / _metered(light)),
        warmth=0.0 if plain else float(0.35 * (draws[12] + draws[13] - 1.0)),
        contrast=1.0 if plain else float(0.9 + 0.3 * draws[14]),
        saturation=1.0 if plain else float(0.75 + 0.45 * draws[6]),
        vignette=0.0 if plain else float(0.35 * draws[15] ** 2),
        fringe=0.0 if plain or draws[16] < 0.5 else float(0.004 * (draws[17] - 0.5)),
        blur=0.0 if plain or not soft else float(0.3 + 1.1 * draws[6]),
        motion=0.0 if plain or draws[7] > 0.08 else float(2 + 4 * draws[8]),
        motion_angle=float(np.pi * draws[8]),
        noise=0.0 if plain else float(0.4 + 5.5 * draws[9] ** 3),
        shot=float(0.4 + 0.6 * draws[18]), grain=float(0.35 + 0.5 * draws[19]),
        sharpen=0.0 if plain or draws[20] < 0.5 else float(0.9 * draws[21]),
        jpeg=0 if plain or draws[10] < 0.35 else int(50 + 48 * draws[11]),
    )  # fmt: skip


def sample_scene(
    seed: int, *, max_yaw: float = 60.0, occluder_chance: float = 0.12, plain: bool = False
) -> Scene:
    """Draw a scene.

    Args:
        seed: any non-negative integer; the same arguments give the same scene.
        max_yaw: largest turn of the head in degrees.
        occluder_chance: share of scenes with something before the face, 0..1.
        plain: leave out blur, sensor noise and JPEG, for exact ground truth.
    """
    rng = np.random.default_rng([201, seed])
    pose, expression, light = _pose(rng, max_yaw), _expression(rng), _light(rng)
    camera = _camera(rng, light, plain)
    occluders: tuple[Occluder, ...] = ()
    draw, kind, occluder_seed = rng.random(), rng.integers(len(OCCLUDERS)), rng.integers(1 << 30)
    if draw < occluder_chance:
        occluders = (Occluder(OCCLUDERS[int(kind)], int(occluder_seed)),)
    seed_behind = int(rng.integers(1 << 30))
    background = Background("any" if rng.random() < 0.12 else "place", seed_behind)
    return Scene(pose, expression, light, camera, background, occluders, seed)
