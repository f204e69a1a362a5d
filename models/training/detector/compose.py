"""Place heads on canvases: training pictures with their truth, hard on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.detector import augment, things
from models.training.detector.augment import Picture, Rng
from models.training.detector.pool import Head, HeadPool
from models.training.detector.things import Bank

SMALLEST = 11.0  # root of the box's area; smaller faces are neither wanted nor punished
LARGE = 130.0  # from here on heads come from the pool of large pictures
FLIP = [1, 0, 2, 4, 3]


@dataclass(frozen=True, slots=True)
class Sample:
    """One canvas.

    Attributes:
        picture: uint8 (S, S, 3) BGR.
        boxes: float32 (G, 4) x, y, width, height; may reach over the border.
        points: float32 (G, 5, 2).
        ignored: float32 (M, 4) boxes that are neither a face nor a thing.
    """

    picture: Picture
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    ignored: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sources:
    """What canvases are made of."""

    bank: Bank
    heads: HeadPool
    large: HeadPool

    def head(self, rng: Rng, wanted: float) -> Head:
        """Draw a head fit for a face of ``wanted`` pixels."""
        pool = self.large if wanted > LARGE and len(self.large) else self.heads
        return pool[int(rng.integers(len(pool)))]


def mirrored(head: Head) -> Head:
    """Return the mirror image, with left and right as seen in the new picture."""
    last = head.cutout.shape[1] - 1
    points = head.points[FLIP].copy()
    points[:, 0] = last - points[:, 0]
    box = head.box.copy()
    box[0] = last - box[0] - box[2]
    return Head(np.ascontiguousarray(head.cutout[:, ::-1]), points, box)


def halved(head: Head) -> Head:
    """Return the head at half the side, so that a later warp need not skip pixels."""
    side = head.cutout.shape[0] // 2
    small = cast(Picture, cv2.resize(head.cutout, (side, side), interpolation=cv2.INTER_AREA))
    box = head.box * 0.5
    box[:2] -= 0.25
    return Head(small, head.points * 0.5 - 0.25, box)


def warped(head: Head, wanted: float, rng: Rng, turn: float = 25.0) -> Head:
    """Bring a face to ``wanted`` pixels, turned, stretched and slanted a little."""
    if rng.random() < 0.5:
        head = mirrored(head)
    while head.size > 2.2 * wanted:
        head = halved(head)
    scale = wanted / head.size
    angle = np.radians(np.clip(rng.normal(0, 11), -turn, turn))
    stretch, slant = np.exp(rng.normal(0.03, 0.08)), rng.normal(0, 0.05)
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * rotate @ np.array([[stretch, slant], [0, 1 / stretch]])
    side = head.cutout.shape[0]
    corners = np.array([[0, 0], [side, 0], [0, side], [side, side]]) @ linear.T
    low = corners.min(0)
    room = np.ceil(corners.max(0) - low).astype(int) + 1
    matrix = np.column_stack((linear, -low))
    size = (int(room[0]), int(room[1]))
    cutout = cv2.warpAffine(head.cutout, matrix, size, flags=cv2.INTER_LINEAR)
    points = head.points @ linear.T - low
    # The face is taken for an ellipse in its box; its shadow on the axes is the new box.
    centre = (head.box[:2] + head.box[2:] / 2) @ linear.T - low
    half = np.sqrt(((linear * (head.box[2:] / 2)) ** 2).sum(1))
    box = np.concatenate((centre - half, 2 * half))
    return Head(cast(Picture, cutout), points.astype(np.float32), box.astype(np.float32))


def face_ellipse(head: Head, grow: float = 1.0) -> NDArray[np.uint8]:
    """Return a mask uint8 (h, w) of the ellipse in the face's box."""
    mask = np.zeros(head.cutout.shape[:2], np.uint8)
    centre = head.box[:2] + head.box[2:] / 2
    axes = (max(1, int(head.box[2] / 2 * grow)), max(1, int(head.box[3] / 2 * grow)))
    cv2.ellipse(mask, (int(centre[0]), int(centre[1])), axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    return mask


def relight(head: Head, sources: Sources, rng: Rng) -> None:
    """Change the head's colours, light and grain in place, apart from what lies around it."""
    picture = np.ascontiguousarray(head.cutout[..., :3])
    if rng.random() < 0.5:
        picture = augment.tone(picture, rng, 0.8)
    if rng.random() < 0.3:
        picture = augment.saturation(picture, rng)
    if rng.random() < 0.08:
        picture = augment.hue(picture, rng)
    if rng.random() < 0.3:
        picture = augment.shade(picture, rng)
    if rng.random() < 0.25 and sources.bank.photos:
        photos = sources.bank.photos
        side = max(picture.shape[:2])
        patch = things.crop(photos[rng.integers(len(photos))], side, rng)
        grain = cv2.cvtColor(patch[: picture.shape[0], : picture.shape[1]], cv2.COLOR_BGR2GRAY)
        change = 1 + rng.uniform(0.1, 0.6) * (grain.astype(np.float32) / 255 - grain.mean() / 255)
        picture = np.clip(picture * change[..., None], 0, 255).astype(np.uint8)
    if rng.random() < 0.1:
        picture = augment.blur(picture, rng)
    head.cutout[..., :3] = picture


def tighten(head: Head, rng: Rng) -> None:
    """Cut the head down to the face, now and then, so that hair and neck are no condition."""
    mask = face_ellipse(head, float(rng.uniform(0.95, 1.25)))
    soft = cv2.GaussianBlur(mask, (0, 0), 0.5 + 0.02 * head.size)
    head.cutout[..., 3] = np.minimum(head.cutout[..., 3], soft)


def erase(head: Head, rng: Rng) -> None:
    """Take the features out of the face, in place: a head from behind or a smooth dummy."""
    mask = cv2.GaussianBlur(face_ellipse(head, 1.05), (0, 0), 0.5 + 0.04 * head.size)
    height, width = mask.shape
    inside = head.cutout[..., :3][mask > 128]
    base: NDArray[Any] = inside.mean(0) if len(inside) else np.full(3, 128.0)
    if rng.random() < 0.5:
        base = base * rng.uniform(0.1, 0.6)
        strands = rng.normal(0, 1, (2, max(2, width // 2))).astype(np.float32)
        streaks = cv2.resize(strands, (width, height), interpolation=cv2.INTER_LINEAR)
        base = base * (1 + 0.25 * streaks[..., None])
    fill = np.clip(base * augment.light_field(height, width, rng), 0, 255)
    weight = mask[..., None].astype(np.float32) / 255
    head.cutout[..., :3] = (fill * weight + head.cutout[..., :3] * (1 - weight)).astype(np.uint8)


def wear(head: Head, sources: Sources, rng: Rng) -> None:
    """Draw what people wear before a face: dark glasses, a cap's or scarf's edge, a mask."""
    left, right, nose, mouth_left, mouth_right = head.points
    eyes = float(np.linalg.norm(right - left)) + 1
    paint = things.colour(rng)
    kind = rng.random()
    colours = np.ascontiguousarray(head.cutout[..., :3])
    if kind < 0.4:
        for eye in (left, right):
            axes = (max(1, int(eyes * rng.uniform(0.32, 0.46))), max(1, int(eyes * 0.33)))
            dark = [float(c) * 0.3 for c in paint]
            at = (int(eye[0]), int(eye[1] + 0.05 * eyes))
            cv2.ellipse(colours, at, axes, 0, 0, 360, dark, -1, cv2.LINE_AA)
        ends = [(int(p[0]), int(p[1])) for p in (left, right)]
        cv2.line(colours, ends[0], ends[1], [0, 0, 0], max(1, int(eyes * 0.08)))
    elif kind < 0.75:
        lift = (left + right) / 2 - nose
        brow = (left + right) / 2 + lift * rng.uniform(0.45, 0.9)
        across = (right - left) / eyes * head.size * 1.3
        top = lift / (np.linalg.norm(lift) + 1e-6) * head.size * rng.uniform(0.4, 1.0)
        ring = np.array([brow - across, brow + across, brow + across + top, brow - across + top])
        cv2.fillPoly(colours, [ring.astype(np.int32)], paint, cv2.LINE_AA)
    else:
        down = (mouth_left + mouth_right) / 2 - nose
        side = (right - left) * 0.62
        ring = np.array([
            nose - side, nose + side, nose + side * 0.8 + down * 2.2, nose - side * 0.8 + down * 2.2
        ])  # fmt: skip
        cv2.fillPoly(colours, [ring.astype(np.int32)], paint, cv2.LINE_AA)
    head.cutout[..., :3] = colours


class Canvas:
    """A picture under construction that knows what covers what."""

    def __init__(self, picture: Picture) -> None:
        """Start from a background, which is drawn over."""
        self.picture = picture
        self.owner: NDArray[np.int16] = np.full(picture.shape[:2], -1, np.int16)
        self.faces: list[tuple[int, Head]] = []
        self.count = 0

    def add(self, head: Head, left: int, top: int, is_face: bool) -> None:
        """Paste a head at a place; a face is remembered with its truth."""
        things.paste(self.picture, head.cutout, left, top)
        self.cover(head.cutout[..., 3], left, top)
        if is_face:
            box = head.box + np.array([left, top, 0, 0], np.float32)
            points = head.points + np.array([left, top], np.float32)
            self.faces.append((self.count - 1, Head(head.cutout, points, box)))

    def cover(self, alpha: NDArray[np.uint8], left: int, top: int) -> None:
        """Note that everything under ``alpha`` now belongs to something new."""
        height, width = self.owner.shape
        y0, y1, x0, x1 = max(0, top), top + alpha.shape[0], max(0, left), left + alpha.shape[1]
        region = self.owner[y0 : max(y0, min(y1, height)), x0 : max(x0, min(x1, width))]
        shown = alpha[y0 - top :, x0 - left :][: region.shape[0], : region.shape[1]]
        region[shown > 127] = self.count
        self.count += 1

    def visible(self, number: int, head: Head) -> float:
        """Return the share of a face's ellipse that is still to be seen, 0..1."""
        x, y, w, h = head.box
        mask = np.zeros(self.owner.shape, np.uint8)
        axes = (max(1, int(w / 2)), max(1, int(h / 2)))
        cv2.ellipse(mask, (int(x + w / 2), int(y + h / 2)), axes, 0, 0, 360, 1, -1)
        shown = int(((self.owner == number) & (mask > 0)).sum())
        return shown / max(1.0, 0.785 * float(w * h))

    def clashes(self, box: NDArray[np.float32]) -> bool:
        """Whether a box lies over a face that is there already."""
        for _, other in self.faces:
            low = np.maximum(box[:2], other.box[:2])
            high = np.minimum(box[:2] + box[2:], other.box[:2] + other.box[2:])
            shared = np.clip(high - low, 0, None).prod()
            if shared > 0.12 * min(box[2] * box[3], other.box[2] * other.box[3]):
                return True
        return False


def wanted_sizes(size: int, rng: Rng) -> list[float]:
    """Draw how large the faces of a canvas are, smallest first."""
    draw = rng.random()
    if draw > 0.88:
        return [size * float(rng.uniform(0.4, 0.95))]
    count = 0 if draw < 0.14 else 1 if draw < 0.4 else int(rng.integers(2, 7))
    top = np.log(size * (0.9 if count == 1 else 0.55))
    return sorted(float(np.exp(rng.uniform(np.log(9), top))) for _ in range(count))


def place(canvas: Canvas, wanted: float, sources: Sources, rng: Rng) -> None:
    """Add one head of ``wanted`` pixels somewhere on the canvas, if there is room."""
    head = warped(sources.head(rng, wanted), wanted, rng)
    relight(head, sources, rng)
    is_face = wanted < 24 or rng.random() > 0.07
    if not is_face:
        erase(head, rng)
    elif rng.random() < 0.14:
        wear(head, sources, rng)
    if rng.random() < 0.12:
        tighten(head, rng)
    size = canvas.picture.shape[0]
    centre = head.box[:2] + head.box[2:] / 2
    for _ in range(8):
        margin = rng.uniform(0.0, 0.5) * wanted
        at = rng.uniform(min(margin, size / 2), max(size - margin, size / 2), 2)
        left, top = (int(v) for v in at - centre)
        if not canvas.clashes(head.box + np.array([left, top, 0, 0], np.float32)):
            canvas.add(head, left, top, is_face)
            return


def occlude(canvas: Canvas, sources: Sources, rng: Rng) -> None:
    """Put something before a part of a face, now and then."""
    for _, head in list(canvas.faces):
        if rng.random() > 0.17:
            continue
        side = max(6, int(head.size * rng.uniform(0.3, 0.9)))
        kind = rng.random()
        corner = head.box[:2] + rng.uniform(-0.5, 1.0, 2) * head.box[2:]
        if kind < 0.2:
            cutout = things.turned(things.bar(max(side, 12), rng), 3 * side, rng, 180)
            middle = head.box[:2] + rng.uniform(0.1, 0.9, 2) * head.box[2:]
            corner = middle - np.array(cutout.shape[1::-1]) / 2  # it goes right across
        elif kind < 0.5 and sources.bank.stamps:
            stamps = sources.bank.stamps
            cutout = things.turned(stamps[rng.integers(len(stamps))], side, rng, 180)
        elif kind < 0.8:
            cutout = things.turned(things.limb(max(side, 12), rng), side, rng, 180)
        else:
            patch = things.one_background(sources.bank, max(side, 16), rng)
            cutout = np.dstack((patch, np.full(patch.shape[:2], 255, np.uint8)))
        left, top = int(corner[0]), int(corner[1])
        things.paste(canvas.picture, cutout, left, top)
        canvas.cover(np.ascontiguousarray(cutout[..., 3]), left, top)


def compose(sources: Sources, size: int, rng: Rng) -> Sample:
    """Make one canvas of side ``size``, a multiple of 32."""
    canvas = Canvas(np.array(things.background(sources.bank, size, rng)))
    things.scatter(canvas.picture, sources.bank, rng, 1.1)
    for wanted in wanted_sizes(size, rng):
        place(canvas, wanted, sources, rng)
    occlude(canvas, sources, rng)
    picture = augment.camera(canvas.picture, rng)
    kept: list[Head] = []
    ignored: list[NDArray[np.float32]] = []
    for number, head in canvas.faces:
        if head.size >= SMALLEST and canvas.visible(number, head) >= 0.5 and lively(picture, head):
            kept.append(head)
        else:
            ignored.append(head.box)
    return Sample(
        picture,
        np.array([h.box for h in kept], np.float32).reshape(-1, 4),
        np.array([h.points for h in kept], np.float32).reshape(-1, 5, 2),
        np.array(ignored, np.float32).reshape(-1, 4),
    )


def lively(picture: Picture, head: Head) -> bool:
    """Whether the camera left enough contrast in a face to call it one."""
    x, y, w, h = (int(v) for v in head.box)
    part = picture[max(0, y) : max(1, y + h), max(0, x) : max(1, x + w)]
    return part.size > 0 and float(part.mean(2).std()) > 6.0
