#!/usr/bin/env python3
"""Say whether this environment really has a Jetson's GPU, one ONNX Runtime, and a fit OpenCV.

Two distributions of ONNX Runtime write the module `onnxruntime` over each other, and what is left
runs on the processor without a word. PyPI's onnxruntime-gpu is not for a Jetson either. So each is
looked for by name, and the providers are asked for. Ends with status 1 where something is missing.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import distributions

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

NEEDED = ("CUDAExecutionProvider",)
BETTER = ("TensorrtExecutionProvider",)


def runtimes(names: list[str]) -> list[str]:
    """Return which installed distributions bring the module `onnxruntime`, each once."""
    kind = re.compile(r"onnxruntime(-(gpu|openvino|qnn|directml|training|azure))?")
    plain = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    return sorted(name for name in plain if kind.fullmatch(name))


def complaints(found: list[str], providers: list[str], build: str) -> tuple[list[str], list[str]]:
    """Return what is wrong, and what could be better, one line each.

    Args:
        found: distributions of ONNX Runtime.
        providers: execution providers that it has.
        build: what `cv2.getBuildInformation()` says.
    """
    wrong, notes = [], []
    if not found:
        wrong.append("no onnxruntime: install JetPack's onnxruntime-gpu, see install.sh")
    elif len(found) > 1:
        wrong.append(
            f"{' and '.join(found)} are installed over each other: pip uninstall both, then "
            "install onnxruntime-gpu alone"
        )
    wrong += [f"{name} is not in this onnxruntime" for name in NEEDED if name not in providers]
    notes += [f"{name} is not in this onnxruntime" for name in BETTER if name not in providers]
    if not re.search(r"^\s*GStreamer:\s+YES", build, re.MULTILINE):
        notes.append("this OpenCV has no GStreamer: run capture.py with /usr/bin/python3")
    return wrong, notes


def main() -> int:
    """Print what there is and what is missing; return 1 where it will not do."""
    found = runtimes([str(each.metadata["Name"]) for each in distributions()])
    providers, build = [], ""
    try:
        import onnxruntime

        providers = list(onnxruntime.get_available_providers())
        print(f"onnxruntime {onnxruntime.__version__} ({', '.join(found)}): {', '.join(providers)}")  # noqa: T201
    except (ImportError, OSError) as error:
        print(f"onnxruntime does not load: {error}")  # noqa: T201
    try:
        import cv2

        build = cv2.getBuildInformation()
        print(f"OpenCV {cv2.__version__}: {cv2.__file__}")  # noqa: T201
    except (ImportError, OSError) as error:
        print(f"OpenCV does not load: {error}")  # noqa: T201
    wrong, notes = complaints(found, providers, build)
    for line in notes:
        print(f"note: {line}")  # noqa: T201
    for line in wrong:
        print(f"WRONG: {line}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
