"""`edge live`: a camera in, a labelled and signed stream out, recorded or watched in a browser."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli import EXIT_ERROR, one_line
from edge.cli._kiosk import check_kiosk, configure_kiosk, run_kiosk
from edge.cli._swapping import configure_faces_live, configure_label, configure_leave
from edge.cli.run import configure_revocations, take_over
from edge.cli.swap import configure_engines, swapper_of

if TYPE_CHECKING:
    from edge.live.reopening import Reopening, SourceState
    from edge.live.session import Outcome, Session
    from edge.live.sources.base import Source
    from edge.live.view.server import Listen, ViewServer
    from edge.swap import Swapper

LINGER = 1.5
"""Seconds that the page's server stays after the end, so that pages learn why it ended."""

_EXAMPLE = """example:
  edge live --bundle alice/ --source camera:0 --record out/ --view --purpose film --target-is self
  edge live --identity alice.identity --source synthetic --view --purpose film
            --target-is synthetic
  edge live --kiosk 5 --agent "Ms Li" --agent-key li.pem --source camera:0 --purpose art

Every frame is labelled and watermarked, every segment and every picture that is shown is signed.
There is no virtual camera. Stop it with Ctrl-C, with --seconds, or on the page.
"""

_ENGINES = ("model", "detector", "landmarker", "mask", "backend", "provider", "threads")
"""Options that a bundle has an answer to; of these, a user may choose the threads alone."""

HELP = "swap a camera's pictures as they come: record them, or watch them in a browser"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLE
    need = parser.add_argument_group("what to swap")
    who = need.add_mutually_exclusive_group()
    who.add_argument("--bundle", type=Path, metavar="PATH", help="a bundle's folder, or .zip")
    who.add_argument("--identity", type=Path, metavar="PATH", help="identity file (edge enroll)")
    need.add_argument(
        "--source",
        required=True,
        metavar="SOURCE",
        help="synthetic, camera:N (V4L2), picamera2, csi:N (Jetson), gstreamer:PIPELINE, "
        "rtsp://..., or a video file",
    )
    need.add_argument(
        "--size", type=_size, default=(640, 360), metavar="WxH", help="ask for (default 640x360)"
    )
    need.add_argument(
        "--fps", type=float, default=25.0, metavar="N", help="ask for (default 25 a second)"
    )
    need.add_argument(
        "--pixels",
        choices=("mjpeg", "yuyv"),
        default="mjpeg",
        help="what a V4L2 camera sends (default mjpeg)",
    )
    need.add_argument(
        "--wait", action="store_true", help="where the source is not there yet, wait for it"
    )
    _configure_outputs(parser)
    configure_kiosk(parser)
    configure_leave(parser)
    configure_revocations(parser)
    configure_faces_live(parser.add_argument_group("which faces"))
    configure_engines(parser)
    # Left open until it is known whether a bundle says them: it must show what the user gave.
    engines = {option: parser.get_default(option) for option in _ENGINES}
    parser.set_defaults(**dict.fromkeys(_ENGINES), engines=engines)
    configure_label(parser)


def _configure_outputs(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument_group("what becomes of it (at least one)")
    out.add_argument(
        "--record", type=Path, metavar="FOLDER", help="signed segments, chained by their hashes"
    )
    out.add_argument(
        "--segment", type=float, default=10.0, metavar="S", help="seconds of one (default 10)"
    )
    out.add_argument(
        "--keep",
        type=float,
        metavar="GB",
        help="remove this device's oldest segments in FOLDER beyond so much (default: none)",
    )
    out.add_argument(
        "--view", action="store_true", help="serve a page to watch it on, on this machine alone"
    )
    out.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where the page is (default 127.0.0.1:8765); on the network with TLS and a token",
    )
    for option, text in (
        ("--tls-certificate", "certificate for the page, PEM (default: one made here)"),
        ("--tls-key", "its private key, PEM"),
    ):
        out.add_argument(option, type=Path, metavar="FILE", help=text)
    out.add_argument(
        "--show-original",
        action="store_true",
        help="a small original beside it, for the operator who is in the picture and has said so "
        "with --target-consent",
    )
    out.add_argument(
        "--seconds", type=float, metavar="S", help="stop after so long (default: when stopped)"
    )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"'{text}' is no size like 640x360")
    if not (80 <= int(width) <= 8192 and 48 <= int(height) <= 8192):
        raise argparse.ArgumentTypeError(f"'{text}' is not from 80x48 to 8192x8192")
    return int(width), int(height)


def run(arguments: argparse.Namespace) -> int:
    """Run the stream until it ends; return the exit status."""
    _check(arguments)
    for file in arguments.revocation:
        take_over(file)
    if arguments.view or arguments.kiosk is not None:
        from edge.live.view.server import check_installed

        check_installed()
        listen_of(arguments)  # said to be wrong before a model or a camera is opened
    if arguments.kiosk is not None:
        check_kiosk(arguments)
        return run_kiosk(arguments, _opener(arguments), listen_of(arguments), _say, say_where)
    if arguments.show_original:
        from edge.live.beside import check_beside

        check_beside(arguments.target_consent)
    swapper = _swapper(arguments)
    source = _source(arguments)
    with ExitStack() as stack:
        return _run(swapper, source, arguments, stack)


def _check(arguments: argparse.Namespace) -> None:
    """Check what argparse cannot: options that need one another.

    Raises:
        UsageError: They make no sense together.
    """
    from edge.errors import UsageError

    for option in ("segment", "fps", "seconds", "keep"):
        value = getattr(arguments, option)
        if value is not None and not 0 < value < 1e7:
            raise UsageError(f"--{option} is a number above 0 and below 10000000, not {value}")
    if arguments.keep is not None and arguments.record is None:
        raise UsageError("--keep goes with --record")
    _choose_engines(arguments)
    if arguments.kiosk is not None:
        return
    if arguments.agent or arguments.agent_key:
        raise UsageError("--agent and --agent-key go with --kiosk")
    if arguments.identity is None and arguments.bundle is None:
        raise UsageError("whom to swap in is missing: give --bundle PATH or --identity PATH")
    if arguments.record is None and not arguments.view:
        raise UsageError("nothing would become of the stream: give --view, --record FOLDER or both")
    if not arguments.view and (arguments.listen or arguments.show_original):
        raise UsageError("--listen and --show-original go with --view")


def _choose_engines(arguments: argparse.Namespace) -> None:
    """Fill in the models and engine that the options do not name, where no bundle says them.

    Raises:
        UsageError: They are named, although a bundle says them.
    """
    from edge.errors import UsageError

    for option in _ENGINES:
        given = getattr(arguments, option) is not None
        if arguments.bundle is None:
            if not given:
                setattr(arguments, option, arguments.engines[option])
        elif given and option != "threads" and arguments.kiosk is None:
            raise UsageError(
                f"--{option} does not go with --bundle, which says what runs: leave it out, or "
                "give --identity instead of the bundle"
            )


def _run(
    swapper: Swapper, source: Reopening, arguments: argparse.Namespace, stack: ExitStack
) -> int:
    from edge.live.session import Plan, Session

    plan = Plan(
        record=arguments.record,
        segment=arguments.segment,
        keep=None if arguments.keep is None else round(arguments.keep * 1e9),
        show=arguments.view,
        beside=arguments.show_original,
        seconds=arguments.seconds,
    )
    if arguments.view:
        from edge.live.health import HealthWatch
        from edge.live.view.server import ViewServer, take_port
        from edge.live.watched import Watched

        listen = listen_of(arguments)
        taken = stack.enter_context(take_port(listen))
        session = Session(swapper, source, plan)
        health = HealthWatch()
        health.start()
        stack.callback(health.stop)
        server = stack.enter_context(ViewServer(Watched(session, health), listen, taken))
        _say(_beginning(session, arguments))
        say_where(server)
        outcome = session.run()
        time.sleep(LINGER)
        return _ended(outcome)
    session = Session(swapper, source, plan)
    _say(_beginning(session, arguments))
    return _ended(session.run())


def listen_of(arguments: argparse.Namespace) -> Listen:
    """Return where the page is to be."""
    from edge.live.view.server import Listen, parse_listen

    host, port = parse_listen(arguments.listen or "")
    return Listen(host, port, arguments.tls_certificate, arguments.tls_key)


def say_where(server: ViewServer) -> None:
    """Print the link; on the network as a QR code too, and this once alone: it holds the token."""
    if server.tls is None:
        _say(f"page: {server.link} (this machine only)")
        return
    sys.stdout.write(server.qr())
    _say(f"page: {server.link}")
    _say(f"certificate, SHA-256: {server.tls.fingerprint}")
    _say("The link lets in whoever has it, and is not shown again.")


def _source(arguments: argparse.Namespace) -> Reopening:
    from edge.live.reopening import Reopening, awaited

    return (awaited if arguments.wait else Reopening)(_opener(arguments), _told)


def _opener(arguments: argparse.Namespace) -> Callable[[], Source]:
    """Return what opens the source that is asked for."""
    from edge.live.sources import open_source
    from edge.live.sources.base import Wanted

    width, height = arguments.size
    wanted = Wanted(width, height, arguments.fps, arguments.pixels)
    return partial(open_source, arguments.source, wanted)


def _told(state: SourceState) -> None:
    if state.state == "lost":
        _say(f"source lost: {state.reason}; trying again")
    elif state.state == "running":
        _say(f"source back: {state.name}")


def _swapper(arguments: argparse.Namespace) -> Swapper:
    from edge.bundle.opening import open_bundle

    if arguments.bundle is None:
        return swapper_of(arguments)
    bundle = open_bundle(arguments.bundle)
    for note in bundle.notes:
        _say(note)
    return bundle.swapper(
        purpose=arguments.purpose,
        target_is=arguments.target_is,
        target_consent=arguments.target_consent,
        faces=arguments.faces,
        match=arguments.match,
        threads=arguments.threads,
        min_score=arguments.min_score,
        boost=arguments.boost,
        look_every=arguments.look_every,
        label_language=arguments.label_language,
        label_style=arguments.label_style,
    )


def _beginning(session: Session, arguments: argparse.Namespace) -> str:
    state = session.status()
    consent = state["consent"]
    kept = f"; recording to {arguments.record}/" if arguments.record is not None else ""
    return (
        f"live: {state['source']['name']}{kept}; consent ({consent['assurance']}) for "
        f"{consent['purpose']} until {consent['until']}; Ctrl-C stops it"
    )


def _ended(outcome: Outcome) -> int:
    """Say what the stream came to; return the exit status."""
    rate = outcome.frames / outcome.seconds if outcome.seconds else 0.0
    most = f"{outcome.faces} face{'s' if outcome.faces != 1 else ''}"
    _say(
        f"ended: {outcome.reason}; {outcome.frames} frames in {outcome.seconds:.1f} s "
        f"({rate:.1f} a second, {outcome.dropped} dropped), at most {most} in one"
    )
    if (kept := outcome.recording) is not None:
        lost = f", {kept.dropped} frames left out" if kept.dropped else ""
        segments = "1 segment" if kept.segments == 1 else f"{kept.segments} segments"
        _say(f"recorded: {segments} in {kept.folder}{lost}; edge verify {kept.folder} checks them")
    if outcome.error is None:
        return 0
    sys.stderr.write(f"edge live: {one_line(str(outcome.error))}\n")
    return EXIT_ERROR


def _say(text: str) -> None:
    sys.stdout.write(one_line(text) + "\n")
    sys.stdout.flush()
