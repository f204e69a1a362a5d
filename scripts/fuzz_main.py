"""Look for inputs that break something: `scripts/fuzz`.

    scripts/fuzz [--count 10000] [--seed 1]      damaged files through the real commands
    scripts/fuzz corpus --only 17 42             some of them again, by their numbers
    scripts/fuzz NAME [--seconds 60]             one reader under atheris; scripts/fuzz consent
                                                 --help names them all

Progress and findings are kept in .fuzz; the same call goes on where the last one stopped.
Exit status 1 says that something was found.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.fuzz_corpus import ROOT, Finding, keep, run_batch
from scripts.fuzz_seeds import make_seeds

BATCH = 40
"""Files a worker: its start costs about as much as three of them."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=10_000, help="files to damage (10000)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--only", type=int, nargs="+", help="these numbers alone, and anew")
    parser.add_argument("--folder", type=Path, default=ROOT / ".fuzz", help="where it is kept")
    return parser


def run_corpus(count: int, seed: int, folder: Path, only: Sequence[int] = ()) -> list[Finding]:
    """Run what is not done yet, and return what was found in this call and before.

    Args:
        count: Files in all.
        seed: Which ones.
        folder: Where seeds, progress and findings are kept.
        only: Numbers that are run whether they are done or not.
    """
    stage = folder / "stage"
    if not (stage / "whole").exists():
        shutil.rmtree(stage, ignore_errors=True)
        make_seeds(stage)
        (stage / "whole").touch()
    state = folder / f"seed-{seed}.jsonl"
    done, found = _state(state)
    todo = list(only) or [number for number in range(count) if number not in done]
    from edge.progress import bar

    with bar("damaged files", False) as progress, state.open("a", buffering=1) as notes:
        total, left = len(todo), todo
        while left:
            batch = run_batch(left[:BATCH], seed, stage, folder / "batch")
            for finding in batch.findings:
                path = keep(finding, seed, stage, folder / f"findings-{seed}")
                _say(finding, path)
            lines = [{"done": batch.done}, *({"found": asdict(one)} for one in batch.findings)]
            notes.writelines(json.dumps(line) + "\n" for line in lines)
            found += batch.findings
            ended = set(batch.done)
            left = [number for number in left if number not in ended]
            progress(total - len(left), total, f"{len(found)} findings")
    return found


def _state(path: Path) -> tuple[set[int], list[Finding]]:
    done: set[int] = set()
    found: list[Finding] = []
    for line in path.read_text().splitlines() if path.exists() else ():
        note = json.loads(line)
        done |= set(note.get("done", ()))
        if "found" in note:
            found.append(Finding(**note["found"]))
    return done, found


def _say(finding: Finding, path: Path) -> None:
    first = (finding.text.strip().splitlines() or [""])[-1]
    sys.stdout.write(f"{finding.what} in edge {finding.command}: {path}: {first[:200]}\n")
    sys.stdout.flush()


def main(words: Sequence[str]) -> int:
    """Run it; return the exit status."""
    if words and not words[0].startswith("-") and words[0] != "corpus":
        from scripts.fuzz_readers import main as under_atheris

        return under_atheris(words)
    options = _parser().parse_args(words[1:] if words[:1] == ["corpus"] else words)
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # two in one folder would damage each other's files
            sys.stderr.write(f"scripts/fuzz: another one runs in {options.folder}: give --folder\n")
            return 2
        found = run_corpus(options.count, options.seed, options.folder, options.only or ())
    tally = Counter(f"{one.what} ({one.command})" for one in found)
    shown = ", ".join(f"{count} {what}" for what, count in tally.most_common()) or "none"
    number = len(options.only) if options.only else options.count
    sys.stdout.write(f"{number} damaged files (seed {options.seed}); findings: {shown}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
