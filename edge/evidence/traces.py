"""What a file carries besides its manifest, and what others hold: label, watermark, ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.evidence.both import Both
from edge.evidence.check import NOTHING, Check, State

if TYPE_CHECKING:
    from edge.evidence.gather import Evidence
    from edge.provenance.verdict import Ingredient

_CORNERS = {
    "top-left": Both("左上角", "in the top left corner"),
    "top-right": Both("右上角", "in the top right corner"),
    "bottom-left": Both("左下角", "in the bottom left corner"),
    "bottom-right": Both("右下角", "in the bottom right corner"),
}

_WAYS = {
    "file": Both("文件的 SHA-256", "the file's SHA-256"),
    "manifest": Both("清单中的编号", "the id in the manifest"),
    "implicit label": Both("隐式标识中的编号", "the id in the implicit label"),
    "watermark": Both("水印编号", "the watermark's id"),
}


def visible(evidence: Evidence) -> Check:
    """Whether our visible label is seen."""
    title = Both("画面上有显式标识", "It shows the visible label")
    seen = [shot for shot in evidence.shots if shot.label is not None]
    claims = evidence.verdict.claims
    stated = claims.visible_label if claims is not None else None
    if seen:
        label = seen[0].label
        assert label is not None
        place, text = _CORNERS[label.place.corner], label.place.text
        count = len(evidence.shots)
        frames = Both(
            f"（查看了 {count} 帧，其中 {len(seen)} 帧有）", f" ({len(seen)} of {count} frames)"
        )
        more = frames if count > 1 else Both("", "")
        found = Both(
            f"在{place.zh}找到「{text}」，与原图样的相似度 {label.likeness:.0%}{more.zh}。",
            f"'{text}' found {place.en}, {label.likeness:.0%} like the drawing{more.en}.",
        )
        state: State = "holds" if len(seen) == count else "note"
    elif not evidence.shots:
        found, state = Both("无法读取画面。", "The pixels cannot be read."), "open"
    else:
        found = Both("在应有的位置没有找到。", "Not found where ours stands.")
        state = "fails" if stated else "open"
    meaning = Both(
        "标识烧录在像素中，但裁剪可以去掉它；别人也可以画上同样的字。",
        "It is part of the pixels. Cutting the picture can take it away, and others can draw one.",
    )
    return Check(title, state, found, meaning)


def implicit(evidence: Evidence) -> Check:
    """Whether the implicit label is there and agrees with the manifest."""
    title = Both(
        "元数据中有隐式标识（GB 45438-2025）",
        "Its metadata hold the implicit label (GB 45438-2025)",
    )
    verdict = evidence.verdict
    label = verdict.implicit_label
    signed = verdict.claims is not None and verdict.claims.implicit_label is not None
    if label is None:
        found = Both("没有。", "None.")
        state: State = "fails" if signed else "open"
    elif verdict.agreement.differs or verdict.agreement.produce_id is False:
        names = ", ".join(verdict.agreement.differs) or "ProduceID"
        found = Both(
            f"有，但与清单不符：{names}。", f"Present, but not as the manifest has it: {names}."
        )
        state = "fails"
    elif verdict.agreement.made_by_ai is False:
        found = Both(
            "有，但与清单在是否由人工智能制作上不一致。",
            "Present, but label and manifest disagree on whether AI made it.",
        )
        state = "fails"
    elif verdict.integrity == "intact" and verdict.agreement.produce_id is None and not signed:
        found = Both("有，但清单没有提到它。", "Present, but the manifest says nothing of it.")
        state = "note"
    elif verdict.integrity == "intact":
        found, state = Both("有，与清单一致。", "Present, and as the manifest has it."), "holds"
    else:
        found, state = Both("有，但不受签名保护。", "Present, under no valid signature."), "note"
    meaning = Both(
        "没有有效签名时，元数据谁都能写、谁都能改。",
        "Without a valid signature anybody can write or change metadata.",
    )
    return Check(title, state, found, meaning)


def watermark(evidence: Evidence) -> Check:
    """Whether a watermark was read, and which."""
    title = Both("含有不可见水印", "It carries the invisible watermark")
    mark = evidence.verdict.watermark
    claims = evidence.verdict.claims
    named = claims.watermark if claims is not None else None
    meaning = Both(
        "水印是公开算法，知道算法的人可以仿造或去除；只有与账本或清单的编号相符时才有意义。",
        "Its algorithm is public: whoever knows it can forge or remove the mark. It counts only "
        "where a ledger entry or a signed manifest has the same id.",
    )
    if mark is None:
        return Check(title, "open", Both("没有找到。", "None found."), meaning)
    found = Both(
        f"编号 {mark.id}，相似度 {mark.confidence:.0%}；无水印的画面偶然读出的机会不超过 "
        f"{mark.false_alarm:.0e}。",
        f"Id {mark.id}, confidence {mark.confidence:.0%}; a picture without a mark reads like this "
        f"with a chance of {mark.false_alarm:.0e} at most.",
    )
    if named is None:
        return Check(title, "note", found, meaning)
    if evidence.verdict.agreement.watermark is False:
        found += Both(
            f"清单写的是另一个编号：{named}。", f"The manifest names another one: {named}."
        )
        return Check(title, "fails", found, meaning)
    found += Both("与清单所写相同。", "It is the one that the manifest names.")
    return Check(title, "holds", found, meaning)


def parent(evidence: Evidence) -> Check:
    """Whether the file that it was made from is named."""
    title = Both("改动前的原文件已载明", "The file that it was made from is named")
    claims = evidence.verdict.claims
    if claims is not None and claims.live is not None:
        found = Both(
            "没有原文件：这是实时画面的一部分。",
            "There was no file: it is a part of a live stream.",
        )
        return Check(title, "open", found, NOTHING)
    if claims is None or not claims.ingredients:
        return Check(title, "open", Both("没有说明。", "Not stated."), NOTHING)
    bad = [item for item in _all(claims.ingredients) if item.integrity not in {None, "intact"}]
    own = claims.ingredients[0]
    digest = claims.target_sha256
    bound = Both(
        f"原文件的 SHA-256：{digest}。" if digest else "",
        f"Its SHA-256: {digest}." if digest else "",
    )
    meaning = Both(
        "谁持有原文件，就可以用这个数值证明它就是那个文件。",
        "Whoever holds that file can show by this number that it is the one.",
    )
    if bad:
        return Check(
            title,
            "fails",
            Both(
                "原文件自带的清单在制作时已经不成立。",
                "Its own manifest did not hold at that time.",
            )
            + bound,
            meaning,
        )
    if own.manifest == "present":
        return Check(
            title,
            "holds",
            bound
            + Both("它自带清单，制作时成立。", "It carried a manifest of its own, which held."),
            meaning,
        )
    plain = Both("它自身没有清单。", "It carried no manifest of its own.")
    return Check(title, "note" if digest else "open", bound + plain, meaning)


def _all(items: tuple[Ingredient, ...]) -> list[Ingredient]:
    found: list[Ingredient] = []
    for item in items:
        found += [item, *_all(item.ingredients)]
    return found


def ledger(evidence: Evidence) -> Check:
    """Whether a ledger has an entry for it."""
    title = Both("制作设备的账本中有记录", "The ledger of the device that made it has an entry")
    finding = evidence.ledger
    if finding is None:
        return Check(
            title,
            "open",
            Both("没有查看账本。", "No ledger was looked into."),
            Both("用 --ledger 指定账本。", "Name one with --ledger."),
        )
    meaning = Both(
        "账本逐条相扣，事后改动一条会显出来；但保管者可以整本重写，所以账本不能单独作证。",
        "Each entry holds the one before it, so that a later change shows. Its keeper could still "
        "write all of it anew: it is no proof by itself.",
    )
    broken = Both("账本不完整。", "The ledger is broken.") if finding.faults else Both("", "")
    if finding.signer_known is False:
        broken = Both(
            "签署账本者不为本设备所知：谁都能自写一本。",
            "Nobody whom this device trusts has signed it: anybody can write one of their own.",
        )
    if not finding.matches:
        found = Both(
            f"{finding.entries} 条记录中没有这个文件。",
            f"None of its {finding.entries} entries speaks of this file.",
        )
        found += broken
        return Check(title, "open", found, meaning)
    match = finding.matches[0]
    ways = "、".join(_WAYS[way].zh for way in match.ways)
    by = ", ".join(_WAYS[way].en for way in match.ways)
    found = Both(
        f"第 {match.entry.seq} 条（{match.entry.time}），依据：{ways}。",
        f"Entry {match.entry.seq} ({match.entry.time}), found by: {by}.",
    )
    if "file" not in match.ways:
        found += Both(
            "登记的是另一个版本：字节与现在不同。",
            "What was entered had other bytes than this file.",
        )
    same = "file" in match.ways and not finding.faults and finding.signer_known is not False
    return Check(title, "holds" if same else "note", found + broken, meaning)
