from __future__ import annotations

import datetime
import hashlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import TimeStampError
from edge.provenance import tsp
from edge.provenance.certificates import parse_chain
from tests import authority as testing

MESSAGE = b"what is stamped"
DIGEST = hashlib.sha256(MESSAGE).digest()

pytestmark = pytest.mark.skipif(testing.OPENSSL is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> testing.Authority:
    return testing.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def authority(made: testing.Authority) -> Iterator[testing.Authority]:
    made.refuses = made.garbles = False
    with testing.running(made):
        yield made


def test_a_token(authority: testing.Authority, tmp_path: Path) -> None:
    token = tsp.ask(authority.url, DIGEST, 10)
    assert (token.imprint, token.algorithm, token.authority) == (DIGEST, "sha256", "Test Time")
    age = datetime.datetime.now(datetime.timezone.utc) - token.time
    assert abs(age) < datetime.timedelta(minutes=1)
    again = tsp.read_token(token.der)
    assert again == token
    roots = parse_chain(authority.root.read_bytes(), "root")
    assert tsp.check(token, MESSAGE, roots) is None
    # and so says OpenSSL
    (tmp_path / "token.der").write_bytes(token.der)
    (tmp_path / "message").write_bytes(MESSAGE)
    command = ["openssl", "ts", "-verify", "-token_in", "-in", "token.der", "-data", "message"]
    done = subprocess.run(
        [*command, "-CAfile", str(authority.root)], cwd=tmp_path, capture_output=True, text=True
    )
    assert "Verification: OK" in done.stdout + done.stderr


def test_what_does_not_hold_is_said(authority: testing.Authority, tmp_path: Path) -> None:
    token = tsp.ask(authority.url, DIGEST, 10)
    roots = parse_chain(authority.root.read_bytes(), "root")
    other = testing.make(tmp_path / "other")
    strangers = parse_chain(other.root.read_bytes(), "root")
    assert tsp.check(token, b"another", roots) == "it is over something else"
    assert tsp.check(token, MESSAGE, []) is not None
    assert tsp.check(token, MESSAGE, strangers) is not None
    for at in range(60, len(token.der), 41):
        forged = bytearray(token.der)
        forged[at] ^= 1
        try:
            read = tsp.read_token(bytes(forged))
        except TimeStampError:
            continue
        said = tsp.check(read, MESSAGE, roots)
        # the certificates that come along are not signed: a change there may mean nothing
        assert said is not None or (read.time, read.imprint) == (token.time, token.imprint), at


def test_an_authority_that_refuses(authority: testing.Authority) -> None:
    authority.refuses = True
    with pytest.raises(TimeStampError, match="503"):
        tsp.ask(authority.url, DIGEST, 10)
    authority.refuses, authority.garbles = False, True
    with pytest.raises(TimeStampError, match="no RFC 3161"):
        tsp.ask(authority.url, DIGEST, 10)


def test_a_digest_of_a_wrong_length_is_refused_by_the_authority(
    authority: testing.Authority,
) -> None:
    with pytest.raises(TimeStampError):
        tsp.ask(authority.url, b"short", 10)


def test_an_authority_that_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TimeStampError, match="cannot be reached"):
        tsp.ask(f"http://127.0.0.1:{port}/", DIGEST, 2)


def test_one_that_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://user:secret@127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(TimeStampError, match="cannot be reached") as caught:
            tsp.ask(url, DIGEST, 0.2)
    assert "secret" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_answer(noise: bytes) -> None:
    with pytest.raises(TimeStampError):
        tsp.read_token(noise)
