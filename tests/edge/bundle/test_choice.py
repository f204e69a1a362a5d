"""Which way of running a bundle fits a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.backends import missing_reason
from edge.bundle.choice import Fit, fits_of, nothing_fits, ordered
from edge.bundle.contents import Contents, parse_contents
from tests.bundles import VARIANT, Made


@pytest.fixture
def contents(made: Made) -> Contents:
    made.seal(variants=[{**VARIANT, "name": "arm", "cpu": ["asimd"]}, VARIANT])
    return parse_contents((made.folder / "bundle.toml").read_bytes(), "alice")


@pytest.mark.parametrize(
    ("line", "fitting"),
    [
        ("Features\t: fp asimd evtstrm crc32", ["arm", "ort"]),
        ("flags\t\t: fpu sse2 avx2", ["ort"]),
        ("", ["ort"]),
    ],
)
def test_the_processor_decides(
    contents: Contents, tmp_path: Path, line: str, fitting: list[str]
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    fits = fits_of(contents, tmp_path)
    assert [fit.variant.name for fit in fits if not fit.reason] == fitting
    if "arm" not in fitting:
        assert fits[0].reason == "the processor lacks asimd"


def test_the_reasons_are_all_said(contents: Contents) -> None:
    fits = [Fit(variant, f"reason {n}") for n, variant in enumerate(contents.variants)]
    assert str(nothing_fits("alice", fits)) == (
        "alice: nothing in it runs here: arm: reason 0; ort: reason 1"
    )


def test_an_order_that_was_measured(contents: Contents) -> None:
    fits = fits_of(contents)
    assert [fit.variant.name for fit in ordered(fits, ())] == ["arm", "ort"]
    assert [fit.variant.name for fit in ordered(fits, ("ort",))] == ["ort", "arm"]
    assert [fit.variant.name for fit in ordered(fits, ("nothing", "ort"))] == ["ort", "arm"]


@pytest.mark.parametrize(
    ("version", "oldest", "fits"),
    [
        ("1.22.0", "1.22", True),
        ("1.22", "1.22.1", False),
        ("1.9", "1.22", False),
        ("2.0.0rc1", "1.99", True),
        ("1.21.0+dfsg", "1.22", False),
        ("1.21.0+dfsg", "1.21", True),
    ],
)
def test_versions(version: str, oldest: str, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.backends import ort

    monkeypatch.setattr(ort, "engine_version", lambda: version)
    reason = missing_reason("ort", ("CPUExecutionProvider",), oldest)
    assert (reason == "") is fits
    if not fits:
        assert reason == f"ort is {version} here, and it needs {oldest} or newer"


def test_engines_and_providers_that_are_not_here() -> None:
    assert "no backend 'toaster'" in missing_reason("toaster", ("CPUExecutionProvider",), "1")
    assert "available" in missing_reason("ort", ("NoSuchProvider",), "1")
