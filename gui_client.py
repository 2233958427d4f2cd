"""Open the desktop window.

Without options it offers the server and the user of the configuration, or those used last.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from sfos import config

_EPILOG = "exit codes: 0 the window was closed · 1 it could not be opened · 2 wrong arguments or settings"


def _fail(line: str, code: int) -> int:
    sys.stderr.write(f"gui_client: {line}\n")
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window with these command-line arguments and run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="gui_client.py", description=__doc__, epilog=_EPILOG)
    parser.add_argument(
        "--server", metavar="HOST:PORT", default="", help="the server to offer; - reads the line from standard input"
    )
    parser.add_argument("--user", metavar="NAME", default="", help="the user name to offer")
    parser.add_argument("--theme", choices=("light", "dark"), help="colours (default: as the system has them)")
    config.add_options(parser)
    options = parser.parse_args(arguments)
    try:
        settings = config.load_from(options)
    except config.ConfigError as error:
        return _fail(str(error), 2)
    try:
        import tkinter as tk
    except ImportError:
        return _fail("Python's tkinter is missing; ./run.sh setup installs it", 1)
    try:
        from sfos.gui.shell import logs
        from sfos.gui.shell.app import App
    except ImportError as error:
        return _fail(f"{error.name} is missing; ./run.sh setup installs it", 1)
    if options.server == "-":
        # run.sh starts this beside the server, so that both load at once, and gives the address when there is one.
        options.server = sys.stdin.readline().strip()
        if not options.server:
            return _fail("no server address came by standard input", 1)
    undo = logs.configure(settings.logging)
    try:
        App(settings, server=options.server, user=options.user, mode=options.theme).run()
    except tk.TclError as error:
        if "display" not in str(error):
            raise
        where = os.environ.get("DISPLAY") or "none is set"
        return _fail(f"no display to open a window on ({where}); the command line works: ./run.sh cli --help", 1)
    finally:
        undo()
    return 0


if __name__ == "__main__":
    sys.exit(main())
