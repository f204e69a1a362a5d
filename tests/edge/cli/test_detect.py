from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.faces.detect import open_detector
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

TINY = ["--detector", "tiny_detector", "--threads", "1"]


@pytest.fixture(autouse=True)
def models(edge_home: Path) -> None:
    tiny.install(edge_home)


def _picture(path: Path, *cells: tuple[int, int]) -> str:
    assert cv2.imwrite(str(path), tiny.white_cells((128, 192), cells))
    return str(path)


def test_one_file_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = _picture(tmp_path / "a.png", (10, 6))
    assert main(["detect", name, *TINY, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"file", "faces"}
    assert document["file"] == name
    (face,) = document["faces"]
    assert set(face) == {"box", "score", "landmarks"}
    assert face["box"] == pytest.approx([68, 36, 32, 32], abs=0.01)
    assert 0.9 < face["score"] <= 1
    assert np.array(face["landmarks"]).shape == (5, 2)


def test_several_files_are_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [_picture(tmp_path / "a.png", (10, 6)), _picture(tmp_path / "b.png")]
    assert main(["detect", *names, *TINY, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [image["file"] for image in document["images"]] == names
    assert [len(image["faces"]) for image in document["images"]] == [1, 0]


def test_without_json_people_can_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = _picture(tmp_path / "a.png", (10, 6))
    assert main(["detect", name, *TINY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: 1 face", "  32x32 at 68,36  score 0.99"]


def test_the_least_score_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = _picture(tmp_path / "a.png", (10, 6))
    assert main(["detect", name, *TINY, "--json", "--min-score", "0.9999"]) == 0
    assert json.loads(capsys.readouterr().out)["faces"] == []


@pytest.mark.parametrize("content", [None, b"", b"GIF89a nonsense", b"\xff\xd8\xff\xe0 cut off"])
def test_a_file_that_is_no_picture_is_one_line(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.jpg"
    if content is not None:
        path.write_bytes(content)
    assert main(["detect", str(path), *TINY, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("edge detect: ")
    assert captured.err.count("\n") == 1
    assert "odd.jpg" in captured.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--detector", "nix"], "no model 'nix'"),
        (["--detector", "tiny_swapper"], "is a swapper"),
        ([*TINY, "--provider", "CUDAExecutionProvider"], "CUDAExecutionProvider is not in"),
        ([*TINY, "--backend", "tpu"], "no backend 'tpu'"),
        ([*TINY, "--min-score", "7"], "between 0 and 1"),
    ],
)
def test_wrong_options_are_one_line(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["detect", _picture(tmp_path / "a.png"), *options]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_landmarker_of_choice(
    tmp_path: Path, edge_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.install_one(edge_home, "closer", "landmarker", tiny.LANDMARKER, tiny.landmarker())
    name = _picture(tmp_path / "a.png", (10, 6))
    places = []
    for more in ([], ["--landmarker", "closer"]):
        assert main(["detect", name, *TINY, *more, "--json"]) == 0
        (face,) = json.loads(capsys.readouterr().out)["faces"]
        places.append(np.array(face["landmarks"]))
    assert np.abs(places[0] - places[1]).max() > 1
    np.testing.assert_allclose(places[1].mean(axis=0), (83.5, 51.5), atol=1)


def test_the_help_names_the_score_that_counts(capsys: pytest.CaptureFixture[str]) -> None:
    threshold = open_detector("", threads=1).threshold
    for words in (["detect"], ["swap"], ["run"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        page = " ".join(capsys.readouterr().out.split())
        assert f"(default: the landmarker's own, {threshold:g} for ours" in page
