"""Write a topology as ONNX, spelt as the original file is, with a card beside it.

Run `python -m models.training.topologies.export insq mob`; `--untrained` takes random weights, for
graphs and sizes alone.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxslim
import torch
from onnx import numpy_helper
from rich.console import Console
from torch import Tensor, nn

from models.training.runs import data_folder, load_checkpoint, seeded
from models.training.topologies.contracts import TOPOLOGIES, Topology

LENGTH = 512
CARD = """\
name = "{name}"
kind = "swapper"
title = "{title}"
file = "{file}"
sha256 = "{sha256}"
size = {size}

[licence]
name = "Apache-2.0"
commercial = "yes"
training_data = "rendered faces of nobody"

[input]
name = "target"
shape = [1, 3, {side}, {side}]
channels = "RGB"
scale = 0.00392156862745098
mean = {mean}
std = {std}

[output]
name = "output"
range = [{black}, 1.0]
channels = "RGB"
{mask}
[source]
kind = "embedding"
name = "source"
recogniser = "ref_embedder"
normalise = true

[crop]
template = "{template}"
size = {side}
"""


def examples(topology: Topology) -> tuple[Tensor, Tensor]:
    """Inputs of the right shapes: a picture, and a unit vector."""
    seeded(1)
    source = nn.functional.normalize(torch.randn(1, LENGTH), dim=1)
    return torch.rand(1, 3, topology.size, topology.size), source


def write_model(net: nn.Module, topology: Topology, path: Path) -> onnx.ModelProto:
    """Trace the network, fold constants as the published files have it, and write it.

    The emap, where there is one, goes last among the weights, and nothing reads it. It is the
    identity here: our recogniser's embeddings go in as they are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated, and warns of it
        torch.onnx.export(
            net.eval(),
            examples(topology),
            str(part),
            input_names=["target", "source"],
            output_names=list(topology.outputs),
            opset_version=topology.opset,
            dynamo=False,
        )
    model: onnx.ModelProto = onnxslim.slim(onnx.load(str(part)))
    part.unlink()
    if topology.emap:
        emap = numpy_helper.from_array(np.eye(LENGTH, dtype=np.float32), "emap")
        model.graph.initializer.append(emap)
    model.producer_name, model.producer_version, model.doc_string = "edge-swap", "", ""
    model.graph.name = topology.name
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(part))
    part.replace(path)
    return model


def write_card(topology: Topology, path: Path) -> Path:
    """Write the card of an exported topology beside it."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    mask = ""
    if len(topology.outputs) > 1:
        mask = f'mask = "{topology.outputs[1]}"\n'
        mask += f"composited = {str(topology.composited).lower()}\n"
    card = path.with_suffix(".toml")
    text = CARD.format(
        name=topology.name,
        title=topology.title,
        file=path.name,
        sha256=digest,
        size=path.stat().st_size,
        side=topology.size,
        mean=list(topology.mean),
        std=list(topology.std),
        black=topology.black,
        mask=mask,
        template=topology.template,
    )
    card.write_text(text, encoding="utf-8")
    return card


def trained(topology: Topology) -> nn.Module:
    """The network with the averaged weights of its training."""
    state = load_checkpoint(data_folder() / "topologies" / f"{topology.name}.pt")
    if state is None:
        raise FileNotFoundError(f"train it first: models.training.topologies.train {topology.name}")
    net = topology.build()
    net.load_state_dict(state["average"])
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topologies", nargs="+", choices=sorted(TOPOLOGIES))
    parser.add_argument("--untrained", action="store_true", help="random weights")
    parser.add_argument("--folder", type=Path, default=data_folder() / "topologies")
    options = parser.parse_args()
    for name in options.topologies:
        topology = TOPOLOGIES[name]
        seeded(0)
        net = topology.build() if options.untrained else trained(topology)
        path = options.folder / f"{name}.onnx"
        model = write_model(net, topology, path)
        write_card(topology, path)
        megabytes = path.stat().st_size / 1e6
        Console().print(f"{path.name}: {megabytes:.2f} MB, {len(model.graph.node)} nodes")


if __name__ == "__main__":
    main()
