"""The command line: `sfos --help` says all there is."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def run(home: str | None = None) -> NoReturn:
    """Run the command that `sys.argv` names; ends the process. `home`: the folder where nobody names another place.

    Nothing but what the interpreter has anyway is loaded before `lean`, which keeps pathlib from loading the rest.
    """
    # What loading makes stays: looking for garbage in it takes a fortieth of a short command (measured).
    gc.disable()
    import sfos.cli.front.lean  # noqa: F401 - before all others: see there
    from sfos import config
    from sfos.cli.main import run

    def settings() -> config.Config:
        from pathlib import Path

        return config.load(own_home=Path(home) if home else None)

    def server_here() -> str:
        from sfos.startup.running import address_in

        return address_in(settings().home)

    # What a command makes lives to its end: looking for garbage as often as usual takes a tenth of its time (measured).
    gc.set_threshold(20_000, 20, 100)
    gc.freeze()
    gc.enable()
    _leave(run(sys.argv[1:], lambda: settings().client, os.environ, server_here))


def _leave(code: int) -> NoReturn:
    """End now. All is closed; taking the interpreter down in order costs another 10 to 25 ms (measured)."""
    with suppress(OSError, ValueError):  # nobody reads it any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
