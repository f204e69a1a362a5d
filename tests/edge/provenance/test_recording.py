"""Chains of segments: what is missing, changed or put between shows; what is whole is called so."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from edge.provenance.recording import Recording, media_in, recordings_of
from edge.provenance.verify import verify_file
from edge.registry import sha256_of
from tests.live import record
from tests.scene import stage

pytest.importorskip("av", reason="recordings need PyAV")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Segments of one recording, at least four."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_HOME", str(folder / "home"))
        ready = stage(folder / "home", folder / "work")
        paths = record(ready, folder / "out", frames=44)
        record(ready, folder / "other", frames=8)
    assert len(paths) >= 4
    return paths


def look(paths: Iterable[Path], *entered: tuple[str, int]) -> list[Recording]:
    return recordings_of([verify_file(path) for path in paths], entered)


def test_a_whole_recording(recorded: list[Path]) -> None:
    (found,) = look(reversed(recorded))
    assert found.whole
    assert [Path(name).name for name in found.segments] == [path.name for path in recorded]
    assert found.seconds == pytest.approx(44 / 40, rel=0.4)
    assert found.to_dict()["whole"] is True


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (slice(1, None), "segment 0 is missing"),
        (slice(2, None), "segments 0 to 1 are missing"),
        (slice(None, -1), "its end is missing"),
        (slice(None, None, 2), "segment 1 is missing"),
    ],
)
def test_a_gap_shows(recorded: list[Path], kept: slice, said: str) -> None:
    (found,) = look(recorded[kept])
    assert not found.whole
    assert any(said in problem for problem in found.problems)


def test_the_ledger_knows_of_a_missing_end(recorded: list[Path]) -> None:
    stream = look(recorded)[0].stream
    entered = [(stream, place) for place in range(len(recorded))]
    (found,) = look(recorded[:-1], *entered)
    assert found.problems == (
        f"segment {len(recorded) - 1} is missing at the end: the ledger knows of more",
    )
    assert look(recorded, *entered, ("another", 99))[0].whole


def test_what_the_ledger_says_was_removed_is_not_missing(recorded: list[Path]) -> None:
    stream = look(recorded)[0].stream
    removed = {(stream, place): sha256_of(path) for place, path in enumerate(recorded)}
    verdicts = [verify_file(path) for path in recorded]
    for first in range(3):
        (found,) = recordings_of(verdicts[first:], removed=removed)
        assert (found.whole, found.removed) == (True, first)
    # One more than that; another file than the one that the first names; a gap in the midst.
    del removed[stream, 0]
    assert not recordings_of(verdicts[2:], removed=removed)[0].whole
    others = {**removed, (stream, 0): "0" * 64, (stream, 1): "0" * 64}
    assert not recordings_of(verdicts[2:], removed=others)[0].whole
    assert not recordings_of([verdicts[0], *verdicts[2:]], removed=removed)[0].whole


def test_a_changed_segment_is_not_counted(recorded: list[Path], tmp_path: Path) -> None:
    for path in recorded:
        shutil.copy(path, tmp_path)
    changed = tmp_path / recorded[1].name
    data = bytearray(changed.read_bytes())
    data[-2000] ^= 1
    changed.write_bytes(data)
    (found,) = look(sorted(tmp_path.iterdir()))
    assert f"{changed.name} was changed, and is not counted" in found.problems
    assert "segment 1 is missing" in found.problems


def test_a_copy_under_another_name_is_told(recorded: list[Path], tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    shutil.copy(recorded[0], again)
    (found,) = look([*recorded, again])
    assert any("is a second segment 0" in problem for problem in found.problems)


def test_a_segment_of_a_stranger_does_not_fit_in(recorded: list[Path], tmp_path: Path) -> None:
    """Somebody with a key of their own states the stream and the place, and the right hash."""
    from dataclasses import replace

    verdicts = [verify_file(path) for path in recorded]
    signer = verdicts[1].signer
    assert signer is not None
    verdicts[1] = replace(verdicts[1], signer=replace(signer, certificate_sha256="ab" * 32))
    (found,) = recordings_of(verdicts)
    assert found.problems == ("its segments are not all signed by one certificate",)


def test_a_segment_that_names_another_file_before_it(recorded: list[Path]) -> None:
    from dataclasses import replace

    verdicts = [verify_file(path) for path in recorded]
    claims = verdicts[2].claims
    assert claims is not None
    assert claims.live is not None
    other = replace(claims, live=replace(claims.live, previous="ab" * 32))
    verdicts[2] = replace(verdicts[2], claims=other)
    (found,) = recordings_of(verdicts)
    assert found.problems == ("segment 2 names another file before it than segment 1",)


def test_two_recordings_in_one_folder(recorded: list[Path]) -> None:
    others = sorted((recorded[0].parents[1] / "other").glob("*.mp4"))
    found = look([*recorded, *others])
    assert len(found) == 2
    assert all(recording.whole for recording in found)


def test_only_media_are_looked_at(recorded: list[Path], tmp_path: Path) -> None:
    shutil.copy(recorded[0], tmp_path / "b.mp4")
    shutil.copy(recorded[0], tmp_path / ".part.mp4")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "folder").mkdir()
    assert media_in(tmp_path) == [tmp_path / "b.mp4"]
