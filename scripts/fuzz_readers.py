"""The readers of records, each as a function that takes any bytes: `scripts/fuzz NAME`.

A reader either takes what it is given or raises the error of its kind, whose message is one line.
Anything else that comes out of it is a finding. `scripts/fuzz NAME` runs one under atheris, which
watches which lines are reached; the tests run all of them, briefly, without it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType

from edge.errors import EdgeError

Reader = Callable[[bytes, Path], object]
"""Takes the bytes, and a folder of its own to write them to where it needs a file."""


def _file(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _card(data: bytes, folder: Path) -> object:
    from edge.cards import load_card

    return load_card(_file(data, folder, "tiny_swapper.toml"))


def _recipe(data: bytes, folder: Path) -> object:
    from quantize.recipes import load_recipe

    return load_recipe(str(_file(data, folder, "recipe.toml")))


def _consent(data: bytes, folder: Path) -> object:
    from edge.consent.record import check_signatures, parse_consent

    consent = parse_consent(data, "consent")
    check_signatures(consent, "consent")
    return consent


def _identity(data: bytes, folder: Path) -> object:
    from edge.consent.identity import parse_identity

    return parse_identity(data, "identity")


def _revocation(data: bytes, folder: Path) -> object:
    from edge.consent.revocation import parse_revocation

    return parse_revocation(data, "revocation")


def _contents(data: bytes, folder: Path) -> object:
    from edge.bundle.contents import parse_contents

    return parse_contents(data, "bundle")


def _seal(data: bytes, folder: Path) -> object:
    from edge.bundle.seal import parse_seal

    return parse_seal(data, "bundle")


def _bundle(data: bytes, folder: Path) -> object:
    from edge.bundle.holders import ZipHolder

    holder = ZipHolder(_file(data, folder, "bundle.zip"))
    return [holder.read(name, 1 << 20) for name in sorted(holder.names())[:20]]


def _ledger(data: bytes, folder: Path) -> object:
    from edge.consent.ledger import Ledger

    for old in folder.glob("ledger.*"):
        if old.is_file():
            old.unlink()
    ledger = Ledger(_file(data, folder, "ledger.jsonl"))
    found = [str(problem) for problem in ledger.verify()]
    return found, len(ledger.entries()), ledger.recover()


def _mended(data: bytes) -> bytes:
    """Return an export whose lines continue each other again; what is none stays as it is.

    A damaged line is noticed by its hash at once: what comes after that would never be reached.
    """
    from edge.consent.canonical import FormError, canonical_bytes, parse_object, sha256_hex

    try:
        record = parse_object(data)
        lines, leaves = record["lines"], record["leaves_before"]
        if not isinstance(lines, list) or not isinstance(leaves, list):
            return data
        seq, prev, chained = len(leaves), record["hash_before"], []
        for line in lines:
            seq += 1
            body = {**parse_object(str(line).encode()), "seq": seq, "prev": prev}
            body.pop("hash", None)
            prev = sha256_hex(canonical_bytes(body))
            chained.append(canonical_bytes({**body, "hash": prev}).decode())
        return canonical_bytes({**record, "lines": chained})
    except (FormError, KeyError, ValueError):
        return data


def _proof(data: bytes, folder: Path) -> object:
    from edge.consent.checking import check_file, contradiction
    from edge.consent.ledger import Ledger

    path = _file(data, folder, "proof.json")
    return check_file(path).to_dict(), contradiction(Ledger(), path)


def _export(data: bytes, folder: Path) -> object:
    from edge.consent.checking import check_file, contradiction
    from edge.consent.ledger import Ledger
    from edge.evidence.lookup import look_up, open_ledger
    from edge.provenance.verify import verify_file

    paths = _file(data, folder, "export.json"), _file(_mended(data), folder, "mended.json")
    checked = [check_file(path).to_dict() for path in paths]
    verdict = verify_file(_file(b"none", folder, "no-picture.jpg"))
    found = look_up(open_ledger(str(paths[1])), verdict, "00" * 32)
    return checked, found.to_dict(), contradiction(Ledger(), paths[1])


def _journal(data: bytes, folder: Path) -> object:
    from edge.jobs.unfinished import Unfinished

    with Unfinished(folder / "out.mp4", keep=True) as unfinished:
        _file(data, unfinished.folder, "journal.json")
        return unfinished.go_on({})


def _xmp(data: bytes, folder: Path) -> object:
    from edge.provenance import xmp

    media = ("image/jpeg", "image/png", "image/webp")
    packets = [packet for kind in media if (packet := xmp.get(data, kind)) is not None]
    return [xmp.properties(packet) for packet in packets or [data]]


def _implicit(data: bytes, folder: Path) -> object:
    from edge.provenance.implicit import flaws, parse_implicit

    return flaws(parse_implicit(data.decode("utf-8", "replace")))


def _verify(data: bytes, folder: Path) -> object:
    from edge.provenance.verify import verify_file

    return verify_file(_file(data, folder, "picture.jpg")).to_dict()


def _tflite(data: bytes, folder: Path) -> None:
    from edge.backends._tflite_limits import check_tflite_file

    check_tflite_file(_file(data, folder, "m.tflite"))


def _ort(data: bytes, folder: Path) -> None:
    from edge.backends._ort_limits import check_ort_file

    check_ort_file(_file(data, folder, "m.ort"))


def _mnn(data: bytes, folder: Path) -> None:
    from edge.backends._mnn_limits import check_mnn_file

    check_mnn_file(_file(data, folder, "m.mnn"))


def _onnx(data: bytes, folder: Path) -> object:
    from edge.backends._onnx_file import check_onnx_file
    from edge.backends._onnx_outline import outline_of

    path = _file(data, folder, "m.onnx")
    check_onnx_file(path)
    return outline_of(path)


READERS: dict[str, Reader] = {
    "bundle": _bundle,
    "card": _card,
    "consent": _consent,
    "contents": _contents,
    "export": _export,
    "identity": _identity,
    "implicit": _implicit,
    "journal": _journal,
    "ledger": _ledger,
    "mnn": _mnn,
    "onnx": _onnx,
    "ort": _ort,
    "proof": _proof,
    "recipe": _recipe,
    "revocation": _revocation,
    "seal": _seal,
    "tflite": _tflite,
    "verify": _verify,
    "xmp": _xmp,
}


def check(name: str, data: bytes, folder: Path) -> None:
    """Let a reader take any bytes.

    Args:
        name: One of `READERS`.
        data: The bytes.
        folder: For files.

    Raises:
        AssertionError: It refused them in more than one line.
        Exception: Anything that it raised and should not have.
    """
    try:
        READERS[name](data, folder)
    except EdgeError as error:
        from edge.cli import one_line

        text = one_line(str(error))
        if not 0 < len(text) < 2000:
            raise AssertionError(f"{type(error).__name__} of {len(text)} characters") from error


def good(name: str, folder: Path) -> list[bytes]:
    """Return bytes that a reader takes, for a fuzzer to start from.

    Args:
        name: One of `READERS`.
        folder: Empty; EDGE_HOME should point into it.
    """
    from scripts.fuzz_seeds import HOME, SEEDS, make_seeds

    if not (folder / SEEDS).exists():
        make_seeds(folder)
    bundle, seeds = folder / "made" / "alice", folder / SEEDS
    cards = folder / HOME / "data" / "cards"
    recipes = Path(__file__).parents[1] / "quantize" / "recipes"
    files: dict[str, Iterator[Path] | list[Path]] = {
        "bundle": [seeds / "zip-bundle.zip"],
        "card": cards.glob("*.toml"),
        "consent": [bundle / "consent.json"],
        "contents": [bundle / "bundle.toml"],
        "identity": [folder / "nobody.identity"],
        "onnx": seeds.glob("onnx-*"),
        "ledger": (folder / HOME).rglob("ledger.jsonl"),
        "recipe": recipes.glob("*.toml"),
        "seal": [bundle / "bundle.sig"],
        "verify": seeds.glob("jpeg-*"),
        "xmp": seeds.glob("xmp-*"),
    }
    found = [path.read_bytes() for path in sorted(files.get(name, []))]
    return found or _made_up(name, folder)


def _made_up(name: str, folder: Path) -> list[bytes]:
    """Return a record or a model that no seed holds."""
    if name in {"mnn", "ort", "tflite"}:
        from tests import flat_models, tiny_tflite

        made = {
            "mnn": [flat_models.mnn_model(flat_models.mnn_blob(2, 2, values=4))],
            "ort": [flat_models.ort_model(**flat_models.ort_nested(3))],
            "tflite": [flat_models.tflite_model(), tiny_tflite.swapper(16)],
        }
        return made[name]
    if name == "implicit":
        text = '{"Label":"1","ContentProducer":"a","ProduceID":"b","ReservedCode1":"",'
        return [(text + '"ContentPropagator":"","PropagateID":"","ReservedCode2":""}').encode()]
    if name == "revocation":
        from edge.consent.operator import operator_key
        from edge.consent.record import parse_consent
        from edge.consent.revocation import new_revocation, save_revocation
        from edge.consent.trust import load_trust

        consent = parse_consent((folder / "made/alice/consent.json").read_bytes(), "consent")
        path = folder / "a.revocation"
        save_revocation(new_revocation(consent, operator_key(), load_trust()), path)
        return [path.read_bytes()]
    if name in {"export", "proof"}:
        return _given_away(name)
    assert name == "journal", name
    return [b'{"schema":"edge-swap/unfinished-1","key":"","segments":[[250,""]],"signature":""}']


def _given_away(name: str) -> list[bytes]:
    """Return a proof or an export of the home's ledger, the export with lines of every kind."""
    import base64

    from edge.consent.canonical import readable_json
    from edge.consent.checkpoints import STAMP, write_checkpoint
    from edge.consent.export import export
    from edge.consent.ledger import Ledger
    from edge.consent.proof import prove_entry

    ledger = Ledger()
    ledger.event("frame", {"output_id": "urn:uuid:0", "consent_id": "none"})
    number = write_checkpoint(ledger).size + 1
    if name == "proof":
        return [readable_json(prove_entry(ledger, number - 1).to_record())]
    token = base64.b64encode(b"no token").decode("ascii")
    ledger.append(STAMP, lambda: {"checkpoint": number, "token": token})
    ledger.append("published", lambda: {"entry": number - 1})
    return [readable_json(export(ledger, through=number)), readable_json(export(ledger))]


@contextmanager
def home_in(folder: Path) -> Iterator[None]:
    """Point this process's user folders into another one while the block runs."""
    before = os.environ.get("EDGE_HOME")
    os.environ["EDGE_HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("EDGE_HOME")
        if before is not None:
            os.environ["EDGE_HOME"] = before


def _functions() -> list[FunctionType]:
    """Return every function of ours that was imported; atheris watches which of their lines run."""
    found: dict[int, FunctionType] = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] not in {"edge", "quantize"}:
            continue
        things = list(vars(module).values())
        for thing in [
            *things,
            *(part for one in things if isinstance(one, type) for part in vars(one).values()),
        ]:
            if isinstance(thing, FunctionType) and thing.__module__ == name:
                found[id(thing)] = thing
    return list(found.values())


def main(words: Sequence[str]) -> int:
    """Run one reader under atheris; it ends the process itself."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=sorted(READERS), metavar="NAME", help=", ".join(READERS))
    parser.add_argument("--seconds", type=int, default=60, help="how long (60)")
    parser.add_argument("--seed", type=int, default=1, help="of its chance (1)")
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--folder", type=Path, default=root / ".fuzz", help="where it is kept")
    options = parser.parse_args(words)
    import atheris

    kept = options.folder / options.name
    corpus, findings = kept / "corpus", kept / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edge-fuzz-") as place, home_in(Path(place) / "home"):
        sound = list(good(options.name, Path(place) / "stage"))
        for number, data in enumerate(sound):
            (corpus / f"good-{number}").write_bytes(data)
        work = Path(place) / "work"
        work.mkdir()
        for data in sound:
            check(options.name, data, work)  # imports all that it needs
        for function in _functions():
            atheris.instrument_func(function)
        arguments = [
            f"-max_total_time={options.seconds}",
            f"-seed={options.seed}",
            f"-artifact_prefix={findings}/",
            "-timeout=20",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            str(corpus),
        ]
        atheris.Setup(["fuzz", *arguments], lambda data: check(options.name, data, work))
        atheris.Fuzz()
    return 0
