"""Weights in files beside the model, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from quantize.errors import ModelFileError
from quantize.modelfile import load_model
from tests.quantize.graphs import reference_like


def split(folder: Path, location: str = "m.weights") -> Path:
    """Write a model whose weights lie in a file beside it, as onnx itself does."""
    path = folder / "m.onnx"
    onnx.save(
        reference_like(), str(path), save_as_external_data=True, location=location, size_threshold=0
    )
    return path


def redirect(path: Path, location: str) -> None:
    """Let the first external weight lie elsewhere."""
    change(path, "location", location)


def change(path: Path, key: str, value: str) -> None:
    model = onnx.load(str(path), load_external_data=False)
    tensor = next(t for t in model.graph.initializer if t.external_data)
    for entry in tensor.external_data:
        if entry.key == key:
            entry.value = value
            break
    else:
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    path = split(tmp_path)
    file = load_model(path)
    whole = {tensor.name: tensor for tensor in reference_like().graph.initializer}
    for tensor in file.model.graph.initializer:
        assert not tensor.external_data
        wanted = onnx.numpy_helper.to_array(whole[tensor.name])
        assert np.array_equal(onnx.numpy_helper.to_array(tensor), wanted)
    assert file.size == path.stat().st_size + (tmp_path / "m.weights").stat().st_size
    onnx.checker.check_model(file.model)


def test_weights_in_a_folder_below_are_read(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    load_model(split(tmp_path, "deep/m.weights"))


def test_a_model_behind_a_link_has_its_weights_with_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path = split(tmp_path / "real")
    link = tmp_path / "link.onnx"
    link.symlink_to(path)
    assert load_model(link).sha256 == load_model(path).sha256


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = split(tmp_path)
    (tmp_path / "m.weights").unlink()
    with pytest.raises(ModelFileError, match=r"weights are missing: there is no file m\.weights"):
        load_model(path)


def test_truncated_weights_are_named(tmp_path: Path) -> None:
    path = split(tmp_path)
    os.truncate(tmp_path / "m.weights", 100)
    with pytest.raises(ModelFileError, match=r"truncated: m\.weights ends within"):
        load_model(path)


@pytest.mark.parametrize(
    "location",
    ["/etc/passwd", "../secret", "deep/../../secret", "", "a\0b", "link", "deep/link"],
)
def test_weights_outside_the_folder_are_refused(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 10_000_000)
    (folder / "link").symlink_to(secret)
    (folder / "deep" / "link").symlink_to(secret)
    path = split(folder)
    redirect(path, location)
    with pytest.raises(ModelFileError, match=r"outside (its own|the model's) folder|no plain file"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("length", "7", "asks m.weights for 7"),
        ("offset", "-5", "at -5"),
        ("offset", "many", "no number"),
        ("offset", "99999999", "truncated"),
        ("offset", "9" * 30, f"at {'9' * 30}"),
        ("location", "deep", "no plain file"),
    ],
)
def test_a_wrong_place_is_refused(key: str, value: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path = split(tmp_path)
    change(path, key, value)
    with pytest.raises(ModelFileError, match=words):
        load_model(path)
