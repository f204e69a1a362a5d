"""The content gate: on when installed, required when the policy says so, and closed when broken."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge import recorded
from edge.cards import find_card, load_card
from edge.cli import main
from edge.consent.ledger import Ledger
from edge.contracts import GateSpec
from edge.errors import CardError, GateError, NoFaceError, PolicyError
from edge.gate import Gate, Gates, Watch, _scores, installed_gates, open_gates
from edge.jobs.file import swap_file
from edge.jobs.folder import swap_folder
from edge.loading import open_card
from edge.media.video_info import VideoFrame
from edge.verifying import remove_model
from tests import gates, tiny
from tests.scene import ARGUMENTS, ENGINES, Stage, stage, target, write

BLUE, GREEN = (220, 60, 40), (60, 180, 60)


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def tinted(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a target with two faces on a ground of one colour."""
    frame = target()
    return np.where(frame > 60, frame, np.array(colour, np.uint8)).astype(np.uint8)


def refusals() -> list[dict[str, Any]]:
    entries = Ledger().entries()
    return [dict(entry.fields) for entry in entries if entry.kind == "refusal"]


# Which gates there are ------------------------------------------------------------------------


def test_without_a_gate_everything_passes(edge_home: Path) -> None:
    found = open_gates()
    assert not found
    assert found.uses == ()
    found.check(gates.picture(BLUE), "picture")


def test_a_gate_is_on_as_soon_as_it_is_installed(edge_home: Path) -> None:
    gates.install(edge_home)
    found = open_gates(threads=1)
    assert [use.name for use in found.uses] == ["blue_gate"]
    found.check(gates.picture(GREEN), "lawn.png")
    with pytest.raises(
        GateError, match=r"gate blue_gate finds 'blue' in sea.png \(score 1.00"
    ) as e:
        found.check(gates.picture(BLUE), "sea.png")
    assert "\n" not in str(e.value)


def test_every_gate_must_let_it_pass(edge_home: Path) -> None:
    gates.install(edge_home)
    green = gates.CARD.replace("index = [1]", "index = [0]").replace('"blue"', '"not blue"')
    gates.install(edge_home, "another", card=green)
    assert installed_gates() == ["another", "blue_gate"]
    found = open_gates(threads=1)
    for colour in (BLUE, GREEN):
        with pytest.raises(GateError):
            found.check(gates.picture(colour), "picture")


def test_a_card_without_a_file_is_no_gate_yet(edge_home: Path) -> None:
    gates.install(edge_home).unlink()
    assert installed_gates() == []


def test_a_file_that_has_gone_does_not_turn_the_gate_off(edge_home: Path) -> None:
    path = gates.install(edge_home)
    card = find_card("blue_gate")
    recorded.note_gate(card.name, card.sha256, card.size)
    path.unlink()
    with pytest.raises(GateError, match=r"blue_gate does not work, so nothing passes: .*not found"):
        open_gates()
    recorded.forget(card.name)
    assert not open_gates()


def test_a_card_that_has_gone_does_not_turn_the_gate_off(edge_home: Path) -> None:
    path = gates.install(edge_home)
    card = find_card("blue_gate")
    recorded.note_gate(card.name, card.sha256, card.size)
    (edge_home / "data/cards/blue_gate.toml").unlink()
    path.unlink()
    with pytest.raises(
        GateError, match="blue_gate does not work, so nothing passes: no model"
    ) as caught:
        open_gates()
    assert str(caught.value).endswith(
        f"put its card back into {edge_home / 'data/cards'}, or take the gate away with "
        "edge models remove blue_gate"
    )
    assert remove_model("blue_gate") == []
    assert not open_gates()
    with pytest.raises(CardError):
        remove_model("blue_gate")


# Failing closed -------------------------------------------------------------------------------


def test_a_broken_card_that_may_be_a_gates_is_closed(edge_home: Path) -> None:
    path = edge_home / "data/cards/odd.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('kind = "gate', encoding="utf-8")
    with pytest.raises(GateError, match=r"cannot be told: card odd\.toml: .*mend or remove"):
        open_gates()
    path.write_text('kind = "swapper', encoding="utf-8")
    assert not open_gates()


def test_a_changed_gate_is_closed(edge_home: Path) -> None:
    path = gates.install(edge_home)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(GateError, match="SHA-256"):
        open_gates()


def test_damaged_records_are_closed(edge_home: Path) -> None:
    gates.install(edge_home)
    recorded.record_path().write_text("[]")
    with pytest.raises(GateError, match="cannot be told"):
        open_gates()


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_gate_that_gives_no_numbers_is_not_opened(edge_home: Path, factor: float) -> None:
    gates.install(edge_home, data=gates.gate(factor))
    with pytest.raises(GateError, match="no numbers"):
        open_gates()


class Answers:
    """A gate's session with an answer of the test's choice."""

    inputs, outputs = ("picture",), ("scores",)
    engine, engine_version, provider = "ort", "1", "CPUExecutionProvider"

    def __init__(self, *values: float) -> None:
        self.values = np.array([values], np.float32)

    def run(self, feeds: object) -> list[NDArray[np.float32]]:
        return [self.values]


def _gate(home: Path, *values: float, **changes: Any) -> Gate:
    gates.install(home)
    card = find_card("blue_gate")
    assert card.gate is not None
    return Gate(replace(card, gate=replace(card.gate, **changes)), Answers(*values))


@pytest.mark.parametrize("values", [(np.nan, 0.0), (0.0, np.nan), (np.inf, 0.0), (0.0,), ()])
def test_an_answer_that_is_no_answer_is_a_refusal(
    edge_home: Path, values: tuple[float, ...]
) -> None:
    gate = _gate(edge_home, *values, activation="none")
    with pytest.raises(GateError, match="does not work, so nothing passes"):
        gate.check(gates.picture(GREEN), "picture")


@pytest.mark.parametrize(("score", "passes"), [(0.49, True), (0.5, False), (0.51, False)])
def test_the_threshold_itself_is_refused(edge_home: Path, score: float, passes: bool) -> None:
    gate = _gate(edge_home, 0.0, score, activation="none")
    if passes:
        gate.check(gates.picture(GREEN), "picture")
    else:
        with pytest.raises(GateError):
            gate.check(gates.picture(GREEN), "picture")


def test_the_scores_of_several_classes_are_added_up(edge_home: Path) -> None:
    gate = _gate(edge_home, 0.3, 0.4, 0.2, activation="none", index=(0, 2))
    assert gate.score(gates.picture(GREEN)) == pytest.approx(0.5)


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=6),
    st.sampled_from(["softmax", "sigmoid"]),
)
def test_scores_are_shares_whatever_the_logits(logits: list[float], activation: str) -> None:
    row = np.array(logits)
    scores = _scores(row, activation)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all() and (scores <= 1).all()  # noqa: PT018
    if activation == "softmax":
        assert scores.sum() == pytest.approx(1)
    assert scores[row.argmax()] == scores.max()


def test_a_padded_picture_keeps_its_shape(edge_home: Path) -> None:
    gate = _gate(edge_home, 0.0, 0.0, fit="pad")
    view = gate._view(gates.picture((255, 255, 255), (64, 128)))
    assert view.shape == (32, 32, 3)
    assert not view[:8].any()
    assert (view[8:24] == 255).all()
    assert not view[24:].any()


def test_a_card_of_another_kind_is_no_gate(edge_home: Path) -> None:
    tiny.install(edge_home)
    card, session = open_card("tiny_swapper", "swapper", threads=1)
    with pytest.raises(CardError, match="a gate is needed here"):
        Gate(card, session)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("index = [1]", "index = []", "'index' must not be empty"),
        ("index = [1]", "index = [1, 1]", "different places"),
        ("index = [1]", "index = [9999]", "different places"),
        ("threshold = 0.5", "threshold = 0", "every picture is refused"),
        ("threshold = 0.5", "threshold = 1.5", "between 0 and 1"),
        ('label = "blue"', 'label = ""', "'label' must not be empty"),
        ('"softmax"', '"tanh"', "must be one of none, softmax, sigmoid"),
        ('"softmax"', '"softmax"\nfit = "crop"', "must be one of stretch, pad"),
        ('"softmax"', '"softmax"\nallow = true', "unknown key 'allow'"),
        ("[1, 3, 32, 32]", "[1, 3, 0, 0]", "a gate's 'shape' must be fixed"),
    ],
)
def test_a_gate_s_card_is_read_strictly(edge_home: Path, old: str, new: str, words: str) -> None:
    gates.install(edge_home, card=gates.CARD.replace(old, new))
    with pytest.raises(CardError, match=words):
        find_card("blue_gate")


def test_a_bad_card_closes_the_gate(edge_home: Path) -> None:
    gates.install(edge_home, card=gates.CARD.replace("index = [1]", "index = []"))
    with pytest.raises(GateError, match="cannot be told"):
        open_gates()


# The policy -----------------------------------------------------------------------------------


def test_a_gate_can_be_required(ready: Stage, edge_home: Path) -> None:
    gates.policy(edge_home)
    with pytest.raises(GateError, match=r"requires a content gate, and none is installed") as error:
        ready.swapper()
    assert isinstance(error.value, PolicyError)
    assert refusals()[-1]["error"] == "GateError"
    gates.install(edge_home)
    assert ready.swapper().gates


def test_a_requirement_that_comes_later_stops_the_next_output(
    ready: Stage, edge_home: Path
) -> None:
    swapper = ready.swapper()
    swapper.swap(tinted(GREEN))
    gates.policy(edge_home)
    with pytest.raises(GateError):
        swapper.swap(tinted(GREEN))
    assert refusals()[-1]["error"] == "GateError"


def test_no_policy_turns_an_installed_gate_off(ready: Stage, edge_home: Path) -> None:
    gates.install(edge_home)
    gates.policy(edge_home, "require_gate = false\n")
    with pytest.raises(GateError):
        ready.swapper().swap(tinted(BLUE))


@pytest.mark.parametrize("value", ["1", '"yes"', "[]"])
def test_a_requirement_is_true_or_false(edge_home: Path, value: str) -> None:
    gates.policy(edge_home, f"require_gate = {value}\n")
    with pytest.raises(PolicyError, match=r"require_gate is .*, not true or false"):
        open_gates()


# What is swapped ------------------------------------------------------------------------------


def test_a_frame_in_memory_is_judged(ready: Stage, edge_home: Path) -> None:
    gates.install(edge_home)
    swapper = ready.swapper()
    record = swapper.swap(tinted(GREEN)).record
    assert record.models[0].kind == "gate"
    assert record.models[-1].name == ENGINES.model
    with pytest.raises(GateError):
        swapper.swap(tinted(BLUE))
    assert refusals()[-1]["error"] == "GateError"


def test_a_refused_picture_leaves_a_refusal_and_nothing_else(ready: Stage, edge_home: Path) -> None:
    gates.install(edge_home)
    swapper = ready.swapper()
    source = write(ready.folder / "sea.png", tinted(BLUE))
    folder = ready.folder / "out"
    folder.mkdir()
    with pytest.raises(GateError, match=r"finds 'blue' in .*sea.png"):
        swap_file(swapper, source, folder / "out.png")
    assert list(folder.iterdir()) == []
    last = refusals()[-1]
    assert (last["error"], last["asked"]["input"]) == ("GateError", str(source))
    good = write(ready.folder / "lawn.png", tinted(GREEN))
    assert "content gate" in swap_file(swapper, good, folder / "out.png").seconds


def test_a_picture_without_a_face_is_judged_first(ready: Stage, edge_home: Path) -> None:
    swapper = ready.swapper()
    source = write(ready.folder / "sea.png", gates.picture(BLUE))
    with pytest.raises(NoFaceError):
        swap_file(swapper, source, ready.folder / "out.png")
    gates.install(edge_home)
    with pytest.raises(GateError):
        swap_file(ready.swapper(), source, ready.folder / "out.png")


def test_in_a_folder_each_picture_is_judged(ready: Stage, edge_home: Path) -> None:
    gates.install(edge_home)
    pictures = ready.folder / "pictures"
    pictures.mkdir()
    for name, colour in (("a", GREEN), ("b", BLUE), ("c", GREEN)):
        write(pictures / f"{name}.png", tinted(colour))
    summary = swap_folder(ready.swapper(), pictures, ready.folder / "out")
    assert [path.name for path, _ in summary.failed] == ["b.png"]
    assert sorted(path.name for path in (ready.folder / "out").iterdir()) == ["a.png", "c.png"]


# Videos ---------------------------------------------------------------------------------------


class Counting(Gates):
    """Lets everything pass and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __bool__(self) -> bool:
        return True

    def check(self, frame: NDArray[np.uint8], name: str) -> None:
        self.names.append(name)


def _frames(shades: list[int], rate: int = 10, first: int = 0) -> list[VideoFrame]:
    return [
        VideoFrame(np.full((90, 160, 3), shade, np.uint8), first + place, Fraction(1, rate), place)
        for place, shade in enumerate(shades)
    ]


def _judged(frames: list[VideoFrame], rate: float = 10) -> list[int]:
    watch = Watch(Counting(), rate)
    return [frame.index for frame in frames if watch.see(frame, "film")]


def test_a_still_video_is_judged_once_a_second() -> None:
    assert _judged(_frames([90] * 35)) == [0, 10, 20, 30]


def test_every_change_of_scene_is_judged() -> None:
    assert _judged(_frames([90] * 3 + [200] * 3 + [90] * 3)) == [0, 3, 6]


def test_a_slow_change_is_a_change() -> None:
    judged = _judged(_frames(list(range(0, 240, 6)), rate=40), 40)
    assert len(judged) >= 8
    assert max(np.diff([*judged, 39])) <= 5


def test_time_stamps_that_lie_do_not_close_its_eyes() -> None:
    frames = _frames([90] * 30)
    still = [replace(frame, pts=0) for frame in frames]
    assert _judged(still) == [0]  # no time passes, no scene changes
    back = [replace(frame, pts=100 - 5 * frame.index) for frame in frames]
    assert _judged(back) == list(range(30))
    bare = [replace(frame, pts=None) for frame in frames]
    assert _judged(bare) == [0, 10, 20]
    assert _judged(bare, rate=0) == [0, 25]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=40), st.integers(1, 60))
def test_no_second_and_no_scene_goes_unseen(shades: list[int], rate: int) -> None:
    frames = _frames(shades, rate)
    judged = _judged(frames, rate)
    assert judged[0] == 0
    for frame in frames:
        last = max(place for place in judged if place <= frame.index)
        assert (frame.index - last) / rate < 1
        assert abs(shades[frame.index] - shades[last]) <= 0.1 * 255 + 1


def test_a_video_is_refused_whole_and_before_any_work(
    ready: Stage, edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av", reason="videos need PyAV")
    gates.install(edge_home)
    source = ready.folder / "film.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("mpeg4", rate=10, options={"global_quality": "118"})
        video.height, video.width, video.pix_fmt = 360, 480, "yuv420p"
        for colour in [GREEN] * 5 + [BLUE] + [GREEN] * 3:  # one frame of another scene
            frame = av.VideoFrame.from_ndarray(tinted(colour), format="bgr24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    folder = ready.folder / "out"
    folder.mkdir()
    swapper = ready.swapper()
    swapped: list[int] = []
    monkeypatch.setattr(type(swapper), "_swap_into", lambda *_: swapped.append(1))
    with pytest.raises(GateError, match=r"'blue' in .*film.mp4 at 0.5 s"):
        swap_file(swapper, source, folder / "out.mp4")
    assert swapped == []
    assert list(folder.iterdir()) == []
    assert refusals()[-1]["error"] == "GateError"


def test_the_frames_that_are_swapped_are_judged_too(
    ready: Stage, edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changes between the two readings gains nothing."""
    av = pytest.importorskip("av", reason="videos need PyAV")
    from edge.jobs import video as job

    gates.install(edge_home)
    source = ready.folder / "film.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("mpeg4", rate=10, options={"global_quality": "118"})
        video.height, video.width, video.pix_fmt = 360, 480, "yuv420p"
        for colour in [GREEN] * 3 + [BLUE]:
            frame = av.VideoFrame.from_ndarray(tinted(colour), format="bgr24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    swapper = ready.swapper()
    place = swapper.plan_label(tinted(GREEN), ())
    monkeypatch.setattr(job, "_place_label", lambda *_: place)
    with pytest.raises(GateError, match=r"at 0\.3 s"):
        swap_file(swapper, source, ready.folder / "out.mp4")
    assert not (ready.folder / "out.mp4").exists()


def test_the_stand_in_learned_its_classes(edge_home: Path) -> None:
    gate = _trained(edge_home)
    rng = np.random.default_rng(3)
    right = 0
    for _ in range(50):
        colour = rng.integers(0, 256, 3)
        blue = int(colour[0]) - int(colour[1:].max())
        if abs(blue) < 25:
            right += 1
            continue
        noise = rng.normal(0, 10, (60, 80, 3))
        frame = cv2.blur(np.clip(colour + noise, 0, 255).astype(np.uint8), (3, 3))
        right += (gate.score(np.asarray(frame, np.uint8)) >= 0.5) == (blue > 0)
    assert right >= 48


def _trained(home: Path) -> Gate:
    gates.install(home)
    return Gate(*open_card("blue_gate", "gate", threads=1))


def test_a_gate_s_spec_has_defaults() -> None:
    spec = GateSpec("scores", (1,), 0.5, "blue")
    assert (spec.activation, spec.fit) == ("none", "stretch")


def test_the_command_says_it_in_one_line(
    ready: Stage, edge_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates.install(edge_home)
    source = write(ready.folder / "sea.png", tinted(BLUE))
    words = ["--identity", str(ready.identity_file), "--input", str(source), "--purpose", "film"]
    words += ["--output", str(ready.folder / "out.png"), "--target-is", "synthetic", *ARGUMENTS]
    assert main(["swap", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("edge swap: refused: the content gate blue_gate finds 'blue' in ")
    assert error.count("\n") == 1


def test_the_card_in_the_guide_is_a_card(tmp_path: Path) -> None:
    guide = Path(__file__).parents[2] / "docs" / "add-a-gate.md"
    block = guide.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    path = tmp_path / "my_gate.toml"
    path.write_text(block.replace('sha256 = "..."', f'sha256 = "{"0" * 64}"'), encoding="utf-8")
    spec = load_card(path).gate
    assert spec == GateSpec("logits", (1, 3), 0.5, "explicit", "softmax", "stretch")
