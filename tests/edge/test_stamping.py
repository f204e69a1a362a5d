from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.jobs.file import swap_file
from edge.provenance import stamping
from edge.provenance.anchors import time_dir
from edge.provenance.verify import verify_file
from tests import authority as testing
from tests.scene import Stage, stage

pytestmark = pytest.mark.skipif(testing.OPENSSL is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> testing.Authority:
    return testing.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def authority(made: testing.Authority) -> Iterator[testing.Authority]:
    made.refuses = made.garbles = False
    made.asked = 0
    with testing.running(made):
        time_dir().mkdir(parents=True, exist_ok=True)
        shutil.copy(made.root, time_dir() / "test.pem")
        configure(made.url)
        yield made


def configure(url: str) -> None:
    stamping.authority_path().parent.mkdir(parents=True, exist_ok=True)
    stamping.authority_path().write_text(f'url = "{url}"\ntimeout_seconds = 5\n')


@pytest.fixture
def ready(edge_home: Path, tmp_path: Path) -> Stage:
    return stage(edge_home, tmp_path / "work")


def test_without_an_authority_nothing_is_asked(ready: Stage) -> None:
    done = swap_file(ready.swapper(), ready.picture(), ready.folder / "out.jpg")
    assert done.notes == ()
    (entry,) = ready.swapper().ledger.entries()[-1:]
    assert "time_stamp" not in entry.fields


def test_an_output_is_stamped_when_it_is_signed(ready: Stage, authority: testing.Authority) -> None:
    swapper = ready.swapper()
    done = swap_file(swapper, ready.picture(), ready.folder / "out.jpg")
    assert done.notes == ()
    assert authority.asked == 1
    verdict = verify_file(ready.folder / "out.jpg")
    assert verdict.exit_status == 0
    assert verdict.claims is not None
    assert verdict.claims.time.time_stamped
    assert not any("later" in note for note in verdict.notes)
    (entry,) = swapper.ledger.entries()[-1:]
    stamp = entry.fields["time_stamp"]
    assert isinstance(stamp, dict)
    assert (stamp["state"], stamp["authority"]) == ("stamped", "Test Time")
    assert entry.fields["output_sha256"] == done.sha256


@pytest.mark.parametrize("how", ["refuses", "garbles", "gone"])
def test_without_a_network_outputs_are_made_and_queued(
    ready: Stage, authority: testing.Authority, how: str
) -> None:
    if how == "gone":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            configure(f"http://127.0.0.1:{free.getsockname()[1]}/")
    else:
        setattr(authority, how, True)
    swapper = ready.swapper()
    for number in range(2):
        done = swap_file(swapper, ready.picture(), ready.folder / f"out-{number}.png")
        assert "edge ledger stamp" in done.notes[0]
        assert verify_file(ready.folder / f"out-{number}.png").exit_status == 0
    assert authority.asked <= 1  # the second did not wait for it again
    states = [entry.fields["time_stamp"] for entry in swapper.ledger.entries()[-2:]]
    assert [state["state"] for state in states if isinstance(state, dict)] == ["queued"] * 2
