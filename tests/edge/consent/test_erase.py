from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.consent import erase
from edge.consent.erase import (
    derivatives_of,
    erase_identity,
    identity_cache_dir,
    register_derivative,
)
from edge.consent.identity import Identity, save_identity
from edge.consent.ledger import Ledger
from edge.consent.vault import KEY_FILE_VARIABLE, key_file, new_key_file
from edge.errors import IdentityError, LedgerError, OutputError

IdentityMaker = Callable[..., Identity]


@pytest.fixture
def identity(make_identity: IdentityMaker, tmp_path: Path) -> tuple[Identity, Path]:
    made = make_identity()
    path = tmp_path / "alice.identity"
    save_identity(made, path)
    return made, path


def test_everything_made_from_it_goes(identity: tuple[Identity, Path], tmp_path: Path) -> None:
    made, path = identity
    copy, bundle, cache = (
        tmp_path / "copy",
        tmp_path / "bundle",
        identity_cache_dir(made.commitment),
    )
    save_identity(made, copy)
    (bundle / "inner").mkdir(parents=True)
    (bundle / "inner" / "model.onnx").write_bytes(b"weights")
    cache.mkdir(parents=True)
    (cache / "baked").write_bytes(b"weights")
    for thing in (path, copy, bundle):
        register_derivative(made.commitment, thing)
    assert len(derivatives_of(made.commitment)) == 3
    ledger = Ledger()
    erased = erase_identity(path, ledger)
    assert set(erased.removed) == {path, copy, bundle, cache}
    assert erased.kept == ()
    for thing in (path, copy, bundle, cache):
        assert not thing.exists()
    assert derivatives_of(made.commitment) == []
    begun, done = ledger.entries()
    assert begun.fields["event"] == done.fields["event"] == "erase"
    assert made.commitment in json.dumps(dict(done.fields))


def test_it_is_overwritten_before_it_is_removed(identity: tuple[Identity, Path]) -> None:
    path = identity[1]
    size = path.stat().st_size
    with path.open("rb") as still_open:
        erase_identity(path, Ledger())
        assert still_open.read() == bytes(size)


def test_a_shared_model_is_not_overwritten(identity: tuple[Identity, Path], tmp_path: Path) -> None:
    made, path = identity
    shared, bundle = tmp_path / "shared.onnx", tmp_path / "bundle"
    shared.write_bytes(b"weights")
    bundle.mkdir()
    os.link(shared, bundle / "model.onnx")
    (bundle / "link").symlink_to(shared)
    register_derivative(made.commitment, bundle)
    erase_identity(path, Ledger())
    assert not bundle.exists()
    assert shared.read_bytes() == b"weights"


def test_another_file_under_the_name_is_kept(
    identity: tuple[Identity, Path], tmp_path: Path
) -> None:
    made, path = identity
    bundle = tmp_path / "bundle"
    bundle.write_bytes(b"made from Alice")
    register_derivative(made.commitment, bundle)
    other = tmp_path / "other"
    other.write_bytes(b"of somebody else")
    other.replace(bundle)
    erased = erase_identity(path, Ledger())
    assert bundle.read_bytes() == b"of somebody else"
    assert "not what was made" in erased.kept[0]


def test_others_identities_are_kept(
    identity: tuple[Identity, Path], make_identity: IdentityMaker, tmp_path: Path
) -> None:
    other = make_identity()
    save_identity(other, tmp_path / "other.identity")
    register_derivative(other.commitment, tmp_path / "other.identity")
    erase_identity(identity[1], Ledger())
    assert (tmp_path / "other.identity").exists()


def test_a_changed_identity_is_erased_alone(
    identity: tuple[Identity, Path], tmp_path: Path
) -> None:
    made, path = identity
    bundle = tmp_path / "bundle"
    bundle.write_bytes(b"x")
    register_derivative(made.commitment, bundle)
    path.write_text(path.read_text().replace("Alice", "Bob"))
    erased = erase_identity(path, Ledger())
    assert erased.removed == (path,)
    assert "was changed" in erased.kept[0]
    assert bundle.exists()


def _sealed(identity: Identity, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save an identity encrypted with a key file that is lost afterwards."""
    key = path.with_name("lost.key")
    new_key_file(key)
    save_identity(identity, path, secret=key_file(key))
    key.unlink()
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(key))


def test_one_whose_key_is_lost_is_erased_alone(
    identity: tuple[Identity, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, plain = identity
    path = tmp_path / "sealed.identity"
    _sealed(made, path, monkeypatch)
    register_derivative(made.commitment, plain)
    erased = erase_identity(path, Ledger())
    assert (erased.commitment, erased.removed) == (made.commitment, (path,))
    assert "does not open here" in erased.kept[0]
    assert plain.exists()


def test_a_copy_whose_key_is_lost_stops_nothing(
    identity: tuple[Identity, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, path = identity
    copy, bundle = tmp_path / "copy.identity", tmp_path / "bundle"
    for thing in (copy, bundle):
        thing.write_bytes(b"x")
        register_derivative(made.commitment, thing)
    _sealed(made, tmp_path / "new", monkeypatch)
    (tmp_path / "new").replace(copy)
    erased = erase_identity(path, Ledger())
    assert set(erased.removed) == {path, bundle}
    assert "not what was made" in erased.kept[0]


@pytest.mark.parametrize("content", [b"a picture", b"{}", b'{"schema":"edge-swap/consent-1"}'])
def test_nothing_else_is_ever_erased(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(IdentityError, match="not erased"):
        erase_identity(path, Ledger())
    assert path.read_bytes() == content
    with pytest.raises(IdentityError, match="no identity at"):
        erase_identity(tmp_path / "none", Ledger())


def test_nothing_is_erased_that_cannot_be_recorded(
    identity: tuple[Identity, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(LedgerError):
        erase_identity(identity[1], Ledger(tmp_path / "file" / "ledger.jsonl"))
    assert identity[1].exists()


def test_what_cannot_be_removed_is_told(
    identity: tuple[Identity, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_: Path) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(erase, "wipe_file", busy)
    erased = erase_identity(identity[1], Ledger())
    assert erased.removed == ()
    assert "device or resource busy" in erased.kept[0]


def test_only_what_exists_is_noted(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot note"):
        register_derivative("ab" * 32, tmp_path / "none")


def test_a_folder_of_ours_and_what_a_link_to_one_keeps(tmp_path: Path) -> None:
    from edge.consent.erase import erase_folder

    folder = tmp_path / "visit"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "0.png").write_bytes(b"x" * 100)
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert erase_folder(link).removed == ()
    assert (folder / "pictures" / "0.png").exists()
    assert erase_folder(folder).removed == (folder,)
    assert not folder.exists()
    assert erase_folder(folder).removed == ()
