from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.backends.base import Session
from edge.cards import find_card
from edge.errors import BackendError, CardError, IdentityError, ModelError, UsageError
from edge.paste import lay_over, put_back
from edge.records import Crop
from edge.swapmodel import SwapModel, open_swap_model
from tests import tiny

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def model(edge_home: Path) -> SwapModel:
    tiny.install(edge_home)
    return open_swap_model("tiny_swapper", threads=1)


def _crop(size: int = 128) -> Crop:
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    return Crop(picture=picture, matrix=np.eye(2, 3))


def _embedding(length: float = 1.0) -> NDArray[np.float32]:
    values = np.random.default_rng(1).standard_normal(512)
    return (values / np.linalg.norm(values) * length).astype(np.float32)


def test_it_says_what_it_needs_and_how_it_runs(model: SwapModel) -> None:
    assert (model.recogniser, model.template, model.size) == ("tiny_embedder", "arcface_128", 128)
    use = model.use
    assert (use.name, use.kind, use.backend) == ("tiny_swapper", "swapper", "ort")
    assert (use.provider, use.precision) == ("CPUExecutionProvider", "fp32")
    assert use.sha256 == model.card.sha256
    assert use.licence == "Apache-2.0"


def test_colours_keep_their_places(model: SwapModel) -> None:
    crop = _crop()
    picture, mask = model._swap_crop(crop, _embedding())
    assert picture.dtype == np.uint8
    assert picture.shape == (128, 128, 3)
    assert mask.dtype == np.float32
    assert mask.shape == (128, 128)
    assert mask[64, 64] == 1
    assert mask[0, 0] == 0
    # output = (target + colour of the source) / 2, channel by channel
    tint = picture.astype(float) * 2 - crop.picture
    assert (np.ptp(tint, axis=(0, 1)) <= 3).all()
    assert np.ptp(tint.mean(axis=(0, 1))) > 1


def test_the_source_is_brought_to_unit_length(model: SwapModel) -> None:
    first, _ = model._swap_crop(_crop(), _embedding())
    second, _ = model._swap_crop(_crop(), _embedding(30.0))
    assert np.abs(first.astype(int) - second).max() <= 1


@pytest.mark.parametrize("embedding", [np.zeros(512), np.full(512, np.nan), np.ones(256)])
def test_an_embedding_that_cannot_be_used_is_refused(
    model: SwapModel, embedding: NDArray[np.float64]
) -> None:
    with pytest.raises(IdentityError):
        model._swap_crop(_crop(), embedding.astype(np.float32))


class _Fake:
    """A session that returns what it was told to."""

    inputs: tuple[str, ...] = ("target", "source")
    outputs: tuple[str, ...] = ("output", "mask")
    engine = "ort"
    engine_version = "0"
    provider = "CPUExecutionProvider"

    def __init__(self, *results: NDArray[np.float32]) -> None:
        self._results = list(results)

    def run(self, feeds: object) -> list[NDArray[np.float32]]:
        return self._results


def _fake(edge_home: Path, output: NDArray[np.float32], mask: NDArray[np.float32]) -> SwapModel:
    tiny.install(edge_home)
    session: Session = _Fake(output, mask)
    return SwapModel(find_card("tiny_swapper"), session)


def test_values_that_are_no_numbers_are_an_error_and_not_a_black_face(edge_home: Path) -> None:
    output = np.full((1, 3, 128, 128), np.nan, np.float32)
    model = _fake(edge_home, output, np.ones((1, 1, 128, 128), np.float32))
    with pytest.raises(BackendError, match="no numbers on CPUExecutionProvider"):
        model._swap_crop(_crop(), _embedding())


def test_values_out_of_range_are_clipped(edge_home: Path) -> None:
    output = np.full((1, 3, 128, 128), 1.7, np.float32)
    output[:, :, :64] = -0.7
    model = _fake(edge_home, output, np.full((1, 1, 128, 128), 3, np.float32))
    picture, mask = model._swap_crop(_crop(), _embedding())
    assert (picture[:64] == 0).all()
    assert (picture[64:] == 255).all()
    assert (mask == 1).all()


def test_outputs_of_another_shape_do_not_fit(edge_home: Path) -> None:
    output = np.zeros((1, 3, 64, 64), np.float32)
    model = _fake(edge_home, output, np.ones((1, 1, 64, 64), np.float32))
    with pytest.raises(ModelError, match="does not fit its card: output 'output' has shape"):
        model._swap_crop(_crop(), _embedding())


def test_a_model_without_a_mask_shows_all_of_its_crop(edge_home: Path) -> None:
    body = tiny.SWAPPER.replace('mask = "mask"\n', "")
    tiny.install_one(edge_home, "bare", "swapper", body, tiny.swapper())
    _, mask = open_swap_model("bare")._swap_crop(_crop(), _embedding())
    assert (mask == 1).all()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "target"', 'name = "picture"', "inputs are target, source, the card says"),
        ('mask = "mask"', 'mask = "blend"', "no output 'blend'"),
    ],
)
def test_a_card_that_its_model_does_not_fit_is_refused(
    edge_home: Path, old: str, new: str, words: str
) -> None:
    body = tiny.SWAPPER.replace(old, new)
    tiny.install_one(edge_home, "odd", "swapper", body, tiny.swapper())
    with pytest.raises(ModelError, match=words):
        open_swap_model("odd")


def test_a_model_of_another_kind_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(CardError, match="is a detector, but a swapper is needed"):
        open_swap_model("tiny_detector")


@pytest.mark.parametrize(("composited", "expected"), [(False, 0.125), (True, 0.5)])
def test_a_composited_picture_is_used_wherever_its_mask_shows(
    edge_home: Path, composited: bool, expected: float
) -> None:
    """A mask of 1/8 keeps 1/8 of a raw picture, and half of one that holds the target already."""
    line = f'mask = "mask"\ncomposited = {str(composited).lower()}\n'
    body = tiny.SWAPPER.replace('mask = "mask"\n', line)
    tiny.install_one(edge_home, "mixed", "swapper", body, tiny.swapper())
    output = np.zeros((1, 3, 128, 128), np.float32)
    session: Session = _Fake(output, np.full((1, 1, 128, 128), 0.125, np.float32))
    _, mask = SwapModel(find_card("mixed"), session)._swap_crop(_crop(), _embedding())
    np.testing.assert_allclose(mask, expected)


def test_an_exact_mask_is_handed_on_as_it_is(edge_home: Path) -> None:
    line = 'mask = "mask"\ncomposited = true\nexact_mask = true\n'
    body = tiny.SWAPPER.replace('mask = "mask"\n', line)
    tiny.install_one(edge_home, "exact", "swapper", body, tiny.swapper())
    tiny.install(edge_home)
    output = np.zeros((1, 3, 128, 128), np.float32)
    session: Session = _Fake(output, np.full((1, 1, 128, 128), 0.125, np.float32))
    model = SwapModel(find_card("exact"), session)
    np.testing.assert_allclose(model._swap_crop(_crop(), _embedding())[1], 0.125)
    assert model.put_back is lay_over
    assert SwapModel(find_card("tiny_swapper"), session).put_back is put_back


class _Stubborn(_Fake):
    """A session that says it takes batches, and does not."""

    free_batch = True

    def __init__(self) -> None:
        super().__init__()
        self.tried: list[int] = []

    def run(self, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:  # type: ignore[override]
        count = feeds["target"].shape[0]
        self.tried.append(count)
        if count > 1:
            raise BackendError("Reshape: the input tensor cannot be reshaped")
        return [feeds["target"], np.ones((1, 1, 128, 128), np.float32)]


def test_a_batch_that_does_not_run_is_swapped_one_by_one(edge_home: Path) -> None:
    tiny.install(edge_home)
    session = _Stubborn()
    model = SwapModel(find_card("tiny_swapper"), session)  # type: ignore[arg-type]
    assert model.batch > 1
    crops = [Crop(np.full((128, 128, 3), shade, np.uint8), np.eye(2, 3)) for shade in (10, 20, 30)]
    swapped = model._swap_crops(crops, _embedding())
    assert [int(picture[0, 0, 0]) for picture, _ in swapped] == [10, 20, 30]
    assert session.tried == [3, 1, 1, 1]
    model._swap_crops(crops, _embedding())
    assert session.tried[4:] == [1, 1, 1]


def test_a_boost_without_sense_is_refused(edge_home: Path) -> None:
    tiny.install(edge_home)
    with pytest.raises(UsageError, match="--boost must be between 1 and 8"):
        open_swap_model("tiny_swapper", boost=9)


def test_no_crops_give_nothing(model: SwapModel) -> None:
    assert model._swap_crops([], _embedding()) == []


def test_a_model_that_takes_a_source_is_not_run_without_one(model: SwapModel) -> None:
    with pytest.raises(IdentityError, match="takes a source"):
        model._swap_crop(_crop(), None)


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((112, 112, 3), np.uint8),
        np.zeros((256, 256, 3), np.float32),
        np.zeros(512, np.float32),
    ],
)
def test_a_source_picture_of_another_size_is_refused(
    source: NDArray[np.generic], edge_home: Path
) -> None:
    from tests import families

    families.install(edge_home, "uniface_256")
    model = open_swap_model("uniface_256", threads=1)
    with pytest.raises(IdentityError, match="takes a picture of 256 x 256 pixels"):
        model._swap_crop(_crop(256), source)


@pytest.mark.parametrize("name", ["inswapper_128", "ghost_1_256"])
def test_a_model_is_not_run_without_its_emap_or_converter(name: str, edge_home: Path) -> None:
    with pytest.raises(ModelError, match="with its converter and emap"):
        SwapModel(find_card(name), _Fake())
