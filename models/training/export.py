"""What both exports share: tidy ONNX of opset 17 with static shapes, and the card beside it."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxslim
import torch
from onnx import helper, numpy_helper

from models.training.runs import CARDS

OPSET = 17


def export(
    net: torch.nn.Module,
    examples: tuple[torch.Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    path: Path,
) -> onnx.ModelProto:
    """Trace a network, tidy the graph, and write it only when the checker accepts it."""
    part = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the tracing exporter is the one that
        torch.onnx.export(  # folds constants into the graph that runtimes on devices expect
            net,
            examples,
            str(part),
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=False,
        )
    model: onnx.ModelProto = onnxslim.slim(onnx.load(str(part)))
    part.unlink()
    explicit_roi(model)
    device_depth_to_space(model)
    model.producer_name, model.producer_version, model.doc_string = "edge-swap", "", ""
    model.graph.name = path.stem
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return model


def explicit_roi(model: onnx.ModelProto) -> None:
    """Give each Resize an empty roi tensor: some converters stumble over the name ''."""
    name = "empty_roi"
    found = False
    for node in model.graph.node:
        if node.op_type == "Resize" and node.input[1] == "":
            node.input[1] = name
            found = True
    if found:
        empty = numpy_helper.from_array(np.zeros(0, dtype=np.float32), name)
        model.graph.initializer.append(empty)


def device_depth_to_space(model: onnx.ModelProto) -> None:
    """Turn CRD depth-to-space into DCR, the only order that NNAPI and TFLite know.

    The convolution in front makes the channels in the other order instead.
    """
    makers = {out: node for node in model.graph.node for out in node.output}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        mode = next((a for a in node.attribute if a.name == "mode"), None)
        if node.op_type != "DepthToSpace" or mode is None or mode.s != b"CRD":
            continue
        block = next(a.i for a in node.attribute if a.name == "blocksize")
        conv = makers[node.input[0]]
        assert conv.op_type == "Conv"
        for name in conv.input[1:]:
            value = numpy_helper.to_array(stored[name])
            order = np.arange(len(value)).reshape(-1, block * block).T.ravel()
            stored[name].CopyFrom(numpy_helper.from_array(value[order].copy(), name))
        mode.CopyFrom(helper.make_attribute("mode", "DCR"))


def write_card(name: str, text: str, path: Path) -> None:
    """Write a model's card; `{file}`, `{sha256}` and `{size}` in the text are filled in."""
    data = path.read_bytes()
    facts = {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    CARDS.mkdir(parents=True, exist_ok=True)
    (CARDS / f"{name}.toml").write_text(text.format(**facts), encoding="utf-8")
