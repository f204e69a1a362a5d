"""What the files of TensorRT's rules share."""

from __future__ import annotations

import onnx

from quantize.checks.finding import Finding
from quantize.checks.view import label

__all__ = ["NAME", "finding"]

NAME = "tensorrt"


def finding(rule: str, node: onnx.NodeProto, problem: str, fix: str) -> Finding:
    """Return a finding about a node."""
    return Finding(NAME, rule, label(node), node.op_type, problem, fix)
