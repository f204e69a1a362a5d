from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from scripts import watermark_bench, watermark_corpus
from scripts.watermark_attacks import ROWS, VIDEO
from scripts.watermark_bench import all_unmarked, quality, table_of
from scripts.watermark_corpus import Item
from tests.edge.provenance.watermark.scenes import psnr, textured


def _lines(share: float, wrong: int = 0) -> list[dict[str, object]]:
    names = [*(row.name for row in ROWS), VIDEO[0]]
    read = [1.0] * round(100 * share) + [0.0] * round(100 - 100 * share)
    read[:wrong] = [-1.0] * wrong
    return [{"rows": dict.fromkeys(names, value)} for value in read]


@pytest.mark.parametrize(
    ("lines", "good"),
    [(_lines(1.0), True), (_lines(0.98), False), (_lines(0.99), True), (_lines(1.0, 1), False)],
)
def test_a_table_says_what_is_missed(lines: list[dict[str, object]], good: bool) -> None:
    table, reached = table_of(lines)
    assert table.row_count == len(ROWS) + 1
    assert reached is good


def test_quality_is_that_of_the_literature() -> None:
    plain = textured(320, 240)
    noise = np.random.default_rng(0).integers(-3, 4, plain.shape)
    other = np.clip(plain + noise, 0, 255).astype(np.uint8)
    told, likeness = quality(plain, other)
    assert told == pytest.approx(psnr(plain, other), abs=0.01)
    assert 0.5 < likeness < 1
    assert quality(plain, plain)[1] == pytest.approx(1)


def test_what_was_measured_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), textured(400, 300))
    items, kept = [Item("photograph", path)], tmp_path / "unmarked.jsonl"
    assert all_unmarked(items, 2, kept, "code") == []
    assert len(kept.read_text().splitlines()) == 2
    monkeypatch.setattr(watermark_bench, "unmarked", None)  # nothing is read again
    assert all_unmarked(items, 2, kept, "code") == []


def test_pictures_are_cut_and_drawn_to_size() -> None:
    for shape in ((300, 400), (2000, 1500), (1080, 1920)):
        fitted = watermark_corpus.fitted(np.zeros((*shape, 3), np.uint8))
        assert fitted.shape == (1080, 1920, 3)
    one, other = watermark_corpus.drawn(1), watermark_corpus.drawn(2)
    assert one.shape == (1080, 1920, 3)
    np.testing.assert_array_equal(one, watermark_corpus.drawn(1))
    assert (one != other).mean() > 0.3


def test_a_package_that_cannot_be_had_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert watermark_bench.main(["--work", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "apt-get is not here" in error
