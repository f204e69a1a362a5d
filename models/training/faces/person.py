"""Builds a posed person out of an identity, a pose and an expression."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.training.faces.accessories import ears, face_mask, glasses, lens_outlines
from models.training.faces.facial_hair import facial_hair
from models.training.faces.features import EYE_X, EYE_Y, SEAM, expression_vector
from models.training.faces.garments import garments
from models.training.faces.hair import hair_meshes, hair_strands, hairline_margin, under
from models.training.faces.identity import Identity
from models.training.faces.landmarks import BOX_ROWS, dense_points, five_points, on_surface
from models.training.faces.mesh import SKIN, Mesh, joined, posed
from models.training.faces.raster import grid_normals, grid_occlusion
from models.training.faces.scene import Pose, Scene
from models.training.faces.shape import bend_face, eye_centre, nose_profile
from models.training.faces.strands import Strands
from models.training.faces.template import GRID, at_rings, head_table
from models.training.faces.wardrobe import HeadPart

__all__ = ["Person", "build"]

F64 = NDArray[np.float64]


class Person(NamedTuple):
    """A posed person, centred on the face; centimetres, camera along +z."""

    mesh: Mesh
    face_triangles: NDArray[np.int32]  # triangles of the face part
    other_triangles: NDArray[np.int32]
    eyes: F64  # (3, 3), and the crown
    gaze: F64  # (2, 3, 3) right, up, forward
    five: F64  # (5, 3)
    dense: F64  # (72, 3)
    outline: F64  # (N, 3) what the box must hold
    lenses: F64  # (2, 40, 3), or empty
    gap: float  # lips' distance
    strands: tuple[Strands, ...]


def _region_weights() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    t = GRID.template.astype(np.float64)
    reach = np.where(t[..., 1] < -3.4, 7.95, 7.3)
    q = (np.abs(t[..., 0]) / 5.9) ** 2.6 + (np.abs(t[..., 1] + 3.4) / reach) ** 2.6
    r = np.where(t[..., 2] > 1.5, q ** (1 / 2.6), 9.0)
    s = np.clip((r - 0.8) / 0.17, 0, 1)
    corners = (r < 1.0).ravel()[GRID.triangles]
    return (1 - s * s * (3 - 2 * s)).astype(np.float32), np.asarray(corners.any(axis=1))


_INSIDE, _FACE_TRIANGLES = _region_weights()


def _throat() -> NDArray[np.float32]:
    """Openness of the template outside the face: the chin closes off the throat."""
    t = GRID.template
    dark = np.exp(-(((t[..., 1] + 13.4) / 1.9) ** 2)) * np.clip((t[..., 2] + 2.0) / 5.0, 0, 1)
    under = np.exp(-(((t[..., 1] + 11.9) / 0.5) ** 2)) * np.clip((t[..., 2] - 1) / 3, 0, 1)
    return np.asarray(1 - 0.45 * np.maximum(dark, under), np.float32)


_THROAT = _throat()


@lru_cache(maxsize=256)
def _base(head: HeadPart) -> tuple[F64, NDArray[np.float32]]:
    base = np.ascontiguousarray(at_rings(GRID.operator @ head_table(head), GRID.angles))
    margin = hairline_margin(head, GRID.rings, GRID.angles)
    density = 0.12 if under(head) is None else 0.8 if head.hair == "buzz" else 0.75
    scalp = density * np.clip((margin - 0.1) / 1.3, 0, 1)
    uv = np.concatenate([GRID.template, scalp[..., None].astype(np.float32)], axis=-1)
    return base, np.ascontiguousarray(uv, dtype=np.float32)


def _head_mesh(
    identity: Identity, expression: F64
) -> tuple[Mesh, F64, NDArray[np.float32], NDArray[np.float32]]:
    base, uv = _base(identity.head)
    f = identity.face.vector()
    points = np.array([[-EYE_X, EYE_Y], [EYE_X, EYE_Y]])
    at = on_surface(points, base)
    eyes = np.array([eye_centre(at[k], -1.0 + 2.0 * k, f) for k in range(2)])
    surface = np.empty(base.shape, np.float32)
    bend_face(base, GRID.template, f, expression, nose_profile(identity.face), eyes, surface)
    normals, open_ = np.empty_like(surface), np.empty(surface.shape[:2], np.float32)
    grid_normals(surface, normals)
    grid_occlusion(surface, normals, open_)
    open_ = (open_ * _INSIDE + (1 - _INSIDE)) * _THROAT
    mesh = Mesh(
        surface.reshape(-1, 3), normals.reshape(-1, 3), uv.reshape(-1, 4), open_.ravel(),
        GRID.triangles, np.full(len(GRID.triangles), SKIN, np.int32),
    )  # fmt: skip
    return mesh, eyes, surface, normals


def _gaze_axes(rotation: F64, expression: F64) -> F64:
    """Return right, up, forward of both eyes, float64 (2, 3, 3); rotation maps head to camera."""
    x, y = np.radians(expression[6]), np.radians(expression[7])
    forward = np.array([np.sin(x) * np.cos(y), np.sin(y), np.cos(x) * np.cos(y)])
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    return np.ascontiguousarray(np.repeat((axes @ rotation.T)[None], 2, axis=0))


def _posed_strands(strands: Strands, pose: Pose, origin: F64) -> Strands:
    shape = strands.points.shape
    points, normals = posed(strands.points.reshape(-1, 3), strands.normals.reshape(-1, 3), pose)
    points -= origin.astype(np.float32)
    return strands._replace(points=points.reshape(shape), normals=normals.reshape(shape))


def build(identity: Identity, scene: Scene, hairs: int) -> Person:
    """Build the person of a scene.

    Args:
        identity: who.
        scene: pose and expression.
        hairs: how many strands a full head of hair has.
    """
    expression = expression_vector(scene.expression)
    head, eyes, surface, normals = _head_mesh(identity, expression)
    # Hair that hangs beside the face, or a scarf, lies over the ears.
    bare_ears = identity.head.hair not in ("long", "bob", "locs", "scarf", "hood")
    meshes = [
        head,
        *(ears(identity.head) if bare_ears else ()),
        *hair_meshes(identity.head),
        *garments(identity.head),
        *glasses(identity.head),
    ]
    masked = any(o.kind == "mask" for o in scene.occluders)
    if masked:
        meshes.append(face_mask(identity.head))
    strands = facial_hair(identity.face, expression, surface, normals, 0 if masked else hairs)
    of_head = hair_strands(identity.head, hairs)
    if of_head is not None:
        strands.append(of_head)
    whole = joined(meshes)
    f = identity.face.vector()
    five = on_surface(five_points(f), surface)
    dense = on_surface(dense_points(f), surface)
    lips = on_surface(np.array([[0.0, SEAM + 0.035], [0.0, SEAM - 0.035]]), surface)
    bare = identity.head.glasses == "none"
    lenses = np.zeros((0, 40, 3)) if bare else lens_outlines(identity.head)
    middle = np.array([[0.0, 12.5, -2.0], [0.0, -2.4, 3.0]])
    extra = np.concatenate([eyes, five, dense, lenses.reshape(-1, 3), middle])
    points, turned = posed(whole.points, whole.normals, scene.pose)
    moved, _ = posed(extra, np.zeros_like(extra), scene.pose)
    origin = moved[-1].copy()
    points -= origin
    moved = (moved - origin).astype(np.float64)
    _, rotation = posed(np.zeros((3, 3)), np.eye(3), scene.pose)
    count = len(GRID.triangles)
    others = np.concatenate([whole.triangles[:count][~_FACE_TRIANGLES], whole.triangles[count:]])
    return Person(
        mesh=whole._replace(points=points, normals=turned),
        face_triangles=np.flatnonzero(_FACE_TRIANGLES).astype(np.int32),
        other_triangles=np.ascontiguousarray(others),
        eyes=np.ascontiguousarray(moved[[0, 1, -2]]),
        gaze=_gaze_axes(rotation.T.astype(np.float64), expression),
        five=moved[2:7], dense=moved[7:79],
        outline=points[: len(head.points)][BOX_ROWS.ravel()].astype(np.float64),
        lenses=moved[79:-2].reshape(-1, 40, 3),
        gap=float(np.linalg.norm(lips[0] - lips[1])),
        strands=tuple(_posed_strands(s, scene.pose, origin) for s in strands),
    )  # fmt: skip
