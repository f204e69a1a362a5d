"""The operators that a reduced build of ONNX Runtime must have to run a model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["quiet", "required_operators"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the engine's tools from setting up logging, and from warning of what they leave open."""
    root = logging.getLogger()
    before = list(root.handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for handler in [one for one in root.handlers if one not in before]:
                root.removeHandler(handler)


def required_operators(files: Iterable[Path], name: str) -> str:
    """List the operators of ORT format files, with their types, for a build of the engine.

    Args:
        files: .ort files.
        name: what the list says it was made from; the engine's own function for that would write
            the paths of the files into it.

    Returns:
        Text for `--include_ops_by_config`: "domain;opset;Operator{types},...", a line per opset.
    """
    required: dict[str, dict[int, set[str]]] = {}
    with quiet():
        from onnxruntime.tools import ort_format_model

        types = ort_format_model.OperatorTypeUsageManager()
        for file in files:
            ort_format_model.OrtFormatModelProcessor(str(file), required, types).process()
        lines = [f"# Generated from {name}"]
        for domain, opsets in sorted(required.items()):
            for opset, kinds in sorted(opsets.items()):
                entries = (f"{k}{types.get_config_entry(domain, k) or ''}" for k in sorted(kinds))
                lines.append(f"{domain};{opset};{','.join(entries)}")
    return "\n".join(lines) + "\n"
