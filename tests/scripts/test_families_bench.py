from __future__ import annotations

import pytest

from scripts import families_bench
from tests import families

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def test_a_family_is_measured_beside_the_reference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(families, "FULL", {"mobilefaceswap_224": families.mobilefaceswap})
    assert families_bench.main(["--runs", "1", "--threads", "1"]) == 0
    shown = capsys.readouterr().out
    assert "mobilefaceswap_224" in shown
    assert "ONNX Runtime" in shown
    assert "random weights" in shown


@pytest.mark.parametrize(
    ("arguments", "words"), [(["nothing"], "no family 'nothing'"), (["--runs", "0"], "1 or more")]
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        families_bench.main(arguments)
    assert end.value.code == 2
    assert words in capsys.readouterr().err
