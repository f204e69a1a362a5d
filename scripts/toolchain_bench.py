"""What the toolchain's bars are measured with: models, conversions as a user makes them, figures.

Every conversion is one `edge quantize` in a process of its own, and every figure is then taken
anew on the written file: nothing that a conversion says of itself is believed here.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge.cards import load_card
from edge.contracts import Card
from quantize.contract import ModelContract, contract_of
from quantize.engine import Engine
from quantize.errors import QuantizeError
from quantize.modelfile import load_model, save_model
from quantize.opened import open_file
from quantize.passes import STANDARD, LiftEmap, bake_identity, run_passes
from quantize.passes._infra.feeds import Feeds
from quantize.quality import Outputs, Runs, Scores, run_all, score
from quantize.recognition import crop_embedder
from quantize.samples import Samples, held_out_samples
from quantize.timing import interleaved

ROOT = Path(__file__).resolve().parent.parent
BAKED = "baked"
"""Ending of the name of a model with an identity baked in: mob -> mobbaked."""

HELD_OUT = 24
FEW = 8
MOST_ROUNDS, SECONDS_FOR_TIMING = 300, 20.0
"""A quick model is run more often than asked for, so that a moment's trouble is but a moment."""
LARGE = 200_000_000
"""Bytes from which a model is judged on fewer pictures and is not run more often than needed."""


# A process is born with the memory of its parent, and the kernel counts that: a small one lies
# between this one, which may be large, and the command.
_LAUNCHER = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


class ConversionFailed(QuantizeError):
    """`edge quantize` ended with an error."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What one `edge quantize` wrote.

    Attributes:
        path: the model.
        size: bytes of it, weights in another file included.
        record: its JSON.
        seconds: wall time of the whole command.
        peak: bytes that its process held at most.
    """

    path: Path
    size: int
    record: Mapping[str, Any]
    seconds: float
    peak: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Latency against ONNX Runtime's of the untouched float file, in turns.

    Attributes:
        ratio: how many times as quick, by medians.
        quickest: the same by the quickest rounds, which a busy machine disturbs less.
        itself: the same of the untouched file opened a second time: what chance makes of 1.
        rounds: that were counted.
        float_ms: median of the untouched file.
    """

    ratio: float
    quickest: float
    itself: float
    rounds: int
    float_ms: float

    @property
    def noise(self) -> float:
        """How far from 1 a ratio of equals was seen."""
        return abs(1 - self.itself)

    def __str__(self) -> str:
        """For people, all but the ratio itself."""
        return (
            f"float {self.float_ms:.1f} ms, {self.rounds} rounds, by the quickest "
            f"{self.quickest:.3f}x, float against itself {self.itself:.3f}x"
        )


def code_digest() -> str:
    """Hex digest of the toolchain's own files: figures of another edition are marked."""
    digest = hashlib.sha256()
    for folder in ("quantize", "targets"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".toml") and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Bench:
    """Models, their samples, and conversions that are made once.

    Args:
        models: folder of the rebuilt topologies: `<name>.onnx` and `<name>.toml`.
        work: folder for what is converted.
        threads: of every engine.
        rounds: of every timing.
    """

    def __init__(self, models: Path, work: Path, threads: int, rounds: int) -> None:
        self.models, self.work, self.threads, self.rounds = models, work, threads, rounds
        self.code = code_digest()
        work.mkdir(parents=True, exist_ok=True)
        for method in ("contract", "samples", "reference"):
            setattr(self, method, cache(getattr(self, method)))

    def there(self, name: str) -> bool:
        """Whether a model is at hand."""
        return (self._home(name) / f"{name.removesuffix(BAKED)}.onnx").exists()

    def _home(self, name: str) -> Path:
        return ROOT / "models" / "weights" if name == "ref_swapper" else self.models

    def model(self, name: str) -> Path:
        """The untouched float file; a baked one is made when it is first asked for."""
        if name.endswith(BAKED):
            path = self.work / f"{name}.onnx"
            if not path.exists():
                self._bake(name, path)
            return path
        return self._home(name) / f"{name}.onnx"

    def card_file(self, name: str) -> Path:
        """The card of a model; a baked model keeps that of the open one."""
        name = name.removesuffix(BAKED)
        home = ROOT / "models" / "cards" if name == "ref_swapper" else self.models
        return home / f"{name}.toml"

    def card(self, name: str) -> Card:
        """The card, read."""
        return load_card(self.card_file(name))

    def size(self, name: str) -> int:
        """Bytes of the float file, without the emap, which is a file of its own afterwards."""
        path = self.model(name)
        emap = 4 * 512 * 512 if name.startswith("ins") and not name.endswith(BAKED) else 0
        return path.stat().st_size - emap

    def contract(self, name: str) -> ModelContract:
        """What a model takes and gives."""
        return contract_of(load_model(self.model(name)).model, self.card(name))

    def samples(self, name: str) -> Samples:
        """Held-out samples: identities that neither training nor calibration saw."""
        count = FEW if self.size(name) > LARGE else HELD_OUT
        return held_out_samples(self.contract(name), count=count, threads=self.threads)

    def reference(self, name: str) -> list[dict[str, NDArray[Any]]]:
        """What the untouched float file gives for the held-out samples."""
        return run_all(Engine(self.model(name), threads=self.threads), self.samples(name))

    def source(self, name: str) -> NDArray[np.float32]:
        """The identity that is baked: that of the first held-out sample, float32 (1, 512)."""
        contract = self.contract(name)
        assert contract.source is not None
        return np.asarray(self.samples(name).feeds[0][contract.source], np.float32)

    def _bake(self, name: str, path: Path) -> None:
        """Bake without a consent: the identity is of nobody, and the file stays here."""
        open_name = name.removesuffix(BAKED)
        contract = self.contract(open_name)
        file = load_model(self.model(open_name))
        passes = (LiftEmap(path.with_suffix(".npy")), *STANDARD)
        done = run_passes(file.model, passes, inputs=contract.inputs, samples=1)
        assert contract.source is not None
        baking = bake_identity({contract.source: self.source(open_name)})
        save_model(run_passes(done.model, baking, inputs=contract.inputs, samples=1).model, path)

    def converted(self, name: str, **options: str) -> Converted:
        """Run `edge quantize`, or take what it wrote last time.

        Args:
            name: of the model.
            **options: of the command, by name: precision="int8", budget="psnr:45".

        Raises:
            ConversionFailed: the command's own last line.
        """
        tag = "-".join(v.replace(":", "") for v in options.values())
        folder = self.work / f"{name}-{tag}"
        note = folder.with_suffix(".made.json")
        stamp = {"code": self.code, "model": self.model(name).stat().st_mtime_ns}
        if note.exists():
            made = json.loads(note.read_text(encoding="utf-8"))
            if made["stamp"] == stamp and (folder / made["file"]).exists():
                return _read(folder / made["file"], made)
        command = [sys.executable, "-m", "edge", "quantize", str(self.model(name))]
        command += ["--card", str(self.card_file(name)), "--threads", str(self.threads)]
        for key, value in options.items():
            command += [f"--{key}", value]
        command += ["-o", str(folder), "--overwrite", "--json"]
        started = time.monotonic()
        status, peak, log = _run(command, self.work)
        if status != 0:
            lines = [line for line in log.splitlines() if line.strip()]
            raise ConversionFailed(lines[-1] if lines else f"edge quantize ended with {status}")
        form = options.get("format", "onnx")
        path = next(folder.glob(f"*.{form}"))
        made = {
            "stamp": stamp,
            "file": path.name,
            "seconds": time.monotonic() - started,
            "peak": peak,
        }
        note.write_text(json.dumps(made), encoding="utf-8")
        return _read(path, made)

    def outputs(self, name: str, path: Path) -> list[dict[str, NDArray[Any]]]:
        """What a converted file gives for the held-out samples, with this machine's kernels."""
        return run_all(self.opened(path), self.samples(name))

    def opened(self, path: Path) -> Runs:
        """A converted file in the engine that runs it."""
        return open_file(path, threads=self.threads)

    def scores(self, name: str, path: Path) -> Scores:
        """How near a converted file comes to the untouched float file."""
        return score(self.outputs(name, path), self.reference(name), self.contract(name))

    def embedder(self, name: str) -> Any:
        """The recogniser that the card names."""
        return crop_embedder(self.contract(name), threads=self.threads)

    def speed(self, name: str, path: Path, rounds: int | None = None) -> Speed:
        """Time a converted file in turns with the untouched one and with that one once more."""
        feeds: Feeds = self.samples(name).feeds[0]
        opened: dict[str, Runs] = {
            "float": Engine(self.model(name), threads=self.threads),
            "float again": Engine(self.model(name), threads=self.threads),
            "this": self.opened(path),
        }
        runs = {key: partial(one.run, feeds) for key, one in opened.items()}
        once = sum(timing.min for timing in interleaved(runs, rounds=1).values()) / 1e3
        count = max(rounds or self.rounds, min(MOST_ROUNDS, int(SECONDS_FOR_TIMING / once)))
        times = interleaved(runs, rounds=count)
        return Speed(
            ratio=times["this"].ratio,
            quickest=times["this"].ratio_min,
            itself=times["float again"].ratio,
            rounds=count,
            float_ms=times["float"].p50,
        )


def largest_difference(first: Sequence[Outputs], second: Sequence[Outputs]) -> float:
    """Largest absolute difference of any value of any output that both give."""
    return max(
        float(np.abs(np.asarray(a[key], np.float64) - b[key]).max())
        for a, b in zip(first, second, strict=True)
        for key in set(a) & set(b)
    )


def in_double(model: onnx.ModelProto, feeds: Feeds) -> dict[str, NDArray[Any]]:
    """Run a model node by node in float64: what it means, without any engine's rounding.

    Args:
        model: its float32 constants are replaced by float64 ones.
        feeds: an array per input.
    """
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    def doubled(tensor: onnx.TensorProto) -> onnx.TensorProto:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            return tensor
        return numpy_helper.from_array(
            numpy_helper.to_array(tensor).astype(np.float64), tensor.name
        )

    scales = {
        name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]
    }
    for tensor in model.graph.initializer:
        if tensor.name not in scales:
            tensor.CopyFrom(doubled(tensor))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                attribute.t.CopyFrom(doubled(attribute.t))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    del model.graph.value_info[:]
    wide = {name: np.asarray(array, np.float64) for name, array in feeds.items()}
    names = [value.name for value in model.graph.output]
    return dict(zip(names, ReferenceEvaluator(model).run(None, wide), strict=True))


def with_fixed_source(samples: Samples, name: str, value: NDArray[np.float32]) -> Samples:
    """The same targets, all with one source."""
    return replace(samples, feeds=tuple({**feeds, name: value} for feeds in samples.feeds))


def _read(path: Path, made: Mapping[str, Any]) -> Converted:
    record = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    data = path.with_name(f"{path.name}.data")
    size = path.stat().st_size + (data.stat().st_size if data.exists() else 0)
    return Converted(path, size, record, float(made["seconds"]), int(made["peak"]))


def _run(command: Sequence[str], folder: Path) -> tuple[int, int, str]:
    """Run a command; return its status, the most memory that it held, and what it complained."""
    log = folder / "last.log"
    with log.open("wb") as stream:
        done = subprocess.run(
            [sys.executable, "-S", "-c", _LAUNCHER, *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stream,
            check=False,
        )
    text = log.read_text(encoding="utf-8", errors="replace")
    return done.returncode, int(done.stdout or 0) * 1024, text
