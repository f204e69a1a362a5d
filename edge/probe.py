"""Ask the packages that edge-swap stands on how they are, each in a process of its own.

A wheel that was built for another processor, or against another numpy, can take the whole process
down at import. Here only the probe dies, and says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

TIMEOUT = 120.0
"""Seconds for one package; a Raspberry Pi with a cold SD card needs some 20 of them."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How one package is.

    Attributes:
        module: Name it is imported by.
        version: Its version; empty when it does not work.
        details: What else is worth knowing, such as the providers of an engine.
        missing: Not installed at all.
        trouble: Why it does not work, one line; empty when it does.
    """

    module: str
    version: str = ""
    details: str = ""
    missing: bool = False
    trouble: str = ""

    @property
    def works(self) -> bool:
        """Whether it could be imported and answered."""
        return not self.missing and not self.trouble


# What the child runs. Its first argument is the parent's search path, so that both see the same
# packages; the answer is its last line, as some packages print at import.
_PRELUDE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from importlib import import_module, metadata
from importlib.util import find_spec
def answer(**values):
    print(json.dumps(values))
    sys.exit(0)
name = {module!r}
if find_spec(name.split(".")[0]) is None:
    answer(missing=True)
try:
    module = import_module(name)
    version = {version}
    details = {details}
except Exception as error:
    answer(trouble=f"{{type(error).__name__}}: {{error}}")
answer(version=str(version), details=str(details))
"""

_OWN = "module.__version__"
_QUESTIONS: dict[str, tuple[str, str, str]] = {
    "numpy": ("numpy", _OWN, "''"),
    "cv2": ("cv2", _OWN, "''"),
    "c2pa": ("c2pa", "metadata.version('c2pa-python')", "'SDK ' + module.sdk_version()"),
    "cryptography": ("cryptography", _OWN, "''"),
    "av": (
        "av",
        _OWN,
        "', '.join(sorted(c for c in module.codecs_available "
        "if c in {'libx264', 'libopenh264', 'h264_v4l2m2m', 'h264_nvenc'}))",
    ),
    "onnxruntime": ("onnxruntime", _OWN, "', '.join(module.get_available_providers())"),
    "ai_edge_litert": (
        "ai_edge_litert.interpreter",
        "metadata.version('ai-edge-litert')",
        "'' if module.Interpreter else ''",
    ),
    "MNN": ("MNN", "metadata.version('MNN')", "''"),
    "ncnn": ("ncnn", "module.__version__", "''"),
    "openvino": ("openvino", "metadata.version('openvino')", "''"),
    "tflite_runtime": (
        "tflite_runtime.interpreter",
        "metadata.version('tflite-runtime')",
        "'' if module.Interpreter else ''",
    ),
}


def probe_packages(timeout: float = TIMEOUT) -> dict[str, Probe]:
    """Ask all packages at once and return how each one is, by module name.

    Args:
        timeout: Seconds after which a package counts as hanging.
    """
    children = {name: _start(name) for name in _QUESTIONS}
    return {name: _collect(name, child, timeout) for name, child in children.items()}


def _start(name: str) -> subprocess.Popen[str]:
    module, version, details = _QUESTIONS[name]
    code = _PRELUDE.format(module=module, version=version, details=details)
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(sys.path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
    )


def _collect(name: str, child: subprocess.Popen[str], timeout: float) -> Probe:
    try:
        output, _ = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return Probe(name, trouble=f"import hangs: no answer in {timeout:g} seconds")
    if child.returncode < 0:
        cause = signal.strsignal(-child.returncode) or f"signal {-child.returncode}"
        return Probe(name, trouble=f"import ends the process: {cause}")
    lines = output.strip().splitlines()
    try:
        return Probe(name, **json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        return Probe(name, trouble=f"import ends the process with status {child.returncode}")
