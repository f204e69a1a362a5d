from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.provenance.container import Kind, sniff
from edge.provenance.store import can_read, pieces, read_store, replace_in_store
from edge.provenance.verify import verify_file
from tests.edge.provenance.conftest import OTHERS_BOXES, with_segment

Maker = Callable[[str], Path]
SUFFIXES = ["jpg", "png", "webp", "mp4"]


def _kind(path: Path) -> Kind:
    kind = sniff(path.read_bytes()[:64])
    assert kind is not None
    return kind


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_store_is_a_box(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    store = read_store(path, _kind(path))
    assert store[4:8] == b"jumb"
    assert int.from_bytes(store[:4], "big") <= len(store)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_bytes_change_nothing(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    before = path.read_bytes()
    store = read_store(path, _kind(path))
    replace_in_store(path, _kind(path), 100, store[100:3000])
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_bytes_are_read_back(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    size = path.stat().st_size
    replace_in_store(path, _kind(path), 200, b"changed")
    assert read_store(path, _kind(path))[200:207] == b"changed"
    assert path.stat().st_size == size
    assert verify_file(path).exit_status == 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_past_the_end(suffix: str, signed: Maker) -> None:
    path = signed(suffix)
    end = len(read_store(path, _kind(path)))
    with pytest.raises(ValueError, match="ends before"):
        replace_in_store(path, _kind(path), end - 2, b"four")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_store(suffix: str, plain: Maker) -> None:
    path = plain(suffix)
    assert read_store(path, _kind(path)) == b""


@pytest.mark.parametrize("box", OTHERS_BOXES)
def test_boxes_of_others_are_no_part_of_it(box: str, signed: Maker) -> None:
    path = signed("jpg")
    content, store = path.read_bytes(), read_store(path, _kind(path))
    begin = content.index(b"\xff\xeb")
    end = begin + 2 + int.from_bytes(content[begin + 2 : begin + 4], "big")
    for at in (2, end):
        path.write_bytes(with_segment(content, OTHERS_BOXES[box], at=at))
        assert read_store(path, _kind(path)) == store


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9])
def test_a_file_that_is_cut_off(suffix: str, share: float, signed: Maker) -> None:
    path = signed(suffix)
    kind = _kind(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    try:
        with path.open("rb") as file:
            assert isinstance(pieces(file, kind), tuple)
    except ValueError:
        pass


def test_which_kinds_are_read_here() -> None:
    kinds = [Kind("image/jpeg"), Kind("image/png"), Kind("image/webp"), Kind("x/y", boxes=True)]
    assert all(map(can_read, kinds))
    assert not can_read(Kind("image/tiff"))
