"""From a file that somebody has to a model: recognised, checked and recorded; or a draft."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge import recorded, resources
from edge.adding import add_model
from edge.cards import all_cards, find_card, load_card
from edge.emap import load_emap
from edge.errors import CardError, EdgeError, ModelError
from edge.loading import open_card
from edge.registry import find_file, locate
from tests import families, gates, tiny, tiny_tflite

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _card_like(home: Path, name: str, like: str, *, size: int = 0, **graph: Any) -> None:
    """Write a card of the user's: as a shipped one has it, with a graph and no size stated."""
    shipped = find_card(like)
    text = (resources.cards_dir() / f"{like}.toml").read_text(encoding="utf-8")
    text = text.split("\n[graph]")[0]
    text = text.replace(f'name = "{like}"', f'name = "{name}"')
    text = text.replace(f'"{shipped.file}"', f'"{name}.onnx"')
    text = re.sub(r"(?m)^size = \d{4,}$", f"size = {size}", text)
    text += "\n[graph]\n" + "".join(f"{key} = {value}\n" for key, value in graph.items())
    folder = home / "data" / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def _given(folder: Path, data: bytes, name: str = "download (1).onnx") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _weights(data: bytes) -> int:
    model = onnx.load_from_string(data)
    return int(sum(np.prod(tensor.dims) for tensor in model.graph.initializer))


@pytest.fixture
def data() -> bytes:
    return families.model_bytes("inswapper_128")


def test_a_file_is_recognised_recorded_and_opened(
    edge_home: Path, tmp_path: Path, data: bytes
) -> None:
    _card_like(edge_home, "mine", "inswapper_128", parameters=_weights(data), operators='["Pad"]')
    added = add_model(_given(tmp_path, data))
    assert added.card.name == "mine"
    assert added.path == edge_home / "data/models/mine.onnx"
    assert added.evidence == ("names and shapes", "precision", "number of weights", "operators")
    assert added.unchecked == ("size", "shapes of weights")
    assert added.recorded
    digest = hashlib.sha256(data).hexdigest()
    assert (added.card.sha256, added.card.size) == (digest, len(data))
    card, _ = open_card("mine", "swapper", threads=1)
    assert load_emap(card, locate(card)) is not None
    again = add_model(_given(tmp_path, data))
    assert (again.card.name, again.evidence, again.recorded) == ("mine", ("SHA-256",), False)


def test_what_may_be_several_is_asked_for(edge_home: Path, tmp_path: Path, data: bytes) -> None:
    for name in ("one", "two"):
        _card_like(edge_home, name, "inswapper_128", parameters=_weights(data))
    with pytest.raises(ModelError, match=r"it may be one or two: say which with --card one"):
        add_model(_given(tmp_path, data))
    assert not (edge_home / "data/models").exists()
    assert add_model(_given(tmp_path, data, "two.onnx")).card.name == "two"
    assert add_model(_given(tmp_path, data), "one").card.name == "one"


def test_names_and_shapes_alone_are_not_enough(edge_home: Path, tmp_path: Path) -> None:
    data = families.model_bytes("arcface_w600k_r50")
    with pytest.raises(ModelError, match=r"by its inputs and outputs it may be .*if you know"):
        add_model(_given(tmp_path, data))
    added = add_model(_given(tmp_path, data), "arcface_w600k_r50")
    assert "size" in added.unchecked


def test_a_model_without_its_emap_is_not_added(
    edge_home: Path, tmp_path: Path, data: bytes
) -> None:
    _card_like(edge_home, "mine", "inswapper_128", parameters=_weights(data) - 512 * 512)
    bare = families.inswapper(emap=False).SerializeToString()
    with pytest.raises(ModelError, match="holds no emap"):
        add_model(_given(tmp_path, bare), "mine")
    assert find_file(find_card("mine")) is None
    assert find_card("mine").sha256 == ""
    assert recorded.recorded_names() == frozenset()


def test_a_file_that_does_not_fit_the_named_card(tmp_path: Path) -> None:
    given = _given(tmp_path, tiny.embedder())
    with pytest.raises(ModelError, match=r"does not fit card 'ghost_1_256': it has inputs input"):
        add_model(given, "ghost_1_256")
    with pytest.raises(
        ModelError, match=r"does not fit card 'inswapper_128': .* source \[1, 512\]"
    ):
        add_model(given, "inswapper_128")
    with pytest.raises(ModelError, match="not an ONNX model"):
        add_model(_given(tmp_path, b"nothing of the kind"), "ghost_1_256")
    with pytest.raises(CardError, match="no model 'nix'"):
        add_model(given, "nix")
    with pytest.raises(ModelError, match=r"missing.onnx: cannot be read"):
        add_model(tmp_path / "missing.onnx")


def test_the_user_has_the_last_word_and_is_told(tmp_path: Path) -> None:
    added = add_model(_given(tmp_path, families.model_bytes("ghost_1_256")), "ghost_1_256")
    assert any("weights instead of about 128500000" in each for each in added.against)


def test_a_gate_that_is_added_is_noted(edge_home: Path, tmp_path: Path) -> None:
    moved = gates.install(edge_home).rename(tmp_path / "gate.onnx")
    assert add_model(moved).card.name == "blue_gate"
    assert recorded.noted_gates() == {"blue_gate"}


# Drafts -----------------------------------------------------------------------------------------


def _draft(home: Path, given: Path) -> Path:
    with pytest.raises(ModelError, match=r"a card for it was drafted: .*fill in its blanks") as e:
        add_model(given)
    assert "\n" not in str(e.value)
    (path,) = (home / "data" / "cards").glob("*.draft")
    assert str(path) in str(e.value)
    return path


SHAPES: dict[str, tuple[list[Any], list[Any]]] = {
    "swapper": (
        [tiny._value("picture", (1, 3, 96, 96)), tiny._value("who", (1, 256))],
        [tiny._value("shown", (1, 3, 96, 96)), tiny._value("where", (1, 1, 96, 96))],
    ),
    "recogniser": ([tiny._value("crop", (1, 3, 99, 99))], [tiny._value("numbers", (1, 200))]),
    "converter": ([tiny._value("here", (1, 300))], [tiny._value("there", (1, 300))]),
    "gate": ([tiny._value("seen", (1, 3, 224, 224))], [tiny._value("scores", (1, 5))]),
    "masker": ([tiny._value("crop", (1, 77, 77, 3))], [tiny._value("mask", (1, 77, 77, 1))]),
    "": ([tiny._value("odd", (1, 2, 3))], [tiny._value("number", (4,))]),
}


def _model(inputs: list[Any], outputs: list[Any]) -> bytes:
    nodes = []
    constants = []
    for place, each in enumerate(outputs):
        sides = [dim.dim_value for dim in each.type.tensor_type.shape.dim]
        constants.append(tiny._constant(f"c{place}", np.zeros(sides)))
        nodes.append(onnx.helper.make_node("Identity", [f"c{place}"], [each.name]))
    return tiny.model_bytes(nodes, inputs, outputs, constants)


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_a_card_is_drafted_with_blanks(edge_home: Path, tmp_path: Path, kind: str) -> None:
    data = _model(*SHAPES[kind])
    path = _draft(edge_home, _given(tmp_path, data, "Some Model #1.onnx"))
    assert path.name == "some_model_1.toml.draft"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    assert values["kind"] == kind
    assert values["sha256"] == hashlib.sha256(data).hexdigest()
    assert values["size"] == len(data)
    assert values["licence"]["commercial"] == ""
    assert "fill in" in path.read_text(encoding="utf-8")
    all_cards()  # a draft is no card yet
    with pytest.raises(CardError, match=r"some_model_1.toml.draft: "):
        load_card(path)


def test_a_draft_that_is_filled_in_is_a_card(edge_home: Path, tmp_path: Path) -> None:
    given = _given(tmp_path, _model(*SHAPES["recogniser"]), "new.onnx")
    path = _draft(edge_home, given)
    text = path.read_text(encoding="utf-8")
    for blank, value in (
        ('title = ""', 'title = "New"'),
        ('name = ""', 'name = "MIT"'),
        ('commercial = ""', 'commercial = "yes"'),
        ('training_data = ""', 'training_data = "unknown"'),
        ('channels = ""', 'channels = "RGB"'),
        ("scale = 0.0", "scale = 1.0"),
        ("std = [0.0, 0.0, 0.0]", "std = [1.0, 1.0, 1.0]"),
        ('template = ""', 'template = "arcface_112_v2"'),
    ):
        assert blank in text
        text = text.replace(blank, value, 1)
    path.write_text(text, encoding="utf-8")
    path.rename(path.with_suffix(""))
    added = add_model(given)
    assert (added.card.name, added.card.kind, added.evidence) == ("new", "recogniser", ("SHA-256",))


def test_a_draft_that_is_half_filled_in_is_kept(edge_home: Path, tmp_path: Path) -> None:
    given = _given(tmp_path, _model(*SHAPES["gate"]))
    path = _draft(edge_home, given)
    text = path.read_text(encoding="utf-8").replace('title = ""', 'title = "Mine"')
    path.write_text(text, encoding="utf-8")
    assert _draft(edge_home, given).read_text(encoding="utf-8") == text


def test_another_file_of_that_name_has_a_draft_of_its_own(edge_home: Path, tmp_path: Path) -> None:
    _draft(edge_home, _given(tmp_path, _model(*SHAPES["gate"]), "same.onnx"))
    with pytest.raises(ModelError, match=r"same_2.toml.draft"):
        add_model(_given(tmp_path, _model(*SHAPES["recogniser"]), "same.onnx"))


def test_a_known_topology_is_drafted_after_its_card(
    edge_home: Path, tmp_path: Path, data: bytes
) -> None:
    size = len(data) + 5
    _card_like(edge_home, "mine", "inswapper_128", size=size, parameters=_weights(data))
    given = _given(tmp_path, data, "anew.onnx")
    path = _draft(edge_home, given)
    drafted, card = load_card(path), find_card("mine")
    assert (drafted.name, drafted.file, drafted.size) == ("anew", "anew.onnx", len(data))
    assert drafted.sha256 == hashlib.sha256(data).hexdigest()
    for what in ("kind", "licence", "input", "picture", "source", "crop", "graph"):
        assert getattr(drafted, what) == getattr(card, what)
    path.rename(path.with_suffix(""))
    assert add_model(given).card.name == "anew"


def test_another_file_of_a_named_card_s_kind_is_drafted_after_it(
    edge_home: Path, tmp_path: Path, data: bytes
) -> None:
    given = _given(tmp_path, data, "saved anew.onnx")
    with pytest.raises(ModelError, match=r"bytes instead of 554253681.* drafted after that one"):
        add_model(given, "inswapper_128")
    drafted = load_card(edge_home / "data/cards/saved_anew.toml.draft")
    assert drafted.source == find_card("inswapper_128").source
    assert drafted.sha256 == hashlib.sha256(data).hexdigest()
    families.install(edge_home, "crossface_ghost")
    other = families.crossface(part=64).SerializeToString()
    with pytest.raises(ModelError, match="SHA-256 is another one"):
        add_model(_given(tmp_path, other, "other.onnx"), "crossface_ghost")


def test_a_draft_finds_the_emap(edge_home: Path, tmp_path: Path) -> None:
    for emap in (True, False):
        model = families.inswapper(emap=emap)
        model.graph.input[0].name = model.graph.node[0].input[0] = "other"
        for node in model.graph.node:
            for place, name in enumerate(node.input):
                node.input[place] = "other" if name == "target" else name
        given = _given(tmp_path, model.SerializeToString(), f"new_{emap}.onnx")
        with pytest.raises(ModelError, match="was drafted"):
            add_model(given)
        text = (edge_home / f"data/cards/new_{str(emap).lower()}.toml.draft").read_text()
        assert ('emap = "model"' in text) == emap


def test_names_in_a_model_cannot_write_a_card(edge_home: Path, tmp_path: Path) -> None:
    evil = 'x"\n[licence]\ncommercial = "yes"\n\u202e#'
    inputs = [tiny._value(evil, (1, 3, 64, 64))]
    data = _model(inputs, [tiny._value("scores\n[x]", (1, 4))])
    path = _draft(edge_home, _given(tmp_path, data, "we\u202eird.onnx"))
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    assert values["licence"]["commercial"] == ""
    assert set(values) == {
        "name", "file", "sha256", "size", "precision", "kind", "title", "licence", "input",
        "output",
    }  # fmt: skip


def test_what_is_no_model_gets_no_draft(edge_home: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no card means this file .* its graph cannot be read"):
        add_model(_given(tmp_path, b"nothing"))
    assert not (edge_home / "data" / "cards").exists()


def test_a_blank_draft_gives_way_to_one_after_a_named_card(
    edge_home: Path, tmp_path: Path, data: bytes
) -> None:
    given = _given(tmp_path, data, "new.onnx")
    path = _draft(edge_home, given)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"drafted after that one: .*new.toml.draft"):
            add_model(given, "inswapper_128")
        assert load_card(path).source == find_card("inswapper_128").source
    mine = path.read_text(encoding="utf-8").replace("InsightFace's swapper", "Mine")
    path.write_text(mine, encoding="utf-8")
    with pytest.raises(ModelError, match="drafted after that one"):
        add_model(given, "inswapper_128")
    assert path.read_text(encoding="utf-8") == mine


def test_of_cards_for_one_file_the_name_decides(edge_home: Path, tmp_path: Path) -> None:
    for name in ("crossface_ghost", "crossface_simswap"):
        families.install(edge_home, name)
    data = families.model_bytes("crossface_ghost")
    given = _given(tmp_path, data, "crossface_simswap.onnx")
    assert add_model(given).card.name == "crossface_simswap"
    with pytest.raises(ModelError, match=r"several cards mean this file: .*crossface_simswap\)"):
        add_model(_given(tmp_path, data, "some.onnx"))
    assert add_model(_given(tmp_path, data), "crossface_ghost").card.name == "crossface_ghost"


# Converted files that are not ONNX ----------------------------------------------------------------


def _converted(path: Path, data: bytes, **facts: Any) -> Path:
    """Write a file as the toolchain leaves it: with its record beside it."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    record = {
        "schema": "edge-swap/conversion-1",
        "sha256": digest,
        "card": "tiny_swapper",
        "precision": "int8",
        "baked": None,
        **facts,
    }
    path.with_name(path.name + ".json").write_text(json.dumps(record), encoding="utf-8")
    return path


def _as_ort(folder: Path) -> bytes:
    """Return the tiny swapper in ONNX Runtime's own format."""
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "made.ort")
    ort.InferenceSession(tiny.swapper(), options, providers=["CPUExecutionProvider"])
    return (folder / "made.ort").read_bytes()


def test_a_converted_tflite_file_gets_a_card_of_its_own(edge_home: Path, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    tiny.install(edge_home)
    path = _converted(tmp_path / "out" / "Tiny.pi.int8.tflite", tiny_tflite.swapper())
    added = add_model(path)
    card, original = added.card, find_card("tiny_swapper")
    assert (added.after, added.evidence) == ("tiny_swapper", ("the record of its conversion",))
    assert (card.name, card.file) == ("tiny.pi.int8.tflite", "tiny.pi.int8.tflite")
    assert (card.precision, card.input, card.crop) == ("int8", original.input, original.crop)
    assert card.source == original.source
    _, session = open_card(card.name, "swapper", backend="litert", threads=1)
    assert set(session.outputs) == {"output", "mask"}
    # Its card is known now, and another file of the same name gets one beside it.
    assert add_model(path).evidence == ("SHA-256",)
    other = _converted(tmp_path / "new" / path.name, tiny_tflite.swapper(seed=8))
    assert add_model(other).card.file == "tiny.pi.int8_2.tflite"


def test_a_tflite_file_of_a_model_with_channels_last_says_nothing_of_it(
    edge_home: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert")
    tiny.install(edge_home)
    text = tiny.SWAPPER.replace('channels = "RGB"', 'channels = "RGB"\nlayout = "NHWC"', 1)
    tiny.install_one(edge_home, "tiny_last", "swapper", text, b"its graph is not looked at")
    assert find_card("tiny_last").input.layout == "NHWC"
    data = tiny_tflite.swapper()
    added = add_model(_converted(tmp_path / "out" / "last.tflite", data, card="tiny_last"))
    assert added.card.input == replace(find_card("tiny_last").input, layout="NCHW")


def test_a_converted_ort_file_gets_a_card_of_its_own(edge_home: Path, tmp_path: Path) -> None:
    tiny.install(edge_home)
    path = _converted(tmp_path / "out" / "tiny.ort", _as_ort(tmp_path), precision="fp32")
    assert add_model(path).card.name == "tiny.ort"
    open_card("tiny.ort", "swapper", threads=1)


def test_whose_identity_is_baked_in_comes_from_the_record(edge_home: Path, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    tiny.install(edge_home)
    model = onnx.load_from_string(tiny.swapper())
    (place,) = [i for i, port in enumerate(model.graph.input) if port.name == "source"]
    del model.graph.input[place]
    vector = onnx.numpy_helper.from_array(np.ones((1, 512), np.float32), "source")
    model.graph.initializer.append(vector)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "made.ort")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    data = (tmp_path / "made.ort").read_bytes()
    whose = "ab" * 32
    path = _converted(tmp_path / "out" / "alice.ort", data, baked={"identity": whose})
    card = add_model(path).card
    assert card.source is not None
    assert (card.source.kind, card.source.identity) == ("baked", whose)
    (note,) = (edge_home / "state" / "derivatives" / whose).iterdir()  # it goes with the identity
    assert bytes.fromhex(json.loads(note.read_text())["path"]).decode().endswith("alice.ort")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"card": "tiny_detector"}, "does not fit card 'tiny_detector', which its record"),
        ({"precision": "int3"}, "precision"),
        ({"precision": None}, "precision"),
    ],
)
def test_a_record_that_makes_no_card_leaves_none(
    edge_home: Path, tmp_path: Path, facts: dict[str, Any], words: str
) -> None:
    tiny.install(edge_home)
    path = _converted(tmp_path / "out" / "tiny.ort", _as_ort(tmp_path), **facts)
    with pytest.raises(EdgeError, match=words):
        add_model(path)
    assert not (edge_home / "data" / "cards" / "tiny.ort.toml").exists()
    assert not (edge_home / "data" / "models" / "tiny.ort").exists()


def test_a_card_that_counts_is_not_followed_where_the_order_may_differ(
    edge_home: Path, tmp_path: Path
) -> None:
    tiny.install(edge_home)
    card = edge_home / "data" / "cards" / "tiny_swapper.toml"
    text = card.read_text(encoding="utf-8")
    assert 'name = "output"' in text
    card.write_text(text.replace('name = "output"', 'name = "#0"'), encoding="utf-8")
    path = _converted(tmp_path / "out" / "tiny.ort", _as_ort(tmp_path))
    with pytest.raises(ModelError, match=r"counts inputs or outputs.*sha256 [0-9a-f]{64}.*add the"):
        add_model(path)
    assert not (edge_home / "data" / "cards" / "tiny.ort.toml").exists()
