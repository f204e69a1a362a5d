"""`--mask` means the same to `edge swap` and to `edge build`."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from edge.cli import _load
from edge.cli._maskers import add_mask, maskers_of
from edge.cli.swap import engines_of


def _asked(*words: str) -> tuple[str, ...]:
    parser = argparse.ArgumentParser()
    add_mask(parser)
    return maskers_of(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ()),
        (("--mask", ","), ()),
        (("--mask", "xseg_2,bisenet_resnet_18"), ("xseg_2", "bisenet_resnet_18")),
        (("--mask", " xseg_2 ,, ", "--mask", "xseg_1"), ("xseg_2", "xseg_1")),
        (("--mask", "xseg_2", "--mask", "xseg_2"), ("xseg_2",)),
        (("--mask", "nix"), ("nix",)),
    ],
)
def test_all_that_is_given_counts(words: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert _asked(*words) == names


def test_a_short_name_is_the_first_that_is_here(edge_home: Path) -> None:
    assert _asked("--mask", "xseg,bisenet") == ("xseg_1", "bisenet_resnet_18")
    folder = edge_home / "data" / "models"
    folder.mkdir(parents=True)
    (folder / "xseg_3.onnx").touch()
    assert _asked("--mask", "xseg") == ("xseg_3",)


@pytest.mark.parametrize("name", ["swap", "live", "build"])
def test_no_call_starts_with_the_masks_of_another(name: str) -> None:
    command = _load(name)
    assert command is not None
    parser = argparse.ArgumentParser()
    command.configure(parser)
    rest = {
        "swap": ["--identity", "i", "--input", "i", "--output", "o", "--purpose", "film"],
        "live": ["--source", "synthetic", "--purpose", "film"],
        "build": ["--model", "m", "--no-identity", "--target", "jetson", "-o", "x"],
    }[name]
    parsed = parser.parse_args([*rest, "--mask", "xseg_1", "--mask", "xseg_2,xseg_3"])
    assert maskers_of(parsed) == ("xseg_1", "xseg_2", "xseg_3")
    assert maskers_of(parser.parse_args(rest)) == ()
    if name != "build":
        assert engines_of(parsed).masks == ("xseg_1", "xseg_2", "xseg_3")
