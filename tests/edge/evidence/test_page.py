"""The page: it needs nothing from anywhere, shows what it is given, and nothing breaks out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edge.consent.ledger import Entry
from edge.evidence.gather import Evidence
from edge.evidence.lookup import LedgerFinding, Match
from edge.evidence.page import GENERATOR, as_html, shown
from edge.provenance.verdict import Action, Claims, Ingredient, Signer, SigningTime
from tests import tampering
from tests.browser import browse, look, needs_browser
from tests.edge.evidence.conftest import Gathered, Swapped
from tests.quantize.test_report_html import read

EVIL = "\"><script>alert(1)</script>&'<img src=x onerror=y>\x1b[2J\u202e\u2066gpj.evil\x00\n"


_CONSENT = ("id", "assurance", "purpose", "not_after", "target_statement")


@pytest.fixture
def hostile(swapped: Swapped, gathered: Gathered) -> Evidence:
    """Evidence in which every text that others can choose is hostile."""
    evidence = gathered(swapped("png"))
    verdict = evidence.verdict
    item = Ingredient(EVIL, EVIL, EVIL, "present", "tampered", (EVIL,), EVIL, ())
    claims = Claims(
        generator=EVIL,
        time=SigningTime(EVIL, time_stamped=False),
        ingredients=(replace(item, ingredients=(item,)),),
        actions=(Action(EVIL, EVIL, EVIL, f"{EVIL}rainedAlgorithmicMedia", EVIL),),
        models=(dict.fromkeys(("name", "kind", "licence", "sha256"), EVIL),),
        consent=dict.fromkeys(_CONSENT, EVIL),
        target_sha256=EVIL,
        visible_label={"text": EVIL, "corner": EVIL},
        output_id=EVIL,
        implicit_label=None,
    )  # fmt: skip
    label = dict.fromkeys(verdict.implicit_label or {}, EVIL)
    fields = {"output_id": EVIL, "purpose": EVIL, EVIL: EVIL, "path": "/home/alice/secret.png"}
    entry = Entry(7, EVIL, "output", "published", fields)
    ledger = LedgerFinding(Path("/home/alice/ledger.jsonl"), 9, (EVIL,), (Match(entry, ("file",)),))
    return replace(
        evidence,
        name=EVIL,
        ledger=ledger,
        verdict=replace(
            verdict, file=EVIL, problem=EVIL, failures=(EVIL,), claims=claims, notes=(EVIL,),
            signer=Signer(EVIL, EVIL, EVIL, trusted=True, anchor=EVIL), implicit_label=label,
            integrity="tampered", manifest_url=EVIL, media_type=EVIL,
        ),
    )  # fmt: skip


def test_nothing_breaks_out(hostile: Evidence) -> None:
    page = as_html(hostile)
    reader = read(page)
    assert "script" not in reader.tags
    assert not any(name.startswith("on") for _, name, _ in reader.attributes)
    assert "<img src=x" not in page
    assert not any(char in page for char in ("\x1b", "\u202e", "\u2066", "\x00"))
    assert page.count("alert(1)") > 20
    assert "alice" not in page  # nor the folders of whoever writes the report


def test_it_needs_nothing_from_anywhere(swapped: Swapped, gathered: Gathered) -> None:
    page = as_html(gathered(swapped("jpg")))
    reader = read(page)
    for tag, name, value in reader.attributes:
        if name in {"src", "href"}:
            assert value.startswith("data:image/jpeg;base64,"), (tag, name)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert GENERATOR in page[:4096]


def test_it_tells_everything(swapped: Swapped, gathered: Gathered) -> None:
    evidence = gathered(swapped("png"))
    text = read(as_html(evidence)).text
    claims = evidence.verdict.claims
    assert claims is not None
    assert claims.consent is not None
    label = evidence.verdict.implicit_label
    assert label is not None
    for words in (
        evidence.sha256,
        "未被改动",
        "Unchanged since it was signed",
        "What this report does not show",
        "本报告不能证明的",
        "sha256sum out.png",
        "exiftool -G1 -JUMBF:all out.png",
        "bottom right corner",
        claims.consent["id"],
        str(claims.output_id),
        str(claims.target_sha256),
        *label.values(),
        *(model["sha256"] for model in claims.models),
    ):
        assert words in text, words
    assert evidence.ledger is not None
    assert str(evidence.ledger.matches[0].entry.fields["hash"]) in text


def test_without_a_manifest_nothing_is_told_of_it(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("png")
    path.write_bytes(tampering.without_store(path.read_bytes(), "png"))
    text = read(as_html(gathered(path))).text
    assert "does not make it genuine" in text
    assert "What the manifest says" not in text
    assert "entered had other bytes" in text
    assert "of the ledger" in text
    assert "见第 11 项" in text


def test_a_tampered_manifest_is_told_with_a_caution(swapped: Swapped, gathered: Gathered) -> None:
    path = swapped("jpg")
    path.write_bytes(tampering.flip(-200)(path.read_bytes()))
    text = read(as_html(gathered(path))).text
    assert "can no longer be relied on" in text
    assert "以下内容已不可作为依据" in text


def test_shown_isolates_and_escapes() -> None:
    assert shown("a<b") == "<bdi>a&lt;b</bdi>"
    assert shown("a\u202eb") == "<bdi>a\\u202eb</bdi>"


WIDTHS = (320, 390, 820, 1280)  # pixels: a small phone, a phone, a tablet, a desk


@needs_browser
@pytest.mark.parametrize("kind", ["own", "hostile"])
def test_in_a_browser(
    kind: str, swapped: Swapped, gathered: Gathered, hostile: Evidence, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    evidence = hostile if kind == "hostile" else gathered(swapped("jpg"))
    page.write_text(as_html(evidence), encoding="utf-8")
    found = look(page, WIDTHS)
    for width in WIDTHS:
        seen = found[width]
        assert seen["wide"] == []
        assert 0 < seen["scroll"] <= width
        assert len(seen["images"]) == 1
        assert seen["images"][0] == 480
        assert seen["smallest"] >= 13
        assert evidence.sha256 in seen["text"]


@needs_browser
def test_on_paper(swapped: Swapped, gathered: Gathered, tmp_path: Path) -> None:
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(as_html(gathered(swapped("jpg"))), encoding="utf-8")
    address = page.resolve().as_uri()
    browse(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", address)
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 4 <= pages <= 9
