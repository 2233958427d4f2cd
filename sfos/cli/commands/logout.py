"""`logout`: the end of one's sessions, here or elsewhere."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front.command import EntranceCommand, Subject
from sfos.cli.front.session_table import named
from sfos.client.errors import ConnectionFailed
from sfos.client.session import keyring_store
from sfos.protocol import NotFound, counted

if TYPE_CHECKING:
    from sfos.cli.front.signing_in import Entrance

_DETAILS = """\
  logout                     this computer's session
  logout 3f2a                the session whose id begins so (see: sessions); its connections are cut at once
  logout --all               every session of yours, on all computers; who has the password signs in again
"""


class LogoutOptions(msgspec.Struct, frozen=True):
    """`logout`. `session`: another one, by the beginning of its id; `every`: all of one's sessions.

    `forget`: also delete the password from the keyring.
    """

    session: str | None = None
    every: bool = False
    forget: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", nargs="?", metavar="SESSION", help="another one: the beginning of its id")
    parser.add_argument("--all", dest="every", action="store_true", help="all of your sessions, this one too")
    parser.add_argument("--forget", action="store_true", help="also delete the password from the keyring")


def _check(options: LogoutOptions) -> None:
    if options.session is not None and options.every:
        raise ValueError("either one session or --all")


def run(way_in: Entrance, options: LogoutOptions) -> int:
    """The exit code."""
    account, shell = way_in.account, way_in.shell
    code = 0
    if options.session is not None:
        return _end_one(way_in, options.session)
    if options.every:
        with way_in.session() as mine:
            ended = mine.api.end_sessions()
        shell.note(f"Ended {counted(ended, 'other session')} of {account}.")
    try:
        session = way_in.kept_session()
        if session is None:
            shell.note(f"There is no session of {account}.")
        else:
            session.logout()
            shell.note(f"Signed out: {account}.")
    except ConnectionFailed as error:
        # The ticket goes all the same; the session ends on the server by its idle timeout.
        code = shell.error(error)
    way_in.tickets.forget(account.address, account.user)
    way_in.remember(forget=True)
    if options.forget and keyring_store.forget(account.user, account.address):
        shell.note("The password is no longer in the keyring.")
    return code


def _end_one(way_in: Entrance, digits: str) -> int:
    with way_in.session() as session:
        entry = named(session.api.sessions(), digits)
        if entry.current:
            raise NotFound("This is the session of this computer; end it with: logout", subject=digits)
        session.api.end_sessions(entry.id)
    way_in.shell.note(f"Ended the session {entry.id[: max(8, len(digits))]} at {entry.address} ({entry.client}).")
    return 0


COMMAND = EntranceCommand(
    words="logout [SESSION]",
    summary="end the session of this computer, or another of yours",
    subject=Subject.SESSIONS,
    options=LogoutOptions,
    arguments=_arguments,
    details=_DETAILS,
    check=_check,
    run=run,
)
