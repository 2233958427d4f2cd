"""Open the desktop window.

Without options it offers the server and the user of the configuration, or those used last, or the server that runs in
this home.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sfos import config
from sfos.protocol import VERSION
from sfos.startup.large_blocks import keep_out_of_pools
from sfos.startup.programs import DESKTOP_EXTRA, checkout, launched, script_name, short_name, version_line

_EPILOG = "exit codes: 0 the window was closed · 1 it could not be opened · 2 wrong arguments or settings"


def _fail(line: str, code: int) -> int:
    if sys.stderr is None:  # closed before the start, or a windowed Python's
        return code
    sys.stderr.write(f"{short_name('window')}: {line}\n")
    return code


def main(arguments: Sequence[str] | None = None, home: Path | None = None) -> int:
    """Open the window with these command-line arguments and run it; returns the exit code.

    `home`: where everything is kept, if nobody names another place.
    """
    parser = argparse.ArgumentParser(prog=script_name("window"), description=__doc__, epilog=_EPILOG)
    parser.add_argument(
        "--server", metavar="HOST:PORT", default="", help="the server to offer; - reads the line from standard input"
    )
    parser.add_argument("--user", metavar="NAME", default="", help="the user name to offer")
    parser.add_argument("--theme", choices=("light", "dark"), help="colours (default: as the system has them)")
    config.add_options(parser)
    parser.add_argument("--version", action="version", version=version_line("window", VERSION))
    options = parser.parse_args(arguments)
    try:
        settings = config.load_from(options, own_home=home)
    except config.ConfigError as error:
        return _fail(str(error), 2)
    try:
        import tkinter as tk
    except ImportError:
        needed = "./run.sh setup" if checkout() else "the system's package for Python's tkinter (Debian: python3-tk)"
        return _fail(f"Python's tkinter is missing; {needed} installs it", 1)
    try:
        from sfos.gui.shell import logs
        from sfos.gui.shell.app import App
    except ImportError as error:
        needed = "./run.sh setup" if checkout() else f"pip install '{DESKTOP_EXTRA}'"
        return _fail(f"{error.name} is missing; {needed} installs it", 1)
    if options.server == "-":
        # run.sh starts this beside the server, so that both load at once, and gives the address when there is one.
        options.server = sys.stdin.readline().strip()
        if not options.server:
            return _fail("no server address came by standard input", 1)
    undo = logs.configure(settings.logging)
    keep_out_of_pools()
    try:
        App(settings, server=options.server, user=options.user, mode=options.theme).run()
    except tk.TclError as error:
        if "display" not in str(error):
            raise
        where = os.environ.get("DISPLAY") or "none is set"
        return _fail(
            f"no display to open a window on ({where}); the command line works: {launched('command line')} --help", 1
        )
    finally:
        undo()
    return 0


def run() -> NoReturn:
    """The installed program."""
    sys.exit(main())
