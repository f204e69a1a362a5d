"""What is said where an engine's package is absent, or is there and does not load."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

from edge.backends.base import first_line
from edge.errors import EngineMissing


def engine_missing(package: str, module: str, mend: str, error: ImportError) -> EngineMissing:
    """Tell an engine that is not installed from one that is, and does not load.

    The latter happens where a wheel was built for another NumPy or another C library, as on a
    Jetson whose own onnxruntime-gpu meets a newer NumPy: to install it once more would not help.

    Args:
        package: Name of the package, as in "onnxruntime".
        module: Name of its module.
        mend: What to do where it is absent, as in "pip install 'edge-swap[cpu]'".
        error: What the import raised.

    Returns:
        The error to raise, one line.
    """
    absent = isinstance(error, PackageNotFoundError) or (
        isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == module
    )
    if absent:
        return EngineMissing(f"{package} is not installed: {mend}")
    return EngineMissing(
        f"{package} is installed, and does not load ({first_line(error)}): "
        "install versions of it and of NumPy that go together"
    )
