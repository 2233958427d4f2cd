"""The ceiling program (bench/ceiling.py) as a side: files only, nothing but the primitives."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from bench.harness.data import remove
from bench.harness.processes import Command, daemon
from bench.harness.side import CHECKOUT, Side, environment


class Ceiling(Side):
    """Shows how much of the time the design's primitives alone need."""

    title = "ceiling"
    note = "this project's primitives alone, without catalog and protocol"

    def __init__(self, place: Path) -> None:
        self._place = place / "ceiling"
        self._store = self._place / "store"

    def start(self, stack: ExitStack) -> None:
        """See Side."""
        self._store.mkdir(parents=True)
        running = stack.enter_context(
            daemon(self._program("serve", "--store", str(self._store)), self._place / "server.log")
        )
        self.port = int(running.first_line.split()[1])
        self.server_pid = running.pid

    def empty(self) -> None:
        """See Side."""
        remove(self._store)
        self._store.mkdir()

    def _program(self, *arguments: str) -> Command:
        return Command((sys.executable, str(CHECKOUT / "bench" / "ceiling.py"), *arguments), environment(self._place))

    def put_file(self, source: Path, name: str) -> Command:
        """See Side."""
        index = str(self._place / f"{name}.index")
        return self._program("up", str(source), "--index", index, "--port", str(self.port))

    def get_file(self, name: str, target: Path) -> Command:
        """See Side. Not synced at the end."""
        index = str(self._place / f"{name}.index")
        return self._program("down", str(target), "--index", index, "--port", str(self.port))

    def get_file_synced(self, name: str, target: Path) -> Command:
        """Download a file and sync it at the end, as this project does with large downloads."""
        plain = self.get_file(name, target)
        return Command((*plain.arguments, "--sync"), plain.environment)
