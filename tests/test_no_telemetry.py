"""A whole swap in an empty HOME leaves nothing there that the user did not ask for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import edge
from edge import resources

ROOT = Path(edge.__file__).parent.parent

# The platform's own places for edge-swap's keys, ledger and hashes, below an empty HOME on Linux.
OWN = (".config/edge-swap", ".local/share/edge-swap", ".local/state/edge-swap", ".cache/edge-swap")

# The child makes an identity of nobody from a sample's own face, so that no video is needed, and
# then uses the command line as a user would.
PREPARE = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from edge.consent.identity import Embedding, new_identity, save_identity
from edge.consent.record import new_consent
from edge.consent.terms import NOBODY, Terms
from edge.faces.detect import open_detector
from edge.faces.embed import open_embedder
from edge.media.image import read_picture

photo, out = map(Path, sys.argv[1:])
frame = read_picture(photo).frame
face = open_detector().detect(frame)[0]
embedder = open_embedder()
key = Ed25519PrivateKey.generate()
terms = Terms(NOBODY, ("film",), adult=True, intimate=False, claim="synthetic")
vector = Embedding(embedder.card.sha256, embedder.embed(frame, face))
identity = new_identity(new_consent(terms, [photo], key), {embedder.card.name: vector}, key)
save_identity(identity, out)
"""


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty HOME, and nothing else that says where files go."""
    home = tmp_path / "empty"
    home.mkdir()
    dropped = ("XDG_", "EDGE_HOME", "ORT_", "HOME")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return {**kept, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


def _run(user: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=user,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def _strangers(home: Path) -> list[str]:
    files = [p.relative_to(home).as_posix() for p in home.rglob("*") if not p.is_dir()]
    return [name for name in files if not name.startswith(tuple(f"{own}/" for own in OWN))]


def test_a_swap_in_an_empty_home(tmp_path: Path, user: dict[str, str]) -> None:
    sample = min(resources.samples_dir().glob("sample-*.jpg"))
    identity, output = tmp_path / "nobody.identity", tmp_path / "out.jpg"
    _run(user, "-c", PREPARE, str(sample), str(identity))
    swap = ["-m", "edge", "swap", "--identity", str(identity), "--input", str(sample)]
    swap += ["--output", str(output), "--purpose", "film", "--target-is", "synthetic"]
    _run(user, *swap)
    assert output.is_file()
    assert _strangers(Path(user["HOME"])) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "nobody.identity", "out.jpg"]


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["models", "list"]])
def test_looking_around_leaves_nothing(command: list[str], user: dict[str, str]) -> None:
    _run(user, "-m", "edge", *command)
    assert _strangers(Path(user["HOME"])) == []
    assert not (Path(user["HOME"]) / ".config").exists()


def test_every_engine_is_loaded_in_silence(user: dict[str, str]) -> None:
    """The probes of `edge doctor` import every engine that is installed."""
    _run(user, "-c", "from edge.probe import probe_packages; probe_packages()")
    assert not list(Path(user["HOME"]).iterdir())
