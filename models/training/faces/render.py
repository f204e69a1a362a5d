"""Draws a person of nobody into a picture, with everything a training set needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.faces.background import background
from models.training.faces.camera import develop
from models.training.faces.features import expression_vector
from models.training.faces.identity import Identity
from models.training.faces.light import light_vector
from models.training.faces.mesh import HAIR
from models.training.faces.occluders import occlude
from models.training.faces.person import Person, build
from models.training.faces.raster import depth_map, rasterise
from models.training.faces.scene import Light, Scene
from models.training.faces.shading import shade
from models.training.faces.skin import head_vector

__all__ = ["Rendered", "render", "render_onto"]

FACE_CM = 17.0  # forehead to chin, what `face_height` measures
_MAP = 144
_MAP_SPAN = 46.0
_FAR = np.float32(1e9)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture and its truth.

    Attributes:
        picture: uint8 (H, W, 3) BGR.
        landmarks: float32 (5, 2) pixels: left eye, right eye, nose tip, left and right mouth
            corner; left is the picture's left on a frontal face.
        box: float32 (4,) x, y, width, height in pixels, from the forehead to the chin.
        mask: uint8 (H, W) 0..255, what a swap may change.
        dense: float32 (72, 2) pixels: brows, lids, nose, lips, jaw line.
        alpha: uint8 (H, W) 0..255, the whole person.
    """

    picture: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    box: NDArray[np.float32]
    mask: NDArray[np.uint8]
    dense: NDArray[np.float32]
    alpha: NDArray[np.uint8]


class _View(NamedTuple):
    """A pinhole camera and the part of the frame that is drawn."""

    centre: tuple[float, float]
    focal: float
    distance: float
    window: tuple[int, int, int, int]  # x0, y0, x1, y1 in frame pixels
    samples: int  # per pixel and side


def _project(view: _View, points: NDArray[Any]) -> NDArray[np.float32]:
    """Return (column, row, distance) in frame pixels of points (N, 3), float32 (N, 3)."""
    depth = view.distance - points[:, 2]
    scale = view.focal / depth
    x = view.centre[0] + points[:, 0] * scale
    y = view.centre[1] - points[:, 1] * scale
    return np.stack([x, y, depth], axis=1).astype(np.float32)


def _shadow_maps(person: Person, light: Light) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the light's axes float64 (4, 3) and two distance maps float32 (2, S, S)."""
    forward = np.array(light.key)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right) + 1e-9
    up = np.cross(forward, right)
    scale = _MAP / _MAP_SPAN
    corner = (-_MAP_SPAN / 2, _MAP_SPAN / 2 - 2.0, scale)
    axes = np.stack([right, up, forward, corner])
    points = person.mesh.points
    seen = points @ axes[:3].T
    screen = np.empty_like(points)
    screen[:, 0] = (seen[:, 0] - corner[0]) * scale
    screen[:, 1] = (corner[1] - seen[:, 1]) * scale
    screen[:, 2] = -seen[:, 2]
    maps = np.full((2, _MAP, _MAP), _FAR, np.float32)
    mesh, uv = person.mesh, person.mesh.uv
    kinds = mesh.kinds
    others = np.delete(kinds, person.face_triangles)
    depth_map(screen, person.other_triangles, others, uv, HAIR, maps[0])
    face = mesh.triangles[person.face_triangles]
    depth_map(screen, face, kinds[person.face_triangles], uv, HAIR, maps[1])
    return axes, maps


def _window(
    frame: tuple[int, int], centre: tuple[float, float], face: float
) -> tuple[int, int, int, int]:
    """Return the part of a frame (height, width) that a person may cover."""
    x0, x1 = int(centre[0] - 2.1 * face), int(centre[0] + 2.1 * face) + 1
    y0, y1 = int(centre[1] - 1.5 * face), int(centre[1] + 4.5 * face) + 1
    height, width = frame
    x0, x1 = min(max(0, x0), width), min(max(0, x1), width)
    return x0, min(max(0, y0), height), x1, min(max(0, y1), height)


def _draw(
    person: Person, identity: Identity, scene: Scene, view: _View
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return display BGR 0..255 times alpha (h, w, 3), and (alpha, mask) 0..1 (h, w, 2)."""
    x0, y0, x1, y1 = view.window
    n = view.samples
    height, width = (y1 - y0) * n, (x1 - x0) * n
    screen = _project(view, person.mesh.points)
    screen[:, 0] = (screen[:, 0] - x0 + 0.5) * n - 0.5
    screen[:, 1] = (screen[:, 1] - y0 + 0.5) * n - 0.5
    owner = np.full((height, width), -1, np.int32)
    depth = np.full((height, width), _FAR, np.float32)
    bary = np.empty((height, width, 2), np.float32)
    mesh = person.mesh
    rasterise(screen, mesh.triangles, mesh.kinds, mesh.uv, HAIR, owner, depth, bary)
    axes, maps = _shadow_maps(person, scene.light)
    colour = np.zeros((height, width, 3), np.float32)
    cover = np.zeros((height, width, 2), np.float32)
    shade(
        owner, bary, mesh.points, mesh.normals, mesh.uv, mesh.open, mesh.triangles, mesh.kinds,
        identity.face.vector(), head_vector(identity.head), expression_vector(scene.expression),
        light_vector(scene.light), axes, maps, person.eyes, person.gaze, view.distance,
        person.gap, scene.camera.exposure, colour, cover,
    )  # fmt: skip
    size = (x1 - x0, y1 - y0)
    colour = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.float32)
    cover = np.asarray(cv2.resize(cover, size, interpolation=cv2.INTER_AREA), np.float32)
    return colour * 255.0, cover


def _lenses(picture: NDArray[np.float32], person: Person, identity: Identity, view: _View) -> None:
    """Lay faint reflections on the glasses, in place."""
    if not len(person.lenses) or person.gaze[0, 2, 2] < 0.3:
        return
    cover = np.zeros(picture.shape[:2], np.float32)
    for lens in person.lenses:
        at = _project(view, lens)[:, :2]
        cv2.fillPoly(cover, [np.round(at * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    x0, y0, x1, y1 = view.window
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    unit = view.focal / view.distance
    wave = np.sin((x - view.centre[0] + 0.6 * (y - view.centre[1])) / unit * 0.7)
    strength = 0.03 + 0.10 * np.clip(wave - 0.35, 0, 1) * (0.5 + identity.head.glasses_thick)
    k = (cover[y0:y1, x0:x1] * strength)[..., None]
    part = picture[y0:y1, x0:x1]
    part += (np.float32(235.0) - part) * k


def _compose(
    frame: NDArray[np.float32], identity: Identity, scene: Scene, centre: tuple[float, float],
    face_height: float,
) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:  # fmt: skip
    person = build(identity, scene)
    distance = scene.camera.distance
    samples = 2 if face_height >= 60 else (3 if face_height >= 30 else 4)
    view = _View(
        centre, face_height * distance / FACE_CM, distance,
        _window((frame.shape[0], frame.shape[1]), centre, face_height), samples,
    )  # fmt: skip
    out = frame.copy()
    alpha = np.zeros(frame.shape[:2], np.float32)
    mask = np.zeros(frame.shape[:2], np.float32)
    x0, y0, x1, y1 = view.window
    if x1 > x0 and y1 > y0:
        colour, cover = _draw(person, identity, scene, view)
        part = out[y0:y1, x0:x1]
        part *= 1.0 - cover[..., :1]
        part += colour
        alpha[y0:y1, x0:x1], mask[y0:y1, x0:x1] = cover[..., 0], cover[..., 1]
        _lenses(out, person, identity, view)
    # An occluder lies on the lens's side of everything, so it leaves the person's alpha whole.
    for occluder in scene.occluders:
        out, hidden = occlude(out, occluder, centre, face_height, scene.light)
        mask *= 1.0 - hidden
    outline = _project(view, person.outline)[:, :2]
    low, high = outline.min(axis=0), outline.max(axis=0)
    truth: dict[str, NDArray[Any]] = {
        "landmarks": _project(view, person.five)[:, :2],
        "dense": _project(view, person.dense)[:, :2],
        "box": np.concatenate([low, high - low]).astype(np.float32),
        "mask": np.round(mask * 255).astype(np.uint8),
        "alpha": np.round(alpha * 255).astype(np.uint8),
    }
    return out, truth


def render(identity: Identity, scene: Scene, size: int = 160) -> Rendered:
    """Draw one head that fills a square picture, with its background and camera.

    Args:
        identity: who.
        scene: everything else.
        size: width and height in pixels.
    """
    camera = scene.camera
    frame = background(size, size, scene.background.seed, scene.background.kind)
    centre = (size * (0.5 + camera.offset_x), size * (0.49 + camera.offset_y))
    picture, truth = _compose(
        frame.astype(np.float32), identity, scene, centre, size * camera.face_height
    )
    return Rendered(picture=develop(picture, camera, scene.seed), **truth)


def render_onto(
    frame: NDArray[np.uint8], identity: Identity, scene: Scene, centre: tuple[float, float],
    face_height: float,
) -> Rendered:  # fmt: skip
    """Draw a person into a copy of a frame; the scene's background and sensor are left out.

    Args:
        frame: uint8 (H, W, 3) BGR.
        identity: who.
        scene: pose, expression, light, lens and occluders.
        centre: where the middle of the face comes to lie, in pixels.
        face_height: forehead to chin in pixels.
    """
    picture, truth = _compose(frame.astype(np.float32), identity, scene, centre, face_height)
    return Rendered(picture=np.clip(picture + 0.5, 0, 255).astype(np.uint8), **truth)
