"""How long each stage takes on this machine, and nothing about any other.

Stages are measured in interleaved rounds, so that a machine that warms up or is disturbed slows
all of them and not the last one. A round's time is wall time; the first rounds are thrown away.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

import edge
from edge import resources
from edge.errors import NoFaceError, OutputError, UsageError
from edge.faces.detect import PICTURE_PASSES, VIDEO_PASSES, open_detector
from edge.faces.embed import open_embedder
from edge.machine import Machine, is_emulated, this_machine
from edge.media.image import encode_picture, read_picture
from edge.power import PowerState, power_changed, read_power
from edge.provenance.label import Label, plan_label
from edge.provenance.watermark.embed import watermark_for
from edge.shelf import INSTALLED
from edge.swap import CPU_PROVIDERS, Engines, Swapper
from edge.swapmodel import SwapModel, open_swap_model
from edge.throttle import ThrottleState, invalid_reason, read_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.consent.identity import Identity
    from edge.faces.embed import Embedder
    from edge.records import Face, ModelUse

WARM_UP = 3
"""Rounds that are run first and not counted: caches, thread pools, the clock's governor."""

MOST_ROUNDS = 100_000
"""Each keeps its times until the end."""

_SAMPLES = {1: "sample-one.jpg", 2: "sample-two.jpg", 3: "sample-three.jpg"}
_ROOF_ROUNDS = 15
_LEAST, _LARGEST = 160, 8192  # pixels of a side: the label's least and a picture's common most

Stage = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall time of one stage.

    Attributes:
        stage: Its name.
        rounds: How many rounds were counted.
        p50: Median, milliseconds.
        p90: 90th percentile, milliseconds.
        p99: 99th percentile, milliseconds; the slowest round where there are under 100.
        quickest: The quickest round, milliseconds: what a busy machine disturbs least.
    """

    stage: str
    rounds: int
    p50: float
    p90: float
    p99: float
    quickest: float


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


def check_rounds(rounds: int) -> None:
    """Refuse a number of rounds that makes no sense.

    Raises:
        UsageError: There are none, or so many that their times alone would fill the memory.
    """
    if rounds < 1:
        raise UsageError(f"rounds must be 1 or more, not {rounds}")
    if rounds > MOST_ROUNDS:
        raise UsageError(f"rounds must be {MOST_ROUNDS} or fewer, not {rounds}")


def measure(
    stages: Mapping[str, Stage],
    rounds: int,
    *,
    warm_up: int = WARM_UP,
    clock: Callable[[], int] = time.perf_counter_ns,
    after_round: Callable[[], object] = lambda: None,
    before: Callable[[str], object] = lambda name: None,
) -> tuple[Timing, ...]:
    """Run all stages in turn, round by round, and return their times.

    Args:
        stages: What to run, by name.
        rounds: Rounds that count.
        warm_up: Rounds before them that do not.
        clock: Gives nanoseconds.
        after_round: Called after every round, for a progress bar.
        before: Called with a stage's name before each of its runs; its time is not counted.
    """
    spent: dict[str, list[int]] = {name: [] for name in stages}
    for number in range(warm_up + rounds):
        for name, stage in stages.items():
            before(name)
            start = clock()
            stage()
            elapsed = clock() - start
            if number >= warm_up:
                spent[name].append(elapsed)
        after_round()
    return tuple(_timing(name, values) for name, values in spent.items())


def _timing(name: str, nanoseconds: Sequence[int]) -> Timing:
    p50, p90, p99 = (
        float(value) / 1e6 for value in np.percentile(nanoseconds, (50, 90, 99), method="higher")
    )
    return Timing(name, len(nanoseconds), p50, p90, p99, min(nanoseconds) / 1e6)


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
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name, _home_in(Path(name)):
        folder = Path(name)
        stages, models, found, swap = _stages(wanted, _sample(faces), frame_size, folder)
        power_before, before = read_power(), read_state()
        timings = measure(stages, rounds, after_round=after_round)
        memory = _peak_memory()  # before the model is loaded once more, to be counted
        runs = wanted.boost * wanted.boost  # of the model, for one crop
        roof = _reached(swap, stages["swap model"], wanted.threads, rounds, runs)
        after, power_after = read_state(), read_power()
    return Report(
        machine=this_machine(),
        versions=_versions(),
        threads={"engine": wanted.threads, "opencv": cv2.getNumThreads()},
        load=load,
        frame_size=frame_size,
        faces=found,
        models=models,
        memory=memory,
        timings=timings,
        before=before,
        after=after,
        invalid=_against(before, after) or power_changed(power_before, power_after),
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


@contextmanager
def _home_in(folder: Path) -> Iterator[None]:
    """Give this process keys and a ledger of its own; the user's models stay where they are."""
    before = os.environ.get("EDGE_HOME")
    data = resources.data_dir().absolute()
    home = folder / "home"
    home.mkdir()
    if data.is_dir():
        (home / "data").symlink_to(data)
    os.environ["EDGE_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["EDGE_HOME"]
        else:
            os.environ["EDGE_HOME"] = before


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
    photo = _photo(frame, face, folder)
    identity = _identity(embedder, frame, face, photo)
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


def _sample(faces: int) -> Path:
    """Return the sample picture that shows so many people."""
    if faces not in _SAMPLES:
        raise UsageError(f"there are samples with 1 to {max(_SAMPLES)} faces, not {faces}")
    path = resources.samples_dir() / _SAMPLES[faces]
    if not path.is_file():
        raise OutputError(f"{path}: the sample picture is missing: install edge-swap again")
    return path


def fit(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring a frame to another size, keeping its proportions.

    Args:
        frame: uint8 (H, W, 3) BGR.
        size: Width and height in pixels.

    Returns:
        uint8 (height, width, 3) BGR; its edge is repeated to the right and below where the
        proportions differ.
    """
    width, height = size
    scale = min(width / frame.shape[1], height / frame.shape[0])
    columns = min(width, max(1, round(frame.shape[1] * scale)))
    rows = min(height, max(1, round(frame.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(frame, (columns, rows), interpolation=method)
    padded = cv2.copyMakeBorder(small, 0, height - rows, 0, width - columns, cv2.BORDER_REPLICATE)
    return cast("NDArray[np.uint8]", padded)


def _photo(frame: NDArray[np.uint8], face: Face, folder: Path) -> Path:
    """Write the part of a frame around a face as a picture of its own."""
    x, y, width, height = face.box
    left, top = max(0, round(x - width / 2)), max(0, round(y - height / 2))
    part = frame[top : round(y + 1.5 * height), left : round(x + 1.5 * width)]
    path = folder / "photo.png"
    path.write_bytes(encode_picture(np.ascontiguousarray(part), None, "image/png"))
    return path


def _identity(embedder: Embedder, frame: NDArray[np.uint8], face: Face, photo: Path) -> Identity:
    """Return an identity of nobody: a face of the sample itself."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edge.consent.identity import Embedding, new_identity
    from edge.consent.record import new_consent
    from edge.consent.terms import NOBODY, Terms

    key = Ed25519PrivateKey.generate()
    terms = Terms(
        subject=NOBODY, adult=True, intimate=False, purposes=("research",), claim="synthetic"
    )
    consent = new_consent(terms, [photo], key)
    vector = embedder.embed(frame, face)
    return new_identity(consent, {embedder.card.name: Embedding(embedder.card.sha256, vector)}, key)


def _against(before: ThrottleState, after: ThrottleState) -> str:
    """Return why figures do not count; empty where nothing is known against them."""
    if is_emulated():
        return "the processor is emulated: its times are not those of any device"
    return invalid_reason(before, after)


def _versions() -> dict[str, str]:
    return {
        "edge-swap": edge.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "c2pa-python": metadata.version("c2pa-python"),
    }


def _peak_memory() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
