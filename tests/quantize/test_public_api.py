"""`import quantize` is cheap, and its functions are there however it was imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import quantize

ROOT = Path(quantize.__file__).parent.parent


def test_what_is_public() -> None:
    assert quantize.__all__ == dir(quantize) == ["build", "compare", "convert"]
    assert callable(quantize.convert)
    assert callable(quantize.compare)
    assert callable(quantize.build)
    with pytest.raises(AttributeError, match="no attribute 'anything'"):
        _ = quantize.anything


@pytest.mark.parametrize(
    "code",
    [
        "import quantize; assert callable(quantize.convert)",
        "from quantize import convert; assert callable(convert)",
        "import quantize.convert; assert callable(quantize.convert)",
        "from quantize.convert import convert; import quantize; assert quantize.convert is convert",
        "import quantize; quantize.compare; assert callable(quantize.convert)",
        "import quantize, sys; assert not {'numpy', 'onnx', 'onnxruntime'} & set(sys.modules)",
        "import quantize.build; assert callable(quantize.build)",
        "import quantize.cli.build, quantize.cli.quantize, quantize.cli.compare, sys;"
        "assert not {'numpy', 'onnx', 'onnxruntime', 'rich'} & set(sys.modules)",
    ],
)
def test_imports(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
