"""A folder of the user's own pictures to calibrate on, or one picture or video.

What is taken from a file:

1. A square picture of at least the model's size whose face lies where the card's template puts it
   is a crop: it is resized and used as it is. So is one of exactly the model's size in which the
   detector sees no face at all.
2. Every face that the detector finds in any other picture, and in frames spread evenly over a
   video, is aligned as it is on a device.
3. Without a card nobody knows where a face belongs: pictures and frames are resized as a whole.

Files are taken in a seeded random order until there are enough; one that cannot be used is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineMissing, MediaError, UsageError
from edge.faces.detect import PICTURE_PASSES, VIDEO_PASSES, Detector, open_detector
from edge.media.image import read_picture
from edge.media.sniff import INPUT_PICTURE_SUFFIXES, INPUT_VIDEO_SUFFIXES
from quantize.calibration.inputs import crop_of, fitted, sides_of
from quantize.errors import SamplesError
from quantize.recognition import points_in

if TYPE_CHECKING:
    from edge.records import Face
    from quantize.contract import ModelContract

__all__ = ["TakenCrops", "crops_in"]

DETECTOR = "ref_detector"
FEWEST_FRAMES = 8
"""Frames that are taken of a video even where the folder holds plenty of files."""

_IN_PLACE = 0.05  # of the side: how far landmarks lie from the template's points on average
_BLIND_STEP = 25  # frames between two that are taken, where a video does not say how long it is

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class TakenCrops:
    """What was taken to calibrate on.

    Attributes:
        crops: uint8 (H, W, 3) BGR of the model's size.
        names: Per crop the file it is from.
        origin: For people: "folder crops/: 31 crops".
        notes: Files that could not be used, and why.
    """

    crops: tuple[Frame, ...]
    names: tuple[str, ...]
    origin: str
    notes: tuple[str, ...]


def _files(folder: Path) -> list[Path]:
    """Return the pictures and videos in a folder and its subfolders, hidden ones left out."""
    known = INPUT_PICTURE_SUFFIXES | INPUT_VIDEO_SUFFIXES
    if not folder.exists():
        raise SamplesError(f"{folder}: there is no such folder; give one with pictures")
    if not folder.is_dir():
        if folder.suffix.lower() in known:
            return [folder]
        raise SamplesError(
            f"{folder}: is neither a picture, nor a video, nor a folder; give one with pictures"
        )
    others = 0
    found = []
    try:
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if hidden or not path.is_file():
                continue
            if path.suffix.lower() in known:
                found.append(path)
            else:
                others += 1
    except OSError as error:
        raise SamplesError(f"{folder}: cannot be read: {error.strerror}") from error
    if not found:
        beside = f", only {others} other files" if others else ": it is empty"
        raise SamplesError(f"{folder}: holds no picture and no video{beside}; give another folder")
    return found


@dataclass(slots=True)
class _Reader:
    """Takes crops out of files one after the other, and counts what they were."""

    contract: ModelContract
    frames_per_video: int
    threads: int
    kinds: Counter[str] = field(default_factory=Counter)
    _detector: Detector | None = None

    def crops_of(self, path: Path) -> Iterator[Frame]:
        """Yield the crops of a file; MediaError when it cannot be read."""
        if path.suffix.lower() in INPUT_VIDEO_SUFFIXES:
            for frame in _spread(path, self.frames_per_video):
                yield from self._of_frame(frame, VIDEO_PASSES, "frames of videos")
        else:
            yield from self._of_picture(read_picture(path).frame)

    def _of_picture(self, picture: Frame) -> Iterator[Frame]:
        height, width = picture.shape[:2]
        rows, columns = sides_of(self.contract)
        if self.contract.card is None or height != width or height < rows:
            yield from self._of_frame(picture, PICTURE_PASSES, "pictures")
            return
        faces = self._faces(picture, PICTURE_PASSES)
        in_place = bool(faces) and self._lies_in_place(faces[0], height)
        if in_place or (not faces and (height, width) == (rows, columns)):
            self.kinds["crops"] += 1
            yield fitted(self.contract, picture)
        else:
            yield from self._aligned(picture, faces, "pictures")

    def _of_frame(self, frame: Frame, passes: tuple[int, ...], kind: str) -> Iterator[Frame]:
        if self.contract.card is None:
            self.kinds[f"whole {kind}"] += 1
            yield fitted(self.contract, frame)
        else:
            yield from self._aligned(frame, self._faces(frame, passes), kind)

    def _aligned(self, frame: Frame, faces: tuple[Face, ...], kind: str) -> Iterator[Frame]:
        for face in faces:
            self.kinds[f"faces found in {kind}"] += 1
            yield crop_of(self.contract, frame, face)

    def _faces(self, frame: Frame, passes: tuple[int, ...]) -> tuple[Face, ...]:
        if self._detector is None:
            self._detector = open_detector(DETECTOR, threads=self.threads)
        return self._detector.detect(frame, passes=passes)

    def _lies_in_place(self, face: Face, side: int) -> bool:
        card = self.contract.card
        if card is None or card.crop is None:
            return False
        away = np.linalg.norm(face.landmarks / side - points_in(card.crop), axis=1)
        return float(away.mean()) <= _IN_PLACE


def _spread(path: Path, count: int) -> Iterator[Frame]:
    """Yield about `count` frames of a video, spread over its length."""
    from edge.media.video_in import open_video

    try:
        opened = open_video(path)
    except EngineMissing as error:  # without a decoder, the pictures beside it still count
        raise MediaError(f"{path}: {error}") from error
    with opened as video:
        frames = video.info.frames
        step = max(1, frames // count) if frames else _BLIND_STEP
        for number, frame in enumerate(video.sampled(step)):
            if number == count:
                return
            yield frame.frame


def crops_in(
    folder: Path, contract: ModelContract, *, count: int, seed: int, threads: int = 1
) -> TakenCrops:
    """Take crops out of a folder; see the module for what is taken from which file.

    Args:
        folder: With pictures and videos, in subfolders too; or one picture or video.
        contract: Of the model that sees the crops.
        count: Crops to take at most.
        seed: Of the order of the files.
        threads: Of the detector.

    Raises:
        SamplesError: There is no such folder, nothing in it that can be used, or no face.
    """
    files = _files(folder)
    reader = _Reader(contract, max(FEWEST_FRAMES, -(-count // len(files))), threads)
    crops: list[Frame] = []
    names: list[str] = []
    notes: list[str] = []
    order = np.random.default_rng((seed, 19)).permutation(len(files))
    for path in (files[int(index)] for index in order):
        name = path.name if path == folder else str(path.relative_to(folder))
        found: list[Frame] = []
        try:
            found.extend(islice(reader.crops_of(path), count - len(crops)))
            if not found:
                notes.append(f"{name}: shows no face (left out)")
        except (MediaError, UsageError) as error:  # the latter: landmarks that cannot be aligned
            # Notes go into reports that are handed on: no path of the user's disk.
            notes.append(f"{str(error).replace(str(path), name)} (left out)")
        crops += found
        names += [name] * len(found)
        if len(crops) >= count:
            break
    if not crops:
        raise SamplesError(_nothing(folder, notes))
    return TakenCrops(tuple(crops), tuple(names), _origin(folder, reader.kinds), tuple(notes))


def _origin(folder: Path, kinds: Mapping[str, int]) -> str:
    parts = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    name = folder.resolve().name
    return f"folder {name}/: {parts}" if folder.is_dir() else f"{name}: {parts}"


def _nothing(folder: Path, notes: list[str]) -> str:
    """Say why a folder gave nothing, with the first reason in full."""
    more = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
    return f"{folder}: nothing to calibrate on: {notes[0].removesuffix(' (left out)')}{more}"
