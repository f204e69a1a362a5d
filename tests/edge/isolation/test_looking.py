from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.errors import MediaError, ModelError
from edge.isolation import looking
from edge.isolation.looking import read_picture_isolated, shots_isolated, verify_isolated
from edge.isolation.run import Ended
from edge.media.image import read_picture
from edge.resources import samples_dir
from tests import tiny

pytest.importorskip("c2pa")

ROOT = Path(__file__).parents[3]
SIGNED = ROOT / "docs" / "demo-picture.jpg"


def test_the_same_verdict_as_without() -> None:
    from edge.provenance.verify import verify_file

    whole = verify_file(SIGNED)
    assert verify_isolated(SIGNED) == whole
    assert whole.watermark is not None


def test_a_video() -> None:
    pytest.importorskip("av")
    from edge.provenance.verify import verify_file

    path = next(samples_dir().rglob("*.mp4"))
    assert verify_isolated(path) == verify_file(path)


@pytest.mark.parametrize("name", ["none.png", ""])
def test_what_is_no_file(name: str, tmp_path: Path) -> None:
    from edge.provenance.verify import verify_file

    assert verify_isolated(tmp_path / name) == verify_file(tmp_path / name)


@pytest.mark.parametrize("text", ["crashed (segmentation fault)", "did not end within 1 seconds"])
def test_a_child_that_ends_is_a_finding(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(request: Any, start: Any) -> Any:
        raise Ended(text)

    monkeypatch.setattr(looking, "ask", dies)
    verdict = verify_isolated(SIGNED)
    assert verdict.exit_status == 2
    assert text in str(verdict.problem)
    with pytest.raises(MediaError, match="the isolated process that decoded it"):
        read_picture_isolated(SIGNED)
    assert shots_isolated(SIGNED, "image/jpeg") == ()


@pytest.mark.parametrize("done", [None, [], {"file": "x"}, "trusted"])
def test_nonsense_is_a_finding_too(done: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "ask", lambda request, start: (done, b""))
    assert "nonsense" in str(verify_isolated(SIGNED).problem)
    with pytest.raises(MediaError, match="nonsense"):
        read_picture_isolated(SIGNED)
    assert shots_isolated(SIGNED, "image/jpeg") == ()


def test_a_picture(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (30, 40, 4), np.uint8)
    path = tmp_path / "in.png"
    cv2.imwrite(str(path), pixels)
    here, there = read_picture(path), read_picture_isolated(path)
    assert np.array_equal(here.frame, there.frame)
    assert here.alpha is not None
    assert there.alpha is not None
    assert np.array_equal(here.alpha, there.alpha)
    assert (here.media_type, here.sha256, here.icc) == (there.media_type, there.sha256, there.icc)
    there.frame[0, 0] = 0  # the caller's own


def test_a_picture_may_be_named_by_text(tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    cv2.imwrite(str(path), np.zeros((40, 40, 3), np.uint8))
    assert read_picture_isolated(str(path)).frame.shape == (40, 40, 3)


def test_pixels_that_lie_about_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    head = {"height": 30, "width": 40, "alpha": 0, "icc": 0, "media_type": "m", "sha256": "s"}
    for change in ({"height": 31}, {"alpha": 7}, {"width": -40, "height": -30}, {"icc": 5}):
        answer = ({**head, **change}, bytes(3600))
        monkeypatch.setattr(looking, "ask", lambda request, start, a=answer: a)
        with pytest.raises(MediaError, match="nonsense"):
            read_picture_isolated(SIGNED)


def test_thumbnails() -> None:
    from edge.evidence.shots import shots_of

    assert shots_isolated(SIGNED, "image/jpeg") == shots_of(SIGNED, "image/jpeg")


CRASHING = """
import ctypes, sys
import edge.provenance.verify as room
true = room.verify_file
def verify_file(path, **options):
    if "crash" in str(path):
        ctypes.string_at(0)
    if "hang" in str(path):
        while True: pass
    if "bomb" in str(path):
        bytearray(1 << 33)
    return true(path, **options)
room.verify_file = verify_file
from edge.cli import main
sys.exit(main(["verify", *sys.argv[1:]]))
"""


def test_one_line_and_status_2_for_each_and_the_others_are_told_of(
    tmp_path: Path, edge_home: Path
) -> None:
    (edge_home / "config").mkdir(parents=True)
    limits = "[isolation]\nseconds = 2\nmemory_mib = 1024\n"
    (edge_home / "config" / "limits.toml").write_text(limits)
    files = []
    for name in ("crash", "hang", "bomb", "good"):
        files.append(str(tmp_path / f"{name}.jpg"))
        Path(files[-1]).write_bytes(SIGNED.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, *files],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["edge verify"] * 3
    assert "crash.jpg: the isolated process that looked at it crashed" in lines[0]
    assert "hang.jpg: the isolated process that looked at it did not end within" in lines[1]
    assert (
        "bomb.jpg: the isolated process that looked at it wanted more memory than 1 GiB"
        in (lines[2])
    )
    assert "good.jpg" in done.stdout
    assert "3: intact" in done.stdout


def test_json_of_a_crash_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(request: Any, start: Any) -> Any:
        raise Ended("crashed (aborted)")

    monkeypatch.setattr(looking, "ask", dies)
    facts = verify_isolated(SIGNED).to_dict()
    assert json.loads(json.dumps(facts))["exit_status"] == 2


@pytest.mark.parametrize(
    ("command", "known", "inside", "tried"),
    [
        ("quantize", False, False, True),
        ("build", False, False, True),
        ("compare", False, False, True),
        ("quantize", True, False, False),
        ("quantize", False, True, False),
    ],
)
def test_a_strangers_model_is_tried_before_the_toolchain_opens_it(
    command: str,
    known: bool,
    inside: bool,
    tried: bool,
    edge_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnx")
    from edge.isolation import whole

    seen: list[Path] = []

    def refuse(path: Path, start: object = None) -> None:
        seen.append(path)
        raise ModelError(f"{path}: crashed")

    monkeypatch.setattr(looking, "try_model_isolated", refuse)
    monkeypatch.setattr(whole, "is_inside", lambda: inside)
    model = tmp_path / "m.onnx"
    model.write_bytes(tiny.swapper(32))
    if known:
        tiny.install_one(edge_home, "tiny_swapper", "swapper", tiny.SWAPPER, model.read_bytes())
    words = {
        "quantize": [str(model), "-o", str(tmp_path / "out"), "--count", "0"],
        "build": [
            "--model",
            str(model),
            "--no-identity",
            "-o",
            str(tmp_path / "out"),
            "--target",
            "x86_cpu",
        ],
        "compare": [str(model), str(model)],
    }
    assert main([command, *words[command]]) == 2
    assert seen == ([model] if tried else [])
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
