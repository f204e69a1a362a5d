"""The content gate: classifiers that a target must pass before anything in it is swapped.

Whoever installs a gate model turns it on, for every swap from then on; `policy.toml` can forbid
swapping without one. The gate fails closed: a gate that is missing, changed, or gives no usable
numbers refuses every target. Refusals are in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge import recorded, resources
from edge.backends import Session
from edge.cards import all_cards, broken_cards
from edge.consent.policy import load_policy
from edge.contracts import Card, GateSpec
from edge.errors import CardError, EdgeError, GateError, ModelError
from edge.loading import check_fit, named, open_card, use_of
from edge.records import ModelUse
from edge.registry import find_file
from edge.tensors import to_tensor

if TYPE_CHECKING:
    from edge.media.video_info import VideoFrame

Frame = NDArray[np.uint8]

SECONDS_BETWEEN = 1.0
"""Longest time of a video that no frame is judged for."""

SCENE_CHANGE = 0.1
"""Mean difference from the frame judged last, as a share of full scale, from which a frame shows
another scene. A cut makes about 0.3; the difference is not to the frame before, so that a slow
change is noticed too."""

_THUMBNAIL = (32, 18)  # columns and rows: small enough for every frame, large enough for a cut


def installed_gates() -> list[str]:
    """Return the card names of the gates that are installed, sorted.

    A gate is installed when its file is there, or was added or pulled and has not been removed
    with `edge models remove`: a file or a card that has gone does not turn its gate off.

    Raises:
        CardError: A card cannot be read that may be a gate's.
        ModelError: Records cannot be read.
    """
    for bad in broken_cards():
        if bad.may_be_gate:
            raise CardError(f"{bad.reason}: mend or remove {bad.path}")
    cards = [card for card in all_cards().values() if card.kind == "gate"]
    here = {card.name for card in cards if find_file(card) is not None}
    return sorted(here | recorded.noted_gates())


class Gate:
    """One gate: a card and an open session.

    Attributes:
        card: The model's contract.
        use: How the model runs, for manifest and ledger.
    """

    def __init__(self, card: Card, session: Session) -> None:
        """Join card and session.

        Raises:
            ModelError: The model does not fit its card.
        """
        if card.gate is None:
            raise CardError(f"model '{card.name}' is a {card.kind}, but a gate is needed here")
        self.card = card
        self.use: ModelUse = use_of(card, session)
        self._spec: GateSpec = card.gate
        self._input = named(card, card.input.name, session.inputs)
        self._output = named(card, card.gate.name, session.outputs)
        self._session = session
        check_fit(card, session, [self._input], [self._output])

    def score(self, frame: Frame) -> float:
        """Return how much of what the gate refuses is in a frame.

        Args:
            frame: uint8 (H, W, 3) BGR.

        Returns:
            The sum of the refused classes' scores.

        Raises:
            BackendError: The engine failed.
            ModelError: It gave no row of usable numbers.
        """
        results = self._session.run({self._input: to_tensor(self._view(frame), self.card.input)})
        row = np.asarray(results[self._session.outputs.index(self._output)], np.float64).ravel()
        if row.size <= max(self._spec.index) or not np.isfinite(row).all():
            raise ModelError(
                f"model {self.card.name}: gave {row.size} numbers where its card needs usable ones "
                f"at {', '.join(str(place) for place in self._spec.index)}"
            )
        return float(_scores(row, self._spec.activation)[list(self._spec.index)].sum())

    def check(self, frame: Frame, name: str) -> None:
        """Let a frame pass, or refuse it.

        Args:
            frame: uint8 (H, W, 3) BGR.
            name: What to call it in the message.

        Raises:
            GateError: It does not pass, or could not be judged.
        """
        try:
            score = self.score(frame)
        except EdgeError as error:
            raise _broken(self.card.name, error) from error
        # Not `score >= threshold`: what compares with nothing must not pass either.
        if not score < self._spec.threshold:
            raise GateError(
                f"refused: the content gate {self.card.name} finds '{self._spec.label}' in {name} "
                f"(score {score:.2f}, refused from {self._spec.threshold:g})"
            )

    def _view(self, frame: Frame) -> Frame:
        height, width = self.card.input.shape[2:]
        if self._spec.fit == "stretch":
            return _resized(frame, width, height)
        scale = min(width / frame.shape[1], height / frame.shape[0])
        small = _resized(
            frame,
            max(1, min(width, round(frame.shape[1] * scale))),
            max(1, min(height, round(frame.shape[0] * scale))),
        )
        view = np.zeros((height, width, 3), np.uint8)
        top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
        view[top : top + small.shape[0], left : left + small.shape[1]] = small
        return view


def _resized(frame: Frame, width: int, height: int) -> Frame:
    shrinks = frame.shape[0] * frame.shape[1] > width * height
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cast(Frame, cv2.resize(frame, (width, height), interpolation=way))


def _scores(row: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    if activation == "softmax":
        powers = np.exp(row - row.max())
        shares: NDArray[np.float64] = powers / powers.sum()
        return shares
    if activation == "sigmoid":
        each: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(row, -500, 500)))
        return each
    return row


def _broken(name: str, error: EdgeError) -> GateError:
    return GateError(f"refused: the content gate {name} does not work, so nothing passes: {error}")


def _without_card(name: str, error: EdgeError) -> GateError:
    return GateError(
        f"{_broken(name, error)}; put its card back into {resources.data_dir() / 'cards'}, or take "
        f"the gate away with edge models remove {name}"
    )


class Gates:
    """All gates of this device, open.

    Attributes:
        uses: How they run, for manifest and ledger; empty where there is none.
    """

    def __init__(self, gates: Sequence[Gate] = ()) -> None:
        self._gates = tuple(gates)
        self.uses: tuple[ModelUse, ...] = tuple(gate.use for gate in self._gates)

    def __bool__(self) -> bool:
        return bool(self._gates)

    def check_policy(self) -> None:
        """Check that there is a gate if the policy requires one.

        Raises:
            GateError: There is none.
            PolicyError: The policy cannot be read.
        """
        if not self._gates and load_policy().require_gate:
            raise GateError(
                "refused: this device's policy requires a content gate, and none is installed: "
                "docs/add-a-gate.md says how"
            )

    def check(self, frame: Frame, name: str) -> None:
        """Let a frame pass all gates, or refuse it; see `Gate.check`."""
        for gate in self._gates:
            gate.check(frame, name)

    def watch(self, rate: float) -> Watch:
        """Return what judges a video of so many frames a second."""
        return Watch(self, rate)


class Watch:
    """Judges one pass over a video: a frame each second, and each frame that shows a new scene."""

    def __init__(self, gates: Gates, rate: float) -> None:
        """Start before the first frame.

        Args:
            gates: Who judges.
            rate: Frames a second, for frames that carry no time.
        """
        self._gates = gates
        self._rate = rate if rate > 0 else 25.0
        self._judged: tuple[float, NDArray[np.int16]] | None = None

    def see(self, frame: VideoFrame, name: str) -> bool:
        """Judge a frame if it is due; return whether it was.

        Args:
            frame: The next frame of the video, in order.
            name: What to call the video.

        Raises:
            GateError: It does not pass, or could not be judged.
        """
        if not self._gates:
            return False
        seconds = frame.index / self._rate
        if frame.pts is not None:
            seconds = float(frame.pts * frame.time_base)
        small = cv2.resize(frame.frame, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.int16)
        if self._judged is not None:
            since, last = self._judged
            # Time that runs backwards is no reason to look away.
            recent = 0 <= seconds - since < SECONDS_BETWEEN
            if recent and np.abs(small - last).mean() < SCENE_CHANGE * 255:
                return False
        self._gates.check(frame.frame, f"{name} at {seconds:.1f} s")
        self._judged = (seconds, small)
        return True


def open_gates(*, threads: int = 0) -> Gates:
    """Open every gate that is installed, on the CPU: accelerators have judged otherwise.

    Args:
        threads: Threads for one run; 0 leaves it to the engine.

    Raises:
        GateError: One is damaged, or none is there though the policy requires one.
    """
    gates = Gates(list(_opened(threads)))
    gates.check_policy()
    return gates


def _opened(threads: int) -> Iterator[Gate]:
    try:
        names = installed_gates()
    except EdgeError as error:
        raise GateError(
            f"refused: whether a content gate is installed cannot be told: {error}"
        ) from error
    for name in names:
        try:
            yield Gate(*open_card(name, "gate", threads=threads))
        except EdgeError as error:
            if name not in all_cards():
                raise _without_card(name, error) from error
            raise _broken(name, error) from error
