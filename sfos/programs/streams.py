"""Standard streams of the programs beside the command line, and the ends that they can have: as of the command line."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sfos.cli.front import exit_codes
from sfos.cli.front.shell import StreamClosed, give_up_output, prepare_streams
from sfos.server.maintenance.saying import OutputFailed, flush, put_out
from sfos.startup.programs import Program, short_name

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

EXIT_CODES = "7 standard output cannot be written, or input not be read · 141 the reader of the output went away"


def ended(program: Program, work: Callable[[], int]) -> int:
    """Exit code of the `work` of a program, whatever its streams are. Raises: SystemExit, as `work` does."""
    prepare_streams()
    try:
        try:
            code = work()
        except SystemExit:  # of a parser
            flush()
            raise
        flush()
    except OutputFailed as failed:
        give_up_output()
        if isinstance(failed.error, BrokenPipeError):
            return exit_codes.OUTPUT_CLOSED
        return fail(program, f"{failed.error.strerror}", exit_codes.of_error(failed.error))
    except StreamClosed as error:
        return fail(program, f"{error.strerror}", exit_codes.of_error(error))
    return code


class Parser(argparse.ArgumentParser):
    """A parser whose help does not go nowhere without a word. Raises: OutputFailed."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            put_out(message)
        else:
            super()._print_message(message, file)


def fail(program: Program, line: str, code: int) -> int:
    """A line on standard error, where there is one; `code`, for the caller to return."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{short_name(program)}: {line}\n")
        sys.stderr.flush()
    return code
