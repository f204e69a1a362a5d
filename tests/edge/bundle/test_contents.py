"""bundle.toml: what is read, and what is refused for its form alone."""

from __future__ import annotations

from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle.contents import Contents, check_part_path, parse_contents
from edge.consent.canonical import sha256_hex
from edge.errors import BundleError, UsageError
from tests.bundles import VARIANT, Made


def parse(values: dict[str, Any]) -> Contents:
    return parse_contents(tomli_w.dumps(values).encode(), "alice")


def test_what_is_read(made: Made) -> None:
    data = (made.folder / "bundle.toml").read_bytes()
    contents = parse_contents(data, "alice")
    assert contents.id == sha256_hex(data)
    assert contents.detector == "tiny_detector"
    assert contents.masks == ()
    assert [variant.name for variant in contents.variants] == ["ort"]
    assert contents.size == sum(part.size for part in contents.parts)
    assert contents.part("consent.json") is not None
    assert contents.part("nothing") is None


def test_android_levels(made: Made) -> None:
    values = made.values(variants=[{**VARIANT, "api": [27, 34]}])
    assert parse(values).variants[0].api == (27, 34)
    for levels in ([27], [34, 27], [0, 3], "27"):
        with pytest.raises(BundleError, match="'api' must"):
            parse(made.values(variants=[{**VARIANT, "api": levels}]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"schema": "edge-swap/bundle-9"}, "is of the format 'edge-swap/bundle-9'"),
        ({"schema": "something"}, "'schema' must be one of"),
        ({"made_with": None}, "'made_with' is missing"),
        ({"target": "../x"}, "'target' has not the form"),
        ({"architecture": "z80"}, "'architecture' must be one of"),
        ({"precision": "int4"}, "'precision' must be one of"),
        ({"identity": {"commitment": "x", "consent": "y"}}, "'commitment' has not the form"),
        ({"identity": "alice"}, "'identity' must be a table"),
        ({"variants": []}, "'variants' must be there"),
        ({"variants": [VARIANT, VARIANT]}, "each with a name of its own"),
        ({"variants": [{**VARIANT, "engine": "toaster"}]}, "'engine' must be one of"),
        ({"variants": [{**VARIANT, "providers": []}]}, "'providers' must not be empty"),
        ({"variants": [{**VARIANT, "oldest": "new"}]}, "'oldest' has not the form"),
        ({"variants": [{**VARIANT, "speed": 9}]}, "unknown key 'speed'"),
        ({"variants": [3]}, "must be a list of tables"),
        ({"files": []}, "consent.json is there exactly where"),
        ({"hidden": 1}, "unknown key 'hidden'"),
    ],
)
def test_what_is_refused(made: Made, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(BundleError, match=words) as caught:
        parse(made.values(**changed))
    assert str(caught.value).startswith("alice: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"a = [", b"a = 1\na = 2", b"[" * 100_000, b"a = " + b"9" * 10_000]
)
def test_what_is_no_toml(data: bytes) -> None:
    with pytest.raises(BundleError) as caught:
        parse_contents(data, "alice")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["a", "a"], "names a path twice"),
        (["models/A.onnx", "models/a.onnx"], "names a path twice"),
        (["a", "a/b"], "names a file where there is a folder"),
        (["a/b/c", "A/b"], "names a file where there is a folder"),
    ],
)
def test_paths_that_disk_or_reader_could_mix_up(made: Made, paths: list[str], words: str) -> None:
    files = [{"path": path, "sha256": "0" * 64, "size": 1} for path in ["consent.json", *paths]]
    with pytest.raises(BundleError, match=words):
        parse(made.values(files=files))


@given(st.text(max_size=60))
def test_a_path_that_passes_stays_inside(path: str) -> None:
    try:
        check_part_path(path)
    except UsageError:
        return
    parts = path.split("/")
    assert path.isascii()
    assert all(part and part[0] != "." for part in parts)
    assert not set(path) & set("\\:\0 ")
    assert len(parts) <= 4
