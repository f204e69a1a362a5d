"""The kit's Kotlin core, compiled and run on a JVM: the test vectors, and what it draws."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from edge import resources
from edge.cards import load_card
from edge.consent.canonical import sha256_hex
from edge.faces.align import align_to, cut, similarity
from edge.faces.detect import Detector, open_detector
from edge.faces.landmarks import joint
from edge.golden import sketch, sketch_psnr
from edge.paste import lay_over
from edge.provenance.glyphs import stamp
from edge.provenance.implicit import read_implicit
from edge.provenance.label import Label, plan_label
from edge.provenance.watermark.embed import Watermark
from edge.provenance.watermark.identifier import watermark_id
from edge.records import Face, LabelLanguage, Region
from edge.tensors import to_picture, to_tensor
from tests.android_tools import tool

CORE = resources.targets_dir() / "android_nnapi" / "kit" / "core"
VECTORS = Path(__file__).parents[3] / "docs" / "spec" / "vectors"
CASES = json.loads((VECTORS / "vectors.json").read_text("utf-8"))["cases"]
ID = "urn:uuid:6f0a1a6e-53a4-4a44-9f07-0d6a8b1c2d3e"


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Compile the core, warnings being errors; return how its programs are started."""
    if shutil.which("java") is None:
        pytest.skip("needs Java 17: apt install default-jre-headless")
    jars = tool("kotlin") / "run_kotlin_kernel" / "jars"
    compiler = next(jars.glob("kotlin-jupyter-kernel-*-all.jar"))
    library = next(jars.glob("kotlin-stdlib-*.jar"))
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # one compiles for all of them
    classes = shared / "android-classes"
    start = ["java", "-Xss8m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]
    how = ["-no-stdlib", "-no-reflect", "-cp", str(library), "-jvm-target", "17", "-Werror"]
    sources = map(str, sorted(CORE.glob("src/**/*.kt")))
    main = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
    command = [*start, f"{compiler}:{library}", main, *how, "-d", str(classes), *sources]
    with (shared / "android-classes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (classes / "compiled").exists():
            subprocess.run(command, check=True)
            (classes / "compiled").touch()
    return [*start, f"{classes}:{library}"]


def _start(java: list[str], name: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [*java, f"org.edgeswap.core.{name}", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _packed(change: dict[str, dict[str, str]], output: Path) -> Path:
    """Apply a vector's change to the bundle, and pack it again."""
    with zipfile.ZipFile(VECTORS / "bundle.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name, at in change.get("flip", {}).items():
        data = bytearray(files[name])
        data[int(at)] ^= 1
        files[name] = bytes(data)
    files |= {name: text.encode() for name, text in change.get("replace", {}).items()}
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            if name not in change.get("remove", ()):
                archive.writestr(name, content)
    return output


def test_vectors(java: list[str], tmp_path: Path) -> None:
    lines, wanted = [], []
    for number, case in enumerate(CASES):
        bundle = _packed(case["change"], tmp_path / f"{number}.zip")
        cache = tmp_path / f"cache-{number}"
        revoked = [tmp_path / f"{number}-{k}.json" for k in range(len(case["revocations"]))]
        for path, record in zip(revoked, case["revocations"], strict=True):
            path.write_text(json.dumps(record), encoding="utf-8")
        trusted = ",".join(case["trusted"])
        words = [bundle, cache, case["now"], case["architecture"], "30", trusted, *revoked]
        lines.append("\t".join(map(str, words)))
        wanted.append("open" if case["fails_at"] is None else str(case["fails_at"]))
    found = _start(java, "Vectors", *lines)
    named = [(case["name"], line) for case, line in zip(CASES, found, strict=True)]
    assert [line.split()[0] for line in found] == wanted, named
    # Nothing of a bundle is unpacked before its seal is good, and nothing that is damaged stays.
    for number, step in enumerate(wanted):
        kept = list((tmp_path / f"cache-{number}").rglob("*"))
        assert bool(kept) == (step == "open"), (CASES[number]["name"], kept)


def test_bad_zip_files(java: list[str], tmp_path: Path) -> None:
    good = CASES[0]
    link = _packed({}, tmp_path / "link.zip")
    with zipfile.ZipFile(link, "a") as archive:
        entry = zipfile.ZipInfo("models/link")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    comment = _packed({}, tmp_path / "comment.zip")
    with zipfile.ZipFile(comment, "a") as archive:
        archive.comment = b"hello"
    (tmp_path / "none.zip").write_bytes(b"PK, but no more than that, and no list of files")
    twice = _packed({}, tmp_path / "twice.zip")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("consent.json", "{}")
    bomb = tmp_path / "bomb.zip"
    _packed({"replace": {"models/tiny_baked.onnx": "0" * 50_000_000}}, bomb)
    rest = [tmp_path / "cache", good["now"], good["architecture"], "30", good["trusted"][0]]
    files = [link, comment, tmp_path / "none.zip", twice, bomb]
    found = _start(java, "Vectors", *("\t".join(map(str, [file, *rest])) for file in files))
    assert [line.split()[0] for line in found] == ["1", "1", "1", "1", "9"], found
    assert list((tmp_path / "cache").rglob("*")) == []


def test_sizes_that_come_to_a_small_sum(java: list[str], tmp_path: Path) -> None:
    """Two files of 2^62 bytes add up to less than nothing where sums are of 64 bits."""
    good = CASES[0]
    with zipfile.ZipFile(VECTORS / "bundle.zip") as archive:
        text = archive.read("bundle.toml").decode()
    huge = re.sub(r"(?m)^size = [0-9]+$", f"size = {2**62}", text, count=2)
    assert huge.count(str(2**62)) == 2
    bundle = _packed({"replace": {"bundle.toml": huge}}, tmp_path / "bundle.zip")
    words = [bundle, tmp_path / "cache", good["now"], good["architecture"], "30"]
    words += good["trusted"][:1]
    (found,) = _start(java, "Vectors", "\t".join(map(str, words)))
    assert found.startswith("2 it names too many files, or too large ones")


def test_what_was_unpacked_goes_with_the_consent(java: list[str], tmp_path: Path) -> None:
    good = CASES[0]
    revoked = next(case for case in CASES if case["name"] == "revoked")
    record = tmp_path / "revocation.json"
    record.write_text(json.dumps(revoked["revocations"][0]), encoding="utf-8")
    bundle, cache = _packed({}, tmp_path / "bundle.zip"), tmp_path / "cache"
    words = [bundle, cache, good["now"], good["architecture"], "30", good["trusted"][0]]

    def unpacked() -> None:
        (said,) = _start(java, "Vectors", "\t".join(map(str, words)))
        assert said.startswith("open ")

    unpacked()
    (name,) = os.listdir(cache)
    (cache / ".half.part").mkdir()
    (cache / "no bundle").mkdir()
    assert _start(java, "Sweeping", str(cache), good["now"]) == [name]
    assert (cache / name / "consent.json").is_file()
    assert _start(java, "Sweeping", str(cache), good["now"], str(record)) == []
    unpacked()
    assert _start(java, "Sweeping", str(cache), "2099-01-01T00:00:00Z") == []


def test_a_file_is_replaced_whole(java: list[str], tmp_path: Path) -> None:
    (tmp_path / ".broken.part").write_text("half", encoding="utf-8")
    file = tmp_path / "record"
    assert _start(java, "Replacing", str(file), "first", "second") == ["record second"]
    assert sorted(os.listdir(tmp_path)) == [".broken.part", "record"]


def test_a_mask_that_does_not_fit_is_refused(java: list[str]) -> None:
    card = str(resources.cards_dir() / "ref_swapper.toml")
    size = load_card(Path(card)).crop
    assert size is not None
    pixels = size.size**2
    wrong = "model ref_swapper: gives no mask that fits its card"
    assert _start(java, "Masking", card, str(pixels), "0.5", "NaN", "Infinity") == [
        str(pixels), wrong, wrong,
    ]  # fmt: skip
    assert _start(java, "Masking", card, str(pixels - 1), "0.5") == [wrong]


def test_a_permit_is_checked_again(java: list[str], tmp_path: Path) -> None:
    good = CASES[0]
    revoked = next(case for case in CASES if case["name"] == "revoked")
    record = tmp_path / "revocation.json"
    record.write_text(json.dumps(revoked["revocations"][0]), encoding="utf-8")
    bundle = _packed({}, tmp_path / "bundle.zip")
    words = [bundle, tmp_path / "cache", good["now"], "2027-03-02T00:00:00Z"]
    words += [good["architecture"], good["trusted"][0], "film", "self", record]
    at_first, then, without_it, late = _start(java, "Permitting", *map(str, words))
    assert (at_first, without_it) == ("in force", "in force")
    assert then.startswith("7 refused: ")
    assert "was revoked on" in then
    assert late.startswith("6 expired on ")


def test_nothing_is_saved_or_logged_before_that_check() -> None:
    """The library and the sample need Android; their text is what can be looked at here."""
    kit = CORE.parent
    text = (kit / "library/src/main/kotlin/org/edgeswap/android/Swapper.kt").read_text("utf-8")
    saving = text[text.index("object Saving") :]
    assert saving.count("picture.bytes()") == 1
    assert saving.index("picture.bytes()") < saving.index("FileOutputStream(log")
    # What was written in part, as on a full disk, is emptied before anybody is told.
    failed = saving[saving.index("catch (error: java.io.IOException)") :]
    assert failed.index('openOutputStream(to, "wt")?.close()') < failed.index("throw error")
    sample = (kit / "app/src/main/kotlin/org/edgeswap/sample/MainActivity.kt").read_text("utf-8")
    assert "Phone(this).import(read(uri)); done = null" in sample


def _frame() -> NDArray[np.uint8]:
    sample = cv2.imread(str(resources.samples_dir() / "sample-one.jpg"))
    assert sample is not None
    return np.asarray(cv2.resize(sample, (641, 403), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_draws_as_python_does(java: list[str], tmp_path: Path, language: LabelLanguage) -> None:
    frame = _frame()
    height, width = frame.shape[:2]
    frame.tofile(tmp_path / "frame")
    cv2.imwrite(str(tmp_path / "plain.jpg"), frame)
    found = _start(java, "Drawing", str(tmp_path), str(width), str(height), language, ID)
    said = dict(line.split(" ", 1) for line in found if not line.startswith("gate"))
    assert (said["bare"], said["labelled"]) == ("false", "true")

    def drawn(name: str) -> NDArray[np.uint8]:
        return np.fromfile(tmp_path / name, np.uint8).reshape(frame.shape)

    place = plan_label(width, height, [Region(0, 0, width, height // 2)], language)
    corner, *numbers = said["place"].split()
    x, y, columns, rows = map(int, numbers)
    assert corner == place.corner
    assert int(said["tall"]) >= height * 0.05
    assert abs(rows - place.region.height) <= 2
    ours = frame.copy()
    if rows == place.region.height:
        assert (x, y, columns) == (place.region.x, place.region.y, place.region.width)
        Label(place).draw(ours)
        # OpenCV fills the samples that an edge touches too: letters are half a sample bolder.
        off = np.abs(drawn("labelled").astype(int) - ours)[y : y + rows, x : x + columns]
        assert off.mean() < 6
    else:  # the outlines' edges differ by half a sample, so that a plate may be one step higher
        assert stamp(language, rows).keep.shape[1] == columns
    outside = np.ones(frame.shape[:2], bool)
    outside[y : y + rows, x : x + columns] = False
    assert np.array_equal(drawn("labelled")[outside], frame[outside])

    ours = frame.copy()
    Watermark(watermark_id(ID), width, height).draw(ours)
    off = np.abs(drawn("marked").astype(int) - ours)
    assert off.max() <= 1
    assert off.mean() < 0.02
    assert np.abs(drawn("marked").astype(int) - frame).mean() > 0.3

    points = np.array([[40, 50], [90, 45], [65, 75], [48, 98], [88, 94]], np.float64)
    matrix = similarity(points, "arcface_128", 96)
    a, b, right, down = map(float, said["way"].split())
    assert np.allclose([[a, -b, right], [b, a, down]], matrix)
    crop = np.fromfile(tmp_path / "crop", np.uint8).reshape(96, 96, 3)
    assert np.abs(crop.astype(int) - cut(frame, matrix, 96).picture).mean() < 1.5


def test_aligns_to_a_card_as_python_does(java: list[str], tmp_path: Path) -> None:
    points = np.array([[40, 50], [90, 45], [65, 75], [48, 98], [88, 94]], np.float32)
    files, wanted = [], []
    for name, offset in (("reswapper_256", 0.5), ("ref_swapper", 0.0)):
        path = resources.cards_dir() / f"{name}.toml"
        spec = load_card(path).crop
        assert spec is not None
        assert spec.offset == offset
        wanted.append(align_to(_frame(), Face((0, 0, 99, 99), 1, points), spec).matrix)
        # The hash of a file that nobody has fetched is empty, and a bundle's card always has one.
        text = path.read_text("utf-8").replace('sha256 = ""', f'sha256 = "{"0" * 64}"')
        files.append(tmp_path / path.name)
        files[-1].write_text(text, encoding="utf-8")
    for number, bad in enumerate(('"much"', "1e999")):
        text = files[0].read_text("utf-8").replace("offset = 0.5", f"offset = {bad}")
        files.append(tmp_path / f"bad-{number}.toml")
        files[-1].write_text(text, encoding="utf-8")
    at = ",".join(map(str, points.ravel().tolist()))
    *ways, much, endless = _start(java, "Aligning", at, *map(str, files))
    for way, matrix in zip(ways, wanted, strict=True):
        a, b, right, down = map(float, way.split())
        assert np.allclose([[a, -b, right], [b, a, down]], matrix)
    assert much == endless == "'crop.offset' is no number"


def test_writes_and_releases(java: list[str], tmp_path: Path) -> None:
    frame = _frame()
    frame.tofile(tmp_path / "frame")
    cv2.imwrite(str(tmp_path / "plain.jpg"), frame)
    found = _start(java, "Drawing", str(tmp_path), "641", "403", "en", ID)
    identifier = next(line.split()[1] for line in found if line.startswith("id "))
    label = read_implicit(tmp_path / "implicit.jpg")
    assert label is not None
    assert (label.Label, label.ProduceID) == ("1", identifier)
    plain, with_label = (cv2.imread(str(tmp_path / f"{n}.jpg")) for n in ("plain", "implicit"))
    assert plain is not None
    assert with_label is not None
    assert np.array_equal(plain, with_label)

    schema = json.loads((VECTORS.parent / "assertions-1.schema.json").read_text("utf-8"))
    definition = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    data = {each["label"]: each["data"] for each in definition["assertions"]}
    assert all(each["created"] for each in definition["assertions"])
    ours = [name for name in schema.get("properties", {}) if name.startswith("org.edge-swap.")]
    # A phone's app makes pictures, and no live streams.
    assert set(ours) - {"org.edge-swap.live"} <= set(data)
    example = json.loads((VECTORS / "assertions.json").read_text("utf-8"))
    for name in (name for name in example if name.startswith("org.edge-swap.")):
        assert set(data[name]) >= set(example[name]) - {"bundle"}, name

    # Bytes are given only while the permit is in force, however long ago the swap was.
    assert [line for line in found if line.startswith(("before", "after"))] == [
        "before true",
        "after revoked",
    ]
    gates = dict(line.split(" ", 2)[1:] for line in found if line.startswith("gate "))
    assert gates.pop("good") == "released"
    assert set(gates) == {
        "no-label",
        "no-implicit",
        "no-manifest",
        "invalid",
        "another",
        "gathered",
    }
    assert all(said.startswith("refused: the picture ") for said in gates.values()), gates


def test_finds_as_python_does(java: list[str], tmp_path: Path) -> None:
    frame = _frame()[:, :640].copy()
    height, width = frame.shape[:2]
    frame.tofile(tmp_path / "frame")
    detector = open_detector(threads=1)
    canvas = np.zeros((-(-height // 32) * 32, width, 3), np.uint8)
    canvas[:height] = frame
    look = detector._look
    for key, values in look._run(canvas, look.session.run).items():
        values.astype(np.float32).tofile(tmp_path / key)
    wanted = ("ref_detector", "ref_landmarker", "ref_swapper")
    cards = [str(resources.cards_dir() / f"{name}.toml") for name in wanted]
    found = _start(java, "Finding", str(tmp_path), str(width), str(height), *cards)
    said = [line.split(" ") for line in found]
    assert ["card", "ref_swapper", "swapper", "128", "mask", "true", "1"] in said
    assert ["card", "ref_landmarker", "landmarker", "96", "", "false", "2"] in said
    tensor = np.fromfile(tmp_path / "input", np.float32).reshape(1, 3, *canvas.shape[:2])
    assert np.allclose(tensor, to_tensor(canvas, detector.card.input), atol=1e-6)

    faces = [np.array(line[1:], np.float64) for line in said if line[0] == "face"]
    ours = Detector(detector.card, detector._look.session).detect(frame, passes=(640,))
    assert len(faces) == len(ours) > 0
    for face, same in zip(faces, ours, strict=True):
        side = max(same.box[2:])
        assert np.abs(face[:4] - same.box).max() < 0.1 * side
        assert np.abs(face[5:].reshape(5, 2) - same.landmarks).max() < 0.1 * side

    alone = Detector(detector.card, detector._look.session)
    for _, sure, *scores in (line for line in said if line[0] == "judged"):
        doubted = alone.detect(frame, passes=(640,), min_score=0.2)
        both = sorted(joint(face.score, float(sure)) for face in doubted)
        kept = [score for score in both if score >= detector.threshold]
        assert [float(score) for score in scores if score] == pytest.approx(kept, abs=1e-3), sure


def test_compares_golden_vectors_as_python_does(java: list[str], tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    card = load_card(resources.cards_dir() / "ref_swapper.toml")
    assert card.picture is not None
    values = random.random((1, 3, 128, 128), np.float32)
    values.tofile(tmp_path / "values")
    picture = np.asarray(to_picture(values, card.picture)[..., ::-1])
    other = np.clip(picture.astype(int) + random.integers(-3, 4, picture.shape), 0, 255)
    rows = []
    for name, each in (("same", picture), ("near", other.astype(np.uint8))):
        given = {"sha256": sha256_hex(each.tobytes()), "sums": sketch(each).tolist()}
        models = {"ref_swapper": given}
        row = {"name": name, "crop": "golden/1.png", "source": None, "float": given}
        rows.append({**row, "models": models})
    record = {"schema": "edge-swap/golden-1", "buckets": 1024, "kernels": {}, "vectors": rows}
    (tmp_path / "vectors.json").write_text(json.dumps(record), encoding="utf-8")
    files = [tmp_path / "vectors.json", resources.cards_dir() / "ref_swapper.toml"]
    found = _start(java, "Goldens", *map(str, files), str(tmp_path / "values"))
    said = [line.split() for line in found]
    page = (VECTORS.parent / "golden-1.md").read_text("utf-8")
    assert said[0][0] == "check"
    assert said[0][1] in page
    assert said[1] == ["same", "99.0", "true", "99.0", "99.0"]
    wanted = sketch_psnr(sketch(picture), sketch(other.astype(np.uint8)), 128)
    assert said[2][2] == "false"
    assert abs(float(said[2][1]) - wanted) < 1e-6
    assert said[2][3:] == [said[2][1], "99.0"]  # the float model gave the same as this one


def test_lays_a_face_over_as_python_does(java: list[str], tmp_path: Path) -> None:
    frame, size = np.ascontiguousarray(_frame()[:300, :400]), 96
    way = np.array([[0.4, -0.1, -20.0], [0.1, 0.4, -30.0]])
    crop = cut(frame, way, size)
    random = np.random.default_rng(6)
    noise = random.integers(0, 256, (12, 12, 4)).astype(np.uint8)
    face = cv2.resize(noise, (size, size), interpolation=cv2.INTER_LINEAR)
    mask = np.ascontiguousarray(face[..., 3] / np.float32(255))
    picture = crop.picture + (face[..., :3].astype(np.float32) - crop.picture) * mask[..., None]
    picture = np.rint(picture).astype(np.uint8)
    given = {"frame": frame, "crop": crop.picture, "picture": picture, "mask": mask}
    for name, values in given.items():
        values.tofile(tmp_path / name)
    numbers = [400, 300, size, way[0, 0], way[1, 0], way[0, 2], way[1, 2]]
    _start(java, "Laying", str(tmp_path), *map(str, numbers))
    laid = np.fromfile(tmp_path / "laid", np.uint8).reshape(frame.shape)
    ours = frame.copy()
    lay_over(ours, crop, picture, mask)
    assert np.abs(laid.astype(int) - ours).max() <= 4
    assert np.abs(ours.astype(int) - frame).max() > 30


@pytest.mark.parametrize("invalid", ["", "the phone slowed itself down"])
def test_reports_as_every_device_does(java: list[str], invalid: str) -> None:
    schema = json.loads((VECTORS.parent / "selftest-1.schema.json").read_text("utf-8"))
    full, empty = (json.loads(line) for line in _start(java, "Reporting", invalid))
    for report in (full, empty):
        jsonschema.Draft202012Validator(schema).validate(report)
    assert (full["holds"], empty["holds"]) == (True, False)
    refused, ran = full["ways"]
    assert refused["left_out"] == 'NnapiExecutionProvider: "refused"'
    assert refused["psnr"] is None
    assert (ran["identical"], ran["psnr"], ran["psnr_float"]) == (1, 61.5, 51.25)
    times = ran["latency"]
    if invalid:
        assert times is None
    else:
        assert (times["p50"], times["p90"], times["quickest"]) == (7.0, 8.6, 5.0)
        assert abs(times["p99"] - np.percentile([9.0, 5.0, 7.0], 99)) < 1e-9
    assert full["phone"]["api"] == 34
