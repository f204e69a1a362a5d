"""`edge run`, `edge inspect` and `edge bundle`, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.cli import main
from edge.consent.ledger import Ledger
from edge.consent.operator import operator_key
from edge.consent.revocation import new_revocation, save_revocation
from edge.consent.signing import private_pem, public_hex
from edge.consent.trust import load_trust
from edge.provenance.verify import verify_file
from tests.bundles import Made
from tests.scene import target, write

LEAVE = ("--purpose", "film", "--target-is", "synthetic")


def words(made: Made, source: Path, output: Path, *more: str) -> list[str]:
    return ["run", str(made.folder), "--input", str(source), "--output", str(output), *LEAVE, *more]


def test_a_picture_is_labelled_signed_and_entered(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.png"
    assert main(words(made, made.stage.picture(), output, "--json")) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["faces"] == 2
    assert list(done["models"]) == ["tiny_detector", "tiny_baked"]
    verdict = verify_file(output)
    assert verdict.exit_status == 0
    (entry,) = [each for each in Ledger().entries() if each.kind == "output"]
    assert entry.state == "published"
    bundle = entry.fields["bundle"]
    assert isinstance(bundle, str)
    assert len(bundle) == 64
    assert verdict.claims is not None
    assert verdict.claims.bundle == bundle


def test_only_the_face_that_matches_a_picture(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = target(cells=((20, 20), (40, 24)))
    frame[24 * 8 - 20 : 25 * 8 + 20, 40 * 8 - 30 : 40 * 8 - 10] = (250, 60, 10)
    source = write(tmp_path / "in.png", frame)
    reference = write(tmp_path / "reference.png", frame[128:312, 224:424])
    output = tmp_path / "out.png"
    assert main(words(made, source, output, "--match", str(reference), "--json")) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["faces"] == 1
    # The bundle has no recogniser: faces are compared by the device's own, and that is recorded.
    assert list(done["models"]) == ["tiny_detector", "ref_embedder", "tiny_baked"]
    assert main(words(made, source, output, "--match", str(reference), "--faces", "left")) == 2
    assert "exclude each other" in capsys.readouterr().err


def _film(path: Path, frames: int = 3) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 480, 360, "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(target(), "bgr24")))
        container.mux(stream.encode())


def test_a_folder_and_a_video(made: Made, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="videos need PyAV")
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "one.png", target())
    _film(folder / "two.mp4")
    assert main(words(made, folder, tmp_path / "out")) == 0
    for name in ("one.png", "two.mp4"):
        verdict = verify_file(tmp_path / "out" / name)
        assert verdict.exit_status == 0
        assert verdict.claims is not None
        assert verdict.claims.bundle


def test_a_revocation_that_comes_with_the_call(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "r.revocation"
    save_revocation(
        new_revocation(made.stage.consent, operator_key(), load_trust(), "enough"), record
    )
    output = tmp_path / "out.png"
    assert main(words(made, made.stage.picture(), output, "--revocation", str(record))) == 2
    shown = capsys.readouterr()
    assert "was revoked on" in shown.err
    assert shown.err.count("\n") == 1
    assert not output.exists()
    assert main(words(made, made.stage.picture(), output)) == 2, "it counts from now on"


def test_a_changed_bundle_is_one_line(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (made.folder / "licences" / "NOTICE.txt").write_text("something else, of another length\n")
    output = tmp_path / "out.png"
    assert main(words(made, made.stage.picture(), output)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        f"edge run: {made.folder}: licences/NOTICE.txt was changed after the bundle was signed: "
        "get the bundle again\n"
    )
    assert not output.exists()


def test_what_inspect_shows(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(made.folder)]) == 0
    text = capsys.readouterr().out
    for part in ("x86_cpu", "this device", "would run here", "tiny_baked", "in force"):
        assert part in text
    assert main(["inspect", str(made.folder), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["signer"] == "this device"
    assert facts["consent"]["subject"] == "nobody"
    assert facts["problems"] == []
    assert [way["name"] for way in facts["ways"]] == ["ort"]


def test_inspect_shows_a_stranger_s_bundle_too(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    key = Ed25519PrivateKey.generate()
    made.seal(key, architecture="aarch64", target="raspberry_pi")
    assert main(["inspect", str(made.folder)]) == 2
    text = capsys.readouterr().out
    assert "NOT TRUSTED HERE" in text
    assert f"edge bundle trust add {public_hex(key)}" in text
    assert "was built for raspberry_pi" in text
    assert text.rstrip().endswith("would not run here")


def test_the_builders_that_are_trusted(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = Ed25519PrivateKey.generate()
    pem = tmp_path / "builder.pem"
    pem.write_bytes(private_pem(key))
    made.seal(key)
    output = tmp_path / "out.png"
    assert main(words(made, made.stage.picture(), output)) == 2
    assert main(["bundle", "trust", "add", str(pem), "--name", "workshop"]) == 0
    assert main(words(made, made.stage.picture(), output)) == 0
    capsys.readouterr()
    assert main(["bundle", "trust", "list"]) == 0
    assert f"{public_hex(key)} workshop" in capsys.readouterr().out
    assert main(["bundle", "trust", "remove", public_hex(key)]) == 0
    assert main(words(made, made.stage.picture(), tmp_path / "two.png")) == 2
    events = [e.fields["details"] for e in Ledger().entries() if e.fields.get("event") == "trust"]
    assert [each["step"] for each in events if isinstance(each, dict)] == ["add", "remove"]


def test_renewing(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    assert main(["bundle", "renew", str(made.folder)]) == 0
    assert "nothing but bundle.sig has changed" in capsys.readouterr().out
    for path, data in before.items():
        assert path.read_bytes() == data or path.name == "bundle.sig"
    assert main(words(made, made.stage.picture(), tmp_path / "out.png")) == 0


def test_label_of_the_output(made: Made, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    assert main(words(made, made.stage.picture(), output, "--label-language", "zh")) == 0
    shown, plain = cv2.imread(str(output)), target()
    assert shown is not None
    height = plain.shape[0]
    assert (shown[-height // 6 :] != plain[-height // 6 :]).any()


def test_inspect_says_what_its_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["inspect", "--help"])
    page = capsys.readouterr().out
    assert "exit status:\n  0  the bundle would run here\n  2  it would not" in page
