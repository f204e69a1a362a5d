from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ProvenanceError
from edge.provenance.producer import content_producer


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
