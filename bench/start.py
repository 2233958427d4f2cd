#!/usr/bin/env python3
"""How long people wait for this project to begin: the window after `./run.sh`, and commands that do next to nothing.

    python bench/start.py [--runs 7]

Timed are whole starts as they are from the second on: the environment, the certificate and the accounts are there.
The window is there when it is visible on a screen (Xvfb; `xdotool search --sync`). Beside it what Python alone needs
for nothing, and for one `import tkinter`. Medians.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.harness import side
from bench.harness.ours import Ours
from bench.harness.processes import START_TIMEOUT_S, Command, must
from bench.harness.side import CHECKOUT

_NEEDED = ("Xvfb", "xdotool")


@contextmanager
def screen() -> Iterator[str]:
    """The name of a display of its own."""
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1920x1200x24", "-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, pass_fds=[write_end], stderr=subprocess.DEVNULL) as server:
        os.close(write_end)
        with os.fdopen(read_end) as chosen:
            display = f":{chosen.readline().strip()}"
        try:
            yield display
        finally:
            server.terminate()


def until_window(display: str, home: Path) -> float:
    """Seconds from `./run.sh` to its window; both are ended after that."""
    own = {"SFOS_HOME": str(home), "SFOS_SERVER_PORT": "0", "SFOS_VENV": sys.prefix, "DISPLAY": display}
    environment = side.environment(home, own)
    quiet = subprocess.DEVNULL
    begin = time.perf_counter()
    with subprocess.Popen([str(CHECKOUT / "run.sh")], stdout=quiet, stderr=quiet, env=environment) as process:
        try:
            search = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "SFOS"]
            subprocess.run(search, check=True, timeout=START_TIMEOUT_S, stdout=quiet, stderr=quiet, env=environment)
            return time.perf_counter() - begin
        finally:
            process.terminate()
            process.wait()


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="how often each is timed, after once untimed (default: 7)")
    options = parser.parse_args()
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        print(f"start: {' and '.join(missing)} not installed; ./run.sh test installs them", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sfos-start-")))
        display = stack.enter_context(screen())
        ours = Ours(place)
        ours.start(stack)

        def python(code: str) -> Callable[[], float]:
            command = Command((sys.executable, "-c", code), side.environment(place))
            return lambda: seconds(lambda: must(command))

        works: dict[str, Callable[[], float]] = {
            "python -c pass": python("pass"),
            "python -c 'import tkinter'": python("import tkinter"),
            "./run.sh, to the window": lambda: until_window(display, place / "window"),
            "ls, signed in before": lambda: seconds(lambda: must(ours.cli("ls"))),
            "stat, signed in before": lambda: seconds(lambda: must(ours.cli("stat", "/"))),
            "--help": lambda: seconds(lambda: must(ours.cli("--help"))),
        }
        (place / "window").mkdir()
        times: dict[str, list[float]] = {what: [] for what in works}
        for turn in range(options.runs + 1):
            for what, work in works.items():
                took_s = work()
                if turn:  # the first makes what later ones find
                    times[what].append(took_s)
        for what, found in times.items():
            print(f"{what:28} {statistics.median(found):6.2f} s   {min(found):.2f} - {max(found):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
