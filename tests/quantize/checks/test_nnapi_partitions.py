"""ONNX Runtime's own checker for mobile use: what it is fed, and that its false alarm is gone."""

from __future__ import annotations

import onnx
from onnxruntime.tools.mobile_helpers.usability_checker import check_nnapi_partitions

from quantize.checks.nnapi_partitions import partitions, second_opinion
from quantize.checks.view import View
from tests.quantize.checks.models import of
from tests.quantize.graphs import TOPOLOGIES, Sketch, doubled


def resized(s: Sketch, x: str) -> str:
    return s.op("Relu", doubled(s, s.op("Relu", x)))


def test_a_roi_without_a_name_is_no_open_size() -> None:
    model = of(resized)
    plain = onnx.shape_inference.infer_shapes(model)
    alarm = check_nnapi_partitions(plain, True)
    assert (alarm.num_partitions, alarm.num_supported_nodes) == (2, 3)
    assert second_opinion(View(model)) == ""


def test_what_it_has_against_a_model() -> None:
    said = second_opinion(View(of(lambda s, x: s.op("Relu", s.op("Reciprocal", s.op("Relu", x))))))
    assert "2 pieces with 3 of 4 nodes; not supported: Reciprocal" in said


def test_the_two_count_alike() -> None:
    for build in TOPOLOGIES.values():
        model = build()
        view = View(model)
        plain = onnx.shape_inference.infer_shapes(model, data_prop=True)
        for node in plain.graph.node:
            for index, name in enumerate(node.input):
                node.input[index] = name or "no_roi"
        plain.graph.initializer.add().name = "no_roi"
        theirs = check_nnapi_partitions(plain, False)
        known = theirs.unsupported_ops
        broken = {id(node) for node in view.nodes if f"ai.onnx:{node.op_type}" in known}
        if len(view.nodes) == len(plain.graph.node):
            assert len(partitions(view, broken)) == theirs.num_partitions
