"""The report as one page of HTML: no script, no network, and every text of others escaped.

Names, manifests, labels and ledgers are untrusted text: control characters and marks that turn the
direction of writing become visible escapes, and each such text stands in a `bdi` of its own.
"""

from __future__ import annotations

import base64
import json
from html import escape
from typing import TYPE_CHECKING, Any

import edge
from edge.cli import one_line
from edge.evidence.both import Both
from edge.evidence.check import Check, State
from edge.evidence.checks import checks_of
from edge.evidence.lookup import facts_of
from edge.evidence.story import NOT_SHOWN, repeat_steps, story_of, verdict_words
from edge.evidence.style import STYLE
from edge.provenance.manifest import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.evidence.gather import Evidence
    from edge.evidence.shots import Shot

GENERATOR = '<meta name="generator" content="edge-swap evidence">'
"""Stands in every report: a file that holds it may be replaced by a new report."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_RESULTS: dict[State, tuple[str, str, str]] = {
    "holds": ("✓", "成立", "holds"),
    "fails": ("✗", "不成立", "does not hold"),
    "open": ("–", "无从判断", "cannot be told"),
    "note": ("!", "成立，有保留", "holds, with a reservation"),
}

_TONES = {0: "holds", 3: "note", 4: "fails", 5: "open", 2: "open"}

_LABEL_FIELDS = {
    "Label": "是否生成合成 1 是 2 可能 3 疑似 · 1 is, 2 may be, 3 suspected",
    "ContentProducer": "制作者 · producer",
    "ProduceID": "制作编号 · producer's number",
    "ReservedCode1": "预留 1 · reserved",
    "ContentPropagator": "传播者 · propagator",
    "PropagateID": "传播编号 · propagator's number",
    "ReservedCode2": "预留 2 · reserved",
}

_ENTRY_FIELDS = {
    "time": "登记时间 · entered",
    "output_id": "输出编号 · id of the output",
    "output_sha256": "输出文件 SHA-256 · of the output",
    "target_sha256": "原文件 SHA-256 · of the target",
    "consent_id": "同意书 · consent",
    "assurance": "同意书的可信程度 · what its origin is worth",
    "purpose": "用途 · purpose",
    "medium": "形式 · medium",
    "target_statement": "关于原画面中的人 · person in the target",
    "faces": "替换的面孔数 · faces",
    "frames": "帧数 · frames",
    "generator": "软件 · software",
    "watermark": "水印编号 · watermark",
    "hash": "本条的摘要 · hash of the entry",
    "prev": "上一条的摘要 · hash of the one before",
}


def as_html(evidence: Evidence) -> str:
    """Return the report as a page that stands by itself.

    Args:
        evidence: From `gather`.
    """
    title = f"查验报告 Verification report: {one_line(evidence.name)}"
    parts = [
        _head(evidence),
        _file(evidence),
        _checks(evidence),
        _story(evidence),
        _label(evidence),
        _entry(evidence),
        _notes(evidence),
        _limits(),
        _repeat(evidence),
        _raw(evidence),
    ]
    return (
        '<!doctype html>\n<html lang="zh-Hans">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n{GENERATOR}\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>edge-swap {escape(edge.__version__)}</footer>\n</main>\n</body>\n</html>\n"
    )


def shown(text: object) -> str:
    """Return a text of others as HTML that shows it and does nothing else."""
    return f"<bdi>{escape(one_line(str(text)))}</bdi>"


def _both(text: Both, tag: str = "p") -> str:
    """Return a text in both languages; what others wrote may stand in it."""
    zh, en = (escape(one_line(part)) for part in (text.zh, text.en))
    return (
        f'<div class="both"><{tag} lang="zh-Hans">{zh}</{tag}><{tag} lang="en">{en}</{tag}></div>'
    )


def _heading(zh: str, en: str) -> str:
    return f'<h2>{zh} <span lang="en">{en}</span></h2>'


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    """Return rows of (heading, HTML)."""
    return "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in rows)


def _head(evidence: Evidence) -> str:
    verdict = evidence.verdict
    words = verdict_words(verdict)
    return (
        '<header><h1>查验报告 <span lang="en">Verification report</span></h1>'
        f'<p class="name">{shown(evidence.name)}</p>'
        f'<div class="result {_TONES[verdict.exit_status]}">{_both(words)}{_recovered(evidence)}'
        f'<p class="quiet">edge verify: {verdict.exit_status}</p></div></header>'
    )


def _recovered(evidence: Evidence) -> str:
    """Return that a ledger knows the file, where the file itself does not say so any more."""
    finding = evidence.ledger
    if finding is None or not finding.matches or evidence.verdict.integrity == "intact":
        return ""
    entry = finding.matches[0].entry
    return _both(
        Both(
            f"但所查账本的第 {entry.seq} 条（{entry.time}）与之相符，见第 11 项。",
            f"Yet entry {entry.seq} of the ledger ({entry.time}) speaks of it: see check 11.",
        )
    )


def _file(evidence: Evidence) -> str:
    verdict = evidence.verdict
    size = evidence.shots[0].size if evidence.shots else None
    rows = [
        ("文件 · File", shown(evidence.name)),
        ("SHA-256", f'<span class="hash">{escape(evidence.sha256)}</span>'),
        ("大小 · Size", f"{evidence.size} bytes"),
        ("类型 · Kind", shown(verdict.media_type or "?")),
    ]
    if size is not None:
        rows.append(("画面 · Picture", f"{size[0]} × {size[1]}"))
    rows.append(("查验时间 · Checked", f"{timestamp(evidence.checked)} (UTC)"))
    pictures = "".join(_figure(shot) for shot in evidence.shots)
    return (
        f'<section class="file"><dl>{_rows(rows)}</dl><div class="shots">{pictures}</div></section>'
    )


def _figure(shot: Shot) -> str:
    uri = "data:image/jpeg;base64," + base64.b64encode(shot.jpeg).decode("ascii")
    when = "缩略图 · thumbnail" if shot.second is None else f"{shot.second:.1f} s"
    box = ""
    if shot.label is not None:
        region, (width, height) = shot.label.place.region, shot.size
        sides = (
            region.x / width, region.y / height, region.width / width, region.height / height,
        )  # fmt: skip
        left, top, across, down = (f"{100 * side:.2f}%" for side in sides)
        box = f'<i style="left:{left};top:{top};width:{across};height:{down}"></i>'
        when += " · 框内为标识 · label framed"
    return (
        f'<figure><span class="frame"><img src="{uri}" alt="thumbnail">{box}</span>'
        f"<figcaption>{escape(when)}</figcaption></figure>"
    )


def _checks(evidence: Evidence) -> str:
    items = "".join(_check(check) for check in checks_of(evidence))
    return f'{_heading("逐项查验", "Checks, one by one")}<ol class="checks">{items}</ol>'


def _check(check: Check) -> str:
    sign, zh, en = _RESULTS[check.state]
    meaning = f'<div class="quiet">{_both(check.meaning)}</div>' if check.meaning.zh else ""
    return (
        f'<li class="{check.state}">{_both(check.title, "h3")}'
        f'<p class="state"><b>{sign}</b> {zh} <span lang="en">{en}</span></p>'
        f"{_both(check.found)}{meaning}</li>"
    )


def _story(evidence: Evidence) -> str:
    claims = evidence.verdict.claims
    if claims is None:
        return ""
    told = "".join(f"<li>{_both(sentence)}</li>" for sentence in story_of(claims))
    caution = (
        ""
        if evidence.verdict.integrity == "intact"
        else '<p class="caution">以下内容已不可作为依据。 '
        '<span lang="en">What follows can no longer be relied on.</span></p>'
    )
    return (
        f"{_heading('清单所写', 'What the manifest says, in plain words')}"
        '<p class="quiet">每一句都是签名者的说法。 '
        '<span lang="en">Every sentence is its signer\'s.</span></p>'
        f'{caution}<ul class="story">{told}</ul>'
    )


def _label(evidence: Evidence) -> str:
    label = evidence.verdict.implicit_label
    if label is None:
        return ""
    rows = _rows(
        (f"{name} · {_LABEL_FIELDS[name]}", shown(label[name]) if label.get(name) else "—")
        for name in _LABEL_FIELDS
    )
    return f'{_heading("隐式标识", "Implicit label")}<dl class="fields">{rows}</dl>'


def _entry(evidence: Evidence) -> str:
    finding = evidence.ledger
    if finding is None or not finding.matches:
        return ""
    fields = facts_of(finding.matches[0].entry)
    rows = [
        (words, shown(fields[name]))
        for name, words in _ENTRY_FIELDS.items()
        if fields.get(name) is not None
    ]
    return (
        f'{_heading("账本记录", "Ledger entry")}<p class="quiet">{shown(finding.path.name)}</p>'
        f'<dl class="fields">{_rows(rows)}</dl>'
    )


def _notes(evidence: Evidence) -> str:
    notes = [*evidence.verdict.notes, *(evidence.ledger.faults if evidence.ledger else ())]
    if not notes:
        return ""
    items = "".join(f'<li lang="en">{shown(note)}</li>' for note in notes)
    return f'{_heading("附注（英文）", "Notes")}<ul class="story">{items}</ul>'


def _limits() -> str:
    items = "".join(f"<li>{_both(text)}</li>" for text in NOT_SHOWN)
    heading = _heading("本报告不能证明的", "What this report does not show")
    return f'<section>{heading}<ul class="story">{items}</ul></section>'


def _repeat(evidence: Evidence) -> str:
    items = "".join(
        f"<li>{_both(what)}<code>{escape(one_line(command))}</code></li>"
        for what, command in repeat_steps(evidence)
    )
    heading = _heading("用其他工具重复查验", "How to repeat it with other tools")
    return f'<section>{heading}<ol class="story">{items}</ol></section>'


def _ledger_facts(evidence: Evidence) -> dict[str, Any] | None:
    """Return what the ledger says without the folders of whoever keeps it."""
    if evidence.ledger is None:
        return None
    facts = evidence.ledger.to_dict()
    facts["path"] = evidence.ledger.path.name
    for match in facts["matches"]:
        for name in ("path", "path_bytes"):
            match["entry"].pop(name, None)
    return facts


def _raw(evidence: Evidence) -> str:
    facts = {**evidence.verdict.to_dict(), "file": evidence.name, "ledger": _ledger_facts(evidence)}
    text = json.dumps(facts, indent=1, ensure_ascii=True)
    return (
        f"<details open><summary>{_heading('原始结果', 'All findings, for machines')}</summary>"
        f"<pre>{escape(text)}</pre></details>"
    )
