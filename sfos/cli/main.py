"""One command from its first word to its exit code: parse, sign in, run, and say in one line what went wrong."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from sfos.cli.front import exit_codes
from sfos.cli.front.lean import lean_imports
from sfos.cli.front.shell import PROGRAM, Shell, give_up_output, prepare_streams, standard_shell
from sfos.cli.parser import Invocation, parse
from sfos.config import Client as Settings
from sfos.config import ConfigError
from sfos.protocol import PasswordChangeRequired, SfosError


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl+C: what is complete stays, the rest can be had later, and it is said."""


def run(
    arguments: Sequence[str],
    load_settings: Callable[[], Settings],
    environ: Mapping[str, str],
    server_here: Callable[[], str] = lambda: "",
) -> int:
    """The exit code of the command line `arguments`. Raises: SystemExit for --help and usage errors only.

    `server_here`: the address of the server that runs in the program's own home; "" for none.
    """
    prepare_streams()
    invocation = parse(arguments)
    shell = standard_shell(quiet=invocation.speech.quiet, verbose=invocation.speech.verbose)
    try:
        with _logging_to(shell, debug=invocation.speech.debug), _sigterm_as_interrupt():
            code = _run(invocation, shell, load_settings, environ, server_here)
            shell.flush()
            return code
    except Terminated:
        return exit_codes.TERMINATED
    except (KeyboardInterrupt, EOFError):  # Ctrl+C, or Ctrl+D where a password was asked for
        if shell.stderr.isatty():
            shell.say("")  # what was being typed keeps its line
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        give_up_output()
        return exit_codes.OUTPUT_CLOSED
    except ConfigError as error:
        return shell.fail(str(error), exit_codes.USAGE)
    except SfosError as error:
        return _report(shell, error, debug=invocation.speech.debug)
    except Exception as error:  # the top of the program: a traceback helps nobody but who asks for it
        return _unexpected(shell, error, debug=invocation.speech.debug)


def _run(
    invocation: Invocation,
    shell: Shell,
    load_settings: Callable[[], Settings],
    environ: Mapping[str, str],
    server_here: Callable[[], str],
) -> int:
    # Imported here, so that --help and usage errors need no TLS.
    with lean_imports():
        import sfos.client.net.tls  # noqa: F401
    from sfos.cli.front.signing_in import WrongUsage, entrance

    try:
        way_in = entrance(shell, load_settings(), environ, invocation.connection, server_here)
        return invocation.command.execute(way_in, invocation.options)
    except WrongUsage as error:
        return shell.fail(str(error), exit_codes.USAGE)


@contextmanager
def _logging_to(shell: Shell, *, debug: bool) -> Iterator[None]:
    """Messages of the client library: its warnings in our form; with --debug everything, and where it comes from."""
    form = "%(relativeCreated)6d ms %(levelname)s %(name)s: %(message)s" if debug else f"{PROGRAM}: %(message)s"
    handler = logging.StreamHandler(shell.stderr)
    handler.setFormatter(logging.Formatter(form))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def _report(shell: Shell, error: SfosError, *, debug: bool) -> int:
    from sfos.cli.front.signing_in import changed_key_lines, unknown_key_lines
    from sfos.client.errors import ChangedServerKey, UnknownServerKey

    if debug:
        _traceback(shell)
    code = shell.error(error)
    if isinstance(error, ChangedServerKey):
        lines = changed_key_lines(error)
    elif isinstance(error, UnknownServerKey) and not shell.can_ask:
        lines = unknown_key_lines(error, can_ask=False)
    elif isinstance(error, PasswordChangeRequired):
        lines = [f"Type: {PROGRAM} passwd    It asks for the password that you were given, and for one of your own."]
    else:
        lines = []
    for line in lines:
        shell.say(line)
    return code


def _unexpected(shell: Shell, error: Exception, *, debug: bool) -> int:
    if debug:
        _traceback(shell)
    code = shell.error(error)
    if isinstance(error, OSError):
        return code
    hint = "" if debug else " Run it again with --debug to see where,"
    shell.say(f"This is a mistake in this program ({type(error).__name__}).{hint} and please report it to its authors.")
    return exit_codes.BUG


def _traceback(shell: Shell) -> None:
    import traceback

    for line in traceback.format_exc().splitlines():
        shell.say(line)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    def raise_terminated(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:  # as whoever started this wants it
        yield
        return
    try:
        previous = signal.signal(signal.SIGTERM, raise_terminated)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
