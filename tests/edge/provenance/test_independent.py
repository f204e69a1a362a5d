"""Others check us: implementations that share no code with the library that we sign with.

`scripts/independent` installs @trustnxt/c2pa-ts, written in TypeScript alone. It says nothing about
who signed, and it cannot read WebP. exiftool lists what stands in a manifest and judges nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from edge.provenance import implicit, manifest, verify
from edge.provenance.engine import context
from edge.provenance.signer import ready_to_sign
from edge.provenance.stamping import Authority, stamp_file, token_in
from edge.provenance.verify import verify_file
from edge.provenance.watermark.files import Look
from edge.records import SwapRecord
from tests import authority as testing
from tests import tampering

pytest.importorskip("c2pa")

Maker = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the search for a watermark out: no verdict here depends on it, and it takes long."""
    monkeypatch.setattr(verify, "look_into", lambda path, media_type: Look(None))


HERE = Path(__file__).resolve().parents[2] / "independent"
SUFFIXES = ["jpg", "png", "mp4"]


def _folder() -> Path:
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "edge-swap" / f"independent-{lock[:12]}"


needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not _folder().is_dir(),
    reason="no c2pa-ts here: scripts/independent installs it (needs node and npm)",
)


def _verdicts(files: Iterable[Path], *options: str) -> list[tuple[bool | None, list[str]]]:
    """Return of each file whether c2pa-ts calls it valid (None: no manifest), and its codes."""
    command = ["node", str(HERE / "verdict.mjs"), *options, str(_folder()), *map(str, files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [(answer["valid"], answer["codes"]) for answer in answers]


@needs_node
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_calls_our_files_valid(suffix: str, plain: Maker, signed: Maker) -> None:
    found = _verdicts([signed(suffix), plain(suffix)])
    assert found == [(True, []), (None, [])]


# The frame around a manifest: no hash covers it, and c2pa-ts does not look at it.
_ONLY_WE_LOOK = {("jpg", "store: frame"), ("mp4", "store: frame")}

# Which of its checks must say so, as ours must.
_CHECKS = {
    "picture": ("dataHash.mismatch", "bmffHash.mismatch"),
    "headers": ("dataHash.mismatch", "bmffHash.mismatch"),
    "claim": ("claimSignature.mismatch",),
    "signature: value": ("claimSignature.mismatch",),
    "edited": ("hashedURI.mismatch",),
}


@needs_node
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_agrees_about_every_spoiled_file(suffix: str, signed: Maker, tmp_path: Path) -> None:
    content = signed(suffix).read_bytes()
    cases = {
        name: tampering.flip(at)(content) for name, at in tampering.regions(content, suffix).items()
    }
    cases["edited"] = tampering.replaced(b"gpurposedfilm", b"gpurposedgame")(content)
    cases["appended"] = content + b"\0" * 16
    cases["cut"] = content[: len(content) * 9 // 10]
    cases["stripped"] = tampering.without_store(content, suffix)
    files = {name: tmp_path / f"{number}.{suffix}" for number, name in enumerate(cases)}
    for name, path in files.items():
        path.write_bytes(cases[name])
    theirs = dict(zip(files, _verdicts(files.values()), strict=True))
    for name, path in files.items():
        ours = verify_file(path)
        valid, codes = theirs[name]
        if name == "stripped":
            assert (valid, ours.manifest) == (None, "absent")
        else:
            assert ours.exit_status == 4, name
            assert valid is not True or (suffix, name) in _ONLY_WE_LOOK, (name, codes)
            if name in _CHECKS:
                assert any(code.endswith(_CHECKS[name]) for code in codes), (name, codes)


@needs_node
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_agrees_about_swapped_manifests(
    suffix: str, signed: Maker, other: Maker, tmp_path: Path
) -> None:
    first, second = signed(suffix), other(suffix)
    swapped = tmp_path / f"swapped.{suffix}"
    content = tampering.with_store_of(first.read_bytes(), second.read_bytes(), suffix)
    swapped.write_bytes(content)
    found = _verdicts([first, second, swapped])
    assert [valid for valid, _ in found] == [True, True, False]
    assert [verify_file(path).exit_status for path in (first, second, swapped)] == [0, 0, 4]


@needs_node
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_reads_a_second_generation(
    suffix: str, plain: Maker, signed: Maker, record: SwapRecord, tmp_path: Path
) -> None:
    second = tmp_path / f"second.{suffix}"
    media_type = tampering.MEDIA_TYPES[suffix]
    manifest.sign(plain(suffix), second, media_type, record, signed(suffix))
    assert _verdicts([second]) == [(True, [])]
    assert verify_file(second).exit_status == 0


_CAPTURED = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def _stamped_by_the_library(plain: Path, signed: Path, suffix: str, authority: str) -> None:
    """Sign a file as a program does that has the C2PA library fetch the time stamp itself."""
    import c2pa

    key = ready_to_sign()
    action = {"action": "c2pa.created", "digitalSourceType": _CAPTURED}
    actions = {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [action]}}
    generator = {"name": "camera", "version": "1"}
    what = {"claim_generator_info": [generator], "assertions": [actions]}
    kind = getattr(c2pa.C2paSigningAlg, key.algorithm.upper())
    signer = c2pa.Signer.from_callback(key.sign, kind, key.chain_pem, authority)
    builder = c2pa.Builder(what, context=context([]))
    with plain.open("rb") as source, signed.open("w+b") as destination:
        builder.sign(signer, tampering.MEDIA_TYPES[suffix], source, destination)


@needs_node
@pytest.mark.skipif(testing.OPENSSL is None, reason="openssl is not installed")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_agrees_about_stamped_files_once_it_can_read_their_stamp(
    suffix: str, plain: Maker, signed: Maker, tmp_path: Path
) -> None:
    authority = testing.make(tmp_path / "authority")
    ours, theirs = signed(suffix), tmp_path / f"theirs.{suffix}"
    with testing.running(authority):
        stamp_file(ours, Authority(authority.url))
        _stamped_by_the_library(plain(suffix), theirs, suffix, authority.url)
    # As it is, it reads no stamp of C2PA 2.x, whoever put it there, and looks at nothing else.
    assert _verdicts([ours, theirs]) == [(False, ["signingCredential.invalid"])] * 2
    good = _verdicts([ours, theirs], "--bare-tokens")
    assert good == [(True, []), (True, [])]
    assert [verify_file(path).exit_status for path in (ours, theirs)] == [0, 0]
    # It does check the stamp, and what it was told of stamps hides nothing else.
    content = ours.read_bytes()
    regions = tampering.regions(content, suffix)
    stamp = token_in(ours) or b""
    token = content.index(stamp) + len(stamp) - 8  # in the authority's signature, which ends it
    spoiled = {name: tampering.flip(regions[name])(content) for name in ("picture", "claim")}
    spoiled["token"] = tampering.flip(token)(content)
    spoiled["edited"] = tampering.replaced(b"gpurposedfilm", b"gpurposedgame")(content)
    files = [tmp_path / f"spoiled-{name}.{suffix}" for name in spoiled]
    for path, changed in zip(files, spoiled.values(), strict=True):
        path.write_bytes(changed)
    answers = _verdicts(files, "--bare-tokens")
    for name, path, (valid, codes) in zip(spoiled, files, answers, strict=True):
        assert valid is False, name
        expected = _CHECKS.get(name, ("timeStamp.mismatch", "timeStamp.malformed"))
        assert any(code.endswith(expected) for code in codes), (name, codes)
        verdict = verify_file(path)
        if name != "token":
            assert verdict.exit_status == 4, name
        elif verdict.claims is not None:  # a file without a stamp is as good as it was
            assert not verdict.claims.time.time_stamped
            assert verdict.claims.time.spoiled


@pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="no exiftool here: apt install libimage-exiftool-perl"
)
@pytest.mark.parametrize("suffix", ["jpg", "png"])  # Debian 12's reads no manifest in MP4
def test_exiftool_lists_our_assertions(suffix: str, signed: Maker, record: SwapRecord) -> None:
    done = subprocess.run(
        ["exiftool", "-json", "-a", "-JUMBF:all", str(signed(suffix))],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    shown = json.dumps(json.loads(done.stdout))
    label = implicit.implicit_label(record)
    for words in (
        record.output_id,
        record.permit.consent_id,
        record.permit.identity_commitment,
        record.target_sha256,
        record.models[0].sha256,
        record.label.corner,
        label.ContentProducer,
        "c2pa.opened",
        "c2pa.edited",
        "compositeWithTrainedAlgorithmicMedia",
    ):
        assert words in shown, words
