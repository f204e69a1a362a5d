"""Pictures and folders: what is written, what is left behind, what the ledger says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import (
    ConsentError,
    EdgeError,
    LabelError,
    LedgerError,
    MediaError,
    NoFaceError,
    OutputError,
    UsageError,
)
from edge.jobs.file import swap_file
from edge.jobs.folder import swap_folder
from edge.jobs.results import Done
from edge.media.image import read_picture
from edge.provenance.verify import verify_file
from edge.records import Medium, Permit
from edge.swap import Swapper
from tests import tiny_tflite
from tests.scene import ENGINES, Stage, stage, target, write


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_picture_is_labelled_signed_and_entered(ready: Stage, suffix: str) -> None:
    source, output = ready.picture(), ready.folder / f"out{suffix}"
    before = names(ready.folder)
    swapper = ready.swapper()
    done = swap_file(swapper, source, output)
    assert names(ready.folder) == before | {output.name}
    verdict = verify_file(output)
    assert verdict.exit_status == 0
    assert verdict.claims is not None
    assert verdict.claims.target_sha256 == read_picture(source).sha256
    entry = swapper.ledger.entries()[-1]
    assert (entry.kind, entry.state) == ("output", "published")
    assert entry.fields["output_sha256"] == done.sha256
    assert done.record is not None
    region = done.record.label.region
    seen = read_picture(output).frame
    plate = seen[region.y : region.y + region.height, region.x : region.x + region.width]
    assert plate.max() > 200  # white ink
    assert np.median(plate) < 110  # on a dark plate
    json.dumps(done.to_dict())
    assert "manifest signed and verified" in done.describe()


@pytest.mark.parametrize(
    ("backend", "package"), [("litert", "ai_edge_litert"), ("tflite", "tflite_runtime")]
)
def test_a_tflite_model_swaps_by_its_own_card(
    ready: Stage, edge_home: Path, backend: str, package: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Detector and recogniser stay ONNX files; the record says what each model ran on."""
    pytest.importorskip(package, reason=f"the {backend} extra is not installed")
    tiny_tflite.install(edge_home)
    engines = replace(ENGINES, model="tiny_swapper_lite", backend=backend)
    swapper = Swapper(ready.identity, purpose="film", target_is="synthetic", engines=engines)
    source, output = ready.picture(), ready.folder / "out.png"
    done = swap_file(swapper, source, output)
    assert done.record is not None
    assert f"tiny_swapper_lite on {backend} " in done.describe()
    verdict = verify_file(output)
    assert verdict.exit_status == 0
    assert verdict.claims is not None
    runs = [(m["name"], m["backend"], m["provider"]) for m in verdict.claims.models]
    assert runs == [
        ("tiny_detector", "ort", "CPUExecutionProvider"),
        ("tiny_swapper_lite", backend, "CPUExecutionProvider"),
    ]
    changed = np.abs(read_picture(output).frame.astype(int) - read_picture(source).frame)
    assert changed[165, 165].max() > 20  # in the middle of a face
    assert changed[2, 2].max() <= 8  # the watermark, and nothing else
    assert capfd.readouterr().err == ""


def test_an_onnx_model_does_not_run_on_litert(ready: Stage) -> None:
    engines = replace(ENGINES, backend="litert")
    with pytest.raises(EdgeError, match=r"card of a \.tflite file|is not installed"):
        Swapper(ready.identity, purpose="film", target_is="synthetic", engines=engines)


def test_alpha_is_kept_and_the_label_is_solid(ready: Stage) -> None:
    frame = target()
    clear = np.zeros((*frame.shape[:2], 1), np.uint8)
    clear[100:300, 100:400] = 255
    source = ready.folder / "clear.png"
    cv2.imwrite(str(source), np.concatenate([frame, clear], axis=2))
    done = swap_file(ready.swapper(), source, ready.folder / "out.png")
    alpha = read_picture(ready.folder / "out.png").alpha
    assert alpha is not None
    assert done.record is not None
    region = done.record.label.region
    assert (alpha[region.y : region.y + region.height, region.x : region.x + region.width]).all()
    assert alpha[0, 0] == 0


def test_existing_output_is_not_replaced_unasked(ready: Stage) -> None:
    source, output = ready.picture(), ready.folder / "out.jpg"
    output.write_bytes(b"precious")
    with pytest.raises(OutputError, match="--overwrite"):
        swap_file(ready.swapper(), source, output)
    assert output.read_bytes() == b"precious"
    swap_file(ready.swapper(), source, output, overwrite=True)
    assert verify_file(output).exit_status == 0


def test_output_is_never_the_input(ready: Stage) -> None:
    source = ready.picture()
    content = source.read_bytes()
    link = ready.folder / "link.png"
    link.symlink_to(source)
    for output in (source, link):
        with pytest.raises(UsageError, match="input itself"):
            swap_file(ready.swapper(), source, output, overwrite=True)
    assert source.read_bytes() == content


def test_no_face_is_an_error_or_skipped(ready: Stage) -> None:
    source = write(ready.folder / "empty.png", np.full((200, 300, 3), 60, np.uint8))
    output = ready.folder / "out.jpg"
    before = names(ready.folder)
    swapper = ready.swapper()
    with pytest.raises(NoFaceError):
        swap_file(swapper, source, output)
    assert swapper.ledger.entries()[-1].kind == "refusal"
    done = swap_file(swapper, source, output, skip_without_face=True)
    assert done.output is None
    assert "skipped" in done.describe()
    refusal, skipped = swapper.ledger.entries()  # what was skipped was not refused
    assert refusal.kind == "refusal"
    assert skipped.fields["event"] == "skipped-no-face"
    assert names(ready.folder) == before


def test_the_message_says_which_face_was_missing(ready: Stage) -> None:
    source, output = ready.picture(), ready.folder / "out.jpg"
    other = write(ready.folder / "other.png", 255 - target((240, 240), ((14, 14),)))
    third = Swapper(
        ready.identity, purpose="film", target_is="synthetic", engines=ENGINES, faces="3"
    )
    with pytest.raises(NoFaceError, match="no face found at position 3"):
        swap_file(third, source, output)
    with pytest.raises(NoFaceError, match=r"other\.png: no face found$"):
        Swapper(ready.identity, purpose="film", target_is="synthetic", engines=ENGINES, match=other)


def test_a_frame_without_room_for_the_label_is_a_refusal(ready: Stage) -> None:
    source = write(ready.folder / "thin.png", target((40, 96), ((5, 2),)))
    swapper = ready.swapper()
    with pytest.raises(LabelError):
        swap_file(swapper, source, ready.folder / "out.png")
    assert swapper.ledger.entries()[-1].kind == "refusal"


def test_signing_that_fails_leaves_nothing(ready: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OutputError("no signature today")

    source = ready.picture()
    before = names(ready.folder)
    swapper = ready.swapper()
    monkeypatch.setattr("edge.jobs.deliver.sign", broken)
    with pytest.raises(OutputError, match="no signature"):
        swap_file(swapper, source, ready.folder / "out.jpg")
    assert names(ready.folder) == before
    assert [entry for entry in swapper.ledger.entries() if entry.kind == "output"] == []


def test_ledger_that_cannot_be_written_stops_the_output(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapper = ready.swapper()

    def full(*_: object) -> int:
        raise LedgerError("no room for the entry")

    source = ready.picture()
    before = names(ready.folder)
    monkeypatch.setattr(swapper.ledger, "begin_output", full)
    with pytest.raises(LedgerError):
        swap_file(swapper, source, ready.folder / "out.jpg")
    assert names(ready.folder) == before


def test_name_taken_meanwhile_is_not_replaced(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapper = ready.swapper()
    output = ready.folder / "out.jpg"
    begin = swapper.ledger.begin_output

    def someone_else_first(*arguments: object) -> int:
        output.write_bytes(b"somebody else's")
        return begin(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(swapper.ledger, "begin_output", someone_else_first)
    with pytest.raises(OutputError):
        swap_file(swapper, ready.picture(), output)
    assert output.read_bytes() == b"somebody else's"
    assert swapper.ledger.entries()[-1].state == "missing"


def test_interruption_leaves_nothing_but_a_line(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    source = ready.picture()
    before = names(ready.folder)
    swapper = ready.swapper()
    monkeypatch.setattr("edge.jobs.deliver.sign", stop)
    with pytest.raises(KeyboardInterrupt):
        swap_file(swapper, source, ready.folder / "out.jpg")
    assert names(ready.folder) == before
    assert swapper.ledger.entries()[-1].fields["event"] == "interrupted"


def test_the_reason_is_not_hidden_by_a_ledger_that_fails_next(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerError("no room for the entry")

    swapper = ready.swapper()
    source, output = ready.picture(), ready.folder / "out.jpg"
    monkeypatch.setattr(swapper.ledger, "abandon_output", full)
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OutputError, match="the disk is full"):
        swap_file(swapper, source, output)
    assert not output.exists()


def test_folder_keeps_names_and_goes_on_after_a_failure(ready: Stage) -> None:
    folder = ready.folder / "in"
    (folder / "deep").mkdir(parents=True)
    write(folder / "a.png", target())
    write(folder / "deep" / "b.bmp", target())
    write(folder / "nobody.png", np.full((200, 300, 3), 60, np.uint8))
    (folder / "broken.jpg").write_bytes(b"not a picture")
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.png").write_bytes(b"")
    out = ready.folder / "out"
    seen: list[int] = []
    summary = swap_folder(
        ready.swapper(),
        folder,
        out,
        skip_without_face=True,
        progress=lambda done, total, what: seen.append(done),
    )
    assert {path.name for path in out.rglob("*") if path.is_file()} == {"a.png", "b.png"}
    assert verify_file(out / "deep" / "b.png").exit_status == 0
    assert [path.name for path, _ in summary.failed] == ["broken.jpg"]
    assert [path.name for path in summary.ignored] == ["notes.txt"]
    assert [one.source.name for one in summary.done if one.output is None] == ["nobody.png"]
    assert seen[-1] == 4
    assert "2 written, 1 without a face, 1 failed" in summary.describe()
    json.dumps(summary.to_dict())


def test_folder_inside_itself_is_refused(ready: Stage) -> None:
    with pytest.raises(UsageError, match="lies in"):
        swap_folder(ready.swapper(), ready.folder, ready.folder / "out")


def test_folder_without_anything_to_swap(ready: Stage) -> None:
    folder = ready.folder / "in"
    folder.mkdir()
    (folder / "notes.txt").write_text("hello")
    with pytest.raises(MediaError, match="holds no picture and no video"):
        swap_folder(ready.swapper(), folder, ready.folder / "out")
    assert not (ready.folder / "out").exists()


def test_folder_into_a_file_is_refused(ready: Stage) -> None:
    folder = ready.folder / "in"
    folder.mkdir()
    source = write(folder / "a.png", target())
    output = ready.folder / "out"
    output.write_bytes(b"a file")
    with pytest.raises(OutputError, match="is a file"):
        swap_folder(ready.swapper(), folder, output)
    assert source.exists()


def test_an_output_that_is_another_input_is_refused(ready: Stage) -> None:
    inner = ready.folder / "in" / "in"
    inner.mkdir(parents=True)
    first = write(ready.folder / "in" / "a.png", target())
    content = first.read_bytes()
    write(inner / "a.png", target())
    with pytest.raises(UsageError, match="is itself an input"):
        swap_folder(ready.swapper(), ready.folder / "in", ready.folder, overwrite=True)
    assert first.read_bytes() == content


def test_two_inputs_with_one_name_are_refused(ready: Stage) -> None:
    folder = ready.folder / "in"
    folder.mkdir()
    write(folder / "a.png", target())
    write(folder / "a.bmp", target())
    with pytest.raises(UsageError, match="both become"):
        swap_folder(ready.swapper(), folder, ready.folder / "out")


def test_folder_without_consent_tries_nothing(ready: Stage) -> None:
    folder = ready.folder / "in"
    folder.mkdir()
    write(folder / "a.png", target())
    with pytest.raises(ConsentError):
        swap_folder(ready.swapper(purpose="art"), folder, ready.folder / "out")
    assert not (ready.folder / "out").exists()


def test_a_folder_of_videos_needs_no_leave_for_pictures(ready: Stage) -> None:
    folder = ready.folder / "in"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"no video")
    swapper = ready.swapper()
    asked: list[str] = []
    allow = swapper.permit_for

    def permit_for(medium: Medium) -> Permit:
        asked.append(medium)
        if medium == "picture":
            raise ConsentError("refused: only videos")
        return allow(medium)

    swapper.permit_for = permit_for  # type: ignore[method-assign]
    summary = swap_folder(swapper, folder, ready.folder / "out")
    assert "picture" not in asked
    assert len(summary.failed) == 1  # it was tried
    write(folder / "b.png", target())
    summary = swap_folder(swapper, folder, ready.folder / "out")
    assert ("refused: only videos") in [reason for _, reason in summary.failed]


@pytest.mark.parametrize(
    "content",
    [None, b"", b"hello", b"\xff\xd8\xff\xe0" + bytes(40)],
    ids=["missing", "empty", "text", "cut"],
)
def test_bad_pictures_are_one_error_and_nothing_else(ready: Stage, content: bytes | None) -> None:
    source = ready.folder / "bad.jpg"
    if content is not None:
        source.write_bytes(content)
    before = names(ready.folder)
    with pytest.raises(EdgeError) as caught:
        swap_file(ready.swapper(), source, ready.folder / "out.jpg")
    assert "bad.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(ready.folder) == before


def test_skipped_has_a_json_form(tmp_path: Path) -> None:
    shown = Done(tmp_path / "a.png", None, None, "", {}).to_dict()
    assert shown["skipped"] == "no face"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_the_watermark_leads_to_manifest_and_ledger(ready: Stage, suffix: str) -> None:
    source = write(ready.folder / "large.png", target((720, 960)))
    output, stripped = ready.folder / f"out{suffix}", ready.folder / "stripped.jpg"
    swapper = ready.swapper()
    swap_file(swapper, source, output)
    verdict = verify_file(output)
    assert verdict.watermark is not None
    assert verdict.agreement.watermark is True
    assert verdict.claims is not None
    assert verdict.claims.watermark == verdict.watermark.id
    assert "c2pa.watermarked.bound" in {action.action for action in verdict.claims.actions}
    (entry,) = (each for each in swapper.ledger.entries() if each.kind == "output")
    assert entry.fields["watermark"] == verdict.watermark.id
    # Metadata is gone, and the picture was scaled: the mark is still there.
    small = cv2.resize(read_picture(output).frame, None, fx=0.8, fy=0.8)
    write(stripped, np.asarray(small, np.uint8))
    found = verify_file(stripped)
    assert found.exit_status == 5
    assert found.watermark is not None
    assert found.watermark.id == verdict.watermark.id
    assert found.agreement.watermark is None
    assert any("alone proves nothing" in note for note in found.notes)
