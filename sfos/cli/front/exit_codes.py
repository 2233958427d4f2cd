"""Exit codes of the program, as people read of them. The code of each error stands with its class."""

from __future__ import annotations

from collections.abc import Iterable

from sfos.protocol import SfosError

DONE = 0
FAILED = 1
USAGE = 2
BUG = 70
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
OUTPUT_CLOSED = 141  # 128 + SIGPIPE: the reader of a pipe went away
TERMINATED = 143  # 128 + SIGTERM

# Shown by --help; a test holds that every code of the error tree is here.
MEANINGS: dict[int, str] = {
    DONE: "done; also when everything was there already or was skipped as asked",
    FAILED: "something else failed, or several things failed in different ways",
    USAGE: "the command line is wrong; nothing was done",
    4: "no such file or folder on the server",
    5: "something is in the way: a name that is taken or not allowed, a file for a folder",
    6: "changed on the server in the meantime",
    7: "a file on this computer cannot be read or written",
    8: "content is damaged",
    9: "the server cannot take it: its disk or your quota is full",
    10: "the server's key is not known yet",
    11: "the server's key has changed: a hard stop",
    12: "the server could not prove who it is",
    69: "no connection to the server",
    BUG: "a mistake in this program or in the server",
    75: "the server is busy or stopping; try again",
    76: "what answers does not follow the protocol, or is of another version",
    77: "wrong user name or password, or not allowed",
    INTERRUPTED: "stopped by Ctrl+C",
    OUTPUT_CLOSED: "the reader of the output went away",
    TERMINATED: "stopped by a signal to end",
}


def of_error(error: BaseException) -> int:
    """The exit code that `error` stands for."""
    if isinstance(error, SfosError):
        return error.exit_code
    if isinstance(error, OSError):
        return 7
    return BUG


def of_errors(errors: Iterable[BaseException]) -> int:
    """One exit code for everything that failed: theirs if they agree, else FAILED; DONE for none."""
    codes = {of_error(error) for error in errors}
    if not codes:
        return DONE
    return codes.pop() if len(codes) == 1 else FAILED


def help_text() -> str:
    """The table for --help."""
    return "exit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
