"""Does a bundle do on this device what it did where it was built, and how long does it take?

The bundle's golden vectors (`edge.golden`) are run in every way that fits this machine. What comes
out is told as numbers alone: no picture leaves this module. A time counts only where the board was
neither emulated nor slowed down; else it is left out, with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.affinity import pinned
from edge.bundle.opening import Bundle, open_bundle
from edge.conditions import against, versions
from edge.errors import BackendError, BundleError, EdgeError
from edge.golden import Golden, Vector, read_golden, sketch, sketch_psnr
from edge.loading import named, open_card
from edge.machine import Machine, this_machine
from edge.power import PowerState, read_power
from edge.tensors import to_picture, to_tensor
from edge.throttle import ThrottleState, read_state
from edge.timing import check_rounds, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.backends import Session
    from edge.bundle.choice import Fit
    from edge.contracts import Card
    from edge.golden import Wanted
    from edge.timing import Timing

__all__ = ["ROUNDS", "SCHEMA", "DeviceReport", "WayReport", "least_psnr", "run_device_test"]

SCHEMA = "edge-swap/selftest-1"

ROUNDS = 50
"""Rounds that count."""

_LEAST = {"fp32": 45.0}
_LEAST_OTHERS = 30.0  # other kernels round 8 bits and halves differently; a wrong one gives some 10

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class WayReport:
    """One way of running the bundle's swap model, on this device.

    Attributes:
        way: its name.
        card: name of the model's card.
        left_out: why it was not run; empty where it was.
        engine: backend and version.
        provider: that runs it.
        providers: nodes by execution provider; empty where the engine does not tell.
        threads: of the engine; 0: its own choice.
        identical: of the vectors, how many pictures are the same bit for bit as where it was built.
        psnr: dB of the worst picture to what the same model gave there; 99 where all are equal.
        psnr_float: dB of the worst picture to what the untouched float model gave there.
        psnr_float_built: the same, of the model where it was built.
        holds: whether `psnr` is as good as it must be.
        latency: wall time of one run; None where it does not count.
    """

    way: str
    card: str
    left_out: str = ""
    engine: str = ""
    provider: str = ""
    providers: Mapping[str, int] | None = None
    threads: int = 0
    identical: int = 0
    psnr: float | None = None
    psnr_float: float | None = None
    psnr_float_built: float | None = None
    holds: bool = False
    latency: Timing | None = None


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What was found on a device.

    Attributes:
        bundle: id of the bundle.
        target: what it was built for.
        precision: of its swap model.
        vectors: how many golden vectors it has.
        machine: the device.
        versions: of edge-swap, Python and packages.
        kernels: by card, with which kernels the vectors were made.
        ways: every way of the bundle, in its order.
        before: heat and supply before it was measured.
        after: and after it.
        power_before: power mode, heat and events of a Jetson; None where this is none.
        power_after: and after it.
        invalid: why no time counts; empty where nothing is known against them.
    """

    bundle: str
    target: str
    precision: str
    vectors: int
    machine: Machine
    versions: Mapping[str, str]
    kernels: Mapping[str, str]
    ways: tuple[WayReport, ...]
    before: ThrottleState
    after: ThrottleState
    power_before: PowerState | None
    power_after: PowerState | None
    invalid: str

    @property
    def holds(self) -> bool:
        """Whether at least one way was run, and each that was gives what it must."""
        ran = [way for way in self.ways if not way.left_out]
        return bool(ran) and all(way.holds for way in ran)


def least_psnr(precision: str) -> float:
    """Return what the worst picture must have to the same model where it was built, dB."""
    return _LEAST.get(precision, _LEAST_OTHERS)


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """A way that is open here."""

    report: WayReport
    card: Card
    session: Session
    cores: tuple[int, ...] = ()

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        with pinned(self.cores):
            return self.session.run(feeds)

    def feeds(self, vector: Vector) -> dict[str, NDArray[Any]]:
        card, session = self.card, self.session
        feeds = {named(card, card.input.name, session.inputs): to_tensor(vector.crop, card.input)}
        if vector.source is not None and card.source is not None:
            feeds[named(card, card.source.name, session.inputs)] = vector.source
        return feeds

    def _swap_vector(self, vector: Vector) -> NDArray[np.uint8]:
        """Return what it gives for a vector, uint8 (S, S, 3) RGB; for numbers alone."""
        outputs = dict(zip(self.session.outputs, self.run(self.feeds(vector)), strict=True))
        spec = self.card.picture
        assert spec is not None
        tensor = outputs[named(self.card, spec.name, self.session.outputs)]
        if not np.isfinite(tensor).all():
            raise BackendError(f"model {self.card.name}: gives values that are no numbers")
        return np.ascontiguousarray(to_picture(tensor, spec)[:, :, ::-1])


def run_device_test(
    path: Path | str,
    *,
    rounds: int = ROUNDS,
    told: Told = lambda done, total: None,
) -> DeviceReport:
    """Run the golden vectors of a bundle in every way that fits this machine.

    Args:
        path: the bundle.
        rounds: rounds that count.
        told: told of the rounds.

    Raises:
        UsageError: the number of rounds makes no sense.
        BundleError: the bundle may not be run here, or holds no golden vectors.
    """
    check_rounds(rounds)
    bundle = open_bundle(path)
    golden = read_golden(bundle.folder, bundle.contents, str(bundle.path))
    opened, ways = _opened(bundle, golden)
    power_before, before = read_power(), read_state()
    timings = _timed(opened, golden.vectors[0], rounds, told)
    after, power_after = read_state(), read_power()
    invalid = against((before, power_before), (after, power_after))
    return DeviceReport(
        bundle=bundle.contents.id,
        target=bundle.contents.target,
        precision=bundle.contents.precision,
        vectors=len(golden.vectors),
        machine=this_machine(),
        versions=versions(),
        kernels=golden.kernels,
        ways=tuple(_with_time(way, timings.get(way.way), invalid) for way in ways),
        before=before,
        after=after,
        power_before=power_before,
        power_after=power_after,
        invalid=invalid,
    )


def _opened(bundle: Bundle, golden: Golden) -> tuple[list[_Open], list[WayReport]]:
    opened, ways = [], []
    for fit in bundle.fits:
        variant = fit.variant
        try:
            if fit.reason:
                raise BackendError(fit.reason)
            found = _judged(_open(bundle, fit, golden), golden, bundle.contents.precision)
        except BundleError:
            raise
        except EdgeError as error:
            ways.append(WayReport(variant.name, variant.card, left_out=str(error)))
            continue
        opened.append(found)
        ways.append(found.report)
    return opened, ways


def _open(bundle: Bundle, fit: Fit, golden: Golden) -> _Open:
    variant = fit.variant
    threads = min(bundle.threads.get(variant.name, variant.threads), this_machine().cores)
    cores = bundle.cores.get(variant.name, ())
    with pinned(cores):  # as `edge run` does: its time is that of these cores
        card, session = open_card(
            variant.card,
            "swapper",
            backend=variant.engine,
            providers=bundle.providers(fit),
            threads=threads,
            shelf=bundle.shelf,
        )
    report = WayReport(
        variant.name,
        card.name,
        engine=f"{session.engine} {session.engine_version}",
        provider=session.provider,
        threads=threads,
    )
    way = _Open(report, card, session, cores)
    return replace(way, report=replace(report, providers=_nodes(bundle, fit, way, golden)))


def _nodes(bundle: Bundle, fit: Fit, way: _Open, golden: Golden) -> dict[str, int]:
    """Return on which execution providers the nodes run; empty where the engine does not tell."""
    if way.session.engine != "ort":
        return {}
    from edge.backends._assignment import nodes_per_provider

    return nodes_per_provider(
        bundle.shelf.locate(way.card),
        way.feeds(golden.vectors[0]),
        providers=bundle.providers(fit),
        threads=way.report.threads,
    )


def _judged(way: _Open, golden: Golden, precision: str) -> _Open:
    """Hold what a way gives against what it must."""
    identical, made, floats, built = 0, [], [], []
    for vector in golden.vectors:
        wanted: Wanted | None = vector.models.get(way.card.name)
        if wanted is None:
            raise BackendError(f"the golden vectors know nothing of {way.card.name}")
        picture = way._swap_vector(vector)
        sums, side = sketch(picture), picture.shape[0]
        identical += hashlib.sha256(picture.tobytes()).hexdigest() == wanted.sha256
        made.append(sketch_psnr(sums, wanted.sums, side))
        floats.append(sketch_psnr(sums, vector.float_model.sums, side))
        built.append(sketch_psnr(wanted.sums, vector.float_model.sums, side))
    report = replace(
        way.report,
        identical=identical,
        psnr=round(min(made), 2),
        psnr_float=round(min(floats), 2),
        psnr_float_built=round(min(built), 2),
        holds=min(made) >= least_psnr(precision),
    )
    return replace(way, report=report)


def _timed(opened: list[_Open], vector: Vector, rounds: int, told: Told) -> dict[str, Timing]:
    """Run all ways in turns; model alone, as in one swap."""
    if not opened:
        return {}
    done = 0

    def after_round() -> None:
        nonlocal done
        done += 1
        told(min(done, rounds), rounds)

    stages = {way.report.way: partial(way.run, way.feeds(vector)) for way in opened}
    timings = measure(stages, rounds, warm_up=min(5, rounds), after_round=after_round)
    return {timing.stage: timing for timing in timings}


def _with_time(way: WayReport, timing: Timing | None, invalid: str) -> WayReport:
    """Add the time; one that does not count is not kept at all."""
    return way if invalid else replace(way, latency=timing)
