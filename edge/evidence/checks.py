"""What the manifest is worth: each check with its result and its meaning, in both languages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edge.evidence.both import Both
from edge.evidence.check import NOTHING, Check
from edge.evidence.traces import implicit, ledger, parent, visible, watermark
from edge.provenance.anchors import THIS_DEVICE

if TYPE_CHECKING:
    from edge.evidence.gather import Evidence


def checks_of(evidence: Evidence) -> tuple[Check, ...]:
    """Return every check of a report, in the order in which they build on each other."""
    intact = evidence.verdict.integrity == "intact"

    def stated(check: Check) -> Check:
        # What a manifest says is worth little where it, or the file, was changed.
        return replace(check, state="note") if check.state == "holds" and not intact else check

    return (
        _container(evidence),
        _manifest(evidence),
        _integrity(evidence),
        stated(_signer(evidence)),
        stated(_time(evidence)),
        stated(_ai(evidence)),
        visible(evidence),
        implicit(evidence),
        stated(watermark(evidence)),
        stated(parent(evidence)),
        ledger(evidence),
    )


def _container(evidence: Evidence) -> Check:
    title = Both("文件完整", "The file is whole")
    problem = evidence.verdict.problem
    meaning = Both(
        "只说明文件结构能否读取，不说明内容真假。",
        "Says only whether the file can be read, and nothing about what it shows.",
    )
    if problem is None:
        return Check(title, "holds", Both("结构完整。", "Its structure is whole."), meaning)
    return Check(title, "fails", Both(f"结构损坏：{problem}", f"It is broken: {problem}."), meaning)


def _manifest(evidence: Evidence) -> Check:
    title = Both("带有签名的来源记录（C2PA 清单）", "It carries a signed record (C2PA manifest)")
    verdict = evidence.verdict
    if verdict.manifest == "present":
        where = {
            "embedded": Both("记录就在文件之中。", "The record is in the file itself."),
            "sidecar": Both(
                "记录在旁边的 .c2pa 文件中。", "The record is in the .c2pa file beside it."
            ),
            "fetched": Both(
                "记录从网址取得。", "The record was fetched from the URL that it names."
            ),
        }[verdict.manifest_source or "embedded"]
        meaning = Both(
            "清单是由签名保护的说明：谁用什么软件做了什么。下面各项检查它是否仍然成立。",
            "A manifest is a statement under a signature: who did what, with which software. The "
            "next checks tell whether it still holds.",
        )
        return Check(title, "holds", where, meaning)
    if verdict.manifest == "remote":
        found = Both(
            "文件只给出一个网址，没有读取。", "The file only names a URL, which was not read."
        )
    elif verdict.manifest == "unreadable":
        found = Both("有 C2PA 数据，但无法读取。", "There is C2PA data in it that cannot be read.")
    else:
        found = Both("没有。", "There is none.")
    meaning = Both(
        "没有清单不等于真实，也不等于伪造：平台转存、截图都会去掉清单。来源只能另行查证。",
        "Without a manifest a file is not genuine, nor is it forged: platforms and screenshots "
        "take manifests away. Where it comes from must be found out in other ways.",
    )
    return Check(title, "fails" if verdict.manifest == "unreadable" else "open", found, meaning)


def _integrity(evidence: Evidence) -> Check:
    title = Both("签名之后未被改动", "It is unchanged since it was signed")
    verdict = evidence.verdict
    codes = ", ".join(verdict.failures)
    if verdict.integrity is None:
        return Check(
            title,
            "open",
            Both("没有可读的清单，无从判断。", "Cannot be told without a readable manifest."),
            Both("不能据此认为未被改动。", "It does not follow that nothing was changed."),
        )
    if verdict.integrity == "intact":
        return Check(
            title,
            "holds",
            Both("未被改动：内容与签名时逐字节一致。", "Every byte is as it was signed."),
            Both(
                "说明签名之后没有任何改动；不说明签名者所写属实，那取决于下一项：签名者是谁。",
                "Nothing was changed since the signature. Whether the signer told the truth is "
                "another question, and depends on who the signer is: see the next check.",
            ),
        )
    if verdict.integrity == "tampered":
        found = Both(f"被改动过（{codes}）。", f"Something was changed ({codes}).")
    else:
        found = Both(
            f"清单不合 C2PA 规范（{codes}）。", f"The manifest breaks the rules of C2PA ({codes})."
        )
    return Check(
        title,
        "fails",
        found,
        Both(
            "文件或清单与签名时不同，清单所写不可再作为依据。改动者是谁、何时改动，由此不能得知。",
            "File or manifest differ from what was signed, so what the manifest says cannot be "
            "relied on. Who changed it, and when, is not known from this.",
        ),
    )


def _signer(evidence: Evidence) -> Check:
    title = Both("签名者为本设备所知", "Its signer is known here")
    signer = evidence.verdict.signer
    if signer is None:
        return Check(title, "open", Both("没有签名。", "There is no signature."),
                     NOTHING)  # fmt: skip
    name = signer.name or "?"
    issuer = signer.issuer or "?"
    if signer.trusted and signer.anchor == THIS_DEVICE:
        return Check(
            title,
            "note",
            Both(
                f"证书：{name}（{issuer}）。即本设备自己的证书。",
                f"Certificate: {name} ({issuer}). It is this device's own.",
            ),
            Both(
                "只在本设备上可信：证书由设备自己生成，没有机构核实过使用者的身份。",
                "Trusted on this device only: the device made the certificate itself, and no "
                "authority has checked who uses it.",
            ),
        )
    if signer.trusted:
        return Check(
            title,
            "holds",
            Both(
                f"证书：{name}（{issuer}），其根证书「{signer.anchor}」在本设备的信任名单中。",
                f"Certificate: {name} ({issuer}). Its root, {signer.anchor}, is trusted here.",
            ),
            Both(
                "签名出自该证书的私钥。私钥由谁使用，由证书的签发者负责说明。",
                "The signature was made with that certificate's key. Who holds the key is for the "
                "certificate's issuer to say.",
            ),
        )
    why = _UNTRUSTED[signer.status]
    return Check(
        title,
        "fails" if signer.status == "revoked" else "open",
        Both(f"证书：{name}（{issuer}）。{why.zh}", f"Certificate: {name} ({issuer}). {why.en}"),
        Both(
            "任何人都能自制这样的证书并签名，名称可以随意填写。",
            "Anybody can make such a certificate and sign with it, under any name.",
        )
        if signer.status in {"unknown", "trusted"}
        else Both(
            "不能再据此认定签名者：密钥可能已不在其手中。",
            "It no longer shows the signer: the key may be in other hands.",
        ),
    )


_UNKNOWN = Both("本设备不认识它。", "It is not known here.")
_UNTRUSTED = {
    "trusted": _UNKNOWN,
    "unknown": _UNKNOWN,
    "expired": Both(
        "证书已过期，没有可信时间戳证明签名在过期之前。",
        "It has expired, and no trusted time stamp shows that the signature is older.",
    ),
    "revoked": Both("证书已被吊销。", "It was revoked."),
}


def _time(evidence: Evidence) -> Check:
    title = Both("签名时间得到确认", "Its time of signing is confirmed")
    claims = evidence.verdict.claims
    if claims is None or claims.time.signed is None:
        return Check(title, "open", Both("没有说明。", "Not stated."), NOTHING)
    when = claims.time.signed
    if claims.time.time_stamped:
        return Check(
            title,
            "holds",
            Both(
                f"{when}，由时间戳机构「{claims.time.authority or '?'}」确认。",
                f"{when}, confirmed by the time-stamping authority {claims.time.authority or '?'}.",
            ),
            Both(
                "签名在该时刻已经存在。",
                "The signature existed at that time.",
            ),
        )
    return Check(
        title,
        "open",
        Both(f"{when}，只是签名者自己的说法。", f"{when}, by the signer's own word."),
        Both(
            "没有可信时间戳，设备的时钟可以被调整。",
            "No trusted time stamp confirms it, and a device's clock can be set.",
        ),
    )


def _ai(evidence: Evidence) -> Check:
    title = Both("声明由人工智能改动", "It says that AI changed it")
    claims = evidence.verdict.claims
    kinds = {a.digital_source_type for a in claims.actions} if claims is not None else set()
    stated = next((kind for kind in kinds if kind and "rainedAlgorithmicMedia" in kind), None)
    if claims is None:
        return Check(title, "open", Both("没有清单。", "There is no manifest."), NOTHING)
    if stated is None:
        return Check(
            title,
            "open",
            Both("清单没有这样声明。", "The manifest does not say so."),
            Both("不等于没有使用人工智能。", "It does not follow that no AI was used."),
        )
    return Check(
        title,
        "holds",
        Both(f"是（{stated}）。", f"Yes ({stated})."),
        Both(
            "这是签名者自己的声明，用的是国际新闻电信委员会（IPTC）的分类。",
            "The signer says so, in the terms of the IPTC: made in part by a trained model.",
        ),
    )
