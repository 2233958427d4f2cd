"""Failures of a command that goes through several things: each is reported at once, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sfos.cli.front import exit_codes
from sfos.cli.front.shell import Shell
from sfos.client.errors import Cancelled, ConnectionFailed, TrustError
from sfos.protocol import AccessError, CapacityError, RemoteProtocolError, SfosError

# These would meet the next thing as well: they end the command.
_ENDS_ALL = (ConnectionFailed, TrustError, AccessError, CapacityError, RemoteProtocolError, Cancelled)


class Failures:
    """The errors of one command so far."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._errors: list[SfosError] = []

    def add(self, error: SfosError, subject: str | None = None, *, quietly: bool = False) -> None:
        """Report the error, under `subject` (as the person wrote it) if given; `quietly`: count it only."""
        if subject is not None:
            error.subject = subject
        self._errors.append(error)
        if not quietly:
            self._shell.error(error)

    @contextmanager
    def of(self, subject: str) -> Iterator[None]:
        """Within: an error concerns `subject` alone and is added. Raises: errors that concern all that is to come."""
        try:
            yield
        except _ENDS_ALL:
            raise
        except SfosError as error:
            self.add(error, subject)

    def __len__(self) -> int:
        return len(self._errors)

    @property
    def exit_code(self) -> int:
        """DONE if nothing failed."""
        return exit_codes.of_errors(self._errors)
