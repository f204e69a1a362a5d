"""Draws a person of nobody into a picture, with everything a training set needs to know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.faces.background import background
from models.training.faces.camera import develop
from models.training.faces.features import expression_vector
from models.training.faces.identity import Identity
from models.training.faces.lenses import glaze
from models.training.faces.light import bounced, light_vector, surrounded
from models.training.faces.mesh import HAIR
from models.training.faces.occluders import occlude
from models.training.faces.person import Person, build
from models.training.faces.raster import depth_map, rasterise
from models.training.faces.scene import Light, Scene
from models.training.faces.shading import shade
from models.training.faces.skin import head_vector
from models.training.faces.strands import Strands
from models.training.faces.threads import draw_threads

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
    light = light_vector(scene.light)
    fine = view.focal / view.distance * n
    colour = np.zeros((height, width, 3), np.float32)
    cover = np.zeros((height, width, 2), np.float32)
    shade(
        owner, bary, mesh.points, mesh.normals, mesh.uv, mesh.open, mesh.triangles, mesh.kinds,
        identity.face.vector(), head_vector(identity.head), expression_vector(scene.expression),
        light, axes, maps, person.eyes, person.gaze, view.distance, person.gap,
        scene.camera.exposure, fine, n, colour, cover,
    )  # fmt: skip
    for strands in person.strands:
        _thread(strands, view, light, axes, maps, scene.camera.exposure, depth, colour, cover)
    size = (x1 - x0, y1 - y0)
    colour = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.float32)
    cover = np.asarray(cv2.resize(cover, size, interpolation=cv2.INTER_AREA), np.float32)
    return colour * 255.0, cover


def _thread(
    strands: Strands, view: _View, light: NDArray[Any], axes: NDArray[Any], maps: NDArray[Any],
    exposure: float, depth: NDArray[Any], colour: NDArray[Any], cover: NDArray[Any],
) -> None:  # fmt: skip
    n = view.samples
    screen = _project(view, strands.points.reshape(-1, 3)).reshape(strands.points.shape)
    screen[..., 0] = (screen[..., 0] - view.window[0] + 0.5) * n - 0.5
    screen[..., 1] = (screen[..., 1] - view.window[1] + 0.5) * n - 0.5
    thickness = strands.width * view.focal / view.distance * n
    draw_threads(
        screen,
        strands.points,
        strands.normals,
        strands.colours,
        strands.shown,
        thickness,
        strands.of_face,
        light,
        axes,
        maps,
        view.distance,
        exposure,
        depth,
        colour,
        cover,
    )


def _hairs(samples_per_cm: float) -> int:
    """Return how many strands a head needs at a scale: more than these nobody sees."""
    return int(np.clip(240 * samples_per_cm, 400, 9000) // 200 * 200)


def _met(scene: Scene, identity: Identity) -> Scene:
    """Return a scene as its person's head changes it.

    Clothes throw light up, and the camera meters the face, half way: dark skin gets more exposure.
    """
    camera = scene.camera
    exposure = camera.exposure * 2.0 ** (0.8 * (identity.head.melanin - 0.5))
    light = bounced(scene.light, identity.head)
    return replace(scene, camera=replace(camera, exposure=exposure), light=light)


def _compose(
    frame: NDArray[np.float32], identity: Identity, scene: Scene, centre: tuple[float, float],
    face_height: float,
) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:  # fmt: skip
    scene = _met(scene, identity)
    distance = scene.camera.distance
    samples = 2 if face_height >= 60 else (3 if face_height >= 30 else 4)
    person = build(identity, scene, _hairs(face_height * samples / FACE_CM))
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
        if len(person.lenses) and person.gaze[0, 2, 2] > 0.3:
            lenses = [_project(view, lens)[:, :2] for lens in person.lenses]
            glaze(out, mask, lenses, identity.head, scene)
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
    lit = replace(scene, light=surrounded(scene.light, frame))
    picture, truth = _compose(
        frame.astype(np.float32), identity, lit, centre, size * camera.face_height
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
