"""What the manifest says, in plain words; what a report does not show; how to repeat it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from edge.evidence.both import Both
from edge.provenance.verdict import NO_MANIFEST, NOT_MEDIA, SIGNER_UNKNOWN, TAMPERED, TRUSTED

if TYPE_CHECKING:
    from edge.evidence.gather import Evidence
    from edge.provenance.verdict import Claims, Live, Verdict

_PURPOSES = {
    "film": "影视",
    "game": "游戏",
    "anonymise": "匿名化",
    "avatar": "虚拟形象",
    "research": "研究",
    "art": "艺术",
}

_ASSURANCES = {
    "self-attested": Both(
        "只是操作者自己的声明，未经他人核实", "the operator's own word, checked by nobody"
    ),
    "agent-attested": Both("由见证人签名确认", "confirmed by a witness under a signature"),
    "trusted-issuer": Both(
        "由受信任的签发者出具", "issued by an issuer that the deployment trusts"
    ),
    "synthetic": Both("所示人物是虚构的，没有真人", "the person shown is synthetic: nobody"),
}

_STATEMENTS = {
    "self": Both(
        "操作者声明原画面中的人就是自己",
        "the operator states to be the person in the target",
    ),
    "synthetic": Both(
        "操作者声明原画面中的人是虚构的",
        "the operator states that the person in the target is synthetic",
    ),
    "covered-by-consent": Both(
        "操作者声明原画面中的人已经同意",
        "the operator states that the person in the target has consented",
    ),
}


def verdict_words(verdict: Verdict) -> Both:
    """Return the result of a verdict in one sentence."""
    if verdict.exit_status == TAMPERED:
        return _tampered(verdict)
    return _RESULTS[verdict.exit_status]


_RESULTS = {
    TRUSTED: Both(
        "签名之后未被改动，签名者为本设备所知。",
        "Unchanged since it was signed, by a signer known here.",
    ),
    SIGNER_UNKNOWN: Both(
        "签名之后未被改动，但本设备不认可签名者。",
        "Unchanged since it was signed, but by a signer whom this device does not trust.",
    ),
    NO_MANIFEST: Both(
        "没有清单：来源不明，不等于真实。",
        "No manifest: where it comes from is unknown, which does not make it genuine.",
    ),
    NOT_MEDIA: Both("无法查验。", "It cannot be verified."),
}


def _tampered(verdict: Verdict) -> Both:
    if verdict.manifest == "unreadable":
        return Both(
            "带有 C2PA 数据，但已损坏，无法读取。",
            "It holds C2PA data that are broken and cannot be read.",
        )
    if verdict.integrity in {None, "intact"}:
        return Both("文件已损坏。", "The file is broken.")
    if verdict.integrity == "invalid":
        return Both(
            "清单不合规范，所写不可作为依据。",
            "Its manifest breaks the rules: what it says cannot be relied on.",
        )
    return Both(
        "签名之后被改动过：清单所写不可作为依据。",
        "Changed after it was signed: what its manifest says cannot be relied on.",
    )


def story_of(claims: Claims) -> tuple[Both, ...]:
    """Return what a manifest says, sentence by sentence; every word is its signer's."""
    told = [_made(claims)]
    told += [_action(action.action, action.description) for action in claims.actions]
    for model in claims.models:
        told.append(
            Both(
                f"使用的模型：{model['name']}（{model['kind']}，许可 {model['licence']}），"
                f"文件 SHA-256 {model['sha256']}。",
                f"Model used: {model['name']} ({model['kind']}, licence {model['licence']}), "
                f"file SHA-256 {model['sha256']}.",
            )
        )
    if claims.consent is not None:
        told += _consent(claims.consent)
    if claims.visible_label is not None:
        text = claims.visible_label["text"]
        told.append(
            Both(f"画面上烧录了标识「{text}」。", f"The label '{text}' was drawn into the picture.")
        )
    if claims.output_id is not None:
        told.append(
            Both(f"本输出的编号：{claims.output_id}。", f"Id of this output: {claims.output_id}.")
        )
    if claims.live is not None:
        told.append(_live(claims.live))
    return tuple(told)


def _live(live: Live) -> Both:
    if live.part != "segment":
        return Both(
            f"它是实时画面流 {live.stream} 的第 {live.index} 幅画面。",
            f"It is picture {live.index} of the live stream {live.stream}.",
        )
    after = Both("", "")
    if live.previous:
        after = Both(
            f"其前一段文件的 SHA-256：{live.previous}。",
            f"SHA-256 of the file before it: {live.previous}.",
        )
    return after + Both(
        f"它是实时画面流 {live.stream} 的第 {live.index} 段（从 0 起）。",
        f"It is segment {live.index}, from 0, of the live stream {live.stream}.",
    )


def _made(claims: Claims) -> Both:
    software = claims.generator or "?"
    when = claims.time.signed
    zh = f"{when}，" if when else ""
    en = f" at {when}" if when else ""
    return Both(
        f"{zh}软件 {software} 制作并签署了本文件。",
        f"The software {software} made and signed it{en}.",
    )


_ACTIONS = {
    "c2pa.opened": Both("打开了一个已有的文件", "a file that was there was opened"),
    "c2pa.created": Both("新建了内容", "new content was made"),
    "c2pa.edited": Both("改动了内容", "the content was changed"),
    "c2pa.converted": Both("转换了文件格式", "the file format was changed"),
}


def _action(name: str, description: str | None) -> Both:
    known = _ACTIONS.get(name, Both(f"操作 {name}", f"action {name}"))
    more = Both(f"：{description}", f": {description}") if description else Both("", "")
    return Both(f"{known.zh}{more.zh}。", f"{known.en[0].upper()}{known.en[1:]}{more.en}.")


def _consent(consent: dict[str, str]) -> list[Both]:
    worth = _ASSURANCES.get(consent["assurance"], Both(consent["assurance"], consent["assurance"]))
    purpose = _PURPOSES.get(consent["purpose"], consent["purpose"])
    told = [
        Both(
            f"依据同意书 {consent['id']}（{worth.zh}），用途：{purpose}，"
            f"有效至 {consent['not_after']}。",
            f"By consent {consent['id']} ({worth.en}), for the purpose '{consent['purpose']}', "
            f"valid until {consent['not_after']}.",
        )
    ]
    statement = consent["target_statement"]
    said = _STATEMENTS.get(statement)
    if said is None:
        said = Both(
            f"原画面中的人的同意书：{statement}",
            f"consent of the person in the target: {statement}",
        )
    told.append(Both(f"{said.zh}。", f"{said.en[0].upper()}{said.en[1:]}."))
    return told


NOT_SHOWN: tuple[Both, ...] = (
    Both(
        "画面中的人是谁。身份只以加盐的摘要出现，没有原件无法还原。",
        "Who the people in it are. An identity appears only as a salted hash, which tells nothing "
        "without the original.",
    ),
    Both(
        "被使用面孔的人是否真的同意。同意书写明其来源的可信程度，自我声明只是操作者的话。",
        "Whether the person whose face was used truly agreed. The consent says how much its origin "
        "is worth; a self-attested one is the operator's word.",
    ),
    Both(
        "签名的设备由谁操作。签名证明的是密钥，不是人。",
        "Who operated the signing device. A signature shows a key, not a person.",
    ),
    Both(
        "没有可信时间戳时，确切的时间。", "The exact time, where no trusted time stamp confirms it."
    ),
    Both(
        "没有清单、没有水印的文件是否真实：查不到不等于真实。",
        "That a file without manifest and watermark is genuine: to find nothing proves nothing.",
    ),
    Both("文件从何处流传而来、由谁传播。", "By which way the file came here, and who spread it."),
    Both(
        "任何法律结论。本报告只列事实。", "Any conclusion of law. This report states facts alone."
    ),
)


def repeat_steps(evidence: Evidence) -> tuple[tuple[Both, str], ...]:
    """Return how to repeat the checks with other people's tools: what, and the command."""
    name = shlex.quote(evidence.name)
    video = (evidence.verdict.media_type or "").startswith("video/")
    reader = (
        f"ffprobe -v error -show_entries format_tags=AIGC {name}"
        if video
        else f"exiftool -XMP-TC260:all {name}"
    )
    return (
        (Both("文件的 SHA-256（任何系统自带）", "The file's SHA-256 (part of every system)"),
         f"sha256sum {name}"),
        (Both("清单，用 C2PA 开源工具", "The manifest, with the C2PA project's own tool"),
         f"c2patool {name}"),
        (Both("清单的全部字段，用 ExifTool", "All fields of the manifest, with ExifTool"),
         f"exiftool -G1 -JUMBF:all {name}"),
        (Both("隐式标识", "The implicit label"), reader),
        (Both("用本软件重做", "The same again with this software"), f"edge verify {name}"),
    )  # fmt: skip
