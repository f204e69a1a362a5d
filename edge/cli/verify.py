"""`edge verify`: what can be known about where pictures and videos come from."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli import one_line
from edge.cli._verify_folder import MEANING, files_of, folder_result, show_recording
from edge.isolation.ready import prepared
from edge.provenance.verdict import TAMPERED

if TYPE_CHECKING:
    from edge.evidence.lookup import LedgerFinding, LedgerSource
    from edge.isolation.run import Start
    from edge.provenance.verdict import Ingredient, Live, SigningTime, Verdict

HELP = "say what a file's manifest and labels tell, and whether they still hold"

_EPILOG = """exit status:
  0  intact, and signed by somebody whom this device trusts
  3  intact, but the signer is unknown here: anybody can sign like that
  4  tampered with, or C2PA data that cannot be read, or a broken container; or a recording
     that is not whole
  5  no manifest: unknown, which does not mean genuine
  2  not media, an unsupported kind, or not readable
of several files the worst, in the order 2, 4, 5, 3, 0

Of a folder all media files in it are verified, and whether the segments of a live recording
(edge live --record) are all there: each names the hash of the one before it.

Trusted are this device's own root (on this device only) and the anchors of `edge trust list`.
The network is not used, except with --fetch-remote.
"""

_UNTRUSTED = {
    "trusted": "not known to this device",
    "unknown": "not known to this device",
    "expired": "EXPIRED certificate",
    "revoked": "REVOKED certificate",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a picture, video or sound file, yours or of others; or a folder of them",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object; of several files they stand in its list `files`",
    )
    parser.add_argument(
        "--fetch-remote",
        action="store_true",
        help="fetch a manifest that a file only names by URL: its server learns of you",
    )
    parser.add_argument(
        "--isolate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="look at each file in a child process that can reach nothing else (default; edge "
        "doctor says what holds it here)",
    )
    parser.add_argument(
        "--ledger",
        nargs="?",
        const="device",
        metavar="LEDGER",
        help="look for the file's entry, by hash, id or watermark, in this device's ledger or in "
        "the file LEDGER; put it after the files",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="PAGE",
        help="write what was found about one file for people to read: .html, or .pdf (which a "
        "Chromium on this machine prints)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Verify the files; return the worst exit status."""
    # Before anything that loads numpy, whose threads would make copies of this process impossible.
    start = prepared() if arguments.isolate else None
    from edge.errors import UsageError
    from edge.evidence.lookup import entered_segments, open_ledger, removed_segments
    from edge.evidence.write import check_destination
    from edge.provenance.recording import recordings_of
    from edge.provenance.verdict import worst

    if arguments.report is not None:
        if len(arguments.files) > 1:
            raise UsageError("a report is about one file: name one, or leave --report out")
        check_destination(arguments.report, arguments.files[0])
    ledger = None if arguments.ledger is None else open_ledger(arguments.ledger)
    verify = _verifier(arguments, start)
    files, folders = files_of(arguments.files)
    if arguments.report is not None and len(files) > 1:
        raise UsageError("a report is about one file: name one, or leave --report out")
    verdicts = [verify(path) for path in files]
    findings = [None if ledger is None else _look_up(ledger, verdict) for verdict in verdicts]
    recordings = (
        recordings_of(verdicts, entered_segments(ledger), removed_segments(ledger))
        if folders
        else []
    )
    status = worst(verdict.exit_status for verdict in verdicts)
    if not all(recording.whole for recording in recordings):
        status = worst((status, TAMPERED))
    if arguments.report is not None:
        _report(arguments, verdicts[0], findings[0], start)
    if arguments.json:
        content = [verdict.to_dict() for verdict in verdicts]
        if ledger is not None:
            for facts, finding in zip(content, findings, strict=True):
                facts["ledger"] = None if finding is None else finding.to_dict()
        whole = {"files": content, "exit_status": status}
        if folders:
            whole["recordings"] = [recording.to_dict() for recording in recordings]
        elif len(content) == 1:
            whole = content[0]
        # ASCII only: what a stranger wrote into a manifest must not draw on the terminal
        sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=True) + "\n")
        return status
    for verdict, finding in zip(verdicts, findings, strict=True):
        _show(verdict, finding, short=Path(verdict.file).parent in folders)
    for recording in recordings:
        show_recording(recording)
    if folders:
        sys.stdout.write(f"{folder_result(verdicts, recordings, status)}\n")
    if arguments.report is not None:
        sys.stdout.write(f"report: {one_line(str(arguments.report))}\n")
    return status


def _verifier(arguments: argparse.Namespace, start: Start | None) -> Callable[[Path], Verdict]:
    """Return what looks at one file: in a child that is started so, or here."""
    if start is None:
        from edge.provenance.verify import verify_file

        return partial(verify_file, fetch_remote=arguments.fetch_remote)
    from edge.isolation.looking import verify_isolated

    return partial(verify_isolated, fetch_remote=arguments.fetch_remote, start=start)


def _show(verdict: Verdict, finding: LedgerFinding | None, *, short: bool) -> None:
    if verdict.media_type is None:
        sys.stderr.write(f"edge verify: {one_line(f'{verdict.file}: {verdict.problem}')}\n")
        return
    result = f"{verdict.exit_status}: {MEANING[verdict.exit_status]}"
    if short:
        codes = f" ({', '.join(verdict.failures)})" if verdict.exit_status == TAMPERED else ""
        sys.stdout.write(f"{one_line(f'{verdict.file}: {result}{codes}')}\n")
        return
    sys.stdout.write(one_line(verdict.file) + "\n")
    for name, value in _facts(verdict, finding):
        sys.stdout.write(f"  {name:<11} {one_line(value)}\n")


def _look_up(ledger: LedgerSource, verdict: Verdict) -> LedgerFinding | None:
    """Return what the ledger says, or None where there is no such file to ask about."""
    from edge.evidence.gather import digest_of
    from edge.evidence.lookup import look_up

    if verdict.media_type is None:
        return None
    return look_up(ledger, verdict, digest_of(Path(verdict.file)))


def _report(
    arguments: argparse.Namespace,
    verdict: Verdict,
    finding: LedgerFinding | None,
    start: Start | None,
) -> None:
    from edge.errors import UsageError
    from edge.evidence.gather import digest_of, gather
    from edge.evidence.write import write_report

    if verdict.media_type is None:
        raise UsageError(f"{verdict.file}: {verdict.problem}; there is nothing to report on")
    from edge.evidence.shots import shots_of
    from edge.isolation.looking import shots_isolated

    path = Path(verdict.file)
    look = shots_of if start is None else partial(shots_isolated, start=start)
    write_report(gather(path, verdict, digest_of(path), finding, look), arguments.report)


def _facts(verdict: Verdict, finding: LedgerFinding | None) -> Iterator[tuple[str, str]]:
    """Yield (fact, value); the values are untrusted text."""
    container = f", broken: {verdict.problem}" if verdict.problem else ""
    yield "file", f"{verdict.media_type}{container}"
    source = f" ({verdict.manifest_source})" if verdict.manifest_source else ""
    url = f", URL {verdict.manifest_url}" if verdict.manifest_url else ""
    yield "manifest", f"{verdict.manifest}{source}{url}"
    if verdict.integrity is not None:
        codes = f" ({', '.join(verdict.failures)})" if verdict.failures else ""
        yield "integrity", _loud(verdict.integrity) + codes
    if verdict.signer is not None:
        signer = verdict.signer
        trust = f"trusted by: {signer.anchor}" if signer.trusted else _UNTRUSTED[signer.status]
        yield "signer", f"{signer.name or 'unnamed'} ({signer.issuer or 'no issuer'}), {trust}"
    yield from _claims(verdict)
    yield "implicit", _implicit(verdict)
    yield "watermark", _watermark(verdict)
    if finding is not None:
        yield from _entries(finding)
    for note in verdict.notes:
        yield "note", note
    yield "result", f"{verdict.exit_status}: {MEANING[verdict.exit_status]}"


_WAYS = {
    "file": "the file's hash",
    "manifest": "the id in the manifest",
    "implicit label": "the id in the implicit label",
    "watermark": "the watermark",
}


_MOST_MARKED = 3  # entries that are shown where nothing but the watermark leads to them


def _entries(finding: LedgerFinding) -> Iterator[tuple[str, str]]:
    from edge.evidence.lookup import facts_of

    named = [match for match in finding.matches if match.ways != ("watermark",)]
    # All segments of a live stream carry its one mark: who is named needs no list of the others.
    shown = named or finding.matches[:_MOST_MARKED]
    for match in shown:
        fields = facts_of(match.entry)
        by = ", ".join(_WAYS[way] for way in match.ways)
        now = "is this very file" if "file" in match.ways else "had other bytes"
        yield (
            "ledger",
            f"entry {match.entry.seq} of {match.entry.time}, found by {by}: output "
            f"{fields.get('output_id')}, consent {fields.get('consent_id')}, purpose "
            f"{fields.get('purpose')}; what was entered {now}",
        )
    if (more := len(finding.matches) - len(shown)) > 0:
        yield "ledger", f"{more} more with the same watermark: parts of one live stream"
    if not finding.matches:
        yield "ledger", f"none of {finding.entries} entries speaks of this file ({finding.path})"
    if finding.signer_known is False:
        yield "ledger", f"nobody whom this device trusts has signed it ({finding.path})"
    for fault in finding.faults:
        yield "ledger", f"BROKEN: {fault}"


def _claims(verdict: Verdict) -> Iterator[tuple[str, str]]:
    claims = verdict.claims
    if claims is None:
        return
    yield "time", _time(claims.time)
    yield "software", claims.generator or "not stated"
    for action in claims.actions:
        parts = (action.action, action.description, action.digital_source_type)
        yield "action", ", ".join(part for part in parts if part)
    for model in claims.models:
        yield (
            "model",
            f"{model['name']} ({model['kind']}, {model['precision']}, {model['licence']}, "
            f"commercial use: {model['commercial']}) on "
            f"{model['backend']} {model['engine_version']} {model['provider']}, "
            f"sha256 {model['sha256']}",
        )
    if claims.bundle is not None:
        yield "bundle", claims.bundle
    if claims.live is not None:
        yield "live", _live(claims.live)
    if claims.consent is not None:
        consent = claims.consent
        yield (
            "consent",
            f"{consent['id']}, {consent['assurance']}, purpose {consent['purpose']}, "
            f"person in the target: {consent['target_statement']}",
        )
    if claims.visible_label is not None:
        yield "label", f"'{claims.visible_label['text']}' {claims.visible_label['corner']}"
    yield from _ingredients(claims.ingredients, 0)


def _live(live: Live) -> str:
    begins = live.begins / 1000
    if live.part != "segment":
        return f"picture {live.index} of {live.stream}, {begins:.1f} s in, from: {live.source}"
    after = f", after the file {live.previous}" if live.previous else ""
    last = ", the last" if live.last else ""
    return (
        f"segment {live.index} of {live.stream}, {begins:.1f} s in, {live.length / 1000:.1f} s "
        f"long{last}, from: {live.source}{after}"
    )


def _time(time: SigningTime) -> str:
    if time.signed is None:
        return "not stated"
    if not time.time_stamped:
        return f"{time.signed}, by the signer's own word"
    by = f" by {time.authority}" if time.authority else ""
    claimed = f"; the signer states {time.claimed}" if time.claimed else ""
    return f"{time.signed}, time-stamped{by}{claimed}"


def _ingredients(ingredients: tuple[Ingredient, ...], depth: int) -> Iterator[tuple[str, str]]:
    for item in ingredients:
        state = "no manifest of its own" if item.integrity is None else _loud(item.integrity)
        codes = f" ({', '.join(item.failures)})" if item.failures else ""
        what = f"{item.title or 'untitled'} ({item.relationship}, {item.format}): {state}{codes}"
        yield "ingredient", "> " * depth + what
        yield from _ingredients(item.ingredients, depth + 1)


def _implicit(verdict: Verdict) -> str:
    label = verdict.implicit_label
    if label is None:
        return "no AIGC label"
    kind = {"1": "made by AI", "2": "maybe made by AI", "3": "suspected to be made by AI"}
    words = {True: "yes", False: "NO", None: "nothing to compare"}
    agrees = words[verdict.agreement.produce_id]
    differs = ", ".join(verdict.agreement.differs)
    if verdict.agreement.produce_id is not None and differs:
        agrees = f"NO ({differs})"
    return (
        f"{kind.get(label['Label'], 'unknown kind')}, producer {label['ContentProducer']}, "
        f"id {label['ProduceID']}; as the manifest says: {agrees}"
    )


def _watermark(verdict: Verdict) -> str:
    found = verdict.watermark
    if found is None:
        return "none found"
    words = {True: "the one that the manifest names", False: "NOT the one that the manifest names"}
    changes = [f"scaled to {found.scale:.0%}"] if abs(found.scale - 1) > 0.005 else []
    changes += [f"turned by {found.turn:.1f} degrees"] if abs(found.turn) > 0.05 else []
    changes += ["mirrored"] if found.mirrored else []
    agrees = verdict.agreement.watermark
    if agrees is not None:
        changes.append(words[agrees])
    known = f"likeness {found.confidence:.0%}, by chance at most {found.false_alarm:.0e}"
    return "; ".join([f"{found.id}, {known}", *changes])


def _loud(integrity: str) -> str:
    return integrity if integrity == "intact" else integrity.upper()
