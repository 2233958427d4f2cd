"""Run the server until it is told to stop.

It needs a certificate and accounts, which `{certificate}` and `{accounts}` make.
Once it listens it prints one line, `ready HOST:PORT`. SIGTERM or Ctrl+C stops it: running commands finish first, 10
seconds at most, then they are cut off; a second signal stops it at once. Nothing that was acknowledged is lost either
way.

A renewed certificate is taken without a restart, a few seconds after its files were replaced, or at once on SIGHUP;
what cannot be used is refused with a line in the log. (When its terminal is closed, SIGHUP stops the server.)
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sfos import config
from sfos.cli.front.shell import give_up_output
from sfos.programs.streams import EXIT_CODES, Parser, ended, fail
from sfos.protocol import VERSION
from sfos.server import preflight
from sfos.server.app import CannotStart, Server
from sfos.server.front.listener import joined
from sfos.server.maintenance.saying import flush, say
from sfos.server.process import logs, supervisor
from sfos.startup.programs import script_name, short_name, spelled, version_line
from sfos.startup.running import forget_address, tell_address

_log = logging.getLogger(__name__)

# A signal that whoever started this program had it ignore stays ignored (nohup; a shell that runs it in the background
# does so with SIGINT): once blocked for sigwait, it would come after all.
_STOP_SIGNALS = frozenset(
    number for number in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(number) is not signal.SIG_IGN
)
_SIGNALS = _STOP_SIGNALS | ({signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else set())

_EPILOG = """exit codes: 0 stopped when told to · 1 could not start, with the reason · 2 wrong arguments or settings
            3 stopped at once by a second signal · 4 stopped, but commands that took too long were cut off
            with --check-config: 0 it would start (there may be warnings) · 1 there are errors · 2 wrong settings
            {streams}
"""

# Beyond the grace period: to cut peers off and close files. Then the process ends, whatever hangs.
_SWITCH_INTERVAL_S = 0.001
_CLOSING_S = 5.0


def _fail(line: str, code: int) -> int:
    return fail("server", line, code)


def main(arguments: Sequence[str] | None = None, home: Path | None = None) -> int:
    """Run a server with these command-line arguments; returns the exit code. `home`: where none is named."""
    return ended("server", lambda: _main(arguments, home))


def _main(arguments: Sequence[str] | None, home: Path | None) -> int:
    parser = Parser(
        prog=script_name("server"),
        description=(__doc__ or "").format(certificate=spelled("certificate"), accounts=spelled("accounts")),
        epilog=_EPILOG.format(streams=EXIT_CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="address to listen on (server.host)")
    parser.add_argument("--port", help="port to listen on (server.port)")
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="look at all that a start needs, print a line for each thing, change nothing and start nothing",
    )
    config.add_options(parser)
    parser.add_argument("--version", action="version", version=version_line("server", VERSION))
    options = parser.parse_args(arguments)
    given = {"server.host": options.host, "server.port": options.port}
    try:
        settings = config.load_from(options, {key: value for key, value in given.items() if value is not None}, home)
    except config.ConfigError as error:
        return _fail(str(error), 2)
    if options.check_config:
        return _check(settings)
    files = (settings.server.certificate_file, settings.server.credentials_file)
    if not settings.home.is_dir() and not all(path.exists() for path in files):
        # Nothing is made where somebody has mistyped a path.
        make = f"{spelled('certificate')} and {spelled('accounts')} make it"
        return _fail(f"there is no home at {settings.home}; {make}", 1)
    # Blocked before any thread begins, and so in all of them: signals are taken by sigwait below, in no one's middle.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        undo_logging = logs.configure(settings.logging)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}; the log cannot be written", 1)
    try:
        return _serve(settings)
    finally:
        undo_logging()


def _check(settings: config.Config) -> int:
    # What is wrong is among the findings; the log has no place for it, for nothing is to be changed.
    logging.getLogger().addHandler(logging.NullHandler())
    counts: Counter[str] = Counter()
    for finding in preflight.examine(settings):
        counts[finding.level] += 1
        say(str(finding))
        flush()
    say(f"{counts['error']} error(s), {counts['warning']} warning(s)")
    return 1 if counts["error"] else 0


def _serve(settings: config.Config) -> int:
    terminal = _has_terminal()
    try:
        server = Server(settings)
    except CannotStart as error:
        return _fail(str(error), 1)
    # What is made until here stays, and a request makes thousands of things that go with it: to look for garbage as
    # often as usual would take some 5 % of a commit's time (measured).
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # So soon a thread that only needs a moment gets the interpreter from one that works long; 5 ms is Python's own.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    server.start()
    tell_address(settings.home, joined(*server.address))
    _announce(f"ready {joined(*server.address)}\n")
    supervisor.tell(supervisor.READY)
    while signal.sigwait(_SIGNALS) == signal.SIGHUP and _has_terminal() == terminal:
        try:
            server.reload_certificate()
        except Exception:  # a fault of ours: this thread is the only one that would hear SIGTERM
            _log.exception("the certificate that was there before stays in use")
    supervisor.tell(supervisor.STOPPING)
    forget_address(settings.home)
    return 0 if _stop(server, settings.server.stop_grace_s) else 3


def _announce(line: str) -> None:
    """Say it to whoever started this program. They may have gone, which is no reason not to serve the others."""
    try:
        sys.stdout.write(line)
        sys.stdout.flush()
    except OSError:
        give_up_output()


def _has_terminal() -> bool:
    """Whether this process has a terminal. One that is closed sends SIGHUP too, and is gone by then."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _stop(server: Server, grace_s: float) -> bool:
    """Stop, gracefully unless a second signal comes. Whether it was graceful.

    Does not return if a command runs on after the grace period, or something else hangs: then it ends the process.
    """
    hurry = threading.Event()
    running: list[int] = []
    stopper = threading.Thread(target=lambda: running.append(server.stop(hurry)), name="stop")
    stopper.start()
    until = time.monotonic() + grace_s + _CLOSING_S
    while stopper.is_alive():
        if time.monotonic() > until:
            _leave(4, "something hung while stopping and was cut off")
        if signal.sigtimedwait(_STOP_SIGNALS, 0.05) is not None:
            hurry.set()
            stopper.join(1.0)
            if stopper.is_alive() or threading.active_count() > 1:
                # A command that waits for the disk would hold the interpreter's own exit. What was acknowledged is
                # durable already, so nothing is lost by going now.
                _leave(3, "stopped at once")
            return False
    if running != [0]:
        # They may still write, so the home's lock must not go before they do: both go with the process.
        _leave(4, "commands that took too long were cut off")
    return True


def _leave(code: int, line: str) -> NoReturn:
    """End the process now, with whatever its threads are at. Log lines need no flush: each is written as it is made."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        sys.stderr.write(f"{short_name('server')}: {line}\n")
        sys.stderr.flush()
    os._exit(code)


def run() -> NoReturn:
    """The installed program."""
    sys.exit(main())
