from __future__ import annotations

from pathlib import Path

import pytest

from edge.cards import load_card
from edge.errors import CardError
from edge.resources import cards_dir

FILES = {
    "emap": "inswapper_128",
    "converter": "crossface_ghost",
    "converted": "ghost_1_256",
    "picture": "uniface_256",
    "baked": "mobilefaceswap_224",
}


def _text(kind: str) -> str:
    return (cards_dir() / f"{FILES[kind]}.toml").read_text(encoding="utf-8")


def _load(folder: Path, text: str) -> None:
    path = folder / "some.toml"
    path.write_text(text, encoding="utf-8")
    load_card(path)


BROKEN = {
    "emap in a folder": ("emap", '"model"', '"../x.npy"', "without a folder"),
    "emap of another kind": ("emap", '"model"', '"x.bin"', "'model' or the name of a .npy file"),
    "emap without its hash": ("emap", '"model"', '"x.npy"', "'emap_sha256' must be there"),
    "hash without an emap file": (
        "emap",
        'emap = "model"',
        f'emap = "model"\nemap_sha256 = "{"a" * 64}"',
        "'emap_sha256' must be there",
    ),
    "latent": ("emap", '"insightface"', '"deepface"', "one of insightface, facefusion"),
    "length": ("emap", "normalise = true", "normalise = true\nlength = 99999", "4096 at most"),
    "converter name": ("converted", '"crossface_ghost"', '"Crossface"', "lower-case"),
    "picture with an embedding's key": (
        "picture",
        'kind = "picture"',
        'kind = "picture"\nnormalise = true',
        "unknown key 'normalise'",
    ),
    "picture without a crop": ("picture", "[source.crop]", "[source.corp]", "'crop' is missing"),
    "picture of another size": (
        "picture",
        '[source.crop]\ntemplate = "ffhq_512"\nsize = 256',
        '[source.crop]\ntemplate = "ffhq_512"\nsize = 128',
        "does not fit the input's",
    ),
    "source template": (
        "picture",
        '[source.crop]\ntemplate = "ffhq_512"',
        '[source.crop]\ntemplate = "ffhq"',
        "no template 'ffhq'",
    ),
    "baked with a name": (
        "baked",
        'kind = "baked"',
        'kind = "baked"\nname = "source"',
        "unknown key 'name'",
    ),
    "identity": ("baked", 'kind = "baked"', 'kind = "baked"\nidentity = "me"', "64 lower-case"),
    "fit": ("baked", '"affine"', '"perspective"', "one of similarity, affine"),
    "offset": ("baked", 'fit = "affine"', "offset = 900.0", "224 pixels at most"),
    "converter with a picture": (
        "converter",
        "[converter]",
        '[input]\nname = "x"\n[converter]',
        "unknown key 'input'",
    ),
    "converter without an output": ("converter", 'output = "output"', "", "'output' is missing"),
    "size without sense": ("emap", "size = 554253681", "size = -1", "at least 0"),
    "hash without a size": (
        "baked",
        'sha256 = ""',
        f'sha256 = "{"a" * 64}"',
        "'size' must be a whole number of at least 1",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_card_is_refused_in_words(case: str, tmp_path: Path) -> None:
    kind, old, new, words = BROKEN[case]
    text = _text(kind)
    assert old in text
    with pytest.raises(CardError, match=r"card some\.toml: ") as caught:
        _load(tmp_path, text.replace(old, new, 1))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", FILES)
def test_the_same_cards_are_sound_before(kind: str, tmp_path: Path) -> None:
    _load(tmp_path, _text(kind))
