"""The swapper's network: contract, limits of size and work, and what devices ask of its graph."""

# ruff: noqa: E402 - what is imported below needs libraries that only training has

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxslim")

from models.training.swapper.export import write
from models.training.swapper.net import (
    FAMILY,
    MOST_PARAMETERS,
    Shape,
    Swapper,
    begin_with_traits,
    leaky,
    start_from,
)

if TYPE_CHECKING:
    from torch import Tensor

TINY = Shape((8, 8, 16), (1, 1, 1), 1.0)


def inputs(size: int, count: int = 1) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    source = torch.nn.functional.normalize(torch.randn(count, 512), dim=1)
    return torch.rand(count, 3, size, size), source


def perturbed(size: int, shape: Shape | None = None) -> Swapper:
    torch.manual_seed(0)
    net = Swapper(size, shape).eval()
    for parameter in net.parameters():  # no two tensors alike, as after training
        parameter.data += torch.randn_like(parameter) * 0.02
    return net


@pytest.mark.parametrize("size", sorted(FAMILY))
def test_contract(size: int) -> None:
    with torch.no_grad():
        output, mask = perturbed(size)(*inputs(size, 2))
    assert output.shape == (2, 3, size, size)
    assert mask.shape == (2, 1, size, size)
    for values in (output, mask):
        assert float(values.min()) >= 0.0
        assert float(values.max()) <= 1.0


@pytest.mark.parametrize("size", sorted(FAMILY))
def test_size_and_work(size: int) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    net = Swapper(size)
    parameters = sum(p.numel() for p in net.parameters())
    steering = ("mapping", "gain", "shift")
    baked_out = sum(p.numel() for k, p in net.named_parameters() if any(s in k for s in steering))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs(size))
    gmac = counter.get_total_flops() / 2e9
    figures = f"{parameters} parameters, {gmac:.3f} GMAC, {baked_out / parameters:.3f} baked out"
    print(f"{size} px: {figures}")  # noqa: T201 - `pytest -s` shows it
    assert parameters <= MOST_PARAMETERS
    assert gmac <= FAMILY[size].gmac
    assert baked_out >= 0.4 * parameters  # else a baked file is no 60 % of the whole


def test_where_the_mask_is_closed_the_target_stays_to_the_bit() -> None:
    target, source = inputs(128)
    net = perturbed(128)
    with torch.no_grad():
        assert net.head.bias is not None
        net.head.bias[12:] -= 200.0  # the last of four channels, at all four places
        output, mask = net(target, source)
    assert float(mask.max()) == 0.0
    assert torch.equal(output, target)


def test_the_mapping_can_begin_with_traits() -> None:
    torch.manual_seed(3)
    reader, source = torch.nn.Linear(512, 20), inputs(128)[1]
    net = Swapper(128, TINY)
    with torch.no_grad():
        begin_with_traits(net, reader.weight, reader.bias)
        wanted = reader(source * 512**0.5)
        given = (source * net.mapping.scale).reshape(-1, 512, 1, 1)
        found = torch.relu(net.mapping.first(given))[..., 0, 0]
    torch.testing.assert_close(found[:, :20] - found[:, 20:40], wanted, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="do not fit"):
        begin_with_traits(net, torch.zeros(400, 512), torch.zeros(400))


def test_what_the_head_sees_cannot_be_switched_off() -> None:
    """Behind a ReLU features were 0 for all crops after some 100 steps, for good."""
    target, source = inputs(128)
    net, seen = Swapper(128, TINY), []
    net.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        for conv in net.modules():
            if isinstance(conv, torch.nn.Conv2d) and conv.bias is not None:
                conv.bias -= 10.0
        net(target, source)
    assert bool((seen[0] < 0).any())


@pytest.fixture(params=[None, TINY], ids=["whole", "tiny"])
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Swapper, Path]:
    path = tmp_path / "swapper.onnx"
    write(perturbed(128, request.param), path)
    return perturbed(128, request.param), path


def test_export_is_the_network(exported: tuple[Swapper, Path]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    net, path = exported
    target, source = inputs(128)
    with torch.no_grad():
        wanted = net(target, source)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(None, {"target": target.numpy(), "source": source.numpy()})
    for mine, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-4)


def test_export_keeps_the_rules_of_devices(exported: tuple[Swapper, Path]) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(str(exported[1])).graph
    kinds = {node.op_type for node in graph.node}
    assert kinds <= {
        "Add", "Conv", "DepthToSpace", "LeakyRelu", "Mul", "Relu", "Reshape", "Resize", "Sigmoid",
        "Slice", "Sub",
    }  # fmt: skip
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Resize":
            assert list(stored[node.input[1]].dims) == [0]
        if node.op_type == "DepthToSpace":
            assert [a.s for a in node.attribute if a.name == "mode"] == [b"DCR"]
    for value in [*graph.input, *graph.output]:
        assert all(d.dim_value > 0 for d in value.type.tensor_type.shape.dim)


def test_the_larger_one_starts_from_what_the_smaller_one_learnt() -> None:
    small, large = perturbed(128), Swapper(256)
    taken = start_from(large, small.state_dict())
    assert "blocks.16.0.first.conv.weight" in taken
    assert "mapping.first.weight" in taken
    assert not [name for name in taken if name.startswith(("stem", "head"))]
    state = large.state_dict()
    for name in taken:
        assert torch.equal(state[name], small.state_dict()[name])


def test_the_larger_ones_outer_level_passes_on_what_the_smaller_ones_stem_saw() -> None:
    small, large = perturbed(128), Swapper(256)
    start_from(large, small.state_dict())
    picture = torch.nn.functional.interpolate(
        torch.rand(1, 3, 8, 8), 256, mode="bicubic", align_corners=False
    ).clamp(0.0, 1.0)
    with torch.no_grad():
        wanted = small.stem(torch.nn.functional.avg_pool2d(picture, 2))
        found = large.down["64"](leaky(large.stem(picture)))
    assert float((found - wanted).abs().mean()) < 0.02 * float(wanted.std())


def test_what_is_not_taken_over_is_the_outer_level() -> None:
    large = Swapper(256)
    taken = set(start_from(large, Swapper(128).state_dict()))
    outer = {id(weight) for weight in large.outer_parameters()}
    for name, weight in large.named_parameters():
        assert (name in taken) != (id(weight) in outer), name
