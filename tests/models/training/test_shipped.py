"""A training that begins with shipped weights begins where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402

from models.training.detector.export import folded  # noqa: E402
from models.training.detector.net import Conv  # noqa: E402
from models.training.shipped import take_over  # noqa: E402


def network(seed: int) -> Any:
    """Two normalised convolutions, one alone, and weights that are not as they were born."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(Conv(3, 6), Conv(6, 5, 3, 2), torch.nn.Conv2d(5, 2, 1))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                torch.nn.init.normal_(tensor)
            for tensor in (module.running_var, module.weight):
                torch.nn.init.uniform_(tensor, 0.3, 3.0)
    return net


def written(net: Any, path: Path, prefix: str = "") -> Path:
    """An ONNX file that holds the folded weights and nothing else."""
    weights = [
        numpy_helper.from_array(tensor.detach().numpy(), prefix + name)
        for name, tensor in folded(net).state_dict().items()
    ]
    onnx.save(helper.make_model(helper.make_graph([], "weights", [], [], weights)), str(path))
    return path


def pictures(count: int) -> Any:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("prefix", ["", "net."])
def test_the_network_is_the_shipped_one(tmp_path: Path, prefix: str) -> None:
    shipped, net = network(1).eval(), network(2).eval()
    x = pictures(4)
    assert not torch.allclose(net(x), shipped(x), atol=1e-2)
    take_over(net, written(shipped, tmp_path / "m.onnx", prefix), [pictures(8)], prefix)
    assert torch.allclose(net(x), shipped(x), atol=1e-4)


def test_it_is_still_so_while_it_learns(tmp_path: Path) -> None:
    shipped, net = network(1).eval(), network(2)
    x = pictures(64)
    take_over(net, written(shipped, tmp_path / "m.onnx"), [x])
    assert net.training
    # Normalised by the batch at hand, which is the one that the weights were taken out on.
    assert torch.allclose(net(x), shipped(x), atol=2e-2)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = written(network(1), tmp_path / "m.onnx")
    with pytest.raises(KeyError):
        take_over(network(2), path, [pictures(1)], "net.")
    other = torch.nn.Sequential(Conv(3, 7), Conv(7, 5, 3, 2), torch.nn.Conv2d(5, 2, 1))
    with pytest.raises(ValueError, match=r"0\.0\.weight"):
        take_over(other, path, [pictures(1)])


def test_a_layer_that_was_added_stays_as_it_was_born(tmp_path: Path) -> None:
    path, net = written(network(1), tmp_path / "m.onnx"), network(2)
    net.append(torch.nn.Conv2d(2, 3, 1))
    born = net[3].weight.clone()
    with pytest.raises(KeyError):
        take_over(net, path, [pictures(1)])
    take_over(net, path, [pictures(1)], added=("3",))
    assert torch.equal(net[3].weight, born)
