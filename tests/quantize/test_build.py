"""From a model to a bundle, on tiny models: what is in it, and that it runs."""

from __future__ import annotations

import copy
import datetime
import json
import os
import platform
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.contents import CONTENTS, SEAL
from edge.bundle.holders import FolderHolder
from edge.bundle.opening import open_bundle
from edge.cards import load_card
from edge.consent.canonical import utc_now
from edge.consent.erase import derivatives_of, erase_identity
from edge.consent.identity import load_identity
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.consent.revocation import install_revocation, new_revocation
from edge.consent.signing import public_hex
from edge.consent.trust import load_trust
from edge.errors import CardError, ConsentError, OutputError, UsageError
from edge.registry import sha256_of
from edge.sources import BAKED_IN
from quantize import bundle_outputs, measuring, way
from quantize.build import Built, build
from quantize.conversion import Conversion
from quantize.convert import convert
from quantize.errors import BudgetError, BuildError, TFLiteError
from quantize.targets import load_target, target_names
from tests.quantize.cards import save, write_card
from tests.quantize.graphs import reference_like
from tests.scene import Stage, stage, target

builder = import_module("quantize.build")  # `quantize.build` is the function
HERE = "x86_cpu" if platform.machine() == "x86_64" else "raspberry_pi"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few samples and few rounds: nothing here is about figures."""
    monkeypatch.setattr(way, "HELD_OUT", 3)
    monkeypatch.setattr(measuring, "_SECONDS_FOR_TIMING", 0.0)


@dataclass(frozen=True)
class Bench:
    """A model with its card, somebody to bake in, and a folder for results."""

    model: Path
    card: Path
    stage: Stage
    out: Path

    def build(self, name: str = "alice", **values: Any) -> Built:
        given: dict[str, Any] = {
            "target": HERE,
            "identity": self.stage.identity_file,
            "card": self.card,
            "precision": "fp32",
            "count": 3,
            "threads": 1,
            "detector": "tiny_detector",
        }
        return build(self.model, self.out / name, **{**given, **values})

    def left(self) -> list[str]:
        """Return what lies in the folder for results."""
        return sorted(path.name for path in self.out.iterdir()) if self.out.exists() else []


@pytest.fixture(scope="session")
def _workshop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stage]:
    """A home with somebody enrolled, made once: every test gets a copy."""
    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_HOME", str(folder / "home"))
        return folder, stage(folder / "home", folder / "stage")


@pytest.fixture(scope="session")
def _converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Conversion]]:
    """What was converted already: the same once more would be the same."""
    return {}


@pytest.fixture
def bench(
    _workshop: tuple[Path, Stage],
    _converted: dict[str, tuple[Path, Conversion]],
    edge_home: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    folder, pattern = _workshop
    shutil.copytree(folder / "home", edge_home, dirs_exist_ok=True)
    shutil.copytree(folder / "stage", tmp_path / "stage")
    nobody = replace(
        pattern, folder=tmp_path / "stage", identity_file=tmp_path / "stage" / "nobody.identity"
    )
    model = save(reference_like(), tmp_path / "face.onnx")
    card = write_card(tmp_path / "face.toml", model, mask="mask")

    def remembered(source: Path, output: Path, **given: Any) -> Conversion:
        bake = given.pop("bake")
        who = "" if bake is None else load_identity(bake).commitment
        options = {key: value for key, value in given.items() if key not in ("card", "progress")}
        key = f"{sha256_of(source)} {who} {options}"
        if key not in _converted:
            kept = tmp_path_factory.mktemp("converted") / "out"
            _converted[key] = kept, convert(source, kept, bake=bake, **given)
        kept, done = _converted[key]
        shutil.copytree(kept, output)
        facts = copy.deepcopy(dict(done.facts))
        return replace(
            done,
            model=output / done.model.name,
            report=output / done.report.name,
            side_files=tuple(output / path.name for path in done.side_files),
            facts=facts,
        )

    monkeypatch.setattr(builder, "convert", remembered)
    return Bench(model, card, nobody, tmp_path / "out")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_bundle_is_whole_and_runs(bench: Bench) -> None:
    built = bench.build(archive=bench.out / "alice.zip")
    assert bench.left() == ["alice", "alice.zip"]
    files = tree(built.folder)
    assert {name.split("/")[0] for name in files} == {
        *("bundle.toml", "bundle.sig", "consent.json", "profile.toml", "quality.json"),
        *("cards", "models", "licences", "golden"),
    }
    for place in (built.folder, bench.out / "alice.zip"):
        opened = open_bundle(place)
        assert opened.contents.id == built.id
        assert opened.contents.identity == bench.stage.identity.commitment
        swapper = opened.swapper(purpose="film", target_is="synthetic")
        assert len(swapper.swap(target()).faces) == 2


def test_what_is_baked_in_is_private(bench: Bench) -> None:
    built = bench.build(archive=bench.out / "alice.zip")
    for path in (built.folder, *built.folder.rglob("*"), bench.out / "alice.zip"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    text = b"".join(data for name, data in tree(built.folder).items() if not name.endswith("onnx"))
    vector = bench.stage.identity.embeddings["tiny_embedder"].tobytes()
    assert vector not in text
    assert bench.stage.identity.salt.encode() not in text
    open_one = bench.build("open", identity=None)
    assert stat.S_IMODE(open_one.folder.stat().st_mode) == 0o755


def test_the_cards_mean_what_was_made(bench: Bench) -> None:
    built = bench.build()
    for form, facts in built.conversions.items():
        card = load_card(built.folder / "cards" / f"tiny_graph.fp32.{form}.toml")
        assert card.sha256 == facts["sha256"]
        assert card.source is not None
        assert (card.source.kind, card.source.identity) == (
            "baked",
            bench.stage.identity.commitment,
        )
        assert card.picture is not None
        assert card.picture.mask == "mask"


def test_the_same_inputs_give_the_same_bytes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # Android's bundles hold every format that a target asks for.
    given: dict[str, Any] = {"precision": "int8", "target": "android_nnapi"}
    monkeypatch.setattr(builder, "convert", convert)
    first = bench.build(**given, archive=bench.out / "one.zip")
    again = bench.build("again", **given, archive=bench.out / "two.zip")
    assert set(first.conversions) == {"onnx", "ort", "tflite"}
    one, two = tree(first.folder), tree(again.folder)
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} <= {SEAL}
    assert first.id == again.id
    # and by whoever: another key changes the seal alone
    other = bench.build("other", **given, key=Ed25519PrivateKey.generate())
    three = tree(other.folder)
    assert {name for name in one if one[name] != three[name]} == {SEAL}
    text = (first.folder / "quality.json").read_text(encoding="utf-8")
    assert not [word for word in ("seconds", "p50", "memory", "latency was") if word in text]


@pytest.mark.parametrize("name", target_names())
def test_every_target(bench: Bench, name: str) -> None:
    built = bench.build(target=name, precision="int8", budget="psnr:15")
    profile = load_target(name)
    contents = (built.folder / CONTENTS).read_text(encoding="utf-8")
    assert f'target = "{name}"' in contents
    assert set(built.conversions) | set(built.left_out) >= set(profile.formats)
    report = json.loads((built.folder / "quality.json").read_text(encoding="utf-8"))
    for form, facts in report["formats"].items():
        assert facts["quality"]["worst"]["psnr"] >= 15
        assert (built.folder / "models" / facts["file"]).is_file()
        if profile.checkers(form):
            assert facts["checks"]["static"] is not None
    assert (built.folder / "recipes" / f"{profile.recipes['int8']}.toml").is_file()
    shipped = (built.folder / "profile.toml").read_text(encoding="utf-8")
    assert shipped.startswith("#")


def test_licences(bench: Bench) -> None:
    built = bench.build()
    notice = (built.folder / "licences" / "NOTICE.txt").read_text(encoding="utf-8")
    for name in ("tiny_graph.fp32.onnx", "tiny_detector"):
        assert name in notice
    text = (built.folder / "licences" / "Apache-2.0.txt").read_text(encoding="utf-8")
    assert "TERMS AND CONDITIONS" in text


def test_without_an_identity(bench: Bench) -> None:
    built = bench.build(identity=None)
    assert not (built.folder / "consent.json").exists()
    opened = open_bundle(built.folder)
    assert opened.consent is None
    assert "tiny_embedder" in opened.cards
    swapper = opened.swapper(
        purpose="film", target_is="synthetic", identity=bench.stage.identity_file
    )
    assert len(swapper.swap(target()).faces) == 2
    assert derivatives_of(bench.stage.identity.commitment) == []


def test_it_ends_with_the_consent_or_after_90_days(edge_home: Path, bench: Bench) -> None:
    seal = bench.build().seal
    assert seal.expires == seal.signed + datetime.timedelta(days=90)
    until = utc_now() + datetime.timedelta(days=5)
    short = stage(edge_home, bench.out.parent / "short", until=until)
    assert bench.build("short", identity=short.identity_file).seal.expires == until
    key = Ed25519PrivateKey.generate()
    assert bench.build("theirs", key=key).seal.key == public_hex(key)
    assert seal.key == public_hex(operator_key())


def test_erasing_the_identity_erases_it(bench: Bench) -> None:
    built = bench.build(archive=bench.out / "alice.zip")
    noted = set(derivatives_of(bench.stage.identity.commitment))
    assert noted == {built.folder, bench.out / "alice.zip"}
    erased = erase_identity(bench.stage.identity_file, Ledger())
    assert erased.kept == ()
    assert bench.left() == []
    done = Ledger().entries()[-1].fields["details"]
    assert isinstance(done, dict)
    assert done["removed"] == "3"


def test_a_consent_that_is_not_in_force(bench: Bench) -> None:
    install_revocation(
        new_revocation(bench.stage.consent, operator_key(), load_trust(), "asked to")
    )
    with pytest.raises(ConsentError, match="was revoked"):
        bench.build()
    assert bench.left() == []
    assert Ledger().entries()[-1].kind == "refusal"


def test_what_is_there_already(bench: Bench) -> None:
    first = bench.build()
    with pytest.raises(OutputError, match="exists already; give --overwrite"):
        bench.build()
    assert bench.build(overwrite=True).id == first.id
    (bench.out / "mine").mkdir()
    (bench.out / "mine" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="exists already and is no bundle"):
            bench.build("mine", overwrite=overwrite)
    assert (bench.out / "mine" / "thesis.txt").read_text() == "years of work"
    (bench.out / "empty").mkdir()
    assert bench.build("empty").id == first.id
    with pytest.raises(UsageError, match="lies in it"):
        build(
            bench.out / "alice" / "models" / "x.onnx",
            bench.out / "alice",
            target=HERE,
            identity=None,
            card=bench.card,
            overwrite=True,
        )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_whatever_happens_nothing_is_left(
    bench: Bench, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(builder, "try_model", stop)
    kind = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(kind):
        bench.build()
    assert bench.left() == []
    old = bench.out / "alice"
    old.mkdir(parents=True)
    shutil.copy(bench.card, old / CONTENTS)
    with pytest.raises(kind):
        bench.build(overwrite=True)
    assert [path.name for path in old.iterdir()] == [CONTENTS]


def refusing_to_note(refused: Path) -> Callable[[str, Path], None]:
    """Return `register_derivative` on a disk that is full when it comes to one path."""
    real = builder.register_derivative

    def register(commitment: str, path: Path) -> None:
        if path == refused:
            raise OutputError(f"cannot note {path}: the disk is full")
        real(commitment, path)

    return register


def test_a_bundle_that_cannot_be_noted_is_taken_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builder.register_derivative
    refuse = refusing_to_note(bench.out / "alice")
    monkeypatch.setattr(builder, "register_derivative", refuse)
    with pytest.raises(OutputError, match="cannot note"):
        bench.build()
    assert bench.left() == []
    monkeypatch.setattr(builder, "register_derivative", real)
    first = bench.build()
    before = tree(first.folder)
    monkeypatch.setattr(builder, "register_derivative", refuse)
    with pytest.raises(OutputError, match="cannot note"):
        bench.build(overwrite=True)
    assert bench.left() == ["alice"]
    assert tree(first.folder) == before
    gone = erase_identity(bench.stage.identity_file, Ledger())
    assert first.folder in gone.removed
    assert not gone.kept
    assert bench.left() == []


def test_an_archive_that_cannot_be_noted_is_not_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = bench.out / "alice.zip"
    monkeypatch.setattr(builder, "register_derivative", refusing_to_note(archive))
    with pytest.raises(OutputError, match="cannot note"):
        bench.build(archive=archive)
    assert not archive.exists()


def test_an_archive_for_which_there_is_no_room_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = bench.out / "alice.zip"
    first = bench.build(archive=archive)
    before, packed = tree(first.folder), archive.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OutputError(f"{archive}: cannot be written: the disk is full")

    monkeypatch.setattr(bundle_outputs, "pack", full)
    with pytest.raises(OutputError, match="the disk is full"):
        bench.build(archive=archive, precision="w8", overwrite=True)
    assert (tree(first.folder), archive.read_bytes()) == (before, packed)
    assert bench.left() == ["alice", "alice.zip"]


def test_a_folder_that_came_while_it_was_built(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, mine = builder.new_seal, bench.out / "alice" / "thesis.txt"

    def late(*args: Any, **more: Any) -> Any:
        mine.parent.mkdir()
        mine.write_text("years of work")
        return real(*args, **more)

    monkeypatch.setattr(builder, "new_seal", late)
    with pytest.raises(OutputError, match="exists already and is no bundle"):
        bench.build()
    assert mine.read_text() == "years of work"


def test_what_it_is_calibrated_on_is_not_replaced(bench: Bench) -> None:
    built = bench.build()
    with pytest.raises(UsageError, match="lies in it"):
        bench.build(calibration=built.folder / "golden", overwrite=True)
    picture = built.folder / "golden" / "crop-1.png"
    with pytest.raises(UsageError, match="lies in it"):
        bench.build(source_picture=picture, overwrite=True)


def test_a_recipe_is_of_int8_alone(bench: Bench) -> None:
    with pytest.raises(UsageError, match="a recipe says how int8 is made: leave it out with fp16"):
        bench.build(precision="fp16", recipe="x86_cpu_small")


def test_a_format_that_cannot_hold_the_model(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builder.convert

    def picky(*args: Any, **more: Any) -> Any:
        if more["format"] == "tflite":
            raise TFLiteError("node 'a': Frobnicate cannot be written as TFLite")
        return real(*args, **more)

    monkeypatch.setattr(builder, "convert", picky)
    built = bench.build(target="x86_cpu")
    assert set(built.conversions) == {"onnx"}
    assert "Frobnicate" in built.left_out["tflite"]
    report = json.loads((built.folder / "quality.json").read_text(encoding="utf-8"))
    assert report["left_out"] == dict(built.left_out)
    assert "litert" not in (built.folder / CONTENTS).read_text(encoding="utf-8")


def test_rules_that_the_model_breaks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builder.convert
    finding = {"node": "n7", "problem": "is odd", "fix": "make it even"}

    def bad(*checkers: str) -> None:
        def convert(*args: Any, **more: Any) -> Any:
            done = real(*args, **more)
            done.facts["checks"]["static"] = {
                "findings": [{**finding, "checker": name} for name in checkers]
            }
            return done

        monkeypatch.setattr(builder, "convert", convert)

    bad("nnapi")
    built = bench.build(target="android_nnapi")
    assert built.left_out == {"nnapi": "n7: is odd; make it even"}
    assert '"NnapiExecutionProvider"' not in (built.folder / CONTENTS).read_text()
    bad("nnapi", "xnnpack", "xnnpack")
    built = bench.build("two", target="android_nnapi")
    assert set(built.left_out) == {"nnapi", "xnnpack", "litert"}
    monkeypatch.setattr(builder, "checker_of", lambda spec: "xnnpack")
    with pytest.raises(BuildError, match=r"nothing runs the model on raspberry_pi: .*and 1 more"):
        bench.build("three", target="raspberry_pi")
    assert "three" not in bench.left()


def test_a_budget(bench: Bench) -> None:
    with pytest.raises(BudgetError, match="cannot be met"):
        bench.build(precision="w8", budget="psnr:98", target="jetson")
    assert bench.left() == []


def test_a_model_without_a_card(bench: Bench) -> None:
    with pytest.raises(CardError, match="no card means this file"):
        bench.build(card=None)
    with pytest.raises(UsageError, match="no such file"):
        build("nowhere.onnx", bench.out, target=HERE, identity=None)
    with pytest.raises(CardError, match="no model 'nothing'"):
        bench.build(card="nothing")


def test_an_emap_goes_along_where_it_is_needed(edge_home: Path, tmp_path: Path) -> None:
    from tests.quantize.graphs import TOPOLOGIES

    nobody = stage(edge_home, tmp_path / "stage")
    model = save(TOPOLOGIES["inswapper"](), tmp_path / "face.onnx")
    card = write_card(tmp_path / "face.toml", model, emap="model")
    bench = Bench(model, card, nobody, tmp_path / "out")
    baked, takes = bench.build(), bench.build("open", identity=None)
    assert not list((baked.folder / "models").glob("*.npy"))
    assert list((takes.folder / "models").glob("*.npy"))
    for built, who in ((baked, None), (takes, nobody.identity_file)):
        swapper = open_bundle(built.folder).swapper(
            purpose="film", target_is="synthetic", identity=who
        )
        assert len(swapper.swap(target()).faces) == 2


def test_metadata_of_the_model_says_the_same(bench: Bench) -> None:
    from edge.backends._onnx_contents import metadata_of

    built = bench.build(target="jetson")
    (path,) = (built.folder / "models").glob("face*.onnx")
    assert metadata_of(path)[BAKED_IN] == bench.stage.identity.commitment


def test_names_are_plain(bench: Bench) -> None:
    built = bench.build()
    assert FolderHolder(built.folder).names() == set(tree(built.folder))
    assert os.path.basename(built.folder) == "alice"
