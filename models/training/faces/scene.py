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
    """Directions are unit vectors toward the light: x right, y up, z toward the camera."""

    key: tuple[float, float, float]
    key_colour: tuple[float, float, float]
    fill: tuple[float, float, float]
    fill_colour: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
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
    blur: float  # sigma in pixels of the finished picture
    motion: float  # length in pixels
    motion_angle: float  # radians
    noise: float  # standard deviation, 0..255
    jpeg: int  # quality 1..100; 0 keeps the picture uncompressed
    saturation: float


@dataclass(frozen=True, slots=True)
class Background:
    """What stands behind the person."""

    kind: str  # "any" lets the seed choose
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
    lid = 0.0 if rng.random() < 0.75 else float(rng.uniform(0.1, 1.0))
    wink = lid if rng.random() < 0.9 else 0.0
    gaze = rng.normal(size=2) * (9.0, 5.0)
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


def _tint(rng: np.random.Generator, strength: float) -> np.ndarray:
    warm = rng.normal() * strength
    colour = np.array([1.0 + warm, 1.0 + 0.1 * rng.normal() * strength, 1.0 - warm])
    return np.clip(colour, 0.4, 1.7)


def _triple(colour: np.ndarray) -> tuple[float, float, float]:
    return float(colour[0]), float(colour[1]), float(colour[2])


def _light(rng: np.random.Generator) -> Light:
    azimuth = float(rng.choice([-1, 1]) * rng.uniform(5, 75))
    strength = rng.uniform(0.55, 1.25)
    ambient = rng.uniform(0.25, 0.62)
    sky = _tint(rng, 0.10) * ambient
    fill = _tint(rng, 0.12) * rng.uniform(0.05, 0.4)
    return Light(
        key=_direction(azimuth, float(rng.uniform(5, 60))),
        key_colour=_triple(_tint(rng, 0.12) * strength),
        fill=_direction(-azimuth * float(rng.uniform(0.6, 1.2)), float(rng.uniform(-15, 30))),
        fill_colour=_triple(fill), sky=_triple(sky),
        ground=_triple(_tint(rng, 0.10) * ambient * rng.uniform(0.35, 0.75)),
        specular=float(rng.uniform(0.35, 1.1)), shadow=float(rng.uniform(0.35, 0.95)),
        rim=float(rng.uniform(0, 1) ** 3),
    )  # fmt: skip


def _camera(rng: np.random.Generator, plain: bool) -> Camera:
    draws = rng.random(12)
    soft = draws[0] < 0.45
    return Camera(
        distance=float(55 + 130 * draws[1]), face_height=float(0.50 + 0.10 * draws[2]),
        offset_x=float((draws[3] - 0.5) * 0.08), offset_y=float((draws[4] - 0.5) * 0.06 + 0.02),
        exposure=float(0.8 + 0.5 * draws[5]),
        blur=0.0 if plain or not soft else float(0.3 + 1.1 * draws[6]),
        motion=0.0 if plain or draws[7] > 0.08 else float(2 + 4 * draws[8]),
        motion_angle=float(np.pi * draws[8]),
        noise=0.0 if plain else float(0.5 + 7.0 * draws[9] ** 3),
        jpeg=0 if plain or draws[10] < 0.35 else int(50 + 48 * draws[11]),
        saturation=1.0 if plain else float(0.8 + 0.4 * draws[6]),
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
    camera = _camera(rng, plain)
    occluders: tuple[Occluder, ...] = ()
    draw, kind, occluder_seed = rng.random(), rng.integers(len(OCCLUDERS)), rng.integers(1 << 30)
    if draw < occluder_chance:
        occluders = (Occluder(OCCLUDERS[int(kind)], int(occluder_seed)),)
    background = Background("any", int(rng.integers(1 << 30)))
    return Scene(pose, expression, light, camera, background, occluders, seed)
