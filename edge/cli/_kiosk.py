"""`edge live --kiosk`: what its options mean, and running it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.swap import engines_of

if TYPE_CHECKING:
    from edge.consent.identity import Identity
    from edge.live.kiosk.enrolment import Desk
    from edge.live.sources.base import Source
    from edge.live.view.server import Listen, ViewServer
    from edge.swap import Swapper


_NOT_HERE = {
    "identity": "visitors enrol themselves on the page: leave it out",
    "bundle": "visitors enrol themselves on the page: leave it out, and name a swap model with "
    "--model",
    "record": "nothing of a visitor is kept: leave it out, or record without --kiosk",
    "wait": "the camera is opened for each visitor",
    "target_consent": "visitors consent on the page, each for one visit: leave it out",
    "seconds": "a kiosk takes visitors until Ctrl-C: leave it out; the number of minutes after "
    "--kiosk ends a visit",
    "show_original": "visitors see themselves with the label and nothing without: leave it out",
    "match": "one picture cannot stand for all visitors: leave it out, or choose with --faces",
}
"""What a kiosk has no use for, by the name of the option: why, and what to do."""


def configure_kiosk(parser: argparse.ArgumentParser) -> None:
    """Add the options of a kiosk."""
    group = parser.add_argument_group(
        "kiosk",
        "visitors consent on the page, see themselves, and are erased when they leave",
    )
    group.add_argument(
        "--kiosk", type=float, metavar="MINUTES", help="be one; a visit lasts so long at most"
    )
    group.add_argument("--agent", metavar="NAME", help="who attends and attests each consent")
    group.add_argument(
        "--agent-key",
        type=Path,
        metavar="FILE",
        help="the attendant's Ed25519 key, PEM, with a passphrase that is typed for each visitor",
    )


def check_kiosk(arguments: argparse.Namespace) -> None:
    """Check that the options make sense together, before anything is opened.

    Raises:
        UsageError: They do not.
        KeyStoreError: The attendant's key is missing, or has no passphrase.
    """
    from edge.errors import UsageError
    from edge.live.kiosk.enrolment import check_agent_key

    if not 0 < arguments.kiosk <= 24 * 60:
        raise UsageError(f"--kiosk is a number of minutes, up to a day, not {arguments.kiosk}")
    if arguments.agent is None or arguments.agent_key is None:
        raise UsageError("a kiosk needs --agent NAME and --agent-key FILE: who attests consents")
    for option, why in _NOT_HERE.items():
        if getattr(arguments, option):
            flag = option.replace("_", "-")
            raise UsageError(f"--{flag} does not go with --kiosk: {why}")
    if arguments.target_is not in (None, "self"):
        raise UsageError("at a kiosk visitors see themselves: leave --target-is out")
    check_agent_key(arguments.agent_key)


def run_kiosk(
    arguments: argparse.Namespace,
    open_it: Callable[[], Source],
    listen: Listen,
    say: Callable[[str], None],
    say_where: Callable[[ViewServer], None],
) -> int:
    """Take visitors until it is stopped; return the exit status.

    Raises:
        OutputError: Something of a visitor may still be on this device.
        EdgeError: It cannot begin, or an erasure cannot be recorded.
    """
    from edge.errors import OutputError
    from edge.live.health import HealthWatch
    from edge.live.kiosk.kiosk import Kiosk
    from edge.live.kiosk.visit import erase_leftovers, only_kiosk, visits_dir
    from edge.live.view.server import ViewServer, take_port

    with ExitStack() as stack:
        stack.enter_context(only_kiosk())
        taken = stack.enter_context(take_port(listen))
        desk = _desk(arguments, open_it)
        if left := erase_leftovers(desk.ledger):
            say(f"erased what {left} interrupted visit{'s' if left != 1 else ''} had left")
        open_it().close()  # a camera that is not there is told of now, and not to a visitor
        health = HealthWatch()
        health.start()
        stack.callback(health.stop)
        kiosk = Kiosk(desk, lambda identity: _swapper(arguments, identity), health, say)
        server = stack.enter_context(ViewServer(kiosk, listen, taken, kiosk))
        say(
            f"kiosk: visits of {arguments.kiosk:g} minutes for {arguments.purpose}, attended by "
            f"{arguments.agent}; Ctrl-C stops it"
        )
        say_where(server)
        kiosk.run()
        visits = "1 visit" if kiosk.visits == 1 else f"{kiosk.visits} visits"
        if not kiosk.clean:
            raise OutputError(
                f"ended: {visits}, but something of a visitor may be left in {visits_dir()}: start "
                "the kiosk again, which erases it"
            )
        say(f"ended: {visits}, nobody is left on this device")
    return 0


def _desk(arguments: argparse.Namespace, open_it: Callable[[], Source]) -> Desk:
    from edge.cards import find_card
    from edge.consent.ledger import Ledger
    from edge.faces.detect import open_detector
    from edge.faces.embed import open_embedder
    from edge.live.kiosk.enrolment import Desk
    from edge.live.view.site import ASSETS
    from edge.sources import enrols_with

    threads = arguments.threads
    recogniser = enrols_with(find_card(arguments.model, "swapper"))
    return Desk(
        open_source=open_it,
        detector=open_detector(arguments.detector, threads=threads),
        embedder=open_embedder(recogniser, threads=threads),
        purpose=arguments.purpose,
        minutes=arguments.kiosk,
        agent=arguments.agent,
        agent_key=arguments.agent_key,
        page=(ASSETS / "page.html").read_bytes(),
        ledger=Ledger(),
    )


def _swapper(arguments: argparse.Namespace, identity: Identity) -> Swapper:
    from edge.swap import Swapper

    return Swapper(
        identity,
        purpose=arguments.purpose,
        target_is="self",
        faces=arguments.faces,
        engines=engines_of(arguments),
        label_language=arguments.label_language or "both",
        label_style=arguments.label_style,
    )
