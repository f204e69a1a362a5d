from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ProvenanceError
from edge.provenance.producer import configured_producer, content_producer, is_organisation_code


def test_default_is_a_pseudonym_of_the_device() -> None:
    name = content_producer()
    assert name == content_producer()
    assert name.startswith("edge-device-")
    assert len(name) == len("edge-device-") + 24


def test_environment_comes_before_the_file(
    edge_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = edge_home / "config"
    folder.mkdir(parents=True)
    (folder / "producer.toml").write_text('content_producer = "00119131000"\n')
    assert content_producer() == "00119131000"
    monkeypatch.setenv("EDGE_CONTENT_PRODUCER", "studio-7")
    assert content_producer() == "studio-7"


@pytest.mark.parametrize("value", ["a b", 'a"b', "a\\b", "名", "<a>", "x" * 129])
def test_what_readers_choke_on_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_CONTENT_PRODUCER", value)
    with pytest.raises(ProvenanceError, match="content_producer"):
        content_producer()


@pytest.mark.parametrize("content", ["content_producer = 3\n", "x = [\n", "", "\udcff"])
def test_malformed_file(content: str, edge_home: Path) -> None:
    folder = edge_home / "config"
    folder.mkdir(parents=True)
    raw = content.encode("utf-8", "surrogateescape")
    (folder / "producer.toml").write_bytes(raw)
    with pytest.raises(ProvenanceError, match=r"producer\.toml"):
        content_producer()


# The first is the example of GB 32100-2015.
@pytest.mark.parametrize("credit", ["91350100M000100Y43", "91330106673959654P"])
def test_a_mistyped_organisation_code_is_refused(
    credit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"0011{credit}"
    monkeypatch.setenv("EDGE_CONTENT_PRODUCER", code)
    assert configured_producer() == content_producer() == code
    assert is_organisation_code(code)
    for at in range(4, len(code)):
        wrong = code[:at] + ("1" if code[at] != "1" else "2") + code[at + 1 :]
        assert not is_organisation_code(wrong)
        monkeypatch.setenv("EDGE_CONTENT_PRODUCER", wrong)
        with pytest.raises(ProvenanceError, match="unified social credit code"):
            content_producer()
    monkeypatch.setenv("EDGE_CONTENT_PRODUCER", code[:-1] + "I")  # no such character
    with pytest.raises(ProvenanceError, match="unified social credit code"):
        content_producer()


def test_nothing_is_configured(edge_home: Path) -> None:
    assert configured_producer() is None
    assert not edge_home.exists()  # and no key was made to find that out
    assert not is_organisation_code(content_producer())
