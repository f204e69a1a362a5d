"""`edge swap`: exit status, one line for an error, JSON for machines."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.consent.identity import Embedding, new_identity, save_identity
from edge.consent.operator import operator_key
from edge.consent.record import new_consent
from edge.consent.terms import Terms
from tests import tiny
from tests.scene import ARGUMENTS, Stage, stage, target, write


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def words(ready: Stage, source: Path, output: Path, *more: str) -> list[str]:
    start = ["swap", "--identity", str(ready.identity_file), "--input", str(source)]
    return [*start, "--output", str(output), *ARGUMENTS, *more]


LEAVE = ("--purpose", "film", "--target-is", "synthetic")


def test_picture(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    output = ready.folder / "out.jpg"
    assert main(words(ready, ready.picture(), output, *LEAVE)) == 0
    assert "CPUExecutionProvider" in capsys.readouterr().out
    assert main(["verify", str(output)]) == 0


def test_json(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    output = ready.folder / "out.png"
    assert main(words(ready, ready.picture(), output, *LEAVE, "--json")) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["faces"] == 2
    assert shown["output"] == str(output)


def test_the_icon_of_the_european_union(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    output = ready.folder / "out.png"
    style = ("--label-style", "eu-icon", "--label-language", "en")
    assert main(words(ready, ready.picture(), output, *LEAVE, *style)) == 0
    capsys.readouterr()
    assert main(["verify", str(output), "--json"]) == 0
    label = json.loads(capsys.readouterr().out)["visible_label"]
    assert (label["style"], label["text"]) == ("eu-icon", "AI MODIFIED")


def test_folder_with_a_failure_is_status_2(
    ready: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ready.folder / "in"
    folder.mkdir()
    write(folder / "a.png", target())
    (folder / "b.png").write_bytes(b"nothing")
    assert main(words(ready, folder, ready.folder / "out", *LEAVE, "--json")) == 2
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["outputs"]) == 1
    assert len(shown["failed"]) == 1


@pytest.mark.parametrize(
    "leave",
    [
        ("--purpose", "film"),
        ("--purpose", "game", "--target-is", "synthetic"),
        ("--purpose", "film", "--target-consent", "missing.json"),
    ],
    ids=["no statement", "other purpose", "missing target consent"],
)
def test_refusals_are_one_line(
    ready: Stage, capsys: pytest.CaptureFixture[str], leave: tuple[str, ...]
) -> None:
    output = ready.folder / "out.jpg"
    assert main(words(ready, ready.picture(), output, *leave)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("edge swap: ")
    assert shown.err.count("\n") == 1
    assert not output.exists()
    assert main(["ledger", "show", "--json"]) == 0
    assert "refus" in capsys.readouterr().out


def test_unknown_model_is_one_line(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    command = words(ready, ready.picture(), ready.folder / "out.jpg", *LEAVE)
    assert main([*command, "--model", "nonesuch"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_full_disk_leaves_nothing(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    import resource

    output = ready.folder / "out.png"
    source = ready.picture()
    before = {path.name for path in ready.folder.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, hard))
        status = main(words(ready, source, output, *LEAVE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {path.name for path in ready.folder.iterdir()} == before


def identity(ready: Stage, terms: Terms, recogniser: str = "tiny_embedder") -> str:
    """Make an identity under other terms, with the same face."""
    consent = new_consent(terms, [ready.folder / "photo.png"], operator_key())
    old = ready.identity.recognisers["tiny_embedder"]
    made = new_identity(consent, {recogniser: old}, operator_key())
    path = ready.folder / "other.identity"
    save_identity(made, path)
    return str(path)


def _terms(**changes: object) -> Terms:
    terms = Terms(subject="Ann", purposes=("film",), adult=True, intimate=False)
    return replace(terms, **changes)  # type: ignore[arg-type]


def _day(offset: int) -> datetime.datetime:
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return now + datetime.timedelta(days=offset)


def _expired(ready: Stage) -> list[str]:
    return ["--identity", identity(ready, _terms(not_before=_day(-9), not_after=_day(-1)))]


def _future(ready: Stage) -> list[str]:
    return ["--identity", identity(ready, _terms(not_before=_day(1)))]


def _revoked(ready: Stage) -> list[str]:
    assert main(["consent", "revoke", str(ready.identity_file)]) == 0
    return []


def _edited(ready: Stage) -> list[str]:
    path = ready.folder / "edited.identity"
    path.write_text(ready.identity_file.read_text().replace('"film"', '"game"'))
    path.chmod(0o600)
    return ["--identity", str(path)]


def _not_for_pictures(ready: Stage) -> list[str]:
    return ["--identity", identity(ready, _terms(media=("video",)))]


def _other_target(ready: Stage) -> list[str]:
    return ["--identity", identity(ready, _terms(targets=("self",)))]


def _other_recogniser(ready: Stage) -> list[str]:
    return ["--identity", identity(ready, _terms(), "some_embedder")]


def _other_edition(ready: Stage) -> list[str]:
    consent = new_consent(_terms(), [ready.folder / "photo.png"], operator_key())
    vector = np.array(ready.identity.embeddings["tiny_embedder"])
    made = new_identity(consent, {"tiny_embedder": Embedding("0" * 64, vector)}, operator_key())
    save_identity(made, ready.folder / "other.identity")
    return ["--identity", str(ready.folder / "other.identity")]


def _policy(ready: Stage) -> list[str]:
    path = Path(os.environ["EDGE_HOME"]) / "config" / "policy.toml"
    path.write_text('require_assurance = "trusted-issuer"\n')
    path.chmod(0o600)
    return []


def _model_missing(ready: Stage) -> list[str]:
    (Path(os.environ["EDGE_HOME"]) / "data" / "models" / "tiny_swapper.onnx").unlink()
    return []


def _model_changed(ready: Stage) -> list[str]:
    path = Path(os.environ["EDGE_HOME"]) / "data" / "models" / "tiny_swapper.onnx"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return []


def _model_of_another_contract(ready: Stage) -> list[str]:
    tiny.install_one(Path(os.environ["EDGE_HOME"]), "odd", "swapper", tiny.SWAPPER, tiny.embedder())
    return ["--model", "odd"]


def _output_is_input(ready: Stage) -> list[str]:
    return ["--output", str(ready.folder / "target.png"), "--overwrite"]


def _output_is_a_link_to_the_input(ready: Stage) -> list[str]:
    (ready.folder / "link.png").symlink_to(ready.folder / "target.png")
    return ["--output", str(ready.folder / "link.png"), "--overwrite"]


BAD: dict[str, tuple[Callable[[Stage], list[str]], str]] = {
    "expired": (_expired, "expired on"),
    "future": (_future, "not valid yet"),
    "revoked": (_revoked, "was revoked"),
    "edited": (_edited, "was changed"),
    "another medium": (_not_for_pictures, "medium 'picture'"),
    "another target": (_other_target, "does not permit a target"),
    "another recogniser": (_other_recogniser, "some_embedder"),
    "another edition": (_other_edition, "tiny_embedder"),
    "policy": (_policy, "policy requires trusted-issuer"),
    "model missing": (_model_missing, "not found in"),
    "model changed": (_model_changed, "where its card says"),
    "model of another contract": (_model_of_another_contract, "does not fit its card"),
    "output is input": (_output_is_input, "is the input itself"),
    "output links to input": (_output_is_a_link_to_the_input, "is the input itself"),
}
REFUSED = {
    "expired",
    "future",
    "revoked",
    "edited",
    "another medium",
    "another target",
    "another recogniser",
    "another edition",
    "policy",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_nothing_else(
    ready: Stage, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    prepare, message = BAD[case]
    source = ready.picture()
    command = words(ready, source, ready.folder / "out.png", *LEAVE) + prepare(ready)
    content = source.read_bytes()
    before = {path.name for path in ready.folder.iterdir()}
    capsys.readouterr()
    assert main(command) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("edge swap: ")
    assert shown.err.count("\n") == 1
    assert message in shown.err
    assert {path.name for path in ready.folder.iterdir()} == before
    assert source.read_bytes() == content
    assert main(["ledger", "show"]) == 0
    assert (" refused " in capsys.readouterr().out) is (case in REFUSED)


def test_boost(ready: Stage) -> None:
    output = ready.folder / "out.png"
    assert main(words(ready, ready.picture(), output, *LEAVE, "--boost", "2")) == 0
    assert main(["verify", str(output)]) == 0


def test_masks_are_names_with_commas(ready: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    output = ready.folder / "out.png"
    more = ("--mask", " xseg_2,, bisenet ")
    assert main(words(ready, ready.picture(), output, *LEAVE, *more)) == 2
    error = capsys.readouterr().err
    assert "model xseg_2: file xseg_2.onnx not found" in error
    assert error.count("\n") == 1
    assert main(words(ready, ready.picture(), output, *LEAVE, "--mask", ",")) == 0


def test_a_boost_without_sense_is_one_line(
    ready: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ready.folder / "out.png"
    assert main(words(ready, ready.picture(), output, *LEAVE, "--boost", "20")) == 2
    assert "--boost must be between 1 and 8" in capsys.readouterr().err
    assert not output.exists()


def test_source_picture(ready: Stage, edge_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests import families

    families.install(edge_home, "uniface_256")
    output, photo = ready.folder / "out.png", ready.folder / "photo.png"
    arguments = [*words(ready, ready.picture(), output, *LEAVE), "--model", "uniface_256"]
    assert main(arguments) == 2
    assert "--source-picture" in capsys.readouterr().err
    assert not output.exists()
    assert main([*arguments, "--source-picture", str(photo)]) == 0
    assert main(["verify", str(output)]) == 0
