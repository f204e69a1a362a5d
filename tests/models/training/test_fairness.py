"""Figures by group: who belongs where, intervals that hold, tables that say so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

from models.training import fairness
from models.training.faces.identity import sample_identity, sex_of
from models.training.fairness import Figure, Row, by_group, groups_of, markdown, share, verification


def test_everybody_is_in_one_group_of_each_kind() -> None:
    groups = [groups_of(seed) for seed in range(400)]
    assert {kind for each in groups for kind in each} == set(fairness.KINDS)
    tones = {each["tone"] for each in groups}
    assert tones == {"1 (lightest)", "2", "3", "4", "5", "6 (darkest)"}
    assert {each["sex"] for each in groups} == {"female", "male"}
    darkest = [seed for seed, each in enumerate(groups) if each["tone"].startswith("6")]
    lightest = [seed for seed, each in enumerate(groups) if each["tone"].startswith("1")]
    assert min(sample_identity(s).head.melanin for s in darkest) >= 5 / 6
    assert max(sample_identity(s).head.melanin for s in lightest) < 1 / 6


def test_the_sex_is_the_one_that_a_person_was_drawn_with() -> None:
    necks = {True: [], False: []}  # type: dict[bool, list[float]]
    for seed in range(300):
        necks[sex_of(seed) > 0].append(sample_identity(seed).head.neck_width)
    assert np.mean(necks[True]) > np.mean(necks[False]) + 0.8
    bearded = [sex_of(seed) for seed in range(300) if sample_identity(seed).face.beard > 0]
    assert min(bearded) > 0


@pytest.mark.parametrize(("hits", "of"), [(0, 40), (40, 40), (39, 40), (500, 1000)])
def test_the_interval_of_a_share(hits: int, of: int) -> None:
    figure = share([True] * hits + [False] * (of - hits))
    assert figure.value == hits / of
    assert 0 <= figure.low <= figure.value <= figure.high <= 1
    assert figure.high - figure.low > 0.02
    if (hits, of) == (500, 1000):  # Wilson's interval, as textbooks have it
        assert (figure.low, figure.high) == pytest.approx((0.4691, 0.5309), abs=1e-4)


def test_the_interval_of_a_mean_holds_the_truth_in_nineteen_of_twenty() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        figure = fairness.mean(rng.normal(3.0, 2.0, 60).tolist())
        held += figure.low <= 3.0 <= figure.high
    assert 0.91 <= held / 400 <= 0.98


def test_groups_that_are_too_small_are_left_out() -> None:
    seeds = list(range(60))
    rows = by_group(seeds, lambda places: {"n": Figure(len(places), 0, 0)}, least=12)
    assert rows[0].kind == "everybody"
    assert rows[0].count == 60
    assert all(row.count == row.figures["n"].value >= 12 for row in rows)
    sexes = [row for row in rows if row.kind == "sex"]
    assert [row.group for row in sexes] == ["female", "male"]
    assert sum(row.count for row in sexes) == 60
    ages = [row.group for row in rows if row.kind == "age"]
    assert ages == [name for name in ("young", "middle", "old") if name in ages]


def people(spread: float, count: int = 12, views: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    made = []
    for _ in range(count):
        own = rng.normal(size=32) + spread * rng.normal(size=(views, 32))
        made.append((own / np.linalg.norm(own, axis=1, keepdims=True)).astype(np.float32))
    return made


def test_verification_tells_who_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "_RESAMPLES", 40)
    clear = verification(people(0.1), 0.5)
    assert clear["AUC"].value == 1.0
    assert clear["missed"].value == 0.0
    blurred = verification(people(3.0), 0.5)
    assert 0.5 < blurred["AUC"].value < 0.95
    assert blurred["AUC"].low < blurred["AUC"].value < blurred["AUC"].high
    assert blurred["missed"].value > 0.5


def test_the_same_person_drawn_twice_is_no_pair_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person that is drawn twice must not count as two people who look alike."""
    monkeypatch.setattr(fairness, "_RESAMPLES", 60)
    assert verification(people(0.05), 0.5)["AUC"].low == 1.0


def test_a_portrait_is_one_person_in_a_frame() -> None:
    picture, boxes, points = fairness.portrait(3)
    assert picture.shape == (320, 320, 3)
    x, y, width, height = boxes[0]
    assert 10 < np.sqrt(width * height) < 220
    inside = (points[0] > (x - 4, y - 4)) & (points[0] < (x + width + 4, y + height + 4))
    assert inside.all()
    again, _, _ = fairness.portrait(3)
    assert np.array_equal(picture, again)


def test_the_tables() -> None:
    rows = [
        Row("everybody", "", 30, {"PSNR": Figure(27.439, 27.1, 27.8)}),
        Row("tone", "2", 9, {"PSNR": Figure(26, 25, 27)}),
    ]
    assert markdown(rows).splitlines() == [
        "| group | count | PSNR |",
        "|---|---|---|",
        "| everybody | 30 | 27.44 (27.10 to 27.80) |",
        "| tone 2 | 9 | 26.00 (25.00 to 27.00) |",
    ]
    assert json.loads(json.dumps(fairness.as_json(rows)))[1] == {
        "kind": "tone",
        "group": "2",
        "count": 9,
        "PSNR": [26, 25, 27],
    }


def test_one_model_measured_anew_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "fairness.json"
    first, second = ([Row("everybody", "", n, {"AUC": Figure(0.9, 0.8, 1)})] for n in (3, 4))
    fairness.write(path, {"ref_embedder": first, "ref_swapper": first})
    fairness.write(path, {"ref_embedder": second})
    log = json.loads(path.read_text())
    assert [log[name][0]["count"] for name in ("ref_embedder", "ref_swapper")] == [4, 3]


def test_what_is_not_shipped_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(fairness.present()) >= {"ref_detector", "ref_embedder", "ref_swapper"}
    monkeypatch.setattr(fairness, "WEIGHTS", tmp_path)
    (tmp_path / "ref_swapper.onnx").touch()
    assert fairness.present() == ("ref_swapper",)
