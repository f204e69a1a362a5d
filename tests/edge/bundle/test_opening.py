"""Opening a bundle: what it gives, and everything that is refused, with nothing run."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import edge
from edge import shelf
from edge.backends import ort
from edge.bundle import opening, unpacking
from edge.bundle.archive import pack
from edge.bundle.builders import add_builder, remove_builder
from edge.bundle.checking import read_papers
from edge.bundle.contents import CONSENT, CONTENTS, SEAL
from edge.bundle.holders import FolderHolder
from edge.bundle.opening import open_bundle
from edge.bundle.tuning import save_tuning, tuning_path
from edge.consent.canonical import readable_json, utc_now
from edge.consent.erase import derivatives_of, erase_identity
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.consent.record import new_consent
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.signing import public_hex
from edge.consent.terms import Terms
from edge.consent.trust import load_trust
from edge.errors import (
    BackendError,
    BundleError,
    ConsentError,
    EdgeError,
    IdentityError,
    OutputError,
    UsageError,
)
from tests.bundles import VARIANT, Made, baked_card, bundle
from tests.scene import target

DAY = datetime.timedelta(days=1)


def zipped(made: Made) -> Path:
    """Pack the bundle as the product does."""
    path = made.folder.with_suffix(".zip")
    holder = FolderHolder(made.folder)
    seal = (made.folder / SEAL).read_bytes()
    pack(holder, read_papers(holder).contents, path, seal=seal, mode=0o600)
    return path


@pytest.fixture(params=["folder", "zip"])
def place(request: pytest.FixtureRequest, made: Made) -> Path:
    """The same good bundle in both of its shapes."""
    return made.folder if request.param == "folder" else zipped(made)


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no engine open anything."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr(ort, "open_session", never)


def refused(path: Path, words: str, kind: type[EdgeError] = BundleError) -> None:
    """Check that a bundle is refused in one line that names it, and that the ledger has it."""
    before = len(Ledger().entries())
    with pytest.raises(kind, match=words) as caught:
        open_bundle(path)
    assert "\n" not in str(caught.value)
    assert "  " not in str(caught.value)
    if kind is not OutputError:
        entries = Ledger().entries()
        assert len(entries) == before + 1
        assert entries[-1].kind == "refusal"
        assert entries[-1].fields["asked"] == {"bundle": str(path)}


def test_what_an_open_bundle_says(place: Path, made: Made) -> None:
    opened = edge.open_bundle(place)
    assert opened.signer == "this device"
    assert opened.contents.target == "x86_cpu"
    assert opened.contents.identity == made.stage.identity.commitment
    assert opened.consent == made.stage.consent
    assert [fit.variant.name for fit in opened.fits] == ["ort"]
    assert set(opened.cards) == {"tiny_baked", "tiny_detector"}
    assert opened.notes == ()


def test_it_swaps_one_person_and_says_from_what(place: Path, made: Made) -> None:
    opened = open_bundle(place)
    swapper = opened.swapper(purpose="film", target_is="synthetic")
    frame = target()
    done = swapper.swap(frame)
    assert len(done.faces) == 2
    assert not np.array_equal(done.frame, frame)
    assert done.record.bundle == opened.contents.id
    assert done.record.permit.identity_commitment == made.stage.identity.commitment
    assert [use.name for use in done.record.models] == ["tiny_detector", "tiny_baked"]
    event = Ledger().entries()[-1].fields["details"]
    assert isinstance(event, dict)
    assert event["bundle"] == opened.contents.id


def test_nothing_installed_takes_the_place_of_its_models(made: Made, edge_home: Path) -> None:
    swapper = open_bundle(made.folder).swapper(purpose="film", target_is="synthetic")
    shutil.rmtree(edge_home / "data")
    assert len(swapper.swap(target()).faces) == 2
    assert swapper._shelf is not shelf.INSTALLED


@pytest.mark.parametrize("purpose", ["game", "art"])
def test_the_consent_binds(made: Made, purpose: Any) -> None:
    swapper = open_bundle(made.folder).swapper(purpose=purpose, target_is="synthetic")
    with pytest.raises(ConsentError, match=f"does not cover the purpose '{purpose}'"):
        swapper.swap(target())


def test_no_other_identity_can_be_given(made: Made) -> None:
    opened = open_bundle(made.folder)
    with pytest.raises(UsageError, match="holds the identity of nobody and no other"):
        opened.swapper(purpose="film", target_is="synthetic", identity=made.stage.identity_file)


def _flip(made: Made, path: str) -> None:
    file = made.folder / path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


FILES = (
    "cards/tiny_baked.toml",
    "cards/tiny_detector.toml",
    "consent.json",
    "licences/NOTICE.txt",
    "models/tiny_baked.onnx",
    "models/tiny_detector.onnx",
    CONTENTS,
    SEAL,
)


def test_every_file_is_among_those_that_are_changed(made: Made) -> None:
    assert FolderHolder(made.folder).names() == set(FILES)


@pytest.mark.parametrize("shape", ["folder", "zip"])
@pytest.mark.parametrize("path", FILES)
def test_one_byte_changed(made: Made, path: str, shape: str, nothing_runs: None) -> None:
    good = read_papers(FolderHolder(made.folder)).contents
    _flip(made, path)
    place = made.folder
    if shape == "zip":
        place = made.folder.with_suffix(".zip")
        seal = (made.folder / SEAL).read_bytes()
        pack(FolderHolder(made.folder), good, place, seal=seal, mode=0o600)
    refused(place, str(place), EdgeError)
    assert not unpacking.unpacked_dir(good).exists()


@pytest.mark.parametrize("path", FILES)
def test_a_file_is_missing(made: Made, path: str, nothing_runs: None) -> None:
    (made.folder / path).unlink()
    refused(made.folder, f"{path} is missing|holds no {path}")


@pytest.mark.parametrize("name", ["more.txt", "models/.hidden", "new/deep/file", ".DS_Store"])
def test_a_file_is_there_that_nobody_signed(made: Made, name: str, nothing_runs: None) -> None:
    (made.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (made.folder / name).write_text("x")
    refused(made.folder, f"{name} is no part of the bundle")


@pytest.mark.parametrize("name", ["models/tiny_baked.onnx", "models", "extra", "licences"])
def test_a_link(made: Made, name: str, tmp_path: Path, nothing_runs: None) -> None:
    place = made.folder / name
    if place.exists():
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.symlink_to("/etc/passwd")
    refused(made.folder, "is a link or no plain file")


def test_a_pipe_does_not_keep_us_waiting(made: Made, nothing_runs: None) -> None:
    os.mkfifo(made.folder / "pipe")
    refused(made.folder, "pipe is a link or no plain file")
    (made.folder / "pipe").unlink()
    (made.folder / CONTENTS).unlink()
    os.mkfifo(made.folder / CONTENTS)
    refused(made.folder, "bundle.toml is no plain file")


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/passwd",
        "models/../../evil",
        "a//b",
        "./a",
        "a\\b",
        "C:evil",
        ".hidden",
        "a/b/c/d/e",
        "x" * 300,
        "bundle.sig",
        "nul\u0000l",
        "na\u202eme",
    ],
)
def test_a_path_that_leaves_the_bundle(made: Made, path: str, nothing_runs: None) -> None:
    files = [*made.values()["files"], {"path": path, "sha256": "0" * 64, "size": 1}]
    made.seal(files=files)
    refused(made.folder, "bundle.toml: the path|cannot state its own hash")


@pytest.mark.parametrize("file", ["../tiny_baked.onnx", "/etc/passwd", "a/b"])
def test_a_card_that_leaves_the_bundle(made: Made, file: str, nothing_runs: None) -> None:
    card = made.folder / "cards" / "tiny_baked.toml"
    text = card.read_text(encoding="utf-8").replace("tiny_baked.onnx", file)
    card.write_text(text, encoding="utf-8")
    made.seal()
    refused(made.folder, "must be a file name without a folder")


def test_a_card_that_means_another_file(made: Made, nothing_runs: None) -> None:
    card = made.folder / "cards" / "tiny_baked.toml"
    text = card.read_text(encoding="utf-8").replace("tiny_baked.onnx", "tiny_detector.onnx")
    card.write_text(text, encoding="utf-8")
    made.seal()
    refused(made.folder, "holds no file that its card 'tiny_baked' means")


def test_signed_by_another_key(made: Made, nothing_runs: None) -> None:
    key = Ed25519PrivateKey.generate()
    made.seal(key)
    hint = f"edge bundle trust add {public_hex(key)} --name NAME"
    refused(made.folder, f"which this device does not trust; .*: {hint}")


def test_a_trusted_builder(made: Made) -> None:
    key = Ed25519PrivateKey.generate()
    made.seal(key)
    add_builder(public_hex(key), "the workshop")
    assert open_bundle(made.folder).signer == "the workshop"
    remove_builder(public_hex(key))
    refused(made.folder, "does not trust")


def test_a_seal_of_another_bundle(made: Made, nothing_runs: None) -> None:
    old = (made.folder / SEAL).read_bytes()
    made.seal(title="another")
    (made.folder / SEAL).write_bytes(old)
    refused(made.folder, "bundle.toml was changed after the bundle was signed")


def test_another_key_in_the_seal(made: Made, nothing_runs: None) -> None:
    key = public_hex(Ed25519PrivateKey.generate())
    add_builder(key, "the workshop")
    seal = (made.folder / SEAL).read_text()
    (made.folder / SEAL).write_text(seal.replace(public_hex(operator_key()), key))
    refused(made.folder, "the signature in bundle.sig does not fit")


def test_the_consent_expired_since_the_build(
    edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bundle(edge_home, tmp_path / "short", until=utc_now() + 5 * DAY)
    monkeypatch.setattr(opening, "utc_now", lambda: utc_now() + 6 * DAY)
    monkeypatch.setattr(ort, "open_session", None)
    refused(made.folder, "expired on .*: renew it where it was built")


def test_a_seal_that_outlives_the_consent(made: Made, nothing_runs: None) -> None:
    made.seal(now=made.stage.consent.not_after - DAY, not_after=made.stage.consent.not_after + DAY)
    refused(made.folder, "clock of this device")
    made.seal(not_after=utc_now() + 10 * DAY)
    assert open_bundle(made.folder).seal.expires < made.stage.consent.not_after


def test_ninety_days(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    seal = made.seal()
    assert seal.expires - seal.signed == 90 * DAY
    monkeypatch.setattr(opening, "utc_now", lambda: seal.expires)
    open_bundle(made.folder)
    monkeypatch.setattr(opening, "utc_now", lambda: seal.expires + datetime.timedelta(seconds=1))
    refused(made.folder, "expired on")


def test_it_ends_for_a_process_that_goes_on(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    swapper = open_bundle(made.folder).swapper(purpose="film", target_is="synthetic")
    swapper.swap(target())
    monkeypatch.setattr(opening, "utc_now", lambda: utc_now() + 91 * DAY)
    with pytest.raises(BundleError, match="expired on"):
        swapper.swap(target())


def test_a_clock_that_is_behind(made: Made, nothing_runs: None) -> None:
    made.seal(now=utc_now() + DAY)
    refused(made.folder, "is the clock of this device right")


def test_a_revoked_consent(made: Made, nothing_runs: None) -> None:
    revocation = new_revocation(made.stage.consent, operator_key(), load_trust(), "asked to")
    install_revocation(revocation)
    refused(made.folder, r"was revoked on .* \(asked to\)", ConsentError)


def test_a_revocation_while_it_runs(made: Made) -> None:
    swapper = open_bundle(made.folder).swapper(purpose="film", target_is="synthetic")
    swapper.swap(target())
    install_revocation(new_revocation(made.stage.consent, operator_key(), load_trust(), "x"))
    with pytest.raises(ConsentError, match="was revoked"):
        swapper.swap(target())


def test_another_consent(made: Made, nothing_runs: None) -> None:
    terms = Terms(subject="Bob", purposes=("film",), adult=True, intimate=False)
    other = new_consent(terms, [made.stage.folder / "photo.png"], operator_key())
    (made.folder / CONSENT).write_bytes(readable_json(other.to_dict()))
    made.seal()
    refused(made.folder, "is not the consent that bundle.toml names")


def test_a_model_with_somebody_else_in_it(made: Made) -> None:
    card = made.folder / "cards" / "tiny_baked.toml"
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace(made.stage.identity.commitment, "ab" * 32), encoding="utf-8")
    made.seal()
    opened = open_bundle(made.folder)
    with pytest.raises(ConsentError, match="hold another identity"):
        opened.swapper(purpose="film", target_is="synthetic")


def test_built_for_another_target(made: Made, nothing_runs: None) -> None:
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    made.seal(architecture=other, target="raspberry_pi")
    refused(made.folder, rf"was built for raspberry_pi \({other}\), and this is")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"oldest": "99.1"}, r"ort: ort is [\d.]+ here, and it needs 99.1 or newer"),
        ({"cpu": ["asimd9", "avx1024"]}, "ort: the processor lacks asimd9, avx1024"),
        ({"providers": ["TensorrtExecutionProvider"]}, "TensorrtExecutionProvider is not in this"),
        ({"engine": "tflite"}, "tflite"),
    ],
)
def test_nothing_fits(
    made: Made,
    changed: dict[str, Any],
    words: str,
    nothing_runs: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("tflite_runtime", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)  # not installed, wherever this runs
    made.seal(variants=[{**VARIANT, **changed}])
    refused(made.folder, f"nothing in it runs here: .*{words}")


def test_a_newer_format(made: Made, nothing_runs: None) -> None:
    made.seal(schema="edge-swap/bundle-2")
    refused(made.folder, "is of the format 'edge-swap/bundle-2', and this edge-swap reads")


def test_an_unknown_key_is_no_detail(made: Made, nothing_runs: None) -> None:
    made.seal(watermark=False)
    refused(made.folder, "unknown key 'watermark'")


def test_the_next_way_is_taken_where_one_does_not_work(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {**VARIANT, "name": "first", "oldest": "99"}
    second = {**VARIANT, "name": "second", "threads": 2}
    made.seal(variants=[first, second, VARIANT])
    opened = open_bundle(made.folder)
    assert [bool(fit.reason) for fit in opened.fits] == [True, False, False]
    real, asked = ort.open_session, []

    def fails_once(*args: Any, **more: Any) -> Any:
        asked.append(more["threads"])
        if more["threads"] == 2:
            raise BackendError("this build is broken")
        return real(*args, **more)

    monkeypatch.setattr(ort, "open_session", fails_once)
    swapper = opened.swapper(purpose="film", target_is="synthetic")
    assert asked[0] == 2
    assert swapper.models[-1].name == "tiny_baked"
    monkeypatch.setattr(ort, "open_session", lambda *_, **__: real(Path("nowhere"), threads=1))
    monkeypatch.setattr(
        "edge.loading.open_session", lambda *_, **__: (_ for _ in ()).throw(BackendError("broken"))
    )
    with pytest.raises(BundleError, match=r"nothing in it runs here: first: .*; second: broken"):
        opened.swapper(purpose="film", target_is="synthetic")


def test_the_next_way_is_taken_where_an_engine_refuses_the_file(made: Made) -> None:
    """As one does that is too old for an operator in it."""
    model = onnx.load_from_string((made.folder / "models" / "tiny_baked.onnx").read_bytes())
    model.opset_import[0].version = 99
    data = model.SerializeToString()
    (made.folder / "models" / "tiny_newest.onnx").write_bytes(data)
    card = baked_card(made.stage.identity.commitment, data, "tiny_newest")
    (made.folder / "cards" / "tiny_newest.toml").write_text(card, encoding="utf-8")
    newest = {**VARIANT, "name": "newest", "card": "tiny_newest"}
    made.seal(variants=[newest, VARIANT])
    swapper = open_bundle(made.folder).swapper(purpose="film", target_is="synthetic")
    assert swapper.models[-1].name == "tiny_baked"
    made.seal(variants=[newest])
    opened = open_bundle(made.folder)
    with pytest.raises(BundleError, match=r"nothing in it runs here: newest: .* cannot load it"):
        opened.swapper(purpose="film", target_is="synthetic")


def test_tuning_chooses_among_what_is_signed(made: Made) -> None:
    made.seal(variants=[VARIANT, {**VARIANT, "name": "quick"}])
    opened = open_bundle(made.folder)
    save_tuning(made.folder, opened.contents, ["quick"], {"quick": 3})
    tuned = open_bundle(made.folder)
    assert [fit.variant.name for fit in tuned.fits] == ["quick", "ort"]
    assert tuned.threads == {"quick": 3}
    made.seal(title="another", variants=[VARIANT])
    again = open_bundle(made.folder)
    assert again.notes[0].startswith(f"{tuning_path(made.folder).name} is of another bundle")


def test_without_an_identity(made: Made, edge_home: Path) -> None:
    data = (edge_home / "data" / "models" / "tiny_swapper.onnx").read_bytes()
    (made.folder / "models" / "tiny_swapper.onnx").write_bytes(data)
    for name in ("tiny_swapper", "tiny_embedder"):
        card = edge_home / "data" / "cards" / f"{name}.toml"
        shutil.copy(card, made.folder / "cards" / f"{name}.toml")
    (made.folder / CONSENT).unlink()
    made.seal(identity=None, variants=[{**VARIANT, "card": "tiny_swapper"}])
    opened = open_bundle(made.folder)
    with pytest.raises(UsageError, match="holds no identity: give one with --identity"):
        opened.swapper(purpose="film", target_is="synthetic")
    shutil.rmtree(edge_home / "data")
    swapper = opened.swapper(
        purpose="film", target_is="synthetic", identity=made.stage.identity_file
    )
    assert len(swapper.swap(target()).faces) == 2
    assert derivatives_of(made.stage.identity.commitment) == []


def test_a_sealed_identity_opens_no_other_model(made: Made) -> None:
    from edge.consent.sealed import SealedIdentity
    from edge.swap import Swapper
    from tests.scene import ENGINES

    sealed = SealedIdentity(made.stage.consent, made.stage.identity.commitment)
    with pytest.raises(IdentityError, match="without its embeddings"):
        Swapper(sealed, purpose="film", target_is="synthetic", engines=ENGINES)


def test_erasing_the_identity_erases_every_copy(made: Made, tmp_path: Path) -> None:
    archive, copy = zipped(made), tmp_path / "copy"
    shutil.copytree(made.folder, copy)
    unpacked = open_bundle(archive).folder
    open_bundle(copy)
    open_bundle(made.folder)
    erased = erase_identity(made.stage.identity_file, Ledger())
    assert erased.kept == ()
    assert not any(path.exists() for path in (archive, copy, made.folder, unpacked))
    assert {archive, copy, made.folder} <= set(erased.removed)


# The .zip file --------------------------------------------------------------------------------


def _rewritten(path: Path, change: Callable[[zipfile.ZipFile], None], leave: str = "") -> None:
    """Write a zip file anew, without the entry `leave`, and let `change` add to it."""
    with zipfile.ZipFile(path) as old:
        content = {entry: old.read(entry) for entry in old.infolist()}
    with zipfile.ZipFile(path, "w") as new:
        for entry, data in content.items():
            if entry.filename != leave:
                new.writestr(entry, data)
        change(new)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "models/../../evil", "more.txt"])
def test_a_zip_with_a_path_that_leaves(
    made: Made, name: str, nothing_runs: None, tmp_path: Path
) -> None:
    path = zipped(made)
    _rewritten(path, lambda archive: archive.writestr(name, "x"))
    before = {each for each in tmp_path.rglob("*") if "ledger" not in each.name}
    refused(path, "is no part of the bundle")
    made_new = {each for each in tmp_path.rglob("*") if "ledger" not in each.name} - before
    assert not [each for each in made_new if "evil" in each.name or "more" in each.name]


def test_a_zip_with_a_link(made: Made, nothing_runs: None) -> None:
    path = zipped(made)
    entry = zipfile.ZipInfo("models/tiny_baked.onnx")
    entry.external_attr = (0o120777 << 16) | 0
    _rewritten(path, lambda archive: archive.writestr(entry, "/etc/passwd"), entry.filename)
    refused(path, "is a link or no plain file")


def test_a_zip_with_a_folder(made: Made, nothing_runs: None) -> None:
    path = zipped(made)
    _rewritten(path, lambda archive: archive.writestr("models/", ""))
    refused(path, "is a link or no plain file")


def test_a_zip_with_a_file_of_no_name(made: Made, nothing_runs: None) -> None:
    path = zipped(made)
    _rewritten(path, lambda archive: archive.writestr("x", "x"))
    data = path.read_bytes()
    at = data.rindex(b"PK\1\2")
    # The one letter of its name becomes its extra field, where the directory ends with it.
    path.write_bytes(data[: at + 28] + b"\0\0\1\0" + data[at + 32 :])
    refused(path, "holds a file without a name")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice(made: Made, nothing_runs: None) -> None:
    path = zipped(made)
    _rewritten(path, lambda archive: archive.writestr("licences/NOTICE.txt", "x"))
    refused(path, "is there twice")


@pytest.mark.parametrize("name", [CONTENTS, SEAL, "models/tiny_baked.onnx"])
def test_a_bomb(made: Made, name: str, nothing_runs: None, edge_home: Path) -> None:
    path = zipped(made)

    def add(archive: zipfile.ZipFile) -> None:
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, bytes(64 << 20))

    _rewritten(path, add, name)
    assert path.stat().st_size < 1 << 20
    refused(path, "was changed after the bundle was signed|is larger than")
    written = [each for each in (edge_home / "cache").rglob("*") if each.is_file()]
    assert sum(each.stat().st_size for each in written) < 1 << 20


def test_a_zip_with_a_bomb_that_was_signed(made: Made, nothing_runs: None) -> None:
    """A builder who is trusted may be wrong too: sizes are limited whoever signs."""
    parts = made.values()["files"]
    made.seal(files=[*parts, {"path": "big", "sha256": "0" * 64, "size": 9 << 30}])
    refused(made.folder, "it names more than 500 files, or 8 GiB")
    many = [{"path": f"f{n}", "sha256": "0" * 64, "size": 1} for n in range(501)]
    made.seal(files=[*parts, *many])
    refused(made.folder, "it names more than 500 files")


@pytest.mark.parametrize(
    "data", [b"", b"no zip", b"PK\5\6" + bytes(18), b"PK\5\6" + b"\xff" * 18, bytes(100_000)]
)
def test_what_is_no_zip(made: Made, data: bytes, nothing_runs: None) -> None:
    path = made.folder.with_suffix(".zip")
    path.write_bytes(data)
    refused(path, "is no bundle: not a readable .zip file|holds no bundle.toml")


def test_an_encrypted_zip(made: Made, nothing_runs: None) -> None:
    path = zipped(made)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 8] |= 1
    path.write_bytes(data)
    refused(path, "is there twice, encrypted, or packed unusually")


def test_what_is_no_bundle(tmp_path: Path, edge_home: Path) -> None:
    refused(tmp_path / "nothing", "no such bundle; check the path")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no bundle.toml, so it is no bundle")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is neither a folder nor a file")


@pytest.mark.parametrize("how", ["before", "while"])
def test_a_full_disk_while_unpacking(
    made: Made, how: str, monkeypatch: pytest.MonkeyPatch, nothing_runs: None, edge_home: Path
) -> None:
    path = zipped(made)
    if how == "before":
        monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 20})())
        refused(path, "needs 0 MB in .* to be unpacked, and 1 MB are free", OutputError)
    else:
        real = os.fsync

        def full(handle: int) -> None:
            if "/unpacked/" in os.readlink(f"/proc/self/fd/{handle}"):
                raise OSError(28, "No space left on device")
            real(handle)

        monkeypatch.setattr(os, "fsync", full)
        refused(path, "cannot be written: the disk is full", OutputError)
    assert not list((edge_home / "cache" / "identities").rglob("*.onnx"))
    assert not list((edge_home / "cache" / "identities").rglob(".unpacking*"))


def test_what_was_unpacked_is_checked_each_time(made: Made) -> None:
    path = zipped(made)
    folder = open_bundle(path).folder
    assert folder.is_relative_to(os.environ["EDGE_HOME"])
    stamp = (folder / CONTENTS).stat().st_ino
    assert open_bundle(path).folder == folder
    assert (folder / CONTENTS).stat().st_ino == stamp
    (folder / "models" / "tiny_baked.onnx").write_bytes(b"meddled with")
    assert open_bundle(path).folder == folder
    assert (folder / "models" / "tiny_baked.onnx").read_bytes() != b"meddled with"
