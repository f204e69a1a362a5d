"""The joined stages, on tiny models."""

from __future__ import annotations

import datetime
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.consent.canonical import utc_now
from edge.consent.operator import operator_key
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.trust import load_trust
from edge.errors import CardError, ConsentError, LabelError, NoFaceError, ProviderError, UsageError
from edge.provenance.label import Label
from edge.provenance.watermark.detect import read_known
from edge.provenance.watermark.identifier import watermark_id
from edge.swap import Engines, Swapper
from tests import analysers, tiny
from tests.scene import ENGINES, Stage, stage, target, write


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def test_array_is_swapped_labelled_and_entered(ready: Stage) -> None:
    swapper = ready.swapper()
    frame = target()
    before = frame.copy()
    done = swapper.swap(frame)
    np.testing.assert_array_equal(frame, before)  # the caller's array is never written to
    assert done.frame is not frame
    assert len(done.faces) == 2
    changed = np.any(done.frame != before, axis=2)
    region = done.record.label.region
    inside = np.zeros_like(changed)
    inside[region.y : region.y + region.height, region.x : region.x + region.width] = True
    assert changed[inside].mean() > 0.5  # the label's plate
    assert changed[~inside].any()  # the faces
    entry = swapper.ledger.entries()[-1]
    assert entry.fields["event"] == "frame"
    assert swapper.ledger.verify() == []


def test_read_only_and_strided_arrays_are_taken(ready: Stage) -> None:
    frame = np.repeat(target(), 2, axis=1)[:, ::2]
    frame.flags.writeable = False
    assert len(ready.swapper().swap(frame).faces) == 2


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((40, 40), np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.zeros((40, 40, 3), np.float32),
        np.zeros((0, 40, 3), np.uint8),
    ],
    ids=["grey", "bgra", "float", "empty"],
)
def test_what_is_no_frame_is_refused(ready: Stage, frame: Any) -> None:
    with pytest.raises(UsageError, match="a frame is uint8"):
        ready.swapper().swap(frame)


def test_no_face_is_refused_and_entered(ready: Stage) -> None:
    swapper = ready.swapper()
    with pytest.raises(NoFaceError):
        swapper.swap(np.full((200, 200, 3), 60, np.uint8))
    assert swapper.ledger.entries()[-1].kind == "refusal"


def test_too_small_for_a_label_is_refused(ready: Stage) -> None:
    with pytest.raises(LabelError):
        ready.swapper().swap(target((48, 48), ((2, 2),)))


@pytest.mark.parametrize(
    ("faces", "count"), [("all", 2), ("left", 1), ("2", 1), ("330,200", 1), ("largest", 1)]
)
def test_choice_of_faces(ready: Stage, faces: str, count: int) -> None:
    swapper = Swapper(
        ready.identity, purpose="film", target_is="synthetic", faces=faces, engines=ENGINES
    )
    assert len(swapper.swap(target()).faces) == count


def test_choice_by_reference_finds_the_person(ready: Stage) -> None:
    frame = target(cells=((20, 20), (40, 24)))
    frame[24 * 8 - 20 : 25 * 8 + 20, 40 * 8 - 30 : 40 * 8 - 10] = (250, 60, 10)
    reference = write(ready.folder / "reference.png", frame[128:312, 224:424])
    swapper = Swapper(
        ready.identity, purpose="film", target_is="synthetic", match=reference, engines=ENGINES
    )
    found = swapper.swap(frame).faces
    assert len(found) == 1
    assert found[0].box[0] > 240
    assert [use.kind for use in swapper.models] == ["detector", "recogniser", "swapper"]


def test_choices_exclude_each_other(ready: Stage) -> None:
    with pytest.raises(UsageError, match="exclude"):
        Swapper(
            ready.identity,
            purpose="film",
            target_is="synthetic",
            faces="left",
            match=ready.folder / "photo.png",
            engines=ENGINES,
        )


def test_no_statement_about_the_target_is_refused_and_entered(ready: Stage) -> None:
    with pytest.raises(ConsentError, match="--target-is"):
        ready.swapper(target_is=None)
    from edge.consent.ledger import Ledger

    assert Ledger().entries()[-1].kind == "refusal"


def test_purpose_that_is_not_permitted_is_refused(ready: Stage) -> None:
    swapper = ready.swapper(purpose="game")
    with pytest.raises(ConsentError, match="game"):
        swapper.swap(target())
    assert swapper.ledger.entries()[-1].kind == "refusal"


def test_unknown_purpose(ready: Stage) -> None:
    with pytest.raises(UsageError, match="purpose"):
        ready.swapper(purpose="fun")  # type: ignore[arg-type]


def test_consent_is_asked_for_every_output(ready: Stage) -> None:
    swapper = ready.swapper()
    swapper.swap(target())
    install_revocation(new_revocation(ready.consent, operator_key(), load_trust()))
    with pytest.raises(ConsentError, match="revoked"):
        swapper.swap(target())


def test_consent_that_ends_meanwhile(edge_home: Path, tmp_path: Path) -> None:
    soon = utc_now() + datetime.timedelta(days=1)
    ready = stage(edge_home, tmp_path / "work", until=soon)
    swapper = ready.swapper()
    later = soon + datetime.timedelta(seconds=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.consent.permit.utc_now", lambda: later)
        with pytest.raises(ConsentError, match="expired"):
            swapper.swap(target())


def _half_masker(home: Path) -> None:
    """Install a masker to which the right half of every crop is no face."""
    half = np.ones((1, 1, 32, 32), np.float32)
    half[..., 16:] = 0
    data = analysers.model((1, 3, 32, 32), {"mask": half}, name="crop")
    body = tiny.LANDMARKER[: tiny.LANDMARKER.index("[output]")] + '[output]\nname = "mask"\n'
    tiny.install_one(home, "half_1", "masker", body, data)


def test_masks_keep_what_is_no_face(ready: Stage, edge_home: Path) -> None:
    _half_masker(edge_home)
    frame = target()
    options = {"purpose": "film", "target_is": "synthetic", "faces": "largest"}
    plain = Swapper(ready.identity, engines=ENGINES, **options)  # type: ignore[arg-type]
    masked = Swapper(
        ready.identity,
        engines=replace(ENGINES, masks=("half", "half_1")),
        **options,  # type: ignore[arg-type]
    )
    whole, half = plain.swap(frame), masked.swap(frame)
    # Side by side, with the label's place left out of both.
    (face,) = half.faces
    x, y, width, height = (round(value) for value in face.box)
    rows = slice(y, y + height)
    left, right = (rows, slice(x, x + width // 2 - 4)), (rows, slice(x + width // 2 + 4, x + width))
    assert np.abs(whole.frame[right].astype(int) - frame[right]).max() > 20
    np.testing.assert_allclose(half.frame[right].astype(int), frame[right], atol=8)  # watermark
    assert np.abs(half.frame[left].astype(int) - frame[left]).max() > 20
    uses = [(use.name, use.kind) for use in half.record.models]
    assert uses == [
        ("tiny_detector", "detector"),
        ("half_1", "masker"),
        ("tiny_swapper", "swapper"),
    ]


def test_a_landmarker_of_choice_places_the_landmarks(ready: Stage, edge_home: Path) -> None:
    tiny.install_one(edge_home, "closer", "landmarker", tiny.LANDMARKER, tiny.landmarker())
    swapper = Swapper(
        ready.identity,
        purpose="film",
        target_is="synthetic",
        engines=replace(ENGINES, landmarker="closer"),
    )
    assert [use.name for use in swapper.models] == ["tiny_detector", "closer", "tiny_swapper"]
    with pytest.raises(CardError, match="no model 'nix'"):
        Swapper(
            ready.identity,
            purpose="film",
            target_is="synthetic",
            engines=replace(ENGINES, masks=("nix",)),
        )


def test_provider_that_does_not_run_is_an_error(ready: Stage) -> None:
    engines = Engines(
        model="tiny_swapper",
        detector="tiny_detector",
        providers=("TensorrtExecutionProvider", "CPUExecutionProvider"),
    )
    with pytest.raises(ProviderError):
        Swapper(ready.identity, purpose="film", target_is="synthetic", engines=engines)


def test_label_language_is_kept(ready: Stage) -> None:
    swapper = Swapper(
        ready.identity,
        purpose="film",
        target_is="synthetic",
        engines=ENGINES,
        label_language="zh",
    )
    assert swapper.swap(target()).record.label.text == "AI合成"


def test_the_way_of_a_frame_holds_no_second_frame(ready: Stage) -> None:
    """One private working frame is all of that size: copies and float64 arrays cost the most."""
    swapper = ready.swapper()
    frame = target((1080, 1920), ((60, 50), (150, 60)))
    work = frame.copy()
    faces = swapper.find(work)
    assert len(faces) == 2
    label = Label(swapper.plan_label(work, ()))

    def way() -> None:
        swapper._swap_into(work, faces)
        label.draw(work)

    assert _most_memory(way) < frame.nbytes / 4
    swapper.swap(frame)  # opens what is opened once
    swapper.find = lambda frame, passes=(): faces  # type: ignore[method-assign]
    assert frame.nbytes <= _most_memory(lambda: swapper.swap(frame)) < frame.nbytes * 1.5


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no cores to choose here")
def test_the_swap_model_alone_stays_on_its_cores(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = os.sched_getaffinity(0)
    core = min(everywhere)
    swapper = Swapper(
        ready.identity,
        purpose="film",
        target_is="synthetic",
        engines=replace(ENGINES, cores=(core,)),
    )
    seen: list[set[int]] = []
    real = swapper._model._swap_crops

    def watched(*given: Any) -> Any:
        seen.append(os.sched_getaffinity(0))
        return real(*given)

    monkeypatch.setattr(swapper._model, "_swap_crops", watched)
    swapper.swap(target())
    assert seen == [{core}]
    assert os.sched_getaffinity(0) == everywhere


def _most_memory(work: Callable[[], object]) -> int:
    """Return the bytes that `work` held at once at most; NumPy and OpenCV report their arrays."""
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_label_style_is_kept(ready: Stage) -> None:
    swapper = Swapper(
        ready.identity,
        purpose="film",
        target_is="synthetic",
        engines=ENGINES,
        label_language="en",
        label_style="eu-icon",
    )
    place = swapper.swap(target()).record.label
    assert (place.text, place.style) == ("AI MODIFIED", "eu-icon")
    with pytest.raises(UsageError, match="label style"):
        Swapper(ready.identity, purpose="film", target_is="synthetic", label_style="none")  # type: ignore[arg-type]


def test_a_frame_in_memory_carries_the_watermark_that_the_ledger_names(ready: Stage) -> None:
    swapper = ready.swapper()
    done = swapper.swap(target((720, 960)))
    found = read_known(done.frame)
    assert found is not None
    assert found.id == watermark_id(done.record.output_id)
    (entry,) = (each for each in swapper.ledger.entries() if each.fields.get("event") == "frame")
    details = entry.fields["details"]
    assert isinstance(details, dict)
    assert details["watermark"] == found.id
