#!/usr/bin/env python3
"""Run the server until it is told to stop.

It needs a certificate and accounts, which `generate_certificate.py` and `create_credentials.py` make; `./run.sh server`
does all three. Once it listens it prints one line, `ready HOST:PORT`. SIGTERM or Ctrl+C stops it: running commands
finish first, 10 seconds at most; a second signal stops it at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence

import config
from server import logs
from server.app import CannotStart, Server
from server.listener import joined

# A signal that whoever started this program had it ignore stays ignored (nohup; a shell that runs it in the background
# does so with SIGINT): once blocked for sigwait, it would come after all.
_STOP_SIGNALS = frozenset(
    number
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    if signal.getsignal(number) is not signal.SIG_IGN
)

_EPILOG = """exit codes: 0 stopped when told to · 1 could not start, with the reason · 2 wrong arguments or settings
            3 stopped at once by a second signal
"""


def _fail(line: str, code: int) -> int:
    sys.stderr.write(f"ssl_server: {line}\n")
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a server with these command-line arguments; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="ssl_server.py", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", help="address to listen on (server.host)")
    parser.add_argument("--port", help="port to listen on (server.port)")
    config.add_options(parser)
    options = parser.parse_args(arguments)
    given = {"server.host": options.host, "server.port": options.port}
    try:
        settings = config.load_from(options, {key: value for key, value in given.items() if value is not None})
    except config.ConfigError as error:
        return _fail(str(error), 2)
    # Blocked before any thread begins, and so in all of them: signals are taken by sigwait below, in no one's middle.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        undo_logging = logs.configure(settings.logging)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}; the log cannot be written", 1)
    try:
        return _serve(settings)
    finally:
        undo_logging()


def _serve(settings: config.Config) -> int:
    try:
        server = Server(settings)
    except CannotStart as error:
        return _fail(str(error), 1)
    server.start()
    sys.stdout.write(f"ready {joined(*server.address)}\n")
    sys.stdout.flush()
    signal.sigwait(_STOP_SIGNALS)
    return 0 if _stop(server) else 3


def _stop(server: Server) -> bool:
    """Stop, gracefully unless a second signal comes. Whether it was graceful."""
    hurry = threading.Event()
    stopper = threading.Thread(target=server.stop, args=(hurry,), name="stop")
    stopper.start()
    while stopper.is_alive():
        if signal.sigtimedwait(_STOP_SIGNALS, 0.05) is not None:
            hurry.set()
            stopper.join(1.0)
            if stopper.is_alive() or threading.active_count() > 1:
                # A command that waits for the disk would hold the interpreter's own exit. What was acknowledged is
                # durable already, so nothing is lost by going now.
                sys.stderr.write("ssl_server: stopped at once\n")
                sys.stderr.flush()
                os._exit(3)
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
