"""What an extra takes: counted from wheels, the base taken off, what is spare told apart."""

from __future__ import annotations

import zipfile
from pathlib import Path

from scripts.footprint import Size, size_of, unpacked, without


def _wheel(folder: Path, name: str, files: dict[str, int]) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, size in files.items():
            archive.writestr(file, bytes(size))
    return path


def test_sizes_are_those_of_what_is_unpacked(tmp_path: Path) -> None:
    one = _wheel(tmp_path, "c2pa_python", {"c2pa/a.so": 5000, "c2pa/libs/libc2pa_c.rlib": 900})
    two = _wheel(tmp_path, "numpy", {"numpy/b.so": 70})
    assert unpacked(one) == ("c2pa_python", 5900, 900)
    size = size_of([one, two])
    assert (size.total, size.spare) == (5970, 900)


def test_an_extra_is_what_it_adds() -> None:
    base = Size({"numpy": 10, "rich": 2}, 4)
    more = without(Size({"numpy": 10, "rich": 2, "engine": 30}, 9), base)
    assert dict(more.packages) == {"engine": 30}
    assert (more.total, more.spare) == (30, 5)
