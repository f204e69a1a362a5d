"""How long each stage takes on this machine, and nothing about any other.

Stages are measured in interleaved rounds, so that a machine that warms up or is disturbed slows
all of them and not the last one (`edge.timing`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from edge.conditions import against, peak_memory, versions
from edge.errors import NoFaceError, UsageError
from edge.faces.detect import PICTURE_PASSES, VIDEO_PASSES, open_detector
from edge.faces.embed import open_embedder
from edge.machine import Machine, this_machine
from edge.media.image import encode_picture, read_picture
from edge.occasion import fit, home_in, identity_of_nobody, photo_of, sample_with
from edge.power import PowerState, read_power
from edge.provenance.label import Label, plan_label
from edge.provenance.watermark.embed import watermark_for
from edge.shelf import INSTALLED
from edge.swap import CPU_PROVIDERS, Engines, Swapper
from edge.swapmodel import SwapModel, open_swap_model
from edge.throttle import ThrottleState, read_state
from edge.timing import Stage, Timing, check_rounds, measure

if TYPE_CHECKING:
    from edge.records import ModelUse

_ROOF_ROUNDS = 15
_LEAST, _LARGEST = 160, 8192  # pixels of a side: the label's least and a picture's common most


@dataclass(frozen=True, slots=True)
class Reached:
    """How near a swap model comes to the most that the processor does.

    Attributes:
        multiply_adds: Of one crop; each is two operations.
        gops: Thousand million operations a second in its quickest round.
        peak_gops: The same of large products of matrices, in the same rounds.
        kind: What those multiply: float32 or int8.
    """

    multiply_adds: int
    gops: float
    peak_gops: float
    kind: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, on what, and how.

    Attributes:
        machine: The machine.
        versions: Of edge-swap, Python and the packages that do the work.
        threads: Threads asked for per engine (0: its own choice), and those of OpenCV.
        load: Processes that were running or waiting on average in the minute before; a figure from
            a busy machine is a figure of a busy machine.
        frame_size: Width and height in pixels.
        faces: Faces in the frame; all are swapped in "whole picture".
        models: The models, as they really ran.
        memory: Most memory that this process ever used, bytes.
        timings: One per stage.
        before: What the board said of heat and supply before it was measured.
        after: And after it.
        invalid: Why these figures do not count; empty where nothing is known against them.
        power_before: Power mode, temperatures and power of a Jetson before it was measured; None
            where this is none.
        power_after: And after it.
        roof: How near the swap model comes to the processor's peak; None where that could not be
            counted.
    """

    machine: Machine
    versions: dict[str, str]
    threads: dict[str, int]
    load: float
    frame_size: tuple[int, int]
    faces: int
    models: tuple[ModelUse, ...]
    memory: int
    timings: tuple[Timing, ...]
    before: ThrottleState
    after: ThrottleState
    invalid: str
    power_before: PowerState | None = None
    power_after: PowerState | None = None
    roof: Reached | None = None


def run_bench(
    engines: Engines | None = None,
    *,
    frame_size: tuple[int, int] = (1920, 1080),
    faces: int = 1,
    rounds: int = 30,
    after_round: Callable[[], object] = lambda: None,
) -> Report:
    """Measure every stage on a shipped sample picture of faces of nobody.

    Keys, ledger and identity are made for the occasion, in a temporary folder; this device's own
    are neither used nor touched.

    Args:
        engines: Models, engine, providers, threads.
        frame_size: Width and height in pixels that the sample is brought to.
        faces: People in the frame, 1 to 3.
        rounds: Rounds that count.
        after_round: Called after every round, for a progress bar.

    Raises:
        UsageError: The size, or the number of faces or rounds, makes no sense.
        ModelError: A model is missing or changed.
        BackendError: The engine is not installed, or a provider does not run.
    """
    wanted = engines or Engines()
    check_rounds(rounds)
    if min(frame_size) < _LEAST or max(frame_size) > _LARGEST:
        raise UsageError(f"a frame's sides must lie between {_LEAST} and {_LARGEST} pixels")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name, home_in(Path(name)):
        folder = Path(name)
        stages, models, found, swap = _stages(wanted, sample_with(faces), frame_size, folder)
        power_before, before = read_power(), read_state()
        timings = measure(stages, rounds, after_round=after_round)
        memory = peak_memory()  # before the model is loaded once more, to be counted
        runs = wanted.boost * wanted.boost  # of the model, for one crop
        roof = _reached(swap, stages["swap model"], wanted.threads, rounds, runs)
        after, power_after = read_state(), read_power()
    return Report(
        machine=this_machine(),
        versions=versions(),
        threads={"engine": wanted.threads, "opencv": cv2.getNumThreads()},
        load=load,
        frame_size=frame_size,
        faces=found,
        models=models,
        memory=memory,
        timings=timings,
        before=before,
        after=after,
        invalid=against((before, power_before), (after, power_after)),
        power_before=power_before,
        power_after=power_after,
        roof=roof,
    )


def _reached(
    model: SwapModel, stage: Stage, threads: int, rounds: int, runs: int
) -> Reached | None:
    """Run the swap model and large products in turns: how near does it come to them?"""
    from edge.roofline import kind_of, raise_roof

    roof = raise_roof([model], INSTALLED, [threads])
    if not roof.multiply_adds:
        return None
    own, *others = measure({"swap model": stage, **roof.stages()}, min(rounds, _ROOF_ROUNDS))
    roof = roof.reached(others)
    gops, peak = roof.gops(own), roof.peak(model.card.precision, threads)
    if not gops or not peak:
        return None
    return Reached(runs * roof.multiply_adds, runs * gops, peak, kind_of(model.card.precision))


def _stages(
    engines: Engines, sample: Path, frame_size: tuple[int, int], folder: Path
) -> tuple[dict[str, Stage], tuple[ModelUse, ...], int, SwapModel]:
    """Open everything; return the stages, the models, the number of faces, and the swap model."""
    from edge.jobs.file import swap_file
    from edge.provenance.implicit import implicit_json, write_implicit
    from edge.provenance.manifest import sign

    frame = fit(read_picture(sample).frame, frame_size)
    target = folder / "target.jpg"
    target.write_bytes(encode_picture(frame, None, "image/jpeg"))
    threads = engines.threads
    # As in a swap: detector and recogniser are ONNX files whatever the swap model runs on.
    providers = engines.providers if engines.backend == "ort" else CPU_PROVIDERS
    detector = open_detector(engines.detector, providers=providers, threads=threads)
    model = open_swap_model(
        engines.model,
        backend=engines.backend,
        providers=engines.providers,
        threads=threads,
        boost=engines.boost,
    )
    embedder = open_embedder(
        model.recogniser or "ref_embedder", providers=providers, threads=threads
    )
    faces = detector.detect(frame, min_score=engines.min_score)
    if not faces:
        raise NoFaceError(
            f"{sample.name}: no face found at {frame_size[0]}x{frame_size[1]}; use a larger frame"
        )
    face = faces[0]
    photo = photo_of(frame, face, folder)
    identity = identity_of_nobody(embedder, frame, face, photo)
    kind = "" if model.card.source is None else model.card.source.kind
    swapper = Swapper(
        identity,
        purpose="research",
        target_is="synthetic",
        source_picture=photo if kind == "picture" else None,
        engines=engines,
    )
    source = swapper._source.value
    crop = model.align(frame, face)
    picture, mask = model._swap_crop(crop, source)
    work = frame.copy()
    region = model.put_back(work, crop, picture, mask)
    place = plan_label(frame.shape[1], frame.shape[0], [region], "en")
    label = Label(place)
    swapped = swapper.swap(frame)
    labelled, signed, output = (folder / f"{name}.jpg" for name in ("labelled", "signed", "output"))
    encoded = encode_picture(swapped.frame, None, "image/jpeg")
    implicit = implicit_json(swapped.record)
    labelled.write_bytes(write_implicit(encoded, "image/jpeg", implicit))
    return (
        {
            "detect, as in pictures": lambda: detector.detect(frame, passes=PICTURE_PASSES),
            "detect, as in videos": lambda: detector.detect(frame, passes=VIDEO_PASSES),
            "align": lambda: model.align(frame, face),
            "embed": lambda: embedder.embed(frame, face),
            "swap model": lambda: model._swap_crop(crop, source),
            "paste": lambda: model.put_back(work, crop, picture, mask),
            "label": lambda: label.draw(work),
            "watermark": lambda: watermark_for(swapped.record, *frame_size).draw(work),
            "encode JPEG": lambda: encode_picture(work, None, "image/jpeg"),
            "sign and verify": lambda: sign(labelled, signed, "image/jpeg", swapped.record, target),
            "whole picture": lambda: swap_file(swapper, target, output, overwrite=True),
        },
        (*detector.uses, embedder.use, model.use),
        len(faces),
        model,
    )
