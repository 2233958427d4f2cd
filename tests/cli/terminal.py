"""A program in a terminal of its own: what it shows is read, what a person would type is written."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")


class Terminal:
    """One program, its keyboard and its screen."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.shown = ""  # all so far, escapes included
        self._master = master
        self._mark = 0

    @property
    def text(self) -> str:
        """All that was shown so far, without colours and cursor movements, lines ended by one newline."""
        return _ESCAPES.sub("", self.shown).replace("\r\n", "\n")

    def expect(self, text: str, timeout_s: float = 30.0) -> None:
        """Return once `text` is shown, after what was expected before."""
        deadline = time.monotonic() + timeout_s
        while (at := self.text.find(text, self._mark)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} was not shown; this was:\n{self.text}")
        self._mark = at + len(text)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._master, text.encode())

    def line(self, text: str) -> None:
        """Type a line."""
        self.type(text + "\n")

    def end(self, timeout_s: float = 30.0) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came in time; this was shown:\n{self.text}")
        try:
            data = os.read(self._master, 65_536)
        except OSError as error:
            if error.errno != errno.EIO:  # Linux: the other side has closed the terminal
                raise
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


@contextmanager
def in_terminal(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path, columns: int = 120, *, output: int = -1
) -> Iterator[Terminal]:
    """Run a script with input, output and errors at a terminal (`output`: standard output to this descriptor)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=directory,
        # A width that whoever runs the tests has in the environment would count more than that of the terminal.
        env={name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        | {"TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave if output < 0 else output,
        stderr=slave,
        start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509 - the tests start no thread before
    ) as process:
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            os.close(master)
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
