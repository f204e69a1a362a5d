"""Visits from the form to the erasure: by themselves, whoever or whatever ends them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge.consent.erase import Erased
from edge.consent.identity import Identity
from edge.consent.ledger import Ledger
from edge.consent.record import load_consent
from edge.consent.store import consents_dir
from edge.consent.trust import assurance_of, load_trust
from edge.errors import (
    ConsentError,
    EdgeError,
    KeyStoreError,
    OutputError,
    PhotoError,
    UsageError,
)
from edge.live.health import HealthWatch
from edge.live.kiosk import enrolment, visit
from edge.live.kiosk import kiosk as module
from edge.live.kiosk.enrolment import Desk, check_agent_key
from edge.live.kiosk.form import forms_dir
from edge.live.kiosk.kiosk import Kiosk
from edge.live.kiosk.visit import visits_dir
from edge.live.view.server import Listen, ViewServer, take_port
from tests.kiosk import FORM, agent_key, desk, running, until
from tests.live import Scripted

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def at(edge_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    memory = tmp_path / "shm"
    memory.mkdir()
    monkeypatch.setattr(visit, "_MEMORY", memory)
    return desk(edge_home, tmp_path, monkeypatch)


def stage_of(kiosk: Kiosk) -> str:
    return str(kiosk.status()["kiosk"]["stage"])


def left() -> list[Path]:
    return [path for path in visits_dir().rglob("*") if path.name != "lock"]


def erasures() -> list[dict[str, str]]:
    found = []
    for entry in Ledger().entries():
        details = entry.fields.get("details")
        if entry.fields.get("event") == "erase" and isinstance(details, dict):
            found.append(details)
    return found


def test_a_visit_ends_in_an_erasure_that_the_ledger_records(at: Desk) -> None:
    with running(at) as kiosk:
        assert kiosk.status()["state"] == "idle"
        assert kiosk.broadcast is None
        kiosk.begin(FORM)
        assert stage_of(kiosk) == "visit"
        assert len(left()) == 6  # a folder, the identity, the pictures' folder and three pictures
        status = kiosk.status()
        assert status["consent"]["assurance"] == "agent-attested"
        assert status["consent"]["target"] == "self"
        assert 0 < status["kiosk"]["seconds_left"] <= 300
        with pytest.raises(UsageError, match="not ended yet"):
            kiosk.begin(FORM)
        kiosk.end()
        assert stage_of(kiosk) == "erased"
        assert kiosk.status()["kiosk"]["kept"] == []
        assert kiosk.broadcast is None
        assert left() == []
    begun, done = erasures()
    assert begun["identity"] == done["identity"]
    assert (done["stage"], done["kept"]) == ("done", "0")
    # What stays: the consent, attested, and the form that was attested.
    (path,) = consents_dir().iterdir()
    consent = load_consent(path)
    assert consent.subject == "Guest 7"
    assert consent.media == ("live",)
    assert consent.targets == ("self",)
    assert assurance_of(consent, load_trust(), consent.issuer_key).level == "agent-attested"
    assert consent.witness is not None
    assert consent.witness.name == "Ms Li"
    assert (forms_dir() / f"{consent.witness.form_sha256}.json").is_file()


def test_the_time_ends_it_without_a_refusal(
    edge_home: Path, tmp_path: Path, at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = desk(edge_home, tmp_path, monkeypatch, minutes=3.5 / 60)
    with running(short) as kiosk:
        kiosk.begin(FORM)
        until(lambda: stage_of(kiosk) == "erased")
        assert left() == []
    entries = Ledger().entries()
    assert not [entry for entry in entries if entry.kind == "refusal"]
    reasons = [str(entry.fields.get("details")) for entry in entries]
    assert any("the time is over" in reason for reason in reasons)


def test_somebody_who_walks_away_is_erased(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEFT_ALONE", 0.3)
    with running(at) as kiosk:
        kiosk.begin(FORM)
        until(lambda: stage_of(kiosk) == "erased")
        assert left() == []


def test_a_kiosk_that_is_stopped_leaves_nobody(at: Desk) -> None:
    with running(at) as kiosk:
        kiosk.begin(FORM)
    assert left() == []
    assert len(erasures()) == 2


def test_a_wrong_passphrase_takes_no_picture(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    monkeypatch.setattr(Scripted, "read", lambda self: opened.append(1))
    with running(at) as kiosk:
        for _ in range(module.GUESSES):
            with pytest.raises(KeyStoreError, match=r"the passphrase is wrong$"):
                kiosk.begin({**FORM, "passphrase": "coffee"})
        with pytest.raises(UsageError, match="wait a minute"):
            kiosk.begin(FORM)
        assert stage_of(kiosk) == "form"
    assert opened == []
    assert left() == []
    assert not consents_dir().exists()


def test_pictures_that_will_not_do(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def poor(frame: object, face: object, name: str) -> None:
        raise PhotoError(f"{name}: is blurred")

    monkeypatch.setattr(enrolment, "check_photo", poor)
    with running(at) as kiosk:
        with pytest.raises(PhotoError, match="will not do") as caught:
            kiosk.begin(FORM)
        assert str(visits_dir()) not in str(caught.value)
        assert stage_of(kiosk) == "form"
        with pytest.raises(ConsentError, match="under 18"):
            kiosk.begin({**FORM, "adult": False})
    assert left() == []
    refusals = [entry for entry in Ledger().entries() if entry.kind == "refusal"]
    assert "blurred" in str(refusals[0].fields["reason"])


def test_a_visit_that_cannot_begin_is_told_and_erased(
    at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Kiosk, visit: object) -> bool:
        raise OutputError("the swap model is gone")

    monkeypatch.setattr(Kiosk, "_show", refuse)
    with running(at) as kiosk, pytest.raises(OutputError, match="model is gone"):
        kiosk.begin(FORM)
    assert left() == []


def test_the_attendant_s_key_wants_a_passphrase(tmp_path: Path) -> None:
    check_agent_key(agent_key(tmp_path))
    with pytest.raises(KeyStoreError, match="has no passphrase: an attendant"):
        check_agent_key(agent_key(tmp_path, ""))
    with pytest.raises(KeyStoreError, match="no private key at"):
        check_agent_key(tmp_path / "none.pem")
    (tmp_path / "x.pem").write_text("x")
    with pytest.raises(KeyStoreError, match="PEM form"):
        check_agent_key(tmp_path / "x.pem")


def test_in_a_browser(browser: Browser, at: Desk) -> None:
    listen = Listen(port=0)
    with (
        running(at) as kiosk,
        take_port(listen) as taken,
        ViewServer(kiosk, listen, taken, kiosk) as server,
    ):
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(30_000)
        page.goto(server.link)
        page.wait_for_selector("#form:visible")
        page.wait_for_function("() => document.getElementById('agent').innerText === 'Ms Li'")
        assert "艺术" in page.inner_text("#purpose")
        assert "5 minutes" in page.inner_text("#minutes")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.is_hidden("#stop")
        page.fill("[name=subject]", "Guest 7")
        for name in ("adult", "mine", "agree"):
            page.check(f"[name={name}]")
        page.fill("[name=passphrase]", "coffee")
        page.click("#form button")
        page.wait_for_selector("#refused:visible")
        assert "口令不对" in page.inner_text("#refused")
        page.fill("[name=passphrase]", "tea")
        page.click("#form button")
        page.wait_for_selector("#stream:not([hidden])")
        assert "s left" in page.inner_text("#left")
        page.click("#end")
        page.wait_for_selector("#erased:visible")
        assert "账本中已记录" in page.inner_text("#gone")
        assert page.is_hidden("#stream")
        assert left() == []
        page.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Hold up whoever is taken in, pictures and identity being there; return "there" and "go"."""
    there, go = threading.Event(), threading.Event()

    def slowly(*given: Any) -> Identity:
        identity = enrolment.take_in(*given)
        there.set()
        assert go.wait(20)
        return identity

    monkeypatch.setattr(module, "take_in", slowly)
    return there, go


def begun(kiosk: Kiosk) -> tuple[threading.Thread, list[EdgeError]]:
    """Begin a visit in a thread; return it, and the list for its error."""
    errors: list[EdgeError] = []

    def begin() -> None:
        try:
            kiosk.begin(FORM)
        except EdgeError as error:
            errors.append(error)

    thread = threading.Thread(target=begin)
    thread.start()
    return thread, errors


def test_who_is_being_taken_in_when_it_stops_is_erased(
    at: Desk, held: tuple[threading.Event, threading.Event]
) -> None:
    there, go = held
    with running(at) as kiosk:
        thread, errors = begun(kiosk)
        assert there.wait(20)
        assert len(left()) == 6
        kiosk.close()
        threading.Timer(0.5, go.set).start()
    assert left() == []  # when `run` has ended, and not some time after
    thread.join(20)
    assert "the kiosk was stopped" in str(errors[0])
    assert kiosk.clean
    assert kiosk.visits == 0
    assert len(erasures()) == 2
    with pytest.raises(UsageError, match="nobody is taken in any more"):
        kiosk.begin(FORM)


def test_a_visit_that_waits_to_be_taken_when_it_stops_is_erased(at: Desk) -> None:
    kiosk = Kiosk(at, lambda identity: pytest.fail("no visit"), HealthWatch())
    thread, errors = begun(kiosk)
    until(lambda: kiosk._come.full())
    kiosk.close()
    kiosk.run()
    assert left() == []
    thread.join(20)
    assert "before the visit began" in str(errors[0])


def test_it_does_not_wait_for_ever_and_is_not_clean_then(
    at: Desk, held: tuple[threading.Event, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LAST", 0.1)
    there, go = held
    with running(at) as kiosk:
        thread, errors = begun(kiosk)
        assert there.wait(20)
    assert not kiosk.clean
    go.set()
    thread.join(20)
    assert "the kiosk was stopped" in str(errors[0])
    assert left() == []


def test_a_visit_that_nobody_takes_is_erased(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_START", 0.2)
    kiosk = Kiosk(at, lambda identity: pytest.fail("no visit"), HealthWatch())
    with pytest.raises(OutputError, match="did not begin"):
        kiosk.begin(FORM)  # there is no `run`
    assert left() == []
    assert stage_of(kiosk) == "erased"


def test_what_is_not_erased_is_told_at_the_end(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Erased("", (), ("the folder: it is busy",))
    monkeypatch.setattr(visit.Place, "erase", lambda self, ledger: kept)
    with running(at) as kiosk:
        kiosk.begin(FORM)
    assert not kiosk.clean
