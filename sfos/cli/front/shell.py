"""Streams of the command line, and its questions to the person at the terminal.

Results go to standard output; everything else (errors, summaries, questions, progress) to standard error, so that a
pipe carries results alone. Every line is escaped here, whatever it was made of. A question is asked only where someone
can answer: on a terminal, never in a pipe.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, TextIO, cast

import msgspec

from sfos.cli.front import exit_codes, output
from sfos.protocol import printable

PROGRAM = "sfos"
_YES = ("y", "yes")
_LINES_AT_ONCE = 5_000  # a million in one piece take hundreds of megabytes


class StreamClosed(OSError):
    """A standard stream that is needed, and was closed before the start."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.EBADF, f"Standard {name} is closed.")


class _Closed(io.RawIOBase):
    """A stream in place of one that was closed: whatever is written to it, or read of it, is an error."""

    def __init__(self, name: str) -> None:
        self._name = name

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, _buffer: object) -> int:
        raise StreamClosed(self._name)

    def write(self, _data: object) -> int:
        raise StreamClosed(self._name)


class Shell(msgspec.Struct, frozen=True):
    """The streams, and how much is to be said."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    quiet: bool = False
    verbose: bool = False
    drawn: list[str] = msgspec.field(default_factory=list)  # the transient line, if there is one

    # ── speaking ────────────────────────────────────────────────────────────────────────────────────────────────

    def result(self, line: str) -> None:
        """A line on standard output. Raises: BrokenPipeError, when its reader went away."""
        self._clear()
        self.stdout.write(printable(line) + "\n")

    def results(self, lines: Sequence[str]) -> None:
        """Many lines on standard output, some thousand in one piece. Raises: BrokenPipeError."""
        self._clear()
        for begin in range(0, len(lines), _LINES_AT_ONCE):
            some = lines[begin : begin + _LINES_AT_ONCE]
            whole = "".join(some)
            if printable(whole) != whole:
                some = [printable(line) for line in some]
            self.stdout.write("\n".join(some) + "\n")

    def flush(self) -> None:
        """Send on all that was written. Raises: BrokenPipeError."""
        self.stdout.flush()

    def note(self, line: str) -> None:
        """A line on standard error that --quiet leaves out."""
        if not self.quiet:
            self.say(line)

    def detail(self, line: str) -> None:
        """A line on standard error that only --verbose shows."""
        if self.verbose and not self.quiet:
            self.say(line)

    def warn(self, line: str) -> None:
        """A line on standard error, always."""
        self.say(f"{PROGRAM}: {line}")

    def error(self, error: BaseException) -> int:
        """The error's line on standard error; its exit code."""
        self.say(output.error_line(PROGRAM, error))
        return exit_codes.of_error(error)

    def fail(self, sentence: str, code: int) -> int:
        """A line on standard error for what is no SfosError; `code`, for the caller to return."""
        self.warn(sentence)
        return code

    def say(self, line: str) -> None:
        """A line on standard error."""
        self._clear()
        self.stderr.write(printable(line) + "\n")
        self.stderr.flush()

    def transient(self, text: str) -> None:
        """A line in place of the last one of this kind, where somebody looks at standard error, until something else is
        said; "" takes it away."""
        self._clear()
        if text and self.shows_progress:
            from shutil import get_terminal_size  # which few commands need, and loads much

            columns = get_terminal_size().columns
            self.drawn.append(printable(text)[: columns - 1])
            self.stderr.write(self.drawn[0])
            self.stderr.flush()

    def _clear(self) -> None:
        if self.drawn:
            self.drawn.clear()
            self.stderr.write("\r\x1b[K")
            self.stderr.flush()

    # ── terminals ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def raw_output(self) -> BinaryIO:
        """Standard output for bytes."""
        return self.stdout.buffer

    def read_input(self, most: int) -> bytes:
        """Bytes of standard input as they come, at most so many; b"" at its end. Blocks. Raises: OSError."""
        source = self.stdin.buffer
        assert isinstance(source, io.BufferedIOBase)
        return source.read1(most)  # not `read`, to which a terminal's Ctrl+D would have to be typed twice

    @property
    def output_is_terminal(self) -> bool:
        return self.stdout.isatty()

    @property
    def shows_progress(self) -> bool:
        """Whether somebody looks at standard error."""
        return self.stderr.isatty() and not self.quiet

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer: input and messages both at a terminal, or one of them and /dev/tty."""
        if self.stdin.isatty() and self.stderr.isatty():
            return True
        return (self.stdin.isatty() or self.stderr.isatty()) and _has_controlling_terminal()

    def ask(self, question: str) -> str:
        """The line that the person types. Only where `can_ask`. Raises: EOFError for Ctrl+D."""
        if self.stdin.isatty() and self.stderr.isatty():
            self.stderr.write(question)
            self.stderr.flush()
            line = self.stdin.readline()
        else:
            with open("/dev/tty", "r+b", buffering=0) as terminal:  # noqa: PTH123 - a device, read and written
                terminal.write(question.encode())
                line = _read_line(terminal)
        if not line:
            self.say("")
            raise EOFError
        return line.strip()

    def ask_secret(self, question: str) -> str:
        """Ask without echo. Blocks. Raises: EOFError for Ctrl+D."""
        import getpass

        return getpass.getpass(question)

    def confirm(self, question: str) -> bool:
        """Whether the answer is yes; anything but yes or no is asked again, Ctrl+D is no."""
        while True:
            try:
                answer = self.ask(f"{question} [yes/no] ").lower()
            except EOFError:
                return False
            if answer in _YES:
                return True
            if answer in ("n", "no"):
                return False


def prepare_streams() -> None:
    """Set the process's streams so that no text can make a print fail (a lone surrogate, a small code page).

    One that was closed before the start (`>&-`), or that a windowed Python lacks, is no place for results nor a source
    of input: who needs it is told so. Messages alone go nowhere then. Its descriptor is taken, or else the first file
    or connection that is opened would get it.
    """
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_Closed("input")), "utf-8")
    if sys.stdout is None:
        os.open(os.devnull, os.O_WRONLY)
        # Written through: what stayed in a buffer would be an error once more when the program ends.
        sys.stdout = io.TextIOWrapper(cast("BinaryIO", _Closed("output")), "utf-8", write_through=True)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Send the interpreter's last flush nowhere, instead of failing: nobody reads standard output any more."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def standard_shell(*, quiet: bool = False, verbose: bool = False) -> Shell:
    """A shell on the process's own streams."""
    return Shell(sys.stdin, sys.stdout, sys.stderr, quiet=quiet, verbose=verbose)


def _has_controlling_terminal() -> bool:
    if sys.platform == "win32":
        return False
    try:
        with open("/dev/tty", "rb", buffering=0):  # noqa: PTH123 - a device
            return True
    except OSError:
        return False


def _read_line(terminal: BinaryIO) -> str:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = terminal.read(1)
        if not byte:
            break
        line += byte
    return line.decode(errors="replace")
