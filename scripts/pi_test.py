"""Run bundles on an emulated Raspberry Pi 4 and 5, and hold what comes out against this machine.

Emulation says whether it runs, and which bits come out. It says nothing about a board's speed: what
is printed as CPU seconds is what this test costs here.

    scripts/pi-test [FOLDER]     keeps what was downloaded and made in FOLDER
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge import resources
from scripts import pi_roots
from scripts.pi_probe import FILES, Arrays, load
from scripts.pi_roots import BOOKWORM, PI4, PI5, TRIXIE, Board, System

ROOT = Path(__file__).resolve().parent.parent
FLOAT = 1e-5  # largest difference of the float model's outputs, as a share of their range [0, 1]
LEVELS = 1  # of 255: a value of its crop between two levels may be rounded either way
ALIKE = 0.999  # share of its crop's values that are equal all the same
ENGINES = {"ort": "ONNX Runtime", "litert": "LiteRT"}
IMPORTS = (
    "numpy",
    "cv2=opencv-python-headless",
    "onnxruntime",
    "ai_edge_litert.interpreter=ai-edge-litert",
    "c2pa=c2pa-python",
    "cryptography",
    "rfc3161_client=rfc3161-client",
    "av",
    "platformdirs",
    "rich",
)
PACKAGES = ("numpy>=1.26", "c2pa-python", "cryptography", "rfc3161-client", "platformdirs", "rich")
JETPACK6 = "3.10"
UNKNOWN_SIGNER = 3  # exit status of `edge verify`


@dataclass(frozen=True, slots=True)
class Device:
    """A board with its system."""

    board: Board
    system: System

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.board.name}-{self.system.name}"


DEVICES = (Device(PI4, BOOKWORM), Device(PI5, TRIXIE))


class Failed(Exception):
    """Something does not hold; the message says what."""


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def missing() -> str:
    """Return what is missing for this test, in words; empty where all is there."""
    tools = [name for name in (pi_roots.QEMU, pi_roots.MMDEBSTRAP) if shutil.which(name) is None]
    if tools:
        return f"{' and '.join(tools)} not installed (apt install qemu-user-static mmdebstrap)"
    if not pi_roots.debian_mirror():
        return "apt's sources name no Debian archive: name one in EDGE_DEBIAN_MIRROR"
    return ""


def run(command: list[str], env: dict[str, str], expect: tuple[int, ...] = (0,)) -> str:
    """Run a command in the repository; return what it printed.

    Raises:
        Failed: It ends with another status than expected.
    """
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in expect:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise Failed(f"{' '.join(command[-8:])}: status {done.returncode}: {said}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Workshop:
    """What is made on this machine.

    Attributes:
        folder: All of it.
        builder: Key that the bundle is sealed with, hex.
    """

    folder: Path
    builder: str

    @property
    def env(self) -> dict[str, str]:
        """The environment of this machine's own commands: a home of its own."""
        return own_environment(self.folder)

    @property
    def probe(self) -> list[str]:
        """Arguments of the probe, up to its output."""
        bundle, float_model = self.folder / "bundle", resources.weights_dir() / "ref_swapper.onnx"
        given = (bundle, float_model, picture())
        return ["-m", "scripts.pi_probe", *map(str, given)]


def own_environment(folder: Path) -> dict[str, str]:
    """Return the environment of commands on this machine, with a home below `folder`."""
    return {**os.environ, "EDGE_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}


def picture() -> Path:
    """Return the picture that is swapped: a person of nobody."""
    return resources.samples_dir() / "source-3.jpg"


def prepare(folder: Path) -> Workshop:
    """Make identity and bundle, swap a picture, and probe, all on this machine."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    env, edge = own_environment(folder), [sys.executable, "-m", "edge"]
    photos = [str(resources.samples_dir() / name) for name in ("source-1.jpg", "source-2.jpg")]
    consent, identity = str(folder / "nobody.json"), str(folder / "nobody.identity")
    words = ["--synthetic", "--subject", "nobody", "--purpose", "film", "--media", "picture"]
    words += ["--adult", "yes", "--intimate", "no", "--photos", *photos, "-o", consent]
    run([*edge, "consent", "new", *words], env)
    run([*edge, "enroll", "--consent", consent, "--photos", *photos, "-o", identity], env)
    words = ["--model", "ref_swapper", "--identity", identity, "--target", "raspberry_pi"]
    words += ["--precision", "int8", "--count", "8", "-o", str(folder / "bundle")]
    run([*edge, "build", *words], env)
    output = str(folder / "here.jpg")
    words = ["--identity", identity, "--input", str(picture()), "--output", output]
    run([*edge, "swap", *words, "--purpose", "film", "--target-is", "synthetic"], env)
    listed = run([*edge, "bundle", "trust", "list"], env)
    shop = Workshop(folder, listed.split()[0])
    run([sys.executable, *shop.probe, str(folder / "probe")], env)
    return shop


def constraints() -> list[str]:
    """Return the engines at the versions that are here: only then can bits be equal."""
    return [
        f"{name}=={version(name)}"
        for name in ("onnxruntime", "opencv-python-headless", "av")
        if not (name == "av" and sys.version_info < (3, 11))  # 3.10 has older ones
    ]


def check_device(device: Device, cache: Path, shop: Workshop) -> list[str]:
    """Make a device, run everything on it, and return what holds, one line each.

    Raises:
        Failed: Something does not.
    """
    root, home = cache / device.name, shop.folder / device.name
    pi_roots.board_root(cache / device.system.name, root, device.board, device.system)
    site, litert = sites(cache, device.system)
    start = pi_roots.emulated(root)
    lean = pi_roots.environment(root, home, [ROOT, site])
    full = pi_roots.environment(root, home, [ROOT, site, litert])
    words = [str(home / "probe"), "--imports", *IMPORTS]
    run([*start, *shop.probe, *words], full)
    lines = list(compared(load(shop.folder / "probe"), load(home / "probe")))
    edge = [*start, "-m", "edge"]
    run([*edge, "bundle", "trust", "add", shop.builder, "--name", "workshop"], lean)
    leave = ["--purpose", "film", "--target-is", "synthetic", "--threads", "1"]
    made: list[Path] = []
    for name, env in (("int8 bundle in ONNX Runtime", lean), ("int8 bundle in LiteRT", full)):
        output = home / f"{len(made)}.jpg"
        files = ["--input", str(picture()), "--output", str(output)]
        run([*edge, "run", str(shop.folder / "bundle"), *files, *leave], env)
        made.append(output)
        lines.append(f"edge run: {name}: labelled and signed")
    words = ["selftest", str(shop.folder / "bundle"), "--rounds", "1", "--json"]
    lines += selftested(run([*edge, *words], full))
    here = [sys.executable, "-m", "edge", "verify"]
    lines += verified(here, shop.env, made[0], "ort", "made there, verified here")
    lines += verified(here, shop.env, made[1], "litert", "made there, verified here")
    lines += verified([*edge, "verify"], lean, shop.folder / "here.jpg", "ort", "made here, there")
    return lines


def selftested(answer: str) -> list[str]:
    """Check what `edge selftest --json` said on a device; return what holds, one line each.

    Raises:
        Failed: A way gives other pictures than it did here, or emulated time is called a latency.
    """
    facts = json.loads(answer)
    lines = []
    for way in facts["ways"]:
        if way["left_out"]:
            continue
        what = f"edge selftest: {way['way']}"
        if not way["holds"]:
            raise Failed(f"{what}: {way['psnr']} dB from what the same model gave here")
        if way["latency"] is not None or not facts["invalid"]:
            raise Failed(f"{what}: emulated time is shown as a latency")
        if way["identical"] != facts["vectors"]:
            same = f"{way['identical']} of {facts['vectors']} golden pictures"
            raise Failed(f"{what}: only {same} are bit-identical, worst {way['psnr']} dB")
        lines.append(f"{what}: all golden pictures bit-identical; no latency shown")
    if not lines:
        raise Failed("edge selftest: no way was run")
    return lines


def sites(cache: Path, system: System) -> tuple[Path, Path]:
    """Return the folders of a system's wheels: all but LiteRT, and LiteRT; others for others."""
    wanted = " ".join((*PACKAGES, *constraints(), version("ai-edge-litert")))
    key = hashlib.sha256(wanted.encode()).hexdigest()[:8]
    return cache / f"wheels-{system.name}-{key}", cache / f"litert-{system.name}-{key}"


def verified(
    command: list[str], env: dict[str, str], file: Path, engine: str, what: str
) -> Iterator[str]:
    """Verify a file; yield a line.

    Raises:
        Failed: It is not intact, or was not made in that engine, or carries no label.
    """
    told = run([*command, str(file)], env, expect=(UNKNOWN_SIGNER,))
    for wanted in (
        "integrity   intact",
        f" on {engine} ",
        "label       ",
        "as the manifest says: yes",
    ):
        if wanted not in told:
            raise Failed(f"{file.name}, {what}: 'edge verify' does not say '{wanted}':\n{told}")
    yield f"edge verify: {what}: {engine}: intact, labels agree, signer rightly unknown"


def compared(
    here: tuple[dict[str, Any], Arrays], there: tuple[dict[str, Any], Arrays]
) -> Iterator[str]:
    """Hold a device's probe against this machine's; yield what holds, one line each.

    Raises:
        Failed: Something does not.
    """
    facts, arrays = there
    own = here[1]
    names = ", ".join(f"{name.partition('.')[0]} {v}" for name, v in facts["imports"].items())
    yield f"{facts['processor']}, Python {facts['python']}: imports {names}"
    for engine, name in ENGINES.items():
        yield f"int8 in {name}: {_same(own, arrays, f'{engine}/', 'outputs')}"
    apart = max(_apart(own[name], arrays[name]) for name in own if name.startswith("float/"))
    if not apart <= FLOAT:
        raise Failed(f"float: outputs differ by {apart:.1e}, more than {FLOAT:.0e}")
    levels = _apart(own["crop/float"], arrays["crop/float"])
    if not levels <= LEVELS:
        raise Failed(f"float: its crop differs by {levels:.0f} levels, more than {LEVELS}")
    share = float((own["crop/float"] == arrays["crop/float"]).mean())
    if not share >= ALIKE:
        raise Failed(f"float: {share:.2%} of its crop's values are equal, less than {ALIKE:.1%}")
    yield f"float: outputs differ by {apart:.1e} at most, {share:.3%} of its crop's values equal"
    yield f"faces: {_same(own, arrays, 'faces/', 'places')}"
    for engine, name in ENGINES.items():
        yield f"picture in {name}: {_same(own, arrays, f'picture/{engine}', 'pixels')}"
        for file in FILES:
            yield f"{file} of it: {_same(own, arrays, f'{file}/{engine}', 'bytes')}"


def _same(own: Arrays, others: Arrays, start: str, what: str) -> str:
    """Return in words that all arrays whose names start so are the same, bit for bit.

    Raises:
        Failed: They are not.
    """
    names = [name for name in own if name.startswith(start)]
    digest = hashlib.sha256()
    for name in names:
        one, other = own[name], others.get(name)
        if other is None or one.dtype != other.dtype or not np.array_equal(one, other):
            most = float("inf") if other is None else _apart(one, other)
            raise Failed(f"{name}: other {what} than here, {most:.3g} apart at most")
        digest.update(np.ascontiguousarray(one).tobytes())
    if not names:
        raise Failed(f"{start}: the probe has none")
    size = sum(own[name].size for name in names)
    return f"{size} {what} bit-identical, sha256 {digest.hexdigest()[:16]}"


def _apart(one: Any, other: Any) -> float:
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())


def fetch(cache: Path) -> None:
    """Download what both devices need, and resolve JetPack 6's wheels."""
    mirror = pi_roots.debian_mirror()
    for system in {device.system for device in DEVICES}:
        site, litert = sites(cache, system)
        pi_roots.unpack(cache / system.name, system, mirror)
        pi_roots.install(site, system.python, (*PACKAGES, *constraints()))
        alone = (f"ai-edge-litert=={version('ai-edge-litert')}", *pi_roots.LITERT_ALONE[1:])
        pi_roots.install(litert, system.python, alone, "--no-deps")


def jetpack() -> str:
    """Resolve the runtime's dependencies for JetPack 6, without installing; return a line."""
    wanted = [*PACKAGES, "opencv-python-headless>=4.11.0.86", "onnxruntime>=1.22,!=1.29.0"]
    wanted += ["ai-edge-litert>=2", "av>=17", "tomli>=2"]
    options = ["install", "-qq", "--dry-run", "--target=unused", "--ignore-installed"]
    pi_roots.pip(*options, *pi_roots.wheel_options(JETPACK6), *wanted)
    return f"wheels for Python {JETPACK6} on aarch64 (JetPack 6): all resolve"


def main() -> int:
    """Do it; return 0, also where the test is skipped, and 1 where something does not hold."""
    why = missing()
    if why:
        say(f"pi-test: skipped: {why}")
        return 0
    stored = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = Path(sys.argv[1] if len(sys.argv) > 1 else f"{stored}/edge-swap/pi-test").absolute()
    say(f"pi-test: downloads and roots are kept in {cache}")
    cache.mkdir(parents=True, exist_ok=True)
    try:
        fetch(cache)
        say(jetpack())
        shop = prepare(cache / "work")
        with ThreadPoolExecutor(2) as pool:
            tasks = [(each, pool.submit(check_device, each, cache, shop)) for each in DEVICES]
            for device, task in tasks:
                for line in task.result():
                    say(f"{device.name}: {line}")
    except Failed as error:
        say(f"pi-test: FAILED: {error}")
        return 1
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    say(f"pi-test: all holds; the test took {used.ru_utime + used.ru_stime:.0f} CPU seconds here")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
