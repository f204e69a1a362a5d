"""What the emulated boards are held to: two probes that agree, and each way to differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import pi_test
from scripts.pi_probe import ENGINES, FILES, Arrays, load, save, seeded
from scripts.pi_roots import BOOKWORM
from scripts.pi_test import Failed, compared, main, missing, selftested, verified


def probe() -> tuple[dict[str, Any], Arrays]:
    arrays: Arrays = {
        "float/0": seeded((2, 3)),
        "crop/float": np.full((40, 40, 3), 90, np.uint8),
        "faces/landmarks": seeded((1, 5, 2)),
    }
    for engine in ENGINES:
        arrays[f"{engine}/0"] = seeded((3, 2, 2))
        arrays[f"picture/{engine}"] = np.full((4, 4, 3), 90, np.uint8)
        arrays |= {f"{file}/{engine}": np.arange(9, dtype=np.uint8) for file in FILES}
    facts = {
        "processor": "Cortex-A72",
        "python": "3.11.2",
        "imports": {"numpy": "2.4.6"},
    }
    return facts, arrays


def one_off(array: Any) -> Any:
    other = array.copy()
    other.flat[0] += 1
    return other


def test_two_probes_that_agree(tmp_path: Path) -> None:
    save(tmp_path, *probe())
    lines = list(compared(probe(), load(tmp_path)))
    assert lines[0] == "Cortex-A72, Python 3.11.2: imports numpy 2.4.6"
    assert lines[1].startswith("int8 in ONNX Runtime: 12 outputs bit-identical")
    assert sum("bit-identical" in line for line in lines) == 2 + 1 + 2 * (1 + len(FILES))


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("ort/0", lambda a: np.nextafter(a, np.float32(2)), "ort/0: other outputs"),
        ("ort/0", lambda a: a[:1], "ort/0"),
        ("litert/0", lambda a: a * np.float32(np.nan), "litert/0"),
        ("float/0", lambda a: a + 2e-5, "float"),
        ("crop/float", lambda a: one_off(one_off(a)), "differs by 2 levels"),
        ("crop/float", lambda a: a + np.uint8(1), "0.00% of its crop"),
        ("faces/landmarks", lambda a: a + np.float32(1 / 16), "faces/landmarks"),
        ("picture/litert", one_off, "picture/litert: other pixels"),
        ("image/jpeg/ort", one_off, "image/jpeg/ort: other bytes"),
    ],
)
def test_each_difference_is_found(name: str, change: Callable[[Any], Any], says: str) -> None:
    facts, arrays = probe()
    with pytest.raises(Failed, match=says):
        list(compared(probe(), (facts, {**arrays, name: change(arrays[name])})))


def test_a_value_between_two_levels_may_be_rounded_either_way() -> None:
    facts, arrays = probe()
    other = {**arrays, "crop/float": one_off(arrays["crop/float"])}
    assert any("99.979% of its crop" in line for line in compared(probe(), (facts, other)))


@pytest.mark.parametrize("start", ["litert/", "picture/", "faces/"])
def test_nothing_to_compare_is_a_failure(start: str) -> None:
    facts, arrays = probe()
    less = {name: each for name, each in arrays.items() if not name.startswith(start)}
    with pytest.raises(Failed, match="the probe has none"):
        list(compared((facts, less), (facts, less)))


def test_without_the_tools_it_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert "mmdebstrap" in missing()
    assert main() == 0
    assert "skipped" in capsys.readouterr().out


@pytest.mark.parametrize("lacking", ["integrity", "label", "implicit", "on ort"])
def test_a_file_that_lacks_something_is_not_good(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        "  integrity   intact",
        "  model       x on ort 1.32.0",
        "  label       'AI-generated' bottom right",
        "  implicit    made by AI; as the manifest says: yes",
    ]
    whole = "\n".join(told)
    monkeypatch.setattr(pi_test, "run", lambda *_, **__: whole)
    assert len(list(verified([], {}, Path("a.jpg"), "ort", "here"))) == 1
    whole = "\n".join(line for line in told if lacking not in line)
    with pytest.raises(Failed, match="does not say"):
        list(verified([], {}, Path("a.jpg"), "ort", "here"))


def test_other_versions_are_other_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pi_test, "version", lambda _: "1.0")
    one = pi_test.sites(tmp_path, BOOKWORM)
    assert one == pi_test.sites(tmp_path, BOOKWORM)
    monkeypatch.setattr(pi_test, "version", lambda _: "2.0")
    assert not {*one} & {*pi_test.sites(tmp_path, BOOKWORM)}


def _selftest(**changed: Any) -> str:
    way = {
        "way": "ort",
        "left_out": "",
        "holds": True,
        "psnr": 84.6,
        "identical": 3,
        "latency": None,
    }
    other = {**way, "way": "tflite", "left_out": "not here"}
    top = {"invalid": "the processor is emulated", "vectors": 3}
    top |= {key: value for key, value in changed.items() if key in top}
    way |= {key: value for key, value in changed.items() if key in way}
    return json.dumps({**top, "ways": [way, other]})


def test_a_selftest_of_a_board_is_held_to_its_word() -> None:
    (line,) = selftested(_selftest())
    assert line.startswith("edge selftest: ort: all golden pictures bit-identical")
    with pytest.raises(Failed, match="only 2 of 3 golden pictures are bit-identical"):
        selftested(_selftest(identical=2))
    with pytest.raises(Failed, match="from what the same model gave here"):
        selftested(_selftest(holds=False))
    for change in ({"latency": {"p50": 1.0}}, {"invalid": ""}):
        with pytest.raises(Failed, match="shown as a latency"):
            selftested(_selftest(**change))
    with pytest.raises(Failed, match="no way was run"):
        selftested(_selftest(left_out="no engine"))
