from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import TimeStampError
from edge.provenance import certificates, keys, manifest, stamping, tsp
from edge.provenance.anchors import time_dir, trusted_dir
from edge.provenance.stamping import Authority, load_authority, put_token, stamp_file, token_in
from edge.provenance.verify import verify_file
from edge.records import SwapRecord
from tests import authority as testing

Maker = Callable[[str], Path]
SUFFIXES = ["jpg", "png", "webp", "mp4"]

needs_openssl = pytest.mark.skipif(testing.OPENSSL is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> testing.Authority:
    return testing.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def authority(made: testing.Authority) -> Iterator[testing.Authority]:
    made.refuses = made.garbles = False
    with testing.running(made):
        yield made


def _trust_time(authority: testing.Authority) -> None:
    time_dir().mkdir(parents=True, exist_ok=True)
    shutil.copy(authority.root, time_dir() / "test.pem")


# Configuration -----------------------------------------------------------------------------------


def _configure(text: str) -> None:
    stamping.authority_path().parent.mkdir(parents=True, exist_ok=True)
    stamping.authority_path().write_text(text)


def test_no_authority_by_default() -> None:
    assert load_authority() is None


def test_it_is_configured_in_a_file() -> None:
    _configure('url = "http://time.example/tsr"\ntimeout_seconds = 3\n')
    assert load_authority() == Authority("http://time.example/tsr", 3.0)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("url = 1", "http"),
        ('url = "ftp://x/"', "http"),
        ('url = "http://[x"', "http"),
        ('url = "http://x:99999/"', "http"),
        ("", "http"),
        ('url = "http://x/"\nretries = 1', "no key 'retries'"),
        ('url = "http://x/"\ntimeout_seconds = 0', "timeout"),
        ('url = "http://x/"\ntimeout_seconds = true', "timeout"),
        ("url =", "TOML"),
    ],
)
def test_a_malformed_configuration_is_said(text: str, what: str) -> None:
    _configure(text)
    with pytest.raises(TimeStampError, match=what):
        load_authority()


# Stamps ------------------------------------------------------------------------------------------


@needs_openssl
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stamp_changes_nothing_but_the_padding(
    suffix: str, signed: Maker, authority: testing.Authority
) -> None:
    path = signed(suffix)
    before = path.read_bytes()
    assert token_in(path) is None
    token = stamp_file(path, Authority(authority.url))
    after = path.read_bytes()
    assert len(after) == len(before)
    differing = [at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert differing[-1] - differing[0] < 11_000  # within the signature's box, or a checksum
    assert token_in(path) == token.der
    unknown = verify_file(path)
    assert unknown.exit_status == 0
    assert unknown.claims is not None
    assert not unknown.claims.time.time_stamped
    assert unknown.claims.time.authority == "Test Time"
    assert any("authority that this device does not know" in note for note in unknown.notes)
    _trust_time(authority)
    verdict = verify_file(path)
    assert (verdict.exit_status, verdict.failures) == (0, ())
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped
    assert verdict.claims.time.claimed == "2026-03-01T12:00:00Z"  # the record's
    assert any("came later" in note for note in verdict.notes)
    assert verdict.signer is not None
    assert verdict.signer.anchor == "this device"


@needs_openssl
def test_a_picture_decodes_to_the_same_pixels(signed: Maker, authority: testing.Authority) -> None:
    path = signed("jpg")
    before = cv2.imread(str(path))
    stamp_file(path, Authority(authority.url))
    after = cv2.imread(str(path))
    assert before is not None
    assert after is not None
    assert np.array_equal(before, after)


@needs_openssl
def test_a_stamp_can_be_renewed(signed: Maker, authority: testing.Authority) -> None:
    path = signed("png")
    first = stamp_file(path, Authority(authority.url))
    second = stamp_file(path, Authority(authority.url))
    assert first.der != second.der
    assert token_in(path) == second.der
    assert verify_file(path).exit_status == 0


@needs_openssl
def test_another_files_token_is_refused(signed: Maker, authority: testing.Authority) -> None:
    path, other = signed("jpg"), signed("png")
    before = path.read_bytes()
    token = stamp_file(other, Authority(authority.url))
    with pytest.raises(TimeStampError, match="does not fit"):
        put_token(path, token.der)
    assert path.read_bytes() == before


@needs_openssl
def test_a_token_in_a_changed_picture_helps_nothing(
    signed: Maker, authority: testing.Authority
) -> None:
    path = signed("jpg")
    stamp_file(path, Authority(authority.url))
    _trust_time(authority)
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    assert verify_file(path).exit_status == 4


@pytest.mark.parametrize("size", [12_000, 60_000])
def test_no_room_is_said(signed: Maker, size: int) -> None:
    path = signed("jpg")
    before = path.read_bytes()
    with pytest.raises(TimeStampError, match="room"):
        put_token(path, b"x" * size)
    assert path.read_bytes() == before


def test_files_without_a_manifest(plain: Maker, tmp_path: Path) -> None:
    with pytest.raises(TimeStampError, match="no manifest"):
        stamping.imprint_of(plain("jpg"))
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(TimeStampError, match="no picture"):
        stamping.imprint_of(tmp_path / "a.txt")
    with pytest.raises(TimeStampError, match="cannot be read"):
        stamping.imprint_of(tmp_path / "nothing.jpg")


# Who may vouch for what --------------------------------------------------------------------------


@needs_openssl
def test_an_authority_for_time_is_none_for_signers(
    signed: Maker, authority: testing.Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The root of our own signer, trusted for time stamps only, does not make the signer known."""
    path = signed("jpg")
    stamp_file(path, Authority(authority.url))
    root = certificates.chain_pem([keys.device_keys().root])
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "elsewhere"))
    _trust_time(authority)
    (time_dir() / "signer.pem").write_text(root)
    verdict = verify_file(path)
    assert verdict.exit_status == 3
    assert verdict.signer is not None
    assert not verdict.signer.trusted
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped
    (trusted_dir() / "studio.pem").write_text(root)
    verdict = verify_file(path)
    assert verdict.exit_status == 0
    assert verdict.signer is not None
    assert verdict.signer.anchor == "studio.pem"


# Ten years ---------------------------------------------------------------------------------------


def _import_short(folder: Path, seconds: float) -> None:
    """Make this device sign with a certificate that ends in a few seconds."""
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    begin = now - datetime.timedelta(days=1)
    lifetime = datetime.timedelta(days=1, seconds=seconds)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = testing.certificate("Studio Root", root_key, lifetime=40 * testing.YEAR)
    uses = (certificates.CLAIM_SIGNING, certificates.EMAIL_PROTECTION)
    leaf = testing.certificate(
        "Studio", key, issuer=(root, root_key), uses=uses, begin=begin, lifetime=lifetime
    )
    (folder / "key.pem").write_text(testing.pem(key))
    (folder / "chain.pem").write_text(testing.pem(leaf) + testing.pem(root))
    keys.import_keys(folder / "key.pem", folder / "chain.pem")


@needs_openssl
def test_a_stamp_outlives_the_certificate(
    signed: Maker, tmp_path: Path, authority: testing.Authority
) -> None:
    _import_short(tmp_path, 4)
    stamped, bare = signed("jpg"), signed("png")
    stamp_file(stamped, Authority(authority.url))
    _trust_time(authority)
    end = keys.device_keys().leaf.not_valid_after_utc
    time.sleep(max(0.0, (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds() + 1))
    verdict = verify_file(stamped)
    assert verdict.exit_status == 0
    assert verdict.signer is not None
    assert verdict.signer.status == "trusted"
    assert any("expired since" in note for note in verdict.notes)
    verdict = verify_file(bare)
    assert (verdict.exit_status, verdict.integrity) == (3, "intact")
    assert verdict.signer is not None
    assert (verdict.signer.status, verdict.signer.trusted) == ("expired", False)
    assert any("no trusted time stamp helps" in note for note in verdict.notes)


FAKETIME = next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")


@needs_openssl
@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not installed")
@pytest.mark.parametrize("years", [1.5, 12, 30])
def test_in_years_to_come(
    years: float, record: SwapRecord, plain: Maker, target: Path, tmp_path: Path
) -> None:
    """A certificate of one year and an authority of ten: both have expired, the evidence holds."""
    _import_short(tmp_path, 364 * 86400)
    path = tmp_path / "signed.jpg"
    manifest.sign(plain("jpg"), path, "image/jpeg", record, target)
    bare = tmp_path / "bare.jpg"
    shutil.copy(path, bare)
    made = testing.make(tmp_path / "tsa", lifetime=10 * testing.YEAR)
    token = tsp.read_token(_token(made, stamping.imprint_of(path)))
    put_token(path, token.der)
    _trust_time(made)
    later = {**os.environ, "LD_PRELOAD": FAKETIME, "FAKETIME": f"+{int(years * 365)}d"}
    words = [sys.executable, "-m", "edge", "verify"]
    root = Path(stamping.__file__).parents[2]
    done = subprocess.run([*words, path], env=later, capture_output=True, text=True, cwd=root)
    assert (done.returncode, "expired since" in done.stdout) == (0, True), done.stdout
    done = subprocess.run([*words, bare], env=later, capture_output=True, text=True, cwd=root)
    assert (done.returncode, "EXPIRED" in done.stdout) == (3, True), done.stdout


def _token(made: testing.Authority, digest: bytes) -> bytes:
    answer = tsp._decoded(tsp._canonical(made.answer(tsp._query(digest, 7))), "the test's")
    token: bytes = answer.time_stamp_token()
    return token
